"""What the service does for the register hour by hour."""

from database.pool import Role
from feedback_intake.rates import figures_of
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.feedback import FeedbackService
from service.register import PACKAGE, PublicRegister
from service.settings import Settings
from service.wiring import Core
from tests.channels.conftest import core
from tests.channels.web.register.conftest import RegisterSite, register

__all__ = ["core", "register"]


async def test_a_turn_makes_checkpoint_and_figures_by_itself(register: RegisterSite, core: Core) -> None:
    case_id = await register.publishes()
    packages = ("channels.web", PACKAGE)
    kept = PublicRegister(
        core,
        Pages(assets=Assets(packages), secure=False, packages=packages),
        feedback=FeedbackService.of(core, Settings()),
        visitors=Visitors(core.seal),
        url="https://motma.example",
    )
    await kept.turn()
    async with core.database.transaction(Role.WORKER) as connection:
        holder = await connection.fetchval("SELECT holder_agency FROM feedback_case WHERE id = $1", case_id)
        assert (await figures_of(connection, [holder]))[holder].cases_published == 1
        assert await connection.fetchval("SELECT count(*) FROM register_checkpoint") == 0  # nothing was there yesterday
