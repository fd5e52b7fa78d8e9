"""How much one person may file and how much may be about one dossier, whatever Redis says: counted in the store."""

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest

from database.pool import Database, Role
from domain.contact import ChannelName
from feedback_intake.filing import Feedback, FeedbackKind
from feedback_intake.filing_caps import DAY, HOUR, PER_DOSSIER, PER_PERSON, TooManyFiled
from feedback_intake.numbers import new_number
from lookup.sealing import Seal
from tests.feedback_intake.desk import TEXT, CaseDesk

NEIGHBOUR = "+84907654321"
CODE = "H05.16-261102-000007"
ANY_DOSSIER = """
    WITH made AS (
        INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code)
        SELECT nextval('dossier_id'), 1, a.id, a.id, 2, false, now(), $2
          FROM agency a WHERE a.code = $1 AND a.valid_to IS NULL RETURNING id, owner_agency)
    INSERT INTO dossier_code (code, dossier_id, test, owner_agency) SELECT $2, id, false, owner_agency FROM made"""


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files as the service does."""
    return CaseDesk(database=database, seal=seal)


async def earlier(database_url: str, by: timedelta) -> None:
    """All that was filed was filed so much earlier."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE feedback SET filed_at = filed_at - $1::interval", by)
    await owner.close()


async def test_the_sixth_within_an_hour_waits_until_the_first_is_an_hour_old(desk: CaseDesk, database_url: str) -> None:
    for _ in range(PER_PERSON[HOUR]):
        await desk.files()
    await earlier(database_url, timedelta(minutes=50))
    with pytest.raises(TooManyFiled) as refused:
        await desk.files()
    assert timedelta(minutes=9) < refused.value.after <= timedelta(minutes=10)
    await desk.files(phone=NEIGHBOUR)
    await earlier(database_url, timedelta(minutes=10))
    await desk.files()


async def test_no_more_than_ten_within_a_day(desk: CaseDesk, database_url: str) -> None:
    for _ in range(2):
        for _ in range(PER_PERSON[HOUR]):
            await desk.files()
        await earlier(database_url, timedelta(hours=2))
    with pytest.raises(TooManyFiled) as refused:
        await desk.files()
    assert timedelta(hours=19) < refused.value.after <= DAY


async def test_thirty_at_once_file_no_more_than_one_after_the_other(desk: CaseDesk) -> None:
    outcomes = await asyncio.gather(*(desk.files() for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(outcome, TooManyFiled) for outcome in outcomes) == 30 - PER_PERSON[HOUR]
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == PER_PERSON[HOUR]


async def test_many_people_about_one_dossier(desk: CaseDesk, database_url: str) -> None:
    owner = await asyncpg.connect(database_url)
    await owner.execute(ANY_DOSSIER, "H05.16", CODE)
    await owner.close()
    filing = (desk.files(phone=f"+8490123{n:04}", code=CODE) for n in range(30))
    outcomes = await asyncio.gather(*filing, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == PER_DOSSIER[HOUR]
    await desk.files(phone="+84901239999")  # about nothing


async def test_what_an_officer_types_from_paper_is_neither_counted_nor_refused(desk: CaseDesk) -> None:
    office = await desk.agency("H05.16")
    async with desk.database.transaction(Role.OPERATOR) as connection:
        clerk = await connection.fetchval(
            "INSERT INTO account (email, name, agency_id) VALUES ('clerk@example.vn', 'C', $1) RETURNING id", office
        )
    for _ in range(PER_PERSON[HOUR] + 1):
        feedback = Feedback(
            number=new_number(date(2026, 11, 20)),
            kind=FeedbackKind.FEEDBACK,
            text=TEXT,
            phone=NEIGHBOUR,
            typed_by=clerk,
        )
        async with desk.office("H05.16") as connection:
            await desk.filing.file(connection, None, feedback, channel=ChannelName("letter"), holder=office)
    for _ in range(PER_PERSON[HOUR]):
        await desk.files(phone=NEIGHBOUR)
    async with desk.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM feedback") == 2 * PER_PERSON[HOUR] + 1
