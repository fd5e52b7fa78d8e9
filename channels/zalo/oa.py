"""Zalo Official Account: the webhook, answers in the chat, and outside its window an approved template by user id.

Free words may go to whoever was heard of within seven days: free of charge for 48 hours, then at a price. After that
only a template may go (ZBS Template Message by UID). docs/channels/zalo.md has the sources.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from channels.channel import IGNORED, Heard, KeepPicture, Opening, Surroundings
from channels.conversation.turn import Manner
from channels.hook_secrets import secrets_of
from channels.linked_pictures import LinkedPictures
from channels.zalo.account import ZaloAccount
from channels.zalo.events import Event, EventKind, read
from channels.zalo.refusals import FormRefused, OutsideWindow
from channels.zalo.signature import SIGNATURE, Verifier
from channels.zalo.templates import Templates
from channels.zalo.zns import ROUTE as ZNS_ROUTE
from channels.zalo.zns import message_of
from database.pool import Database
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Malformed, Undeliverable
from domain.message import Choice, DeliveryState, HandedOver, Incoming, IncomingKind, Outgoing
from lookup.sealing import Seal
from notifications.reports import Reports
from pages.requests import small_body

ZALO = ChannelName("zalo")
MOST_BODY = 65_536  # bytes of an event
MOST_TEXT = 2_000  # characters of a message
MOST_BUTTONS = 5
MOST_LABEL = 100  # characters
PICTURE_SECONDS = 1.4  # for fetching and reading a picture: Zalo waits two for the whole webhook
PROBES = (b"", b"{}")  # what Zalo's console sends, unsigned, to see whether an address answers
# A message may be on the phone before our own record of having sent it is written: seconds between looks.
REPORT_PAUSES = (0.0, 0.2, 0.5)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZaloSettings:
    """MOTMA_ZALO_…; off until `oa_secret` (the account's secret key for webhooks) is set; it may be `new,old`.

    `refresh_token` starts the account, and when changed replaces what is stored. `window_hours` is how long after a
    person was heard of free words may go: 168 is Zalo's limit, 48 what is free. `template` is for afterwards
    (`channels.zalo.templates`), `template_en` the same in English. `picture_origins` are where pictures may be fetched.
    """

    app_id: str = ""
    app_secret: str = field(default="", repr=False)
    oa_secret: str | None = field(default=None, repr=False)
    refresh_token: str = field(default="", repr=False)
    api_url: str | None = None
    window_hours: float = 168.0
    template: str = ""
    template_en: str = ""
    buttons: bool = True
    picture_origins: str = "https://*.zdn.vn,https://*.zadn.vn"
    rate: float | None = 30.0  # Zalo takes 4,000 calls a minute of an app
    concurrency: int = 16


class ZaloChannel:
    """Events in, messages out, reports back."""

    name = "zalo"
    reaches = ZALO

    def __init__(
        self,
        settings: ZaloSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        reports: Reports,
        seal: Seal,
        database: Database,
        public_url: str,
        keep_picture: KeepPicture | None = None,
        clock: Callable[[], datetime] = utc_now,
        account: ZaloAccount | None = None,
    ) -> None:
        secrets = secrets_of(settings.oa_secret or "")
        if not secrets:
            raise Malformed("Zalo needs MOTMA_ZALO_OA_SECRET.")
        self._settings = settings
        self._account = account or ZaloAccount(
            app_id=settings.app_id,
            app_secret=settings.app_secret,
            refresh_token=settings.refresh_token,
            api_url=settings.api_url,
            http=http,
            database=database,
            seal=seal,
            clock=clock,
        )
        self._verifier = Verifier(settings.app_id, secrets)
        self._window = timedelta(hours=settings.window_hours)
        self._templates = Templates.of("MOTMA_ZALO_TEMPLATE", settings.template, settings.template_en)
        self._pictures = LinkedPictures(
            http, settings.picture_origins, public_url=public_url, within=PICTURE_SECONDS, keep=keep_picture
        )
        self._heard = heard
        self._reports = reports
        self._clock = clock

    @property
    def concurrency(self) -> int:
        """Calls at once."""
        return self._settings.concurrency

    @property
    def rate(self) -> float | None:
        """Messages a second."""
        return self._settings.rate

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The one webhook, for the account and its templates."""
        return [web.post("/webhooks/zalo", self.receive)]

    async def examine(self) -> str:
        """What Zalo says of the account and its templates."""
        return "; ".join([await self._account.examine(), *await self._templates.examine(self._account)])

    async def tend(self) -> None:
        """Keep the account's token from dying of silence."""
        await self._account.tend()

    # --- in ---

    async def receive(self, request: web.Request) -> web.Response:
        """One event. Anything genuine is answered 200, for Zalo switches off a webhook that is not."""
        body = await small_body(request, MOST_BODY)
        if SIGNATURE not in request.headers and body.strip() in PROBES:
            return web.Response()
        signed_at = self._verifier.signed_at(request.headers, body, now=self._clock())
        try:
            event = read(body)
        except Malformed:
            IGNORED.labels(self.name, "unreadable").inc()
            return web.Response()
        await self._take(event, signed_at)
        return web.Response()

    async def _take(self, event: Event, at: datetime) -> None:
        match event.kind:
            case EventKind.WORDS:
                await self._hear(event, at, IncomingKind.TEXT, event.text)
            case EventKind.LINK:  # perhaps a receipt's address
                await self._hear(event, at, IncomingKind.TEXT, event.text or event.url)
            case EventKind.PICTURE:
                sender = Contact(channel=ZALO, address=event.person)
                text = await self._pictures.code_in(event.url, sender) or event.text
                await self._hear(event, at, IncomingKind.TEXT, text)
            case EventKind.JOINED:
                await self._hear(event, at, IncomingKind.JOINED)
            case EventKind.LEFT:
                await self._hear(event, at, IncomingKind.LEFT)
            case EventKind.ARRIVED | EventKind.SEEN:
                await self._report(event)
            case EventKind.ABOUT_OURSELVES:
                log.warning("Zalo changed the standing of the account", change=event.name)
            case EventKind.NOTHING:
                IGNORED.labels(self.name, "event").inc()

    async def _hear(self, event: Event, at: datetime, kind: IncomingKind, text: str = "") -> None:
        if not event.person:
            IGNORED.labels(self.name, "nobody").inc()
            return
        # Events without a message have no id: the same thing done by the same person at the same millisecond is one.
        event_id = next(iter(event.message_ids), "") or f"{event.name}:{event.person}:{at.timestamp():.3f}"
        await self._heard(
            Incoming(
                sender=Contact(channel=ZALO, address=event.person),
                recipient=event.account,
                text=text,
                external_id=f"{self.name}:{event_id}",
                received_at=min(at, self._clock()),
                kind=kind,
            )
        )

    async def _report(self, event: Event) -> None:
        """A message of ours has arrived. One we do not know is none of ours: nothing is created."""
        word = event.name
        if (message_id := message_of(event.tracking_id)) is not None:
            await self._reports.report(
                route=ZNS_ROUTE, state=DeliveryState.DELIVERED, provider_word=word, message_id=message_id
            )
            return
        just_sent = event.kind is EventKind.ARRIVED and len(event.message_ids) == 1
        pauses = REPORT_PAUSES if just_sent else REPORT_PAUSES[:1]
        for provider_id in event.message_ids:
            for pause in pauses:
                await asyncio.sleep(pause)
                if await self._reports.report(
                    route=self.name, state=DeliveryState.DELIVERED, provider_word=word, provider_id=provider_id
                ):
                    break

    # --- out ---

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message over: as free words while Zalo takes them, else as a template."""
        heard_lately = message.last_heard is not None and self._clock() - message.last_heard < self._window
        if heard_lately or not message.facts:
            try:
                return await self._in_chat(message)
            except OutsideWindow:
                if not message.facts:
                    raise
        return await self._by_template(message)

    async def _in_chat(self, message: Outgoing) -> HandedOver:
        buttons = _buttons(message.choices) if self._settings.buttons else []
        try:
            return await self._words(message, buttons)
        except FormRefused as refusal:
            if not buttons:
                raise
            # Buttons beside free words are not in the current documentation. What they say stands in the text too.
            log.warning("Zalo refuses a message with buttons", error=refusal.message)
            return await self._words(message, [])

    async def _words(self, message: Outgoing, buttons: list[dict[str, str]]) -> HandedOver:
        text = message.text if len(message.text) <= MOST_TEXT else f"{message.text[: MOST_TEXT - 1]}…"
        content: dict[str, Any] = {"text": text}
        if buttons:
            content["attachment"] = {"type": "template", "payload": {"buttons": buttons}}
        data = await self._account.call(
            "POST",
            f"{self._account.hosts.openapi}/v3.0/oa/message/cs",
            json={"recipient": {"user_id": message.to.address}, "message": content},
        )
        return _handed_over(data)

    async def _by_template(self, message: Outgoing) -> HandedOver:
        template = self._templates.of_notice(message.facts, message.language)
        if template is None:
            raise Undeliverable("This person was not heard of for too long, and no MOTMA_ZALO_TEMPLATE is set.")
        data = await self._account.call(
            "POST",
            f"{self._account.hosts.openapi}/v3.0/oa/message/template",
            json={
                "user_id": message.to.address,
                "template_id": template.number,
                "template_data": template.filled(message.facts),
            },
        )
        return _handed_over(data)


def _handed_over(data: object) -> HandedOver:
    """Zalo's name for the message; its reports carry no other."""
    message_id = data.get("message_id") if isinstance(data, dict) else None
    return HandedOver(provider_id=None if message_id is None else str(message_id))


def _buttons(choices: tuple[Choice, ...]) -> list[dict[str, str]]:
    """Choices as buttons whose press comes back as the words they stand for, shown in the chat."""
    return [
        {"title": choice.label[:MOST_LABEL], "type": "oa.query.show", "payload": choice.says}
        for choice in choices[:MOST_BUTTONS]
    ]


def _make(settings: ZaloSettings, around: Surroundings) -> ZaloChannel:
    return ZaloChannel(
        settings,
        http=around.http,
        heard=around.heard,
        reports=around.reports,
        seal=around.seal,
        database=around.database,
        public_url=around.public_url,
        keep_picture=around.keep_picture,
    )


def _manner(settings: ZaloSettings) -> Manner:
    return Manner(
        fits=lambda text: len(text) <= MOST_TEXT,
        buttons=settings.buttons,
        window=timedelta(hours=settings.window_hours),
    )


OPENING = Opening(
    prefix="MOTMA_ZALO_",
    settings=ZaloSettings,
    secret="oa_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ZALO,
    manner=_manner,
)
