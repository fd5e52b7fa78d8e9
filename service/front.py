"""What the site answers with: citizens' pages, look-ups, slips, the agencies' API, webhooks, and their guards."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import ClientSession, web
from prometheus_client import REGISTRY

from cache.budgets import lookups_per_origin
from channels import public_api
from channels.agency_api.admission import items_per_key
from channels.agency_api.api import AgencyApi
from channels.channel import Heard
from channels.code_route import BY_CODE
from channels.email.channel import EmailChannel
from channels.email.stopping import PACKAGE as LETTERS
from channels.email.stopping import StopLinks, StopPages
from channels.feedback_api import FeedbackLookup
from channels.guesses import GuardedDesk
from channels.open_channels import OpenChannels
from channels.public_api import PublicLookup
from channels.receipts import pages as slip_pages
from channels.receipts.slip import WaysToAsk
from channels.simulator.handsets import SIMULATED_NUMBER, Handsets
from channels.simulator.pages import SimulatorPages
from channels.web import pages as citizens_pages
from channels.web.access_log import AccessLog
from channels.web.duties import Duties
from channels.web.front_door import FrontDoor
from channels.web.pages import WebPages
from channels.web.seen import SeenOnPages
from channels.web.widget.script import Widget
from channels.web_push.channel import WebPushChannel
from channels.web_push.tickets import PACKAGE as WEB_PUSH
from console.elsewhere import ElsewhereSettings
from database.pool import Role
from database.supervision import beside
from domain.contact import ChannelName
from lookup.coalescing import CoalescingWriter
from pages.assets import Assets
from pages.problems import Problem
from pages.rendering import Pages
from pages.visitors import Network, Visitors, networks
from service.callbacks import callback_addresses
from service.citizens import PACKAGES, CitizensCorner, offers
from service.console import PACKAGE as CONSOLE
from service.console import open_console
from service.feedback import FeedbackService
from service.health import Dependency, Health
from service.receipts import PACKAGE as RECEIPTS
from service.receipts import printing, receipt_pages, ways_to_ask
from service.register import PACKAGE as REGISTER
from service.register import PublicRegister
from service.settings import Settings, SettingsError
from service.wiring import Core

LARGEST_BODY = 16 * 1024 * 1024  # bytes; routes have smaller limits of their own


class Front:
    """Every page, API and webhook, made ready. `simulated` are the people of channels that no provider serves."""

    def __init__(
        self,
        settings: Settings,
        core: Core,
        *,
        desk: GuardedDesk,
        feedback: FeedbackService,
        channels: OpenChannels,
        simulated: Handsets | None,
        one_by_one: CoalescingWriter,
        heard: Heard,
        http: ClientSession,
        elsewhere: ElsewhereSettings,
    ) -> None:
        """Raises `SettingsError`."""
        self._settings = settings
        self._core = core
        self._channels = channels
        self._secure = settings.url.startswith("https://")
        frame = _frame(settings, channels, simulated)
        pages, sms_number = frame.pages, frame.sms_number
        if not settings.development:
            pages.read_all()
        self._stops = (
            StopPages(frame.letters, database=core.database, seal=core.seal, pages=pages) if frame.letters else None
        )
        self._visitors = Visitors(core.seal, _proxies(settings))
        self._corner = CitizensCorner(
            core,
            heard=heard,
            feedback=feedback,
            guarded=desk,
            pages=pages,
            visitors=self._visitors,
            widget=_widget(settings),
            url=settings.url,
            sms_number=sms_number,
            sends_sms=frame.sends_sms,
        )
        self._pages = WebPages(
            pages=pages,
            assets=frame.assets,
            desk=desk,
            visitors=self._visitors,
            watch=core.dossiers.watch,
            sms_number=sms_number,
            numbers=self._corner.numbers,
            seen=SeenOnPages(core.database, core.seal),
        )
        ways = ways_to_ask(settings, sms_number=sms_number)
        self._slips = receipt_pages(core, pages, ways)
        self._register = PublicRegister(core, pages, feedback=feedback, visitors=self._visitors, url=settings.url)
        self._console = open_console(
            settings, core, assets=frame.assets, visitors=self._visitors, http=http, elsewhere=elsewhere
        )
        self._agencies = self._agency_api(pages, ways, one_by_one)
        self._lookup = PublicLookup(
            desk=desk,
            at_hand=core.dossiers.at_hand,
            visitors=self._visitors,
            secure=self._secure,
            numbers=FeedbackLookup(feedback.numbers, feedback.choosing.holder),
        )
        self._simulator = (
            SimulatorPages(simulated, pages=pages, price=settings.sms_segment_price) if simulated is not None else None
        )
        self._access_log = AccessLog(_write_log)
        self._duties = self._guard()

    def application(self) -> web.Application:
        """All routes, and what is done for every request."""
        health = Health(
            {
                "postgresql": Dependency(check=partial(_postgresql_answers, self._core), vital=True),
                "redis": Dependency(check=partial(_redis_answers, self._core), vital=False),
            }
        )
        app = web.Application(client_max_size=LARGEST_BODY)
        for part in (
            self._lookup,
            self._pages,
            self._corner,
            self._slips,
            self._register,
            self._agencies,
            self._channels,
            self._console,
            health,
        ):
            app.router.add_routes(part.routes())
        if self._stops is not None:
            app.router.add_routes(self._stops.routes())
        if self._simulator is not None:
            app.router.add_routes(self._simulator.routes())
        self._duties.install(app)
        self._corner.install(app)
        app.on_shutdown.append(self._end_live_pages)
        return app

    def door(self) -> Callable[..., FrontDoor]:
        """What stands before the application and answers what is asked most by itself; it lacks `framework` yet."""
        lookups = self._duties.around(BY_CODE, self._lookup)
        return partial(FrontDoor, lookups=lookups, visitors=self._visitors, patience=self._duties.patience)

    async def last_calls(self) -> None:
        """From now on each answer says that its connection closes; live pages end, for browsers to open elsewhere."""
        self._duties.last_calls = True
        await self._end_live_pages()

    async def _end_live_pages(self, _app: web.Application | None = None) -> None:
        await self._pages.close()
        await self._corner.close()
        if self._simulator is not None:
            await self._simulator.close()

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """What goes on beside the answers does so while inside; at the end the log is written."""
        async with (
            beside("housekeeping", self._agencies.keep_house),
            beside("web chat", self._corner.listening),
            beside("register", self._register.keep),
        ):
            try:
                yield
            finally:
                await self._access_log.close()

    def _agency_api(self, pages: Pages, ways: WaysToAsk, one_by_one: CoalescingWriter) -> AgencyApi:
        core = self._core
        return AgencyApi(
            database=core.database,
            seal=core.seal,
            registry=core.registry,
            writer=core.writer,
            one_by_one=one_by_one,
            limits=core.limits,
            limit=items_per_key(self._settings.agency_limit),
            visitors=self._visitors,
            pages=pages,
            printing=printing(core, ways),
            apologies=core.apologies,
            callback_addresses=callback_addresses(self._settings),
        )

    def _guard(self) -> Duties:
        return Duties(
            visitors=self._visitors,
            limits=self._core.limits,
            lookup_limit=lookups_per_origin(self._settings.lookup_limit),
            limited=citizens_pages.LIMITED_ROUTES | public_api.LIMITED_ROUTES | slip_pages.LIMITED_ROUTES,
            log=self._access_log,
            registry=REGISTRY,
            secure=self._secure,
            problem_page=self._problem,
        )

    def _problem(self, request: web.Request, problem: Problem) -> web.Response:
        """The page that says what went wrong, in the frame of the pages around it."""
        return (self._console if self._console.owns(request.path) else self._pages).problem(request, problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What all pages are made with, and what the open channels let them offer."""

    assets: Assets
    pages: Pages
    sms_number: str | None
    sends_sms: bool
    letters: StopLinks | None


