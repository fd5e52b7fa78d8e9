"""The doors by which people file, beside the whole service: real webhooks, with stand-ins of providers behind them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiosmtpd.smtp import SMTP

from channels.email.channel import EmailChannel, EmailSettings
from channels.guesses import GuardedDesk
from channels.inbound import Inbox
from channels.meta.events import WHATSAPP
from channels.meta.settings import MetaSettings
from channels.meta.webhook import PATH as META_PATH
from channels.meta.webhook import MetaWebhook
from channels.meta.whatsapp import WhatsAppChannel
from channels.simulator.gateway import SimulatedGateway
from channels.telegram.channel import PATH as TELEGRAM_PATH
from channels.telegram.channel import TelegramChannel
from channels.telegram.opening import TELEGRAM, TelegramSettings
from channels.web.pages import WebPages
from channels.web.seen import SeenOnPages
from channels.web.widget.script import Widget
from channels.zalo.oa import ZALO, ZaloChannel, ZaloSettings
from database.pool import Role
from domain.contact import ChannelName
from feedback_intake.published import Reading
from lookup.api_keys import KeyKind, create_key
from notifications.callbacks.receivers import made_secret
from notifications.registered_emails import EMAIL
from notifications.reports import Reports
from notifications.sender import Sender as Outlet
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.citizens import PACKAGES, CitizensCorner, offers
from service.feedback import FeedbackService
from service.register import open311
from service.settings import Settings
from service.wiring import Core
from tests.channels.edge import edge
from tests.channels.email.conftest import Post
from tests.channels.email.test_intake import SECRET as LETTER_SECRET
from tests.channels.meta.graph_api import (
    ACCOUNT_ID,
    APP_SECRET,
    PHONE_ID,
    WHATSAPP_TOKEN,
    graph_api,
)
from tests.channels.meta.people import NumberPerson
from tests.channels.senders import URL, LetterWriter, Program, Sender, Service, Texter, Typist, Writer
from tests.channels.story import OUR_NUMBER, Citizen, make_inbox, running
from tests.channels.telegram.bot_api import TOKEN, bot_api
from tests.channels.telegram.people import Person as TelegramPerson
from tests.channels.web.on_duty import OnDuty
from tests.channels.zalo.stand_in import APP_ID as ZALO_APP
from tests.channels.zalo.stand_in import APP_SECRET as ZALO_SECRET
from tests.channels.zalo.stand_in import FIRST_REFRESH_TOKEN, OA_SECRET, zalo_stand_in
from tests.channels.zalo.test_stories import ZaloPhone
from tests.feedback_intake.desk import HERE, CaseDesk


@dataclass(kw_only=True)
class Door:
    """What a door adds to the service: who sends there for us, and who comes in."""

    senders: dict[ChannelName, Outlet]
    meet: Callable[[Service], Sender]


Opening = Callable[[Core, Inbox, aiohttp.ClientSession, AsyncExitStack], Awaitable[Door]]


async def _sms(_core: Core, _inbox: Inbox, _http: aiohttp.ClientSession, _stack: AsyncExitStack) -> Door:
    return Door(senders={}, meet=lambda s: Texter(service=s, person=Citizen(s.gateway, s.phone())))


async def _letter(_core: Core, _inbox: Inbox, _http: aiohttp.ClientSession, _stack: AsyncExitStack) -> Door:
    return Door(senders={}, meet=lambda s: LetterWriter(service=s, person=Citizen(s.gateway, s.phone())))


async def _form(_core: Core, _inbox: Inbox, _http: aiohttp.ClientSession, _stack: AsyncExitStack) -> Door:
    return Door(senders={}, meet=lambda s: Typist(service=s, phone=Citizen(s.gateway, s.phone())))


async def _telegram(core: Core, inbox: Inbox, http: aiohttp.ClientSession, stack: AsyncExitStack) -> Door:
    api = await stack.enter_async_context(bot_api())
    settings = TelegramSettings(token=TOKEN, webhook_secret="secret_of_the-tests", api_url=api.url, chat_spacing=0.0)
    channel = TelegramChannel(settings, http=http, heard=inbox.heard, public_url=URL)
    server = await stack.enter_async_context(TestServer(edge(channel.routes())))
    api.deliver_to = str(server.make_url(TELEGRAM_PATH))
    await channel.register()

    def meet(service: Service) -> Sender:
        return Texter(service=service, person=TelegramPerson(api, user_id=int(service.phone()[1:])))

    return Door(senders={TELEGRAM: channel}, meet=meet)


async def _zalo(core: Core, inbox: Inbox, http: aiohttp.ClientSession, stack: AsyncExitStack) -> Door:
    zalo = await stack.enter_async_context(zalo_stand_in())
    channel = ZaloChannel(
        ZaloSettings(
            app_id=ZALO_APP,
            app_secret=ZALO_SECRET,
            oa_secret=OA_SECRET,
            refresh_token=FIRST_REFRESH_TOKEN,
            api_url=zalo.url,
            picture_origins=zalo.url,
        ),
        http=http,
        heard=inbox.heard,
        reports=Reports(core.database),
        seal=core.seal,
        database=core.database,
        public_url=URL,
    )
    server = await stack.enter_async_context(TestServer(edge(channel.routes())))
    zalo.hook = str(server.make_url("/webhooks/zalo"))
    stack.push_async_callback(zalo.settle)

    def meet(service: Service) -> Sender:
        return Texter(service=service, person=ZaloPhone(zalo=zalo, person=zalo.person(service.phone()[1:])))

    return Door(senders={ZALO: channel}, meet=meet)


async def _whatsapp(core: Core, inbox: Inbox, http: aiohttp.ClientSession, stack: AsyncExitStack) -> Door:
    api = await stack.enter_async_context(graph_api())
    settings = MetaSettings(
        app_secret=APP_SECRET,
        verify_token="verify-token-of-the-tests",
        api_url=f"{api.url}/v25.0",
        whatsapp_token=WHATSAPP_TOKEN,
        whatsapp_phone_id=PHONE_ID,
        whatsapp_account_id=ACCOUNT_ID,
        picture_origins=api.url,
    )
    reports = Reports(core.database)
    webhook = MetaWebhook(settings, http=http, heard=inbox.heard, reports=reports, seal=core.seal, public_url=URL)
    server = await stack.enter_async_context(TestServer(edge(webhook.routes())))
    api.deliver_to = str(server.make_url(META_PATH))
    stack.push_async_callback(api.rest)

    def meet(service: Service) -> Sender:
        return Texter(service=service, person=NumberPerson(api, address=service.phone()[1:]))

    return Door(senders={WHATSAPP: WhatsAppChannel(settings, http=http, seal=core.seal)}, meet=meet)


async def _email(core: Core, _inbox: Inbox, _http: aiohttp.ClientSession, stack: AsyncExitStack) -> Door:
    post, loop = Post(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(post, hostname="mx.example.com", loop=loop), "127.0.0.1", 0)
    stack.callback(server.close)
    channel = EmailChannel(
        EmailSettings(
            smtp_url=f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            mail_from="khong-tra-loi@motma.example.vn",
            mail_reply_to="gopy@motma.example.vn",
            mail_hook_secret=made_secret(),
        ),
        reports=Reports(core.database),
        seal=core.seal,
        database=core.database,
        public_url=URL,
    )

    def meet(service: Service) -> Sender:
        return Writer(service=service, post=post, own=f"buoi{service.phone()[-4:]}@example.vn")

    return Door(senders={EMAIL: channel}, meet=meet)


async def _open311(core: Core, _inbox: Inbox, _http: aiohttp.ClientSession, _stack: AsyncExitStack) -> Door:
    office = core.registry.agency_by_code(HERE)
    assert office is not None
    async with core.database.transaction(Role.OPERATOR) as connection:
        key = await create_key(connection, agency_id=office.agency_id, kind=KeyKind.LIVE, name="app")

    def meet(service: Service) -> Sender:
        return Program(service=service, key=key, digits=service.phone()[-4:])

    return Door(senders={}, meet=meet)


DOORS: dict[str, Opening] = {
    "sms": _sms,
    "zalo": _zalo,
    "telegram": _telegram,
    "whatsapp": _whatsapp,
    "form": _form,
    "email": _email,
    "open311": _open311,
    "letter": _letter,
}


@asynccontextmanager
async def open_service(core: Core, door: str) -> AsyncIterator[Service]:
    """The whole service with one door beside its pages and its SMS line."""
    inbox = make_inbox(core)
    gateway = SimulatedGateway(heard=inbox.heard, reports=Reports(core.database), number=OUR_NUMBER)
    feedback = FeedbackService.of(core, Settings(mail_inbox_secret=LETTER_SECRET))
    packages = ("channels.web", *PACKAGES)
    assets, visitors = Assets(packages), Visitors(core.seal)
    guarded = GuardedDesk(core.desk, core.limits)
    pages = Pages(assets=assets, secure=False, packages=packages, offers=offers(sends_sms=True))
    corner = CitizensCorner(
        core,
        heard=inbox.heard,
        feedback=feedback,
        guarded=guarded,
        pages=pages,
        visitors=visitors,
        widget=Widget(""),
        url="http://127.0.0.1",
        sms_number=OUR_NUMBER,
        sends_sms=True,
    )
    citizens = WebPages(
        pages=pages,
        assets=assets,
        desk=guarded,
        watch=core.dossiers.watch,
        visitors=visitors,
        sms_number=OUR_NUMBER,
        numbers=corner.numbers,
        seen=SeenOnPages(core.database, core.seal),
    )
    duty = OnDuty(limits=core.limits, visitors=visitors, problem_page=citizens.problem)
    programs = open311(core, feedback, Reading(core.database), visitors=visitors, url=URL)
    duty.app.add_routes([*citizens.routes(), *corner.routes(), *programs.routes()])
    desk = CaseDesk(database=core.database, seal=core.seal)
    desk.cases = feedback.cases
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        opened = await DOORS[door](core, inbox, http, stack)
        client: TestClient[web.Request, web.Application] = TestClient(TestServer(duty.app))
        await stack.enter_async_context(client)
        await stack.enter_async_context(running(core, inbox, {ChannelName.SMS: gateway, **opened.senders}))
        yield Service(core=core, client=client, feedback=feedback, gateway=gateway, desk=desk, meet=opened.meet)
    await corner.close()
    await citizens.close()
    await duty.log.close()
    await gateway.close()
