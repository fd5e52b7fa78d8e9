"""Vonage Messages API (v1): texts and statuses in, each call with a JSON Web Token; messages out, if so chosen.

A call's token (developer.vonage.com, "Signed webhooks") is signed with HS256 and names the call's body by its digest.
Vonage's own library checks the signature alone: here the digest is compared with the raw bytes, and the account, the
age and the token's id are looked at too. A token used again has no further effect, because its body can be no other
and texts are recorded once by `message_uuid`: Vonage is answered as before, since it may have lost our first answer.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import aiohttp
import msgspec
from aiohttp import web

from channels.channel import Channel, Heard, Opening, Surroundings
from channels.hook_secrets import is_one_of, secrets_of
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.sms.calls import MOST_CALL, json_as, mended, our_id
from channels.sms.gateway import SmsGateway, basic, required
from channels.sms.manner import SMS_MANNER
from channels.sms.received import received
from channels.sms.segments import fits_gsm7
from channels.sms.vonage import MOST_AGE, MOST_AHEAD, SendBy, VonageSettings
from domain.civil_time import utc_now
from domain.contact import ChannelName
from domain.errors import InDoubt, Malformed, ServiceError, Unauthenticated
from domain.message import DeliveryState, HandedOver, Outgoing
from notifications.reports import Reports
from pages.requests import small_body

API_URL = "https://api.nexmo.com"

# developer.vonage.com, "Messages API Status Callbacks"
_STATE_OF = MappingProxyType(
    {
        "submitted": DeliveryState.ON_ITS_WAY,
        **dict.fromkeys(("delivered", "read"), DeliveryState.DELIVERED),
        **dict.fromkeys(("rejected", "undeliverable"), DeliveryState.FAILED),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VonageMessagesSettings(VonageSettings):
    """MOTMA_VONAGE_…, the same as for the SMS API; `application_id`, where set, must be the one calls are made for."""

    application_id: str | None = None
    api_url: str = API_URL


class TokenHeader(msgspec.Struct, frozen=True):
    """The first part of a token."""

    alg: str


class Claims(msgspec.Struct, frozen=True):
    """The second part: when and for whom the call was made, and the SHA-256 of its body in hex."""

    iat: float
    jti: str
    api_key: str
    payload_hash: str
    application_id: str = ""
    exp: float | None = None


class Fault(msgspec.Struct, frozen=True):
    """Why a message was rejected."""

    type: str = ""
    title: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A text from a phone, or the status of one of ours: only the latter has `status`."""

    message_uuid: str
    channel: str = ""
    sender: str = msgspec.field(name="from", default="")
    recipient: str = msgspec.field(name="to", default="")
    text: str | None = None
    status: str | None = None
    client_ref: str | None = None
    error: Fault | None = None


class Sent(msgspec.Struct, frozen=True):
    """The answer to a message sent."""

    message_uuid: str


