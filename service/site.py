"""What the roles do: the site that answers, the dispatcher that sends, and the operator's port beside them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from prometheus_client import REGISTRY

from cache.budgets import lookups_per_origin
from cache.limits import Limits
from channels import public_api
from channels.agency_api.admission import items_per_key
from channels.agency_api.api import AgencyApi
from channels.channel import Heard, Polled, Registered, Surroundings, Tended
from channels.code_route import BY_CODE
from channels.conversation.engine import Conversation
from channels.guesses import GuardedDesk
from channels.inbound import Inbox
from channels.linked_phones import LinkedPhones
from channels.open_channels import OpenChannels, manners, open_channels, reached
from channels.public_api import PublicLookup
from channels.receipts import pages as slip_pages
from channels.simulator.handsets import Handsets
from channels.simulator.pages import SimulatorPages
from channels.sms.routing import SETTINGS_PREFIX, RoutingSettings, agency_senders
from channels.web import pages as citizens_pages
from channels.web.access_log import AccessLog
from channels.web.assets import Assets
from channels.web.duties import Duties
from channels.web.front_door import FrontDoor
from channels.web.pages import WebPages
from channels.web.rendering import Pages
from channels.web.visitors import Network, Visitors, networks
from channels.web.widget.script import Widget
from database.pool import Database, Role
from database.supervision import beside, supervised
from domain.contact import ChannelName
from feedback_intake.filing import Filing
from feedback_intake.ratings import Ratings
from lookup.coalescing import CoalescingWriter
from lookup.sealing import Seal
from notifications.dispatcher import Dispatcher
from notifications.notices import Notices
from notifications.reports import Reports
from notifications.sender import Sender
from notifications.subscriptions import Subscriptions
from service.citizens import PACKAGES, CitizensCorner, offers
from service.health import Dependency, Health, metrics
from service.receipts import PACKAGE as RECEIPTS
from service.receipts import printing, receipt_pages, ways_to_ask
from service.settings import Settings, SettingsError, address, read
from service.wiring import Core

log = structlog.get_logger()

BACKLOG = 1024  # connections that wait to be taken
KEEP_ALIVE_SECONDS = 75  # aiohttp's own default is an hour (guarantees.md, measured facts)
LARGEST_BODY = 16 * 1024 * 1024  # bytes; routes have smaller limits of their own
GRACE_SECONDS = 15.0
SIMULATED_NUMBER = "8088"


@asynccontextmanager
async def open_site(
    settings: Settings, core: Core, roles: tuple[str, ...], *, worker: int = 0
) -> AsyncIterator[str | None]:
    """Play `roles` while inside; the address of the site, if one of them is `web`."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10, connect=3))
        )
        desk = GuardedDesk(core.desk, core.limits)
        inbox = _inbox(settings, core, desk)
        channels = configured_channels(settings, core.database, core.seal, inbox.heard, http, limits=core.limits)
        senders = channels.senders()
        simulated = _simulated(settings, core, inbox, senders) if settings.development else None
        if simulated is not None:
            senders |= simulated.gateways
        await stack.enter_async_context(_admin(settings, worker))
        if "dispatcher" in roles:
            names = agency_senders(read_environment(RoutingSettings, SETTINGS_PREFIX).senders)
            dispatcher = Dispatcher(core.database, senders, Notices(core.seal, core.registry, senders=names))
            await stack.enter_async_context(_working("dispatcher", dispatcher.run, dispatcher.stop))
        if "web" in roles or "bot" in roles:
            await stack.enter_async_context(_working("inbox", inbox.run, inbox.stop))
        if "bot" in roles and worker == 0:
            await stack.enter_async_context(_fetching(channels))
        if "web" not in roles:
            yield None
            return
        one_by_one = await stack.enter_async_context(CoalescingWriter(core.writer))
        url = await stack.enter_async_context(
            _serving(settings, core, desk, channels, simulated, one_by_one, inbox.heard)
        )
        if worker == 0:
            await stack.enter_async_context(_introducing(channels))
            await stack.enter_async_context(_tending(channels))
        yield url


