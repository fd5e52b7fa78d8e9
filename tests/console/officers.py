"""The console in front of the whole service, and officers who use it as browsers do."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from html import unescape
from pathlib import Path

from aiohttp import ClientResponse, ClientSession, CookieJar
from aiohttp.test_utils import TestServer, unused_port

from console.accounts import create_account, give_role
from console.console import Console
from console.elsewhere import ElsewhereSettings
from console.passwords import Passwords
from console.roles import OfficerRole
from database.pool import Role
from pages.assets import Assets
from pages.visitors import Visitors
from service.console import PACKAGE, open_console
from service.settings import Environment, Settings
from service.wiring import Core
from tests.channels.web.on_duty import OnDuty

PASSWORD = "mưa rào tháng sáu"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
OFFICE = "H05.16"
LONG_AGO = date(2026, 1, 1)

_TOKEN = re.compile(r'name="form" value="([0-9a-f]+)"')


@dataclass(slots=True, kw_only=True)
class Answer:
    """What came back: the status, where to, and the page as a reader reads it."""

    status: int
    place: str
    text: str
    html: str
    headers: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Browser:
    """Somebody's browser: keeps cookies, follows redirects, sends the forms of the page it shows."""

    http: ClientSession
    url: str
    name: str = BROWSER
    token: str = ""
    shown: Answer | None = None

    async def get(self, path: str) -> Answer:
        """Open a page."""
        async with self.http.get(self.url + path, headers={"User-Agent": self.name}) as response:
            return await self._shows(response)

    async def post(
        self,
        path: str,
        given: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **more: str,
    ) -> Answer:
        """Send a form of the page that is open."""
        sent = {"User-Agent": self.name, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        data = {"form": self.token, **(given or {}), **more}
        async with self.http.post(self.url + path, data=data, headers=sent) as response:
            return await self._shows(response)

    async def signs_in(self, email: str, password: str = PASSWORD) -> Answer:
        """From the beginning."""
        await self.get("/console/vao")
        return await self.post("/console/vao", email=email, password=password, next="/console")

    async def _shows(self, response: ClientResponse) -> Answer:
        html = await response.text()
        text = unescape(html).replace("\u00a0", " ")
        if found := _TOKEN.search(text):
            self.token = found[1]
        self.shown = Answer(
            status=response.status, place=response.url.path_qs, text=text, html=html, headers=dict(response.headers)
        )
        return self.shown


@dataclass(slots=True, kw_only=True)
class House:
    """The running console."""

    core: Core
    console: Console
    url: str
    browsers: list[Browser] = field(default_factory=list)

    def browser(self, name: str = BROWSER) -> Browser:
        """A new browser, with no cookies."""
        opened = Browser(http=ClientSession(cookie_jar=CookieJar(unsafe=True)), url=self.url, name=name)
        self.browsers.append(opened)
        return opened

    async def hires(
        self, email: str, *roles: OfficerRole, office: str = OFFICE, sector: str = "", given: bool = False
    ) -> int:
        """A new account with these roles at `office`; its id."""
        return await hire(self.core, email, *roles, office=office, sector=sector, given=given)

    async def officer(self, *roles: OfficerRole, email: str = "an@bacninh.gov.vn", office: str = OFFICE) -> Browser:
        """Somebody with these roles, signed in."""
        await self.hires(email, *roles, office=office)
        browser = self.browser()
        assert (await browser.signs_in(email)).status == 200
        return browser


async def hire(
    core: Core, email: str, *roles: OfficerRole, office: str = OFFICE, sector: str = "", given: bool = False
) -> int:
    """A new account with these roles; its id."""
    agency = core.registry.agency_by_code(office)
    assert agency
    digest = await Passwords().digest(PASSWORD)
    async with core.database.transaction(Role.OPERATOR) as connection:
        account_id = await create_account(
            connection, email=email, name="", agency_id=agency.agency_id, password_hash=digest, given=given
        )
        for role in roles:
            await give_role(
                connection, account_id, role, agency_id=agency.agency_id, sector=sector, valid_from=LONG_AGO
            )
    return account_id


@asynccontextmanager
async def open_house(
    core: Core,
    *,
    production: bool = False,
    elsewhere: ElsewhereSettings | None = None,
    url: str = "http://127.0.0.1:{port}",
) -> AsyncIterator[House]:
    """The console under the duties of the whole site, on a port of its own, which `url` may name as `{port}`."""
    port = unused_port()
    url = url.format(port=port)
    env = Environment.PRODUCTION if production else Environment.DEVELOPMENT
    settings = Settings(env=env, data_dir=Path("unused"), public_url=url)
    assets, visitors = Assets((PACKAGE,)), Visitors(core.seal)
    http = ClientSession()
    console = open_console(settings, core, assets=assets, visitors=visitors, http=http, elsewhere=elsewhere)
    duty = OnDuty(limits=core.limits, visitors=visitors, problem_page=console.problem)
    duty.app.add_routes([*assets.routes(), *console.routes()])
    server = TestServer(duty.app, port=port)
    await server.start_server()
    house = House(core=core, console=console, url=url)
    yield house
    for browser in house.browsers:
        await browser.http.close()
    await server.close()
    await http.close()
    await duty.log.close()