class VonageMessagesHooks:
    """The receiving half."""

    name = "vonage-messages"

    def __init__(
        self,
        settings: VonageMessagesSettings,
        *,
        heard: Heard,
        reports: Reports,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api_key = settings.api_key or ""
        self._application = settings.application_id
        self._keys = secrets_of(settings.signature_secret or "")
        required("Vonage", MOTMA_VONAGE_API_KEY=self._api_key, MOTMA_VONAGE_SIGNATURE_SECRET=self._keys)
        self._heard = heard
        self._reports = reports
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The one webhook, to be set as inbound and as status address."""
        return [web.post("/webhooks/vonage/messages", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """A text or a status. Raises `Unauthenticated`, `TooLarge`, `Malformed`."""
        body = await small_body(request, MOST_CALL)
        if not self._is_genuine(request.headers.get("Authorization", ""), body):
            raise Unauthenticated("The call is not signed as agreed.")
        call = json_as(Call, body)
        if call.status is not None:
            await self._report(call, call.status)
        elif call.channel == ChannelName.SMS:  # other channels of the account are none of ours
            await self._hear(call)
        return web.Response()

    async def _hear(self, call: Call) -> None:
        await self._heard(
            received(
                self.name,
                sender=call.sender,
                recipient=call.recipient,
                text=call.text or "",
                message_id=call.message_uuid,
                at=self._clock(),
            )
        )

    async def _report(self, call: Call, status: str) -> None:
        if state := _STATE_OF.get(status):
            why = (call.error.title or call.error.type) if call.error else ""
            await self._reports.report(
                route=self.name,
                state=state,
                provider_word=f"{status} {mended(why)}".strip(),
                message_id=our_id(call.client_ref or ""),
                provider_id=mended(call.message_uuid),
            )

    def _is_genuine(self, header: str, body: bytes) -> bool:
        """Whether the token in `header` is Vonage's, for us, of these days, and for this very body."""
        scheme, _, token = header.partition(" ")
        signed, _, signature = token.strip().rpartition(".")
        octets = signed.encode("utf-8", "surrogateescape")
        expected = tuple(_base64url(hmac.digest(key, octets, "sha256")) for key in self._keys)
        # The signature is compared as it is written: decoded, several spellings would be one.
        if scheme.lower() != "bearer" or not is_one_of(signature, expected):
            return False
        try:
            head, payload = signed.split(".")
            algorithm = json_as(TokenHeader, _from_base64url(head)).alg
            claims = json_as(Claims, _from_base64url(payload))
        except (ValueError, Malformed):
            return False
        age = self._clock().timestamp() - claims.iat
        return (
            algorithm == "HS256"
            and bool(claims.jti)
            and is_one_of(claims.api_key, (self._api_key.encode(),))
            and claims.application_id == (self._application or claims.application_id)
            and -MOST_AHEAD.total_seconds() <= age <= MOST_AGE.total_seconds()
            and is_one_of(claims.payload_hash.lower(), (hashlib.sha256(body).hexdigest().encode(),))
        )


class VonageMessagesChannel(VonageMessagesHooks, SmsGateway):
    """Both halves."""

    def __init__(
        self,
        settings: VonageMessagesSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        reports: Reports,
        public_url: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        VonageMessagesHooks.__init__(self, settings, heard=heard, reports=reports, clock=clock)
        SmsGateway.__init__(self, settings, settings.sender)
        required("Vonage", MOTMA_VONAGE_API_SECRET=settings.api_secret, MOTMA_VONAGE_SENDER=self.senders)
        self._headers = basic(self._api_key, settings.api_secret or "")
        self._api = settings.api_url.rstrip("/")
        self._hook_url = f"{public_url.rstrip('/')}/webhooks/vonage/messages"
        self._http = http

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to Vonage under our own id, its statuses to be told to our webhook."""
        text = self.written(message.text)
        wanted = {
            "channel": "sms",
            "message_type": "text",
            "from": self.sender_of(message) or "",
            "to": message.to.address.removeprefix("+"),
            "text": text,
            "sms": {"encoding_type": "text" if fits_gsm7(text) else "unicode"},
            "client_ref": str(message.message_id),
            "webhook_url": self._hook_url,
            "webhook_version": "v1",
        }
        return _handed_over(
            await call_once(self._http, "POST", f"{self._api}/v1/messages", json=wanted, headers=self._headers)
        )

    async def examine(self) -> str:
        """Whether Vonage knows the account."""
        answer = await call_once(self._http, "GET", f"{self._api}/v2/applications?page_size=1", headers=self._headers)
        if answer.status != 200:
            raise ServiceError(
                f"Vonage answers {answer.status}: check MOTMA_VONAGE_API_KEY and MOTMA_VONAGE_API_SECRET."
            )
        return "the account is known"


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """202 with the message's id; refusals are told by the status."""
    if not 200 <= answer.status < 300:
        raise refused(answer)
    try:
        return HandedOver(provider_id=json_as(Sent, answer.body).message_uuid)
    except Malformed:
        raise InDoubt("Vonage's answer names no message.") from None


def _base64url(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _from_base64url(text: str) -> bytes:
    """Raises `ValueError`."""
    return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))


def _make(settings: VonageMessagesSettings, around: Surroundings) -> Channel:
    if settings.send_by is not SendBy.MESSAGES:
        return VonageMessagesHooks(settings, heard=around.heard, reports=around.reports)
    return VonageMessagesChannel(
        settings, http=around.http, heard=around.heard, reports=around.reports, public_url=around.public_url
    )


OPENING = Opening(
    prefix="MOTMA_VONAGE_",
    settings=VonageMessagesSettings,
    secret="signature_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
