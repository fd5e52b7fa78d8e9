"""Demo feedback goes the whole way: from filed to published, rated and objected to; the demo's desks are alive."""

from datetime import timedelta

from console.day_totals import DayTotals
from console.visit import SET_OFFICER
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from feedback_intake.caseload import Period
from feedback_intake.chain import Verifier
from feedback_intake.moves import CaseState
from feedback_intake.published import Reading
from feedback_intake.rates import figures_of, refresh_figures
from feedback_intake.templates import usable
from lookup.changes import Tenant
from lookup.quarantine import overview
from service.demo import AGENCY
from service.demo_desk import COUNTED_DAYS, WORDS, DemoDesk
from service.demo_feedback import DemoFeedback
from service.demo_seed import seed_dossiers, seed_officers
from service.demo_stories import STORIES
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.conftest import core

__all__ = ["core"]

LATE_CASES = "SELECT count(*) FROM feedback_case WHERE is_open AND answer_due_on < now()::date"


async def test_demo_feedback_fills_register_and_figures(core: Core) -> None:
    await seed_officers(core)
    assert await DemoFeedback(core, FeedbackService.of(core, Settings())).seed() == len(STORIES)
    reading = Reading(core.database)
    shown = (await reading.newest()).entries
    assert len(shown) == 6
    assert {entry.on_time for entry in shown} == {True, False}
    assert Verifier().read([line async for line in reading.chain()]).faults == ()
    agency = core.registry.agency_by_code(AGENCY)
    assert agency is not None
    async with core.database.transaction(Role.WORKER) as connection:
        await refresh_figures(connection, minutes=0)
        figures = (await figures_of(connection, [agency.agency_id]))[agency.agency_id]
    assert figures.content_with_feedback.percent is not None
    assert figures.cases_reopened == 1
    async with core.database.transaction(Role.OPERATOR) as connection:
        states = {row["state"] for row in await connection.fetch("SELECT DISTINCT state FROM feedback_case")}
        late = await connection.fetchval(LATE_CASES)
    assert states == set(CaseState)
    assert late >= 2


async def test_a_demo_office_has_counted_its_days_and_owes_apologies(core: Core) -> None:
    await seed_officers(core)
    await seed_dossiers(core, 2_000)
    await DemoDesk(core).seed()
    agency = core.registry.agency_by_code(AGENCY)
    assert agency is not None
    tenant = Tenant(agency_id=agency.agency_id, agency_code=AGENCY, test=False, api_key_id="demo")
    assert await core.apologies.waiting(tenant)
    today = civil_day(utc_now())
    period = Period(first=today - timedelta(days=60), last=today)
    async with core.database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_OFFICER, str(agency.agency_id), "", "")
        [sums] = await DayTotals(core.seal).sums(connection, [agency.agency_id], period)
        assert await usable(connection, agency.agency_id)
    assert sums.days == COUNTED_DAYS
    assert sums.group("causes") == sums.of("finished_late") > 0
    async with core.database.transaction(Role.OPERATOR) as connection:
        assert {waiting.value for waiting in await overview(connection)} == set(WORDS)
