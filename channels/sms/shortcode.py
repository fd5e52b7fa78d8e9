"""The gateway of premium short codes (8x88 and the like): it calls by GET, and our answer travels in that call's body.

The form of the answer, `contentType;messageType;info`, is known from the public code of OpenCPS; 0 is text, 71 means
that the person is charged, 72 that the charge is paid back. The gateway cannot be called: a notice cannot go by it.

One message in, at most one out, whatever happens: the call is recorded like every inbound message and answered by the
conversation; the dispatcher hands the answer to the call if that still waits (`answer`), and only if it does not, to
another gateway. Both sides settle that by one row of `sms_call`, so that it is never both. A call that has waited
`WAIT` in vain gets 503; the gateway calls again with the same parameters, which within `SAME_CALL` is the same message
and gets the same answer, as often as it likes.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

from channels.channel import Heard, Opening, Surroundings
from channels.hook_secrets import is_one_of, secrets_of
from channels.sms.calls import fields, first, query_of
from channels.sms.gateway import required
from channels.sms.manner import SMS_MANNER
from channels.sms.numbers import sender_address
from channels.sms.plain import plain
from database.pool import DATABASE_AWAY, Database, Role
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Malformed, Unauthenticated, Unavailable, Undeliverable
from domain.message import HandedOver, Incoming, Outgoing
from domain.vietnamese import clean
from lookup.sealing import Seal

WAIT = timedelta(seconds=8)  # for the answer; the conversation takes less than one
LOOK_EVERY = 0.1  # seconds
SAME_CALL = timedelta(minutes=1)
KEPT = timedelta(days=1)

TEXT = "0"
CHARGED, PAID_BACK = "71", "72"
_PARTING = str.maketrans({";": ",", "|": "/"})  # what parts the fields and the messages of an answer

# The same words from the same phone within a minute of the first call are the same message.
CALL = """
    WITH old AS (DELETE FROM sms_call WHERE made_at < now() - $5::interval AND digest <> $1)
    INSERT INTO sms_call AS c (digest, provider_id, made_at, waits_until)
    VALUES ($1, $2, now(), now() + $3)
    ON CONFLICT (digest) DO UPDATE
       SET provider_id = CASE WHEN c.made_at > now() - $4::interval THEN c.provider_id ELSE $2 END,
           message_id = CASE WHEN c.made_at > now() - $4::interval THEN c.message_id END,
           made_at = CASE WHEN c.made_at > now() - $4::interval THEN c.made_at ELSE now() END,
           waits_until = now() + $3
    RETURNING provider_id"""
# How a call stands: the answer handed to it, or that none is to come here: there is none, or it went another way.
LOOK = """
    SELECT m.text_sealed,
           i.handled_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM message r WHERE r.inbound_id = i.id AND r.state < 30) AS silent
      FROM sms_call c JOIN inbound i ON i.channel = $2 AND i.provider_id = c.provider_id
      LEFT JOIN message m ON m.id = c.message_id
     WHERE c.provider_id = $1"""
# The two ends of waiting, of which exactly one comes about.
HAND_OVER = """
    UPDATE sms_call c SET message_id = m.id
      FROM message m JOIN inbound i ON i.id = m.inbound_id
     WHERE m.id = $1 AND c.provider_id = i.provider_id
       AND (c.message_id = m.id OR c.message_id IS NULL AND c.waits_until > now())
    RETURNING c.provider_id"""
GIVE_UP = "UPDATE sms_call SET waits_until = now() WHERE provider_id = $1 AND message_id IS NULL RETURNING 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortcodeSettings:
    """MOTMA_SHORTCODE_…; off until `password` is set, which may be `new,old`."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)


