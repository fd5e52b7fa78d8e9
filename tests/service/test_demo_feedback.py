"""Demo feedback goes the whole way: from filed to published, rated and objected to."""

from database.pool import Role
from feedback_intake.chain import Verifier
from feedback_intake.published import Reading
from feedback_intake.rates import figures_of, refresh_figures
from service.demo import AGENCY
from service.demo_feedback import STORIES, DemoFeedback
from service.demo_seed import seed_officers
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.conftest import core

__all__ = ["core"]


async def test_demo_feedback_fills_register_and_figures(core: Core) -> None:
    await seed_officers(core)
    assert await DemoFeedback(core, FeedbackService.of(core, Settings())).seed() == len(STORIES)
    reading = Reading(core.database)
    shown = (await reading.newest()).entries
    assert len(shown) == len([story for story in STORIES if story.score])
    assert {entry.on_time for entry in shown} == {True, False}
    assert Verifier().read([line async for line in reading.chain()]).faults == ()
    agency = core.registry.agency_by_code(AGENCY)
    assert agency is not None
    async with core.database.transaction(Role.WORKER) as connection:
        await refresh_figures(connection, minutes=0)
        figures = (await figures_of(connection, [agency.agency_id]))[agency.agency_id]
    assert figures.content_with_feedback.percent is not None
    assert figures.cases_reopened == 1
