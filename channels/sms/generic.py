"""Texts from any gateway that can sign: JSON to /webhooks/sms, by Standard Webhooks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from aiohttp import web

from channels.channel import Heard, Opening, Surroundings
from channels.sms.manner import SMS_MANNER
from channels.sms.numbers import sender_address
from channels.standard_webhooks import Verifier, key_of
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from domain.message import Incoming
from domain.vietnamese import clean
from pages.requests import small_body

MOST_BODY = 32_768  # bytes
MOST_AGE = timedelta(days=7)  # a time given that is older, or lies ahead, is a clock gone wrong: ours counts


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericSmsSettings:
    """MOTMA_SMS_…; off until `hook_secret` is set: `whsec_<base64>`, or `new,old`."""

    hook_secret: str | None = field(default=None, repr=False)


class ReceivedText(msgspec.Struct, frozen=True):
    """The body of a call. Fields we do not know are ignored."""

    id: str
    sender: str = msgspec.field(name="from")
    recipient: str = msgspec.field(name="to")
    text: str
    at: datetime | None = None


class GenericSmsChannel:
    """Receives only: answers leave by the SMS gateway that sends."""

    name = "sms"

    def __init__(self, settings: GenericSmsSettings, *, heard: Heard, clock: Callable[[], datetime] = utc_now) -> None:
        secrets = [secret for secret in (settings.hook_secret or "").split(",") if secret.strip()]
        if not secrets:
            raise Malformed("The generic SMS webhook needs MOTMA_SMS_HOOK_SECRET.")
        self._verifier = Verifier(tuple(key_of(secret) for secret in secrets), clock=clock)
        self._heard = heard
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The one webhook."""
        return [web.post("/webhooks/sms", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """A text from a phone. Raises `Unauthenticated`, `TooLarge`, `Malformed`."""
        body = await small_body(request, MOST_BODY)
        call_id = self._verifier.message_id(request.headers, body)
        try:
            received = msgspec.json.decode(body, type=ReceivedText)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Malformed("The body must be JSON with id, from, to and text.") from None
        address = sender_address(received.sender)
        if not address:
            raise Malformed("The message names no sender.", field="from")
        now = self._clock()
        at = received.at if received.at is not None and received.at.tzinfo is not None else now
        at = at if now - MOST_AGE <= at <= now else now
        await self._heard(
            Incoming(
                sender=Contact(channel=ChannelName.SMS, address=address),
                recipient=clean(received.recipient)[:64],
                text=clean(received.text),
                external_id=f"{self.name}:{clean(received.id)[:128] or call_id}",
                received_at=at,
            )
        )
        return web.Response()


def _make(settings: GenericSmsSettings, around: Surroundings) -> GenericSmsChannel:
    return GenericSmsChannel(settings, heard=around.heard)


OPENING = Opening(
    prefix="MOTMA_SMS_",
    settings=GenericSmsSettings,
    secret="hook_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
