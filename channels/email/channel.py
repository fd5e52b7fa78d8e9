"""The e-mail channel: letters out, one click to stop them, and what mail servers report back."""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from enum import StrEnum
from html import escape

import msgspec
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.email.letters import WORDS, address_of, letter
from channels.email.server import MailServer
from channels.standard_webhooks import Verifier, key_of
from database.pool import Database, Role
from domain.civil_time import utc_now
from domain.contact import Contact
from domain.errors import Malformed, Undeliverable
from domain.language import Language
from domain.message import DeliveryState, HandedOver, Outgoing
from domain.vietnamese import clean
from lookup.sealing import Seal, Unsealable
from notifications.registered_emails import EMAIL
from notifications.reports import Reports
from notifications.settlement import LEFT
from notifications.subscriptions import Subscriptions
from pages.requests import small_body

MOST_BODY = 32_768
MOST_TOKEN = 1_000
_PURPOSE = "stop e-mail "


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings:
    """MOTMA_SMTP_URL and MOTMA_MAIL_…; off until `smtp_url` is set.

    `mail_from` is our address; `mail_hook_secret` (`whsec_…`, or `new,old`) opens `/webhooks/email` for bounces.
    """

    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    mail_hook_secret: str | None = field(default=None, repr=False)
    mail_rate: float | None = None
    mail_concurrency: int = 8


class BounceKind(StrEnum):
    """What a mail server or provider has to say of a letter."""

    DELIVERED = "delivered"
    DELAYED = "delayed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Bounce(msgspec.Struct, frozen=True):
    """The body of a report. `no_such_address`: the address will never take a letter."""

    type: BounceKind
    message_id: str
    no_such_address: bool = False
    reason: str = ""


_STATE = {
    BounceKind.DELIVERED: DeliveryState.DELIVERED,
    BounceKind.DELAYED: DeliveryState.ON_ITS_WAY,
    BounceKind.BOUNCED: DeliveryState.FAILED,
    BounceKind.COMPLAINED: DeliveryState.DELIVERED,
}


