"""What the roles do: the site that answers, the dispatcher that sends, and the operator's port beside them."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import structlog

from cache.limits import Limits
from cache.turns import SharedTurns
from channels.channel import Heard, KeepPicture, Polled, Registered, Surroundings, Tended
from channels.conversation.engine import Conversation
from channels.guesses import GuardedDesk
from channels.inbound import Inbox
from channels.kept_pictures import KeptPictures
from channels.linked_phones import LinkedPhones
from channels.open_channels import OpenChannels, manners, open_channels, reached
from channels.simulator.handsets import SIMULATED_NUMBER, Handsets
from channels.sms.routing import SETTINGS_PREFIX, RoutingSettings, agency_senders
from console.elsewhere import PREFIX as ELSEWHERE_PREFIX
from console.elsewhere import ElsewhereSettings
from database.pool import Database
from database.supervision import beside, supervised
from domain.contact import ChannelName
from lookup.coalescing import CoalescingWriter
from lookup.sealing import Seal
from notifications.dispatcher import Dispatcher
from notifications.notices import Notices
from notifications.reports import Reports
from notifications.sender import Sender
from notifications.subscriptions import Subscriptions
from service.callbacks import callback_addresses, open_courier
from service.deadlines import open_watch
from service.feedback import FeedbackService, watching
from service.front import Front
from service.listening import admin_port, serving
from service.operation import told_to_prometheus
from service.settings import Settings, read
from service.wiring import Core

log = structlog.get_logger()

Work = Sequence[tuple[str, Callable[[], Awaitable[None]]]]  # by name

GRACE_SECONDS = 15.0  # for a loop that is asked to finish


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
        feedback = FeedbackService.of(core, settings)
        inbox = _inbox(settings, core, desk, feedback)
        pictures = KeptPictures(core.database, core.seal, scan=feedback.scan)
        channels = configured_channels(
            settings, core.database, core.seal, inbox.heard, http, limits=core.limits, keep_picture=pictures.keep
        )
        senders = channels.senders()
        simulated = _simulated(settings, core, inbox, senders) if settings.development else None
        if simulated is not None:
            senders |= simulated.senders()
        await stack.enter_async_context(admin_port(settings, worker))
        dispatcher = None
        if "dispatcher" in roles:
            names = agency_senders(read_environment(RoutingSettings, SETTINGS_PREFIX).senders)
            notices = Notices(core.seal, core.registry, senders=names)
            dispatcher = Dispatcher(
                core.database, senders, notices, timing=core.timing, ladder=core.ladder, turns=SharedTurns(core.limits)
            )
            await stack.enter_async_context(_working("dispatcher", dispatcher.run, dispatcher.stop))
            courier = await stack.enter_async_context(open_courier(core, callback_addresses(settings)))
            await stack.enter_async_context(_working("callbacks", courier.run, courier.stop))
            await stack.enter_async_context(beside("deadlines", open_watch(core).run))
            await stack.enter_async_context(beside("cases", watching(core, feedback)))
        await stack.enter_async_context(told_to_prometheus(core.database, dispatcher=dispatcher, senders=senders))
        if "web" in roles or "bot" in roles:
            await stack.enter_async_context(_working("inbox", inbox.run, inbox.stop))
        if "bot" in roles and worker == 0:
            await stack.enter_async_context(_beside(_fetching(channels)))
        if "web" not in roles:
            yield None
            return
        one_by_one = await stack.enter_async_context(CoalescingWriter(core.writer))
        front = Front(
            settings,
            core,
            desk=desk,
            feedback=feedback,
            channels=channels,
            simulated=simulated,
            one_by_one=one_by_one,
            heard=inbox.heard,
            http=http,
            elsewhere=read_environment(ElsewhereSettings, ELSEWHERE_PREFIX),
        )
        url = await stack.enter_async_context(serving(settings, front))
        if worker == 0:
            beside_pages = [*_introducing(channels), *_tending(channels), *_reading(feedback)]
            await stack.enter_async_context(_beside(beside_pages))
        yield url


def _inbox(settings: Settings, core: Core, desk: GuardedDesk, feedback: FeedbackService) -> Inbox:
    return Inbox(
        core.database,
        core.seal,
        Conversation(desk, feedback.numbers, budget=feedback.budget, office=feedback.office, hotline=settings.hotline),
        outbox=core.outbox,
        subscriptions=Subscriptions(core.seal),
        filing=feedback.filing,
        acts=feedback.acts,
        ratings=feedback.ratings,
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
    keep_picture: KeepPicture | None = None,
) -> OpenChannels:
    """The channels whose settings stand in the environment. Raises `ServiceError` for incomplete ones."""
    around = Surroundings(
        http=http,
        heard=heard,
        reports=Reports(database),
        seal=seal,
        database=database,
        public_url=settings.url,
        limits=limits,
        keep_picture=keep_picture,
    )
    return open_channels(read_environment, around)


def read_environment(kind: type, prefix: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    """A channel's settings as they stand in the environment. Raises `SettingsError`."""
    return read(kind, os.environ, prefix=prefix)


def _fetching(channels: OpenChannels) -> Work:
    """Of every channel that can fetch what people sent."""
    return [
        (f"fetching from {channel.name}", channel.poll) for channel in channels.channels if isinstance(channel, Polled)
    ]


def _introducing(channels: OpenChannels) -> Work:
    """Of every channel whose provider must be told where we are; one that is away keeps nobody waiting."""
    return [
        (f"registering with {channel.name}", channel.register)
        for channel in channels.channels
        if isinstance(channel, Registered)
    ]


def _reading(feedback: FeedbackService) -> Work:
    """The mailbox of letters, if there is one."""
    reader = feedback.mail.reader if feedback.mail else None
    return [("reading letters", reader.run)] if reader else []


def _tending(channels: OpenChannels) -> Work:
    """Of every channel with work of its own."""
    return [(f"tending {channel.name}", channel.tend) for channel in channels.channels if isinstance(channel, Tended)]


@asynccontextmanager
async def _beside(work: Work) -> AsyncIterator[None]:
    """All of `work` goes on beside the rest."""
    async with AsyncExitStack() as stack:
        for name, run in work:
            await stack.enter_async_context(beside(name, run))
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
