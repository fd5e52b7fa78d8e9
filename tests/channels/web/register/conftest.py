"""The register's pages under the duties of every page, on a real store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.guesses import GuardedDesk
from channels.web.pages import WebPages
from database.pool import Role
from feedback_intake.published import Reading
from feedback_intake.rates import refresh_figures
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.register import PACKAGE, register_pages
from service.wiring import Core
from tests.channels.web.on_duty import OnDuty
from tests.feedback_intake.desk import CaseDesk
from tests.feedback_intake.test_register import answered, filed, publish

Client = TestClient[web.Request, web.Application]
URL = "https://motma.example"
_PHONES = count(1)


@dataclass(slots=True, kw_only=True)
class RegisterSite:
    """The running pages, and a desk that publishes."""

    client: Client
    core: Core
    desk: CaseDesk

    async def publishes(self, times: int = 1) -> int:
        """Some answered cases; the number of the newest entry's case."""
        case_id = 0
        for _ in range(times):
            phone = f"+849{next(_PHONES):08}"  # one person may not file as much
            case_id = await answered(self.desk, (await filed(self.desk, phone=phone)).case_id)
            await publish(self.desk, case_id)
        return case_id

    async def counts(self) -> None:
        """Figures are worked out."""
        async with self.core.database.transaction(Role.WORKER) as connection:
            await refresh_figures(connection, minutes=0)

    async def reads(self, path: str, *, status: int = 200) -> str:
        """The text at `path`."""
        async with self.client.get(path) as response:
            assert response.status == status, await response.text()
            return await response.text()


@asynccontextmanager
async def open_register(core: Core) -> AsyncIterator[RegisterSite]:
    """The pages, before the core's store."""
    packages = ("channels.web", PACKAGE)
    assets, visitors = Assets(packages), Visitors(core.seal)
    rendering = Pages(assets=assets, secure=False, packages=packages)
    desk = GuardedDesk(core.desk, core.limits)
    home = WebPages(
        pages=rendering, assets=assets, desk=desk, watch=core.dossiers.watch, visitors=visitors, sms_number=None
    )
    duty = OnDuty(limits=core.limits, visitors=visitors, problem_page=home.problem)
    duty.app.add_routes([*home.routes(), *register_pages(core, rendering, Reading(core.database), url=URL).routes()])
    client: Client = TestClient(TestServer(duty.app))
    await client.start_server()
    yield RegisterSite(client=client, core=core, desk=CaseDesk(database=core.database, seal=core.seal))
    await home.close()
    await client.close()
    await duty.log.close()


@pytest.fixture
async def register(core: Core) -> AsyncIterator[RegisterSite]:
    """The pages of an empty register."""
    async with open_register(core) as opened:
        yield opened