class ShortcodeChannel:
    """Texts in, and their answers in the same call."""

    name = "shortcode"
    reaches = ChannelName.SMS
    concurrency = 64
    rate = None

    def __init__(
        self,
        settings: ShortcodeSettings,
        *,
        heard: Heard,
        seal: Seal,
        database: Database,
        wait: timedelta = WAIT,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._user = (settings.user or "").encode()
        self._passwords = secrets_of(settings.password or "")
        required("The short-code gateway", MOTMA_SHORTCODE_USER=self._user, MOTMA_SHORTCODE_PASSWORD=self._passwords)
        self._heard = heard
        self._seal = seal
        self._database = database
        self._wait = wait
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The one webhook."""
        return [web.get("/webhooks/shortcode", self.receive, allow_head=False)]

    async def receive(self, request: web.Request) -> web.Response:
        """A text from a phone, answered in the body. Raises `Unauthenticated`, `Malformed`, `Unavailable`."""
        given = fields(query_of(request))
        known = is_one_of(first(given, "user"), (self._user,))
        if not (is_one_of(first(given, "password"), self._passwords) and known):
            raise Unauthenticated("The call does not say who makes it.")
        sender = Contact(channel=ChannelName.SMS, address=sender_address(first(given, "userId")))
        number, text = clean(first(given, "serviceNumber"))[:64], clean(first(given, "info"))
        if not sender.address or not number:
            raise Malformed("The message names no sender, or not the number it was sent to.", field="userId")
        call = await self._call(sender, number, text)
        await self._heard(
            Incoming(sender=sender, recipient=number, text=text, external_id=call, received_at=self._clock())
        )
        return web.Response(text=await self._answered(call))

    async def _call(self, sender: Contact, number: str, text: str) -> str:
        """Note that a call waits, before anybody can answer it; the id of the message it is."""
        digest = self._seal.digest("short code", sender.address, number, text)
        external_id = f"{self.name}:{self._seal.digest('call', digest.hex(), self._clock().isoformat()).hex()}"
        try:
            async with self._database.connection(Role.WORKER) as connection:
                return str(await connection.fetchval(CALL, digest, external_id, self._wait, SAME_CALL, KEPT))
        except DATABASE_AWAY as error:
            raise Unavailable("The message could not be recorded. Please send it again.") from error

    async def _answered(self, call: str) -> str:
        """The body of the answer. Raises `Unavailable` when none came in time: the gateway calls again."""
        deadline = time.monotonic() + self._wait.total_seconds()
        while True:
            ended = time.monotonic() >= deadline
            try:
                async with self._database.connection(Role.WORKER) as connection:
                    # Given up first and looked at then: what was handed over in between is seen.
                    if ended:
                        await connection.execute(GIVE_UP, call)
                    stands = await connection.fetchrow(LOOK, call, ChannelName.SMS)
            except DATABASE_AWAY as error:
                raise Unavailable("The store cannot be asked at the moment. Please call again.") from error
            if stands and stands["text_sealed"] is not None:
                return _body(CHARGED, self._seal.open(stands["text_sealed"]))
            if stands and stands["silent"]:
                return _body(PAID_BACK, "")
            if ended:
                raise Unavailable("The answer is not ready. Please call again.")
            await asyncio.sleep(LOOK_EVERY)

    async def answer(self, message: Outgoing) -> HandedOver | None:
        """Hand `message` to the call that waits for it; None when it answers no call, or that waits no longer."""
        if message.sender is None:  # a notice
            return None
        async with self._database.connection(Role.WORKER) as connection:
            call = await connection.fetchval(HAND_OVER, message.message_id)
        return None if call is None else HandedOver(provider_id=call, route=self.name)

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand `message` over where this is the only gateway. Raises `Undeliverable` when no call waits for it."""
        handed_over = await self.answer(message)
        if handed_over is None:
            raise Undeliverable("No call of the short-code gateway waits for this message.")
        return handed_over


def _body(message_type: str, text: str) -> str:
    return f"{TEXT};{message_type};{plain(text).translate(_PARTING)}"


def _make(settings: ShortcodeSettings, around: Surroundings) -> ShortcodeChannel:
    return ShortcodeChannel(settings, heard=around.heard, seal=around.seal, database=around.database)


OPENING = Opening(
    prefix="MOTMA_SHORTCODE_",
    settings=ShortcodeSettings,
    secret="password",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)

STATEMENTS = (CALL, LOOK, HAND_OVER, GIVE_UP)
