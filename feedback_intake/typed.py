"""Feedback that came on paper or by word of mouth, as an officer types it in: what it needs, its scans, the read-back.

NĐ 20/2008 Đ8-10: what is said on the phone or in person is written down faithfully. The day it came and the moment it
was typed are kept apart; so is whether the sender said that this is what they meant.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from database.pool import Connection
from domain.contact import e164
from domain.errors import Invalid, NotFound
from feedback_intake.attachments import Attachment
from feedback_intake.filing import LONGEST_ADDRESS, LONGEST_NAME, LONGEST_TEXT
from lookup.sealing import Seal

OLDEST = 366  # days a letter may have lain

ATTACH = """
    INSERT INTO feedback_attachment (feedback_id, case_id, name_sealed, content_type, size, digest, content_sealed)
    SELECT f.id, f.case_id, $2, $3, $4, decode($5, 'hex'), $6 FROM feedback f WHERE f.id = $1 RETURNING id"""
TYPED = """
    SELECT f.id, f.case_id, f.number, f.kind, f.channel, f.received_on, f.filed_at, f.typed_by, f.read_back_at,
           f.text_sealed, f.name_sealed, f.reply_channel, f.language, c.holder_agency, c.answer_due_on,
           (SELECT count(*) FROM feedback_attachment a WHERE a.feedback_id = f.id) AS files
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.id = $1 AND f.typed_by = $2"""


class Source(StrEnum):
    """How it came."""

    LETTER = "letter"
    FAX = "fax"
    PHONE = "phone"
    VISIT = "visit"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFeedback:
    """What was typed in and what became of it. `files`: how many scans it has."""

    feedback_id: int
    case_id: int
    number: str
    kind: str
    source: Source
    received_on: date
    typed_at: datetime
    read_back_at: datetime | None
    holder_agency: int
    answer_by: date
    files: int
    can_be_written: bool
    text: str = field(repr=False)
    name: str = field(repr=False)


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
        source=Source(row["channel"]),
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


async def attach_scan(connection: Connection, seal: Seal, feedback_id: int, scan: Attachment) -> None:
    """Keep a scan with what was typed from it. Raises `NotFound`."""
    kept = await connection.fetchval(
        ATTACH,
        feedback_id,
        seal.seal(scan.name),
        scan.content_type,
        len(scan.content),
        scan.digest,
        seal.seal_bytes(scan.content),
    )
    if kept is None:
        raise NotFound("There is nothing to attach it to.")


def lacking(*, text: str, name: str, postal_address: str, phone: str, received_on: str, today: date) -> dict[str, str]:
    """What is wrong with what was typed: field to fault (`missing`, `long`, `date`, `future`, `old`, `phone`)."""
    faults: dict[str, str] = {}
    if not text:
        faults["text"] = "missing"
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
    elif (today - day).days > OLDEST:
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


STATEMENTS = (ATTACH, TYPED)
