"""The e-mail channel: letters out, one click to stop them, and what mail servers report back."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address

import msgspec
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.email.bounces import BounceKind, returned
from channels.email.letters import address_of, letter
from channels.email.mailbox import Mailbox, MailboxReader
from channels.email.server import MailServer
from channels.email.stopping import StopLinks
from channels.standard_webhooks import Verifier, key_of
from database.pool import DATABASE_AWAY, Database, Role
from domain.civil_time import utc_now
from domain.contact import Contact
from domain.errors import Malformed, Unavailable, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from domain.vietnamese import clean
from lookup.sealing import Seal
from notifications.registered_emails import EMAIL
from notifications.reports import Reports
from notifications.settlement import LEFT
from pages.requests import small_body

MOST_BODY = 32_768
MOST_OF_A_BOUNCE = 200_000  # bytes of a letter that are fetched

SENT_TO = "SELECT contact_digest FROM message WHERE id = $1 AND channel = 'email'"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings:
    """MOTMA_SMTP_URL and MOTMA_MAIL_…; off until `smtp_url` is set.

    `mail_from` is our address, `mail_reply_to` the one that answers go to, where people's letters are read; unless it
    is set, that is `mail_from` where letters are read at all (`mail_inbox_…`, which others read too).
    `mail_hook_secret` (`whsec_…`, or `new,old`) opens `/webhooks/email` for bounces, which may also be read in the
    mailbox `mail_bounce_url`.
    """

    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    mail_reply_to: str | None = None
    mail_inbox_url: str | None = field(default=None, repr=False)
    mail_inbox_secret: str | None = field(default=None, repr=False)
    mail_hook_secret: str | None = field(default=None, repr=False)
    mail_bounce_url: str | None = field(default=None, repr=False)
    mail_rate: float | None = None
    mail_concurrency: int = 8


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
        letters_are_read = settings.mail_inbox_url or settings.mail_inbox_secret
        answers_to = settings.mail_reply_to or (settings.mail_from if letters_are_read else None)
        try:
            self._reply_to = address_of(answers_to) if answers_to else None
        except Undeliverable:
            raise Malformed("MOTMA_MAIL_REPLY_TO is no e-mail address.") from None
        self._server = MailServer.of(settings.smtp_url or "")
        secrets = [secret for secret in (settings.mail_hook_secret or "").split(",") if secret.strip()]
        self._verifier = Verifier(tuple(map(key_of, secrets)), clock=clock) if secrets else None
        self.bounces = (
            MailboxReader(
                Mailbox.of(settings.mail_bounce_url, "MOTMA_MAIL_BOUNCE_URL"), self._returned, most=MOST_OF_A_BOUNCE
            )
            if settings.mail_bounce_url
            else None
        )
        self._seal = seal
        self._reports = reports
        self._database = database
        self.links = StopLinks(seal, public_url)
        self._clock = clock
        self.rate = settings.mail_rate
        self.concurrency = settings.mail_concurrency
        self.gives_receipts = self._verifier is not None or self.bounces is not None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Where reports come, if a secret guards it. The page that stops letters is one of the site's."""
        return [] if self._verifier is None else [web.post("/webhooks/email", self.report)]

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one letter to the server, named by our own id."""
        made = letter(
            message,
            sender=self._sender,
            reply_to=self._reply_to,
            stop_url=self.links.url(message.to.address, message.language),
            now=self._clock(),
        )
        to, domain = str(address_of(message.to.address)), self._sender.domain
        await self._server.hand_over(made, self._sender.addr_spec, to, domain)
        return HandedOver(provider_id=None)

    async def examine(self) -> str:
        """Whether the server lets us in, and the mailbox of bounces."""
        said = await self._server.greet(self._sender.domain)
        if self.bounces is None:
            return said
        return f"{said}; {await asyncio.to_thread(self.bounces.mailbox.count)} unread in the mailbox of bounces"

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
        if message_id is not None:
            word = clean(f"{told.type} {told.reason}").strip()
            await self._believe(message_id, told.type, word, gone=told.no_such_address)
        return web.Response()

    async def tend(self) -> None:
        """Read the mailbox of bounces, if there is one."""
        if self.bounces is None:
            await asyncio.Event().wait()
        else:
            await self.bounces.run()

    async def _returned(self, raw: bytes) -> None:
        """Believe what came into the mailbox, if it brings the link of the very letter it speaks of."""
        told = returned(raw)
        if told is None:
            return
        message_id, address = self._message_id(told.message_id), self.links.address(told.token)
        if message_id is None or address is None:
            return
        try:
            async with self._database.connection(Role.WORKER) as connection:
                to = await connection.fetchval(SENT_TO, message_id)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        if to == self._seal.contact(Contact(channel=EMAIL, address=address)):
            word = f"{told.kind} {told.status}".strip()
            await self._believe(message_id, told.kind, clean(word), gone=told.no_such_address)

    async def _believe(self, message_id: int, kind: BounceKind, word: str, *, gone: bool) -> None:
        known = await self._reports.report(
            route=self.name, state=_STATE[kind], provider_word=word, message_id=message_id
        )
        if known and (kind is BounceKind.COMPLAINED or (kind is BounceKind.BOUNCED and gone)):
            async with self._database.transaction(Role.WORKER) as connection:
                await connection.execute(LEFT, [message_id])

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

STATEMENTS = (SENT_TO,)