def _inbox(settings: Settings, core: Core, desk: GuardedDesk) -> Inbox:
    return Inbox(
        core.database,
        core.seal,
        Conversation(desk, hotline=settings.hotline),
        outbox=core.outbox,
        subscriptions=Subscriptions(core.seal),
        filing=Filing(core.seal, lambda: core.registry.calendar),
        ratings=Ratings(core.seal, lambda: core.registry.calendar),
        phones=LinkedPhones(core.seal),
        manners=manners(read_environment),
    )


def configured_channels(
    settings: Settings,
    database: Database,
    seal: Seal,
    heard: Heard,
    http: aiohttp.ClientSession,
    *,
    limits: Limits | None = None,
) -> OpenChannels:
    """The channels whose settings stand in the environment. Raises `ServiceError` for incomplete ones."""
    around = Surroundings(
        http=http,
        heard=heard,
        reports=Reports(database),
        seal=seal,
        database=database,
        public_url=public_url(settings),
        limits=limits,
    )
    return open_channels(read_environment, around)


def read_environment(kind: type, prefix: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    """A channel's settings as they stand in the environment. Raises `SettingsError`."""
    return read(kind, os.environ, prefix=prefix)


@asynccontextmanager
async def _fetching(channels: OpenChannels) -> AsyncIterator[None]:
    """Every channel that can fetch does so beside the rest."""
    async with AsyncExitStack() as stack:
        for channel in channels.channels:
            if isinstance(channel, Polled):
                await stack.enter_async_context(beside(f"fetching from {channel.name}", channel.poll))
        yield


@asynccontextmanager
async def _introducing(channels: OpenChannels) -> AsyncIterator[None]:
    """Providers that must be told where we are hear it beside the rest; one that is away keeps nobody waiting."""
    async with AsyncExitStack() as stack:
        for channel in channels.channels:
            if isinstance(channel, Registered):
                await stack.enter_async_context(beside(f"registering with {channel.name}", channel.register))
        yield


@asynccontextmanager
async def _tending(channels: OpenChannels) -> AsyncIterator[None]:
    """What channels have to do beside their webhooks goes on beside the rest."""
    async with AsyncExitStack() as stack:
        for channel in channels.channels:
            if isinstance(channel, Tended):
                await stack.enter_async_context(beside(f"tending {channel.name}", channel.tend))
        yield


def _simulated(settings: Settings, core: Core, inbox: Inbox, senders: Mapping[ChannelName, Sender]) -> Handsets | None:
    """People for every channel that no provider serves; None when all are served."""
    simulated = Handsets(
        [channel for channel in reached() if channel not in senders],
        manners=manners(read_environment),
        heard=inbox.heard,
        reports=Reports(core.database),
        number=settings.sms_number or SIMULATED_NUMBER,
    )
    return simulated if simulated.gateways else None


def public_url(settings: Settings) -> str:
    """Where citizens and gateways reach us, without a slash at the end."""
    return (settings.public_url or f"http://{settings.listen}").rstrip("/")


@asynccontextmanager
async def _working(name: str, run: Callable[[], Awaitable[None]], stop: Callable[[], None]) -> AsyncIterator[None]:
    """A loop beside the site, asked to finish at the end."""
    task = asyncio.create_task(supervised(name, run), name=name)
    try:
        yield
    finally:
        stop()
        await asyncio.wait({task}, timeout=GRACE_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _serving(
    settings: Settings,
    core: Core,
    desk: GuardedDesk,
    channels: OpenChannels,
    simulated: Handsets | None,
    one_by_one: CoalescingWriter,
    heard: Heard,
) -> AsyncIterator[str]:
    secure = public_url(settings).startswith("https://")
    packages = (
        "channels.web",
        *PACKAGES,
        RECEIPTS,
        "channels.agency_api",
        *(("channels.simulator",) if simulated is not None else ()),
    )
    assets = Assets(packages)
    texts_simulated = simulated is not None and ChannelName.SMS in simulated.gateways
    sends_sms = texts_simulated or ChannelName.SMS in channels.senders()
    rendering = Pages(assets=assets, secure=secure, packages=packages, offers=offers(sends_sms=sends_sms))
    visitors = Visitors(core.seal, _proxies(settings))
    sms_number = settings.sms_number or (SIMULATED_NUMBER if texts_simulated else None)
    pages = WebPages(
        pages=rendering,
        assets=assets,
        desk=desk,
        visitors=visitors,
        watch=core.dossiers.watch,
        sms_number=sms_number,
    )
    corner = CitizensCorner(
        core,
        heard=heard,
        pages=rendering,
        visitors=visitors,
        widget=_widget(settings),
        url=public_url(settings),
        sms_number=sms_number,
        sends_sms=sends_sms,
    )
    ways = ways_to_ask(settings, url=public_url(settings), sms_number=sms_number)
    slips = receipt_pages(core, rendering, ways)
    lookup = PublicLookup(desk=desk, at_hand=core.dossiers.at_hand, visitors=visitors, secure=secure)
    agencies = AgencyApi(
        database=core.database,
        seal=core.seal,
        registry=core.registry,
        writer=core.writer,
        one_by_one=one_by_one,
        limits=core.limits,
        limit=items_per_key(settings.agency_limit),
        visitors=visitors,
        pages=rendering,
        printing=printing(core, ways),
    )
    health = Health(
        {
            "postgresql": Dependency(check=partial(_postgresql_answers, core), vital=True),
            "redis": Dependency(check=partial(_redis_answers, core), vital=False),
        }
    )
    app = web.Application(client_max_size=LARGEST_BODY)
    simulator = SimulatorPages(simulated, pages=rendering, price=settings.sms_segment_price) if simulated else None
    for part in (lookup, pages, corner, slips, agencies, channels, health, *((simulator,) if simulator else ())):
        app.router.add_routes(part.routes())
    access_log = AccessLog(_write_log)
    duties = Duties(
        visitors=visitors,
        limits=core.limits,
        lookup_limit=lookups_per_origin(settings.lookup_limit),
        limited=citizens_pages.LIMITED_ROUTES | public_api.LIMITED_ROUTES | slip_pages.LIMITED_ROUTES,
        log=access_log,
        registry=REGISTRY,
        secure=secure,
        problem_page=pages.problem,
    )
    duties.install(app)
    corner.install(app)
    host, port = address(settings.listen)
    at_once = duties.at_once(BY_CODE, lookup.ready)
    async with (
        _listening(app, host, port, door=partial(FrontDoor, at_once=at_once, visitors=visitors)) as bound,
        beside("housekeeping", agencies.keep_house),
        beside("web chat", corner.listening),
    ):
        try:
            yield f"http://{settings.listen.rpartition(':')[0]}:{bound}"
        finally:
            await pages.close()
            await corner.close()
            if simulator:
                await simulator.close()
            await access_log.close()


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


@asynccontextmanager
async def _admin(settings: Settings, worker: int) -> AsyncIterator[None]:
    """Metrics, on a port of their own for every process; a taken port costs the metrics, not the service."""
    host, port = address(settings.admin_listen)
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    try:
        async with _listening(app, host, port + worker if port else 0):
            yield
            return
    except OSError as error:
        log.warning("metrics port is taken", listen=f"{host}:{port + worker}", error=type(error).__name__)
    yield


@asynccontextmanager
async def _listening(
    app: web.Application, host: str, port: int, *, door: Callable[..., FrontDoor] | None = None
) -> AsyncIterator[int]:
    """Serve `app`; with a `door` before it, and the port shared with other processes."""
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE_SECONDS, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    try:
        if door is None:
            await web.TCPSite(runner, host, port).start()
            yield runner.addresses[0][1]
            return
        front = door(framework=runner.server)
        server = await asyncio.get_running_loop().create_server(front, host, port, reuse_port=True, backlog=BACKLOG)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            front.close()
    finally:
        await runner.cleanup()
