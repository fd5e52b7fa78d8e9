"""What an officer typed in of a letter or a call: what is wrong with it, and what became of it."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from database.pool import Connection
from domain.contact import ChannelName, e164
from domain.errors import Invalid, NotFound
from feedback_intake.filing import LONGEST_ADDRESS, LONGEST_NAME, LONGEST_TEXT, Filed
from feedback_intake.hearing import READ_BACK
from feedback_intake.paper import LONGEST_AGO
from lookup.sealing import Seal

TYPED = """
    SELECT f.id, f.case_id, f.number, f.kind, f.channel, f.received_on, f.filed_at, f.typed_by, f.read_back_at,
           f.text_sealed, f.name_sealed, f.reply_channel, f.language, c.holder_agency, c.answer_due_on,
           (SELECT count(*) FROM feedback_attachment a WHERE a.feedback_id = f.id) AS files
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.id = $1 AND f.typed_by = $2"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFeedback:
    """What was typed in and what became of it. `files`: how many scans it has."""

    feedback_id: int
    case_id: int
    number: str
    kind: str
    channel: ChannelName
    received_on: date
    typed_at: datetime
    read_back_at: datetime | None
    holder_agency: int
    answer_by: date
    files: int
    can_be_written: bool
    text: str = field(repr=False)
    name: str = field(repr=False)

    @property
    def filed(self) -> Filed:
        """The same as what took it said."""
        return Filed(
            feedback_id=self.feedback_id,
            case_id=self.case_id,
            number=self.number,
            holder_agency=self.holder_agency,
            answer_by=self.answer_by,
        )


async def find_typed(connection: Connection, seal: Seal, feedback_id: int, account_id: int) -> TypedFeedback:
    """What the officer typed in. Raises `NotFound`."""
    row: Any = await connection.fetchrow(TYPED, feedback_id, account_id)
    if row is None:
        raise NotFound("There is nothing of the kind.")
    return TypedFeedback(
        feedback_id=row["id"],
        case_id=row["case_id"],
        number=row["number"],
        kind=row["kind"],
        channel=ChannelName(row["channel"]),
        received_on=row["received_on"],
        typed_at=row["filed_at"],
        read_back_at=row["read_back_at"],
        holder_agency=row["holder_agency"],
        answer_by=row["answer_due_on"],
        files=row["files"],
        can_be_written=row["reply_channel"] is not None,
        text=seal.open(row["text_sealed"]),
        name=seal.open(row["name_sealed"]) if row["name_sealed"] else "",
    )


async def confirm(connection: Connection, number: str) -> None:
    """The sender said to an officer that what was typed is what they meant."""
    await connection.execute(READ_BACK, number)


def lacking(*, text: str, name: str, postal_address: str, phone: str, received_on: str, today: date) -> dict[str, str]:
    """What is wrong with what was typed: field to fault (`missing`, `long`, `date`, `future`, `old`, `phone`)."""
    faults: dict[str, str] = {}
    faults |= {field: "missing" for field, value in (("text", text), ("name", name)) if not value}
    if not postal_address and not phone:
        faults["postal_address"] = "reach"
    for name_of, value, longest in (
        ("text", text, LONGEST_TEXT),
        ("name", name, LONGEST_NAME),
        ("postal_address", postal_address, LONGEST_ADDRESS),
    ):
        if len(value) > longest:
            faults[name_of] = "long"
    day = day_typed(received_on)
    if day is None:
        faults["received_on"] = "date"
    elif day > today:
        faults["received_on"] = "future"
    elif (today - day).days > LONGEST_AGO:
        faults["received_on"] = "old"
    if phone:
        try:
            e164(phone)
        except Invalid:
            faults["phone"] = "phone"
    return faults


def day_typed(text: str) -> date | None:
    """A day as it is typed: 20/11/2026, 20-11-26, 2026-11-20; None for anything else."""
    parts = [part for part in text.replace("-", "/").replace(".", "/").split("/") if part]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
        return None
    day, month, year = (int(part) for part in (reversed(parts) if len(parts[0]) == 4 else parts))
    try:
        return date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None


STATEMENTS = (TYPED,)