def _frame(settings: Settings, channels: OpenChannels, simulated: Handsets | None) -> _Frame:
    texts_simulated = simulated is not None and ChannelName.SMS in simulated.gateways
    sends_sms = texts_simulated or ChannelName.SMS in channels.senders()
    push = next((one.tickets for one in channels.channels if isinstance(one, WebPushChannel)), None)
    letters = next((one.links for one in channels.channels if isinstance(one, EmailChannel)), None)
    packages = ["channels.web", *PACKAGES, RECEIPTS, REGISTER, "channels.agency_api"]
    packages += ["channels.simulator"] * (simulated is not None)
    packages += [WEB_PUSH] * (push is not None)
    packages += [LETTERS] * (letters is not None)
    assets = Assets((*packages, CONSOLE))
    return _Frame(
        assets=assets,
        pages=Pages(
            assets=assets,
            secure=settings.url.startswith("https://"),
            packages=packages,
            offers=offers(sends_sms=sends_sms),
            more={"push": push} if push else {},
        ),
        sms_number=settings.sms_number or (SIMULATED_NUMBER if texts_simulated else None),
        sends_sms=sends_sms,
        letters=letters,
    )


def _write_log(lines: bytes) -> None:
    """To the stream the other logs go to, at once."""
    sys.stderr.buffer.write(lines)
    sys.stderr.buffer.flush()


def _proxies(settings: Settings) -> tuple[Network, ...]:
    try:
        return networks(settings.trusted_proxies)
    except ValueError:
        raise SettingsError("MOTMA_TRUSTED_PROXIES is not a list of networks such as 10.0.0.0/8,::1.") from None


def _widget(settings: Settings) -> Widget:
    try:
        return Widget(settings.widget_origins)
    except ValueError:
        raise SettingsError(
            "MOTMA_WIDGET_ORIGINS is not a list of origins such as https://a.gov.vn,https://b.gov.vn."
        ) from None


async def _postgresql_answers(core: Core) -> None:
    async with core.database.connection(Role.PUBLIC) as connection:
        await connection.fetchval("SELECT 1")


async def _redis_answers(core: Core) -> None:
    await core.redis.get_many([b"l:ready"])
