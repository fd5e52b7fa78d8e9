"""The e-mail channel: letters out, one click to stop them, and what mail servers report back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from enum import StrEnum

import msgspec
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.email.letters import address_of, letter
from channels.email.server import MailServer
from channels.email.stopping import StopLinks
from channels.standard_webhooks import Verifier, key_of
from database.pool import Database, Role
from domain.civil_time import utc_now
from domain.errors import Malformed, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from domain.vietnamese import clean
from lookup.sealing import Seal
from notifications.registered_emails import EMAIL
from notifications.reports import Reports
from notifications.settlement import LEFT
from pages.requests import small_body

MOST_BODY = 32_768


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
        self._database = database
        self.links = StopLinks(seal, public_url)
        self._clock = clock
        self.rate = settings.mail_rate
        self.concurrency = settings.mail_concurrency
        self.gives_receipts = self._verifier is not None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Where reports come, if a secret guards it. The page that stops letters is one of the site's."""
        return [] if self._verifier is None else [web.post("/webhooks/email", self.report)]

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one letter to the server, named by our own id."""
        made = letter(
            message,
            sender=self._sender,
            stop_url=self.links.url(message.to.address, message.language),
            now=self._clock(),
        )
        to, domain = str(address_of(message.to.address)), self._sender.domain
        await self._server.hand_over(made, self._sender.addr_spec, to, domain)
        return HandedOver(provider_id=None)

    async def examine(self) -> str:
        """Whether the server lets us in."""
        return await self._server.greet(self._sender.domain)

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