class EmailChannel:
    """Letters out by any mail server; it signs them (DKIM), we do not."""

    name = "email"
    reaches = EMAIL

    def __init__(
        self,
        settings: EmailSettings,
        *,
        reports: Reports,
        seal: Seal,
        database: Database,
        public_url: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if not settings.mail_from:
            raise Malformed("E-mail needs MOTMA_MAIL_FROM, the address letters come from.")
        try:
            self._sender = Address("Một Mã", addr_spec=str(address_of(settings.mail_from)))
        except Undeliverable:
            raise Malformed("MOTMA_MAIL_FROM is no e-mail address.") from None
        self._server = MailServer.of(settings.smtp_url or "")
        secrets = [secret for secret in (settings.mail_hook_secret or "").split(",") if secret.strip()]
        self._verifier = Verifier(tuple(map(key_of, secrets)), clock=clock) if secrets else None
        self._reports = reports
        self._seal = seal
        self._database = database
        self._subscriptions = Subscriptions(seal)
        self._public_url = public_url
        self._clock = clock
        self.rate = settings.mail_rate
        self.concurrency = settings.mail_concurrency
        self.gives_receipts = self._verifier is not None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The way to stop, and where reports come, if a secret guards it."""
        stop = "/email/stop/{token}"
        routes = [web.get(stop, self.ask, allow_head=False), web.post(stop, self.stop)]
        return routes if self._verifier is None else [*routes, web.post("/webhooks/email", self.report)]

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one letter to the server, named by our own id."""
        made = letter(message, sender=self._sender, stop_url=self.stop_url(message.to.address), now=self._clock())
        to, domain = str(address_of(message.to.address)), self._sender.domain
        await self._server.hand_over(made, self._sender.addr_spec, to, domain)
        return HandedOver(provider_id=None)

    async def examine(self) -> str:
        """Whether the server lets us in."""
        return await self._server.greet(self._sender.domain)

    def stop_url(self, address: str) -> str:
        """Where letters to an address are stopped; the address cannot be read from it."""
        token = base64.urlsafe_b64encode(self._seal.seal(_PURPOSE + address)).decode().rstrip("=")
        return f"{self._public_url}/email/stop/{token}"

    async def ask(self, request: web.Request) -> web.Response:
        """GET: whoever opens the link is asked, because programs open links too."""
        language = _language(request)
        if self._address(request) is None:
            return _page(language, "stop.unknown", status=404)
        form = f'<form method="post"><button>{escape(WORDS.say(language, "stop.button"))}</button></form>'
        return _page(language, "stop.ask", form)

    async def stop(self, request: web.Request) -> web.Response:
        """POST: from that page, or with one click from a mail program (RFC 8058). Again changes nothing."""
        await small_body(request)
        language, address = _language(request), self._address(request)
        if address is None:
            return _page(language, "stop.unknown", status=404)
        contact = Contact(channel=EMAIL, address=address)
        async with self._database.transaction(Role.WORKER) as connection:
            if not await self._subscriptions.stopped(connection, contact):
                await self._subscriptions.stop_all(connection, contact, source="unsubscribe")
        return _page(language, "stop.done")

    async def report(self, request: web.Request) -> web.Response:
        """POST /webhooks/email: what became of a letter. Raises `Unauthenticated`, `TooLarge`, `Malformed`."""
        body = await small_body(request, MOST_BODY)
        assert self._verifier is not None  # noqa: S101  # else there is no such route
        self._verifier.message_id(request.headers, body)
        try:
            told = msgspec.json.decode(body, type=Bounce)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("The body must be JSON with type and message_id.") from None
        message_id = self._message_id(told.message_id)
        if message_id is None:
            return web.Response()
        known = await self._reports.report(
            route=self.name,
            state=_STATE[told.type],
            provider_word=clean(f"{told.type} {told.reason}").strip(),
            message_id=message_id,
        )
        if known and (told.type is BounceKind.COMPLAINED or (told.type is BounceKind.BOUNCED and told.no_such_address)):
            async with self._database.transaction(Role.WORKER) as connection:
                await connection.execute(LEFT, [message_id])
        return web.Response()

    def _message_id(self, written: str) -> int | None:
        """Our number in a Message-ID `<123@our.domain>`; None for what is no name of ours."""
        number, _, domain = written.strip().removeprefix("<").removesuffix(">").partition("@")
        ours = domain.lower() == self._sender.domain.lower() and number.isascii() and number.isdigit()
        return int(number) if ours and len(number) <= 18 else None

    def _address(self, request: web.Request) -> str | None:
        token = request.match_info["token"]
        try:
            if len(token) > MOST_TOKEN:
                return None
            opened = self._seal.open(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, Unsealable):
            return None
        return opened.removeprefix(_PURPOSE) if opened.startswith(_PURPOSE) else None


def _language(request: web.Request) -> Language:
    return Language.ENGLISH if request.query.get("lang") == "en" else Language.VIETNAMESE


def _page(language: Language, words: str, more: str = "", *, status: int = 200) -> web.Response:
    said = escape(WORDS.say(language, words))
    text = (
        f'<!doctype html>\n<html lang="{language.value}"><head><meta charset="utf-8"><title>Một Mã</title>'
        '<meta name="viewport" content="width=device-width"></head>\n'
        f"<body><main><h1>{said}</h1>{more}</main></body></html>\n"
    )
    return web.Response(text=text, status=status, content_type="text/html")


def _make(settings: EmailSettings, around: Surroundings) -> EmailChannel:
    return EmailChannel(
        settings,
        reports=around.reports,
        seal=around.seal,
        database=around.database,
        public_url=around.public_url,
    )


OPENING = Opening(
    prefix="MOTMA_",
    settings=EmailSettings,
    secret=None,
    switch="smtp_url",
    make=_make,
    reaches=EMAIL,
    manner=Manner(buttons=False, is_heard=False),
)
