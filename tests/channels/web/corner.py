"""The citizens' pages that talk to the whole service: chat, dossiers of a phone, under the duties of every page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.feedback_api import FeedbackLookup
from channels.guesses import GuardedDesk
from channels.public_api import PublicLookup
from channels.simulator.gateway import SimulatedGateway
from channels.web.chat.channel import WebChat
from channels.web.pages import WebPages
from channels.web.seen import SeenOnPages
from channels.web.widget.script import Widget
from channels.web_push.channel import WebPushChannel
from channels.web_push.tickets import PACKAGE as WEB_PUSH_PAGES
from database.supervision import beside
from domain.contact import ChannelName
from notifications.reports import Reports
from notifications.sender import Sender
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.citizens import PACKAGES, CitizensCorner, offers
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.story import OUR_NUMBER, Citizen, Line, Office, make_inbox, running
from tests.channels.web.on_duty import OnDuty

Client = TestClient[web.Request, web.Application]


@dataclass(slots=True, kw_only=True)
class Corner:
    """The running pages, and the line behind them."""

    client: Client
    line: Line
    pages: CitizensCorner
    written: bytearray

    @property
    def core(self) -> Core:
        """The service."""
        return self.line.core

    @property
    def office(self) -> Office:
        """The office of the reference data."""
        return self.line.office

    def phone(self, number: str) -> Citizen:
        """The person at `number`, who has heard all that came so far."""
        return self.line.citizen(number)


@asynccontextmanager
async def open_corner(
    core: Core, *, secure: bool = False, origins: str = "", push: WebPushChannel | None = None
) -> AsyncIterator[Corner]:
    """The pages in front of the whole service, an SMS line and the web chat among its channels, and `push` if given."""
    inbox = make_inbox(core)
    gateway = SimulatedGateway(heard=inbox.heard, reports=Reports(core.database), number=OUR_NUMBER)
    packages = ("channels.web", *PACKAGES, *([WEB_PUSH_PAGES] if push else []))
    more = {"push": push.tickets} if push else {}
    assets, visitors = Assets(packages), Visitors(core.seal)
    desk = GuardedDesk(core.desk, core.limits)
    rendering = Pages(assets=assets, secure=secure, packages=packages, offers=offers(sends_sms=True), more=more)
    feedback = FeedbackService.of(core, Settings())
    corner = CitizensCorner(
        core,
        heard=inbox.heard,
        feedback=feedback,
        guarded=desk,
        pages=rendering,
        visitors=visitors,
        widget=Widget(origins),
        url="https://motma.example" if secure else "http://127.0.0.1",
        sms_number=OUR_NUMBER,
        sends_sms=True,
    )
    citizens = WebPages(
        pages=rendering,
        assets=assets,
        desk=desk,
        watch=core.dossiers.watch,
        visitors=visitors,
        sms_number=OUR_NUMBER,
        numbers=corner.numbers,
        seen=SeenOnPages(core.database, core.seal),
    )
    duty = OnDuty(limits=core.limits, visitors=visitors, problem_page=citizens.problem, secure=secure)
    app = duty.app
    corner.install(app)
    app.add_routes([*citizens.routes(), *corner.routes()])
    lookup = PublicLookup(
        desk=desk,
        at_hand=core.dossiers.at_hand,
        visitors=visitors,
        secure=secure,
        numbers=FeedbackLookup(feedback.numbers, core.registry.agency),
    )
    app.add_routes(lookup.routes())
    senders = dict[ChannelName, Sender]({ChannelName.SMS: gateway, ChannelName.WEB: WebChat(core.database, core.seal)})
    if push is not None:
        app.add_routes(push.routes())
        senders[push.reaches] = push
    async with running(core, inbox, senders), beside("corner", corner.listening):
        client: Client = TestClient(TestServer(app))
        await client.start_server()
        line = Line(core=core, inbox=inbox, gateway=gateway, office=Office(core))
        yield Corner(client=client, line=line, pages=corner, written=duty.written)
        await corner.close()
        await citizens.close()
        await client.close()
        await duty.log.close()
    await gateway.close()
