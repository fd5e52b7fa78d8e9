"""A letter is typed in, its scan kept, its sender asked whether it is right."""

from datetime import date, timedelta

import pytest

from database.pool import Database, Role
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Invalid
from feedback_intake.attachments import Attachment
from feedback_intake.hearing import SenderAct, SenderActs
from feedback_intake.moves import Who
from feedback_intake.number_desk import NumberDesk
from feedback_intake.paper import LETTER, PHONE, Paper, PaperIntake
from feedback_intake.progress import FeedbackReader
from lookup.sealing import Seal
from notifications.outbox import Outbox
from tests.feedback_intake.desk import HERE, TEXT, CaseDesk
from tests.feedback_intake.desk import PHONE as SENDERS_PHONE

SCAN = Attachment(name="thu.pdf", content_type="application/pdf", content=b"%PDF-1.7 scan")


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


def letter(days_ago: int = 3, **known: object) -> Paper:
    given: dict[str, object] = {
        "channel": LETTER,
        "received_on": civil_day(utc_now()) - timedelta(days=days_ago),
        "text": TEXT,
        "name": "Nguyễn Văn An",
        "postal_address": "Thôn 3, xã Đông Cứu",
        "phone": SENDERS_PHONE,
        "checked": True,
    }
    return Paper(**(given | known))  # type: ignore[arg-type]


async def test_a_letter_keeps_its_day_its_scan_and_is_read_back(desk: CaseDesk) -> None:
    intake = PaperIntake(desk.seal, desk.filing, Outbox(desk.seal), url="https://motma.example/")
    clerk = await desk.officer(HERE, Who.CLERK)
    assert clerk.account_id is not None
    async with desk.office(HERE) as connection:
        filed = await intake.take(
            connection, letter(10), office=await desk.agency(HERE), typed_by=clerk.account_id, scans=[SCAN]
        )
    (asked,) = await desk.told()
    assert f"{filed.number} DUNG" in asked
    contact = Contact(channel=ChannelName.SMS, address=SENDERS_PHONE)
    numbers = NumberDesk(desk.database, FeedbackReader(desk.seal), desk.seal)
    found = await numbers.for_contacts(filed.number, contact)
    assert found is not None
    assert found.proven is not None
    assert found.proven.to_read_back
    assert [file.name for file in found.proven.files] == ["thu.pdf"]
    async with desk.database.transaction(Role.WORKER) as connection:
        row = await connection.fetchrow("SELECT channel, received_on, filed_at, typed_by FROM feedback")
        await SenderActs(desk.seal, desk.cases).act(connection, filed.number, SenderAct.READ_BACK)
    assert (row["channel"], row["typed_by"]) == ("letter", clerk.account_id)
    assert (civil_day(row["filed_at"]) - row["received_on"]).days == 10
    found = await numbers.for_contacts(filed.number, contact)
    assert found is not None
    assert found.proven is not None
    assert not found.proven.to_read_back


async def test_nobody_is_written_to_at_a_phone_that_was_not_compared(desk: CaseDesk) -> None:
    intake = PaperIntake(desk.seal, desk.filing, Outbox(desk.seal), url="https://motma.example/")
    clerk = await desk.officer(HERE, Who.CLERK)
    assert clerk.account_id is not None
    async with desk.office(HERE) as connection:
        await intake.take(
            connection,
            letter(channel=PHONE, checked=False),
            office=await desk.agency(HERE),
            typed_by=clerk.account_id,
        )
    assert await desk.told() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"channel": ChannelName.SMS}, "channel"),
        ({"received_on": date(2020, 1, 1)}, "received_on"),
        ({"days_ago": -1}, "received_on"),
        ({"name": " "}, "name"),
        ({"postal_address": "", "phone": ""}, "postal_address"),
        ({"text": ""}, "text"),
    ],
)
async def test_what_a_letter_lacks_is_named(desk: CaseDesk, wrong: dict[str, object], field: str) -> None:
    intake = PaperIntake(desk.seal, desk.filing, Outbox(desk.seal), url="")
    clerk = await desk.officer(HERE, Who.CLERK)
    assert clerk.account_id is not None
    async with desk.office(HERE) as connection:
        with pytest.raises(Invalid) as refused:
            await intake.take(
                connection,
                letter(**wrong),  # type: ignore[arg-type]
                office=await desk.agency(HERE),
                typed_by=clerk.account_id,
            )
    assert refused.value.field == field
