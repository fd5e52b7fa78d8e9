"""Vonage SMS API (formerly Nexmo): texts and delivery receipts in, signed; messages out through the same API.

The signature (developer.vonage.com, "Signing messages", and check_signature of Vonage's own library): HMAC in hex over
`&name=value` of all fields sorted by name, with & and = in values turned into _. Names are not guarded like that, so
that `a=1&b` could be a name: every name must be a plain word. A call signed but older than `MOST_AGE` is refused;
within that a call made again has one effect, because texts are recorded once by `messageId`, or part by part.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import aiohttp
import msgspec
from aiohttp import web

from channels.channel import Channel, Heard, Opening, Surroundings
from channels.hook_secrets import is_one_of, secrets_of
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.sms.calls import FORM, MOST_CALL, json_as, mended, our_id, pairs, query_of, text_of
from channels.sms.gateway import SendingSettings, SmsGateway, basic, required
from channels.sms.manner import SMS_MANNER
from channels.sms.parts import MOST_PARTS, Joiner, Part
from channels.sms.received import received
from channels.sms.segments import fits_gsm7
from domain.civil_time import utc_now
from domain.contact import ChannelName
from domain.errors import CannotTell, InDoubt, Malformed, ServiceError, TryLater, Unauthenticated, Undeliverable
from domain.message import DeliveryState, HandedOver, Incoming, Outgoing
from notifications.reports import Reports
from pages.requests import small_body

API_URL = "https://rest.nexmo.com"
METHODS = frozenset({"sha256", "sha512"})  # md5 and sha1, which Vonage knows too, are refused
MOST_AGE = timedelta(hours=25)  # Vonage sends a call again for 24 hours
MOST_AHEAD = timedelta(minutes=5)

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
# developer.vonage.com, "Understanding the delivery receipt"
_STATE_OF = MappingProxyType(
    {
        "unknown": DeliveryState.HANDED_OVER,
        **dict.fromkeys(("accepted", "buffered"), DeliveryState.ON_ITS_WAY),
        "expired": DeliveryState.EXPIRED,
        **dict.fromkeys(("failed", "rejected"), DeliveryState.FAILED),
        "delivered": DeliveryState.DELIVERED,
    }
)
_TAKEN, _THROTTLED = "0", "1"
# This text or this number: missing or invalid parameter, invalid message, barred, too long, not on the white list,
# deactivated. Every other status is our account, our settings or Vonage's load.
_NEVER = frozenset({"2", "3", "6", "7", "12", "29", "33"})


class SendBy(StrEnum):
    """Which of Vonage's two APIs sends."""

    SMS = "sms"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class VonageSettings(SendingSettings):
    """MOTMA_VONAGE_…; off until `signature_secret` is set, which may be `new,old`.

    `signature_method` is sha256 or sha512, as set in Vonage's dashboard; `sender` are our numbers and names,
    comma-separated, the default first; `send_by` chooses the API that sends, if it is not this one. `reports_url` is
    that of the Reports API (https://api.nexmo.com), which is paid for: with it Vonage is asked about what is in doubt.
    """

    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    signature_secret: str | None = field(default=None, repr=False)
    signature_method: str = "sha256"
    sender: str | None = None
    send_by: SendBy = SendBy.SMS
    reports_url: str | None = None
    api_url: str = API_URL


class SentPart(msgspec.Struct, frozen=True):
    """What Vonage says of one segment."""

    status: str = ""
    message_id: str | None = msgspec.field(name="message-id", default=None)


class Sent(msgspec.Struct, frozen=True):
    """The answer to a message sent."""

    messages: tuple[SentPart, ...]


class Record(msgspec.Struct, frozen=True):
    """One message as the Reports API knows it."""

    message_id: str | None = None
    client_ref: str | None = None


class Records(msgspec.Struct, frozen=True):
    """The messages of a time, as many as one answer holds."""

    records: tuple[Record, ...]


class Balance(msgspec.Struct, frozen=True):
    """The answer to a question about the account, in EUR."""

    value: str = "?"


class VonageHooks:
    """The receiving half."""

    name = "vonage"

    def __init__(
        self,
        settings: VonageSettings,
        *,
        heard: Heard,
        joiner: Joiner,
        reports: Reports,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if settings.signature_method not in METHODS:
            raise Malformed("MOTMA_VONAGE_SIGNATURE_METHOD is sha256 or sha512; what is weaker is not taken.")
        self._api_key = settings.api_key or ""
        self._keys = secrets_of(settings.signature_secret or "")
        required("Vonage", MOTMA_VONAGE_API_KEY=self._api_key, MOTMA_VONAGE_SIGNATURE_SECRET=self._keys)
        self._method = settings.signature_method
        self._heard = heard
        self._joiner = joiner
        self._reports = reports
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The two webhooks, by GET or POST as the account is set."""
        texts, receipts = "/webhooks/vonage", "/webhooks/vonage/status"
        return [
            web.get(texts, self.receive, allow_head=False),
            web.post(texts, self.receive),
            web.get(receipts, self.report, allow_head=False),
            web.post(receipts, self.report),
        ]

    async def tend(self) -> None:
        """Join parts whose others do not come."""
        await self._joiner.tend()

    async def receive(self, request: web.Request) -> web.Response:
        """A text from a phone, or a part of one. Raises `Unauthenticated`, `TooLarge`, `Malformed`."""
        given = await self._genuine(request)
        message = received(
            self.name,
            sender=given.get("msisdn", ""),
            recipient=given.get("to", ""),
            text=given.get("text", ""),  # a binary message has none
            message_id=given.get("messageId", ""),
            at=self._clock(),
        )
        if part := self._part(given, message):
            await self._joiner.heard(part)
        else:
            await self._heard(message)
        return web.Response()

    def _part(self, given: Mapping[str, str], message: Incoming) -> Part | None:
        """The call as a part of a longer message; None for a whole one, or when it does not say which part it is."""
        number, total = our_id(given.get("concat-part", "")), our_id(given.get("concat-total", ""))
        if given.get("concat") != "true" or not number or not total or not 1 < total <= MOST_PARTS or number > total:
            return None
        return Part(
            sender=message.sender,
            recipient=message.recipient,
            text=given.get("text", ""),
            provider_id=message.external_id.removeprefix(f"{self.name}:"),
            received_at=message.received_at,
            reference=mended(given.get("concat-ref", ""))[:64],
            number=number,
            total=total,
        )

    async def report(self, request: web.Request) -> web.Response:
        """What became of a message of ours. One we do not know is none of ours: nothing is created."""
        given = await self._genuine(request)
        status = given.get("status", "").lower()
        if state := _STATE_OF.get(status):
            word = f"{status} {mended(given.get('err-code', ''))}".strip()
            await self._reports.report(
                route=self.name,
                state=state,
                provider_word=word,
                message_id=our_id(given.get("client-ref", "")),
                provider_id=mended(given.get("messageId", "")),
            )
        return web.Response()

    async def _genuine(self, request: web.Request) -> Mapping[str, str]:
        """The fields of a call that Vonage signed. Raises `Unauthenticated` for every other, in the same words."""
        given = await _fields(request)
        if given is None or not self._is_signed(given) or not self._is_ours_and_fresh(given):
            raise Unauthenticated("The call is not signed as agreed.")
        return given

    def _is_signed(self, given: Mapping[str, str]) -> bool:
        signed = "".join(
            f"&{name}={value.replace('&', '_').replace('=', '_')}"
            for name, value in sorted(given.items())
            if name != "sig"
        ).encode("utf-8", "replace")  # half a character is signed as a question mark
        digests = [hmac.digest(key, signed, self._method).hex() for key in self._keys]
        expected = tuple(spelled.encode() for digest in digests for spelled in (digest, digest.upper()))
        return is_one_of(given.get("sig", ""), expected)

    def _is_ours_and_fresh(self, given: Mapping[str, str]) -> bool:
        """Whether the call is about our account and was signed lately."""
        signed_at = our_id(given.get("timestamp", ""))
        if signed_at is None or not is_one_of(given.get("api-key", self._api_key), (self._api_key.encode(),)):
            return False
        age = self._clock().timestamp() - signed_at
        return -MOST_AHEAD.total_seconds() <= age <= MOST_AGE.total_seconds()


class VonageChannel(VonageHooks, SmsGateway):
    """Both halves."""

    def __init__(
        self,
        settings: VonageSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        joiner: Joiner,
        reports: Reports,
        public_url: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        VonageHooks.__init__(self, settings, heard=heard, joiner=joiner, reports=reports, clock=clock)
        SmsGateway.__init__(self, settings, settings.sender)
        required("Vonage", MOTMA_VONAGE_API_SECRET=settings.api_secret, MOTMA_VONAGE_SENDER=self.senders)
        self._api_secret = settings.api_secret or ""
        self._api = settings.api_url.rstrip("/")
        self._reports_api = (settings.reports_url or "").rstrip("/")
        self._status_url = f"{public_url.rstrip('/')}/webhooks/vonage/status"
        self._http = http

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to Vonage under our own id, asking for its receipts."""
        text = self.written(message.text)
        form = {
            "api_key": self._api_key,
            "api_secret": self._api_secret,
            "from": self.sender_of(message) or "",
            "to": message.to.address.removeprefix("+"),
            "text": text,
            "type": "text" if fits_gsm7(text) else "unicode",
            "client-ref": str(message.message_id),
            "status-report-req": "1",
            "callback": self._status_url,
        }
        return _handed_over(await call_once(self._http, "POST", f"{self._api}/sms/json", data=form))

    async def find(self, message: Outgoing, since: datetime) -> HandedOver | None:
        """The message under our own id (Reports API, "Load records synchronously"). Raises `CannotTell` without it."""
        if not self._reports_api:
            raise CannotTell("MOTMA_VONAGE_REPORTS_URL is not set.")
        answer = await call_once(
            self._http,
            "GET",
            f"{self._reports_api}/v2/reports/records",
            params={
                "account_id": self._api_key,
                "product": "SMS",
                "direction": "outbound",
                "to": message.to.address.removeprefix("+"),
                "date_start": _written(since - MOST_AHEAD),
                "date_end": _written(self._clock() + MOST_AHEAD),
            },
            headers=basic(self._api_key, self._api_secret),
        )
        if answer.status != 200:
            raise TryLater(f"Vonage answers {answer.status} when it is asked.", after=answer.retry_after)
        for one in json_as(Records, answer.body).records:
            if one.client_ref == str(message.message_id):
                return HandedOver(provider_id=one.message_id)
        return None

    async def examine(self) -> str:
        """The account's balance."""
        answer = await call_once(
            self._http,
            "GET",
            f"{self._api}/account/get-balance",
            headers=basic(self._api_key, self._api_secret),
        )
        if answer.status != 200:
            raise ServiceError(
                f"Vonage answers {answer.status}: check MOTMA_VONAGE_API_KEY and MOTMA_VONAGE_API_SECRET."
            )
        return f"balance {json_as(Balance, answer.body).value} EUR"


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _fields(request: web.Request) -> Mapping[str, str] | None:
    """What a call carries, in its query or its body; None when a name is no plain word or stands twice."""
    if request.method == "GET":
        given = _texts(query_of(request))
    else:
        body = await small_body(request, MOST_CALL)
        given = _texts(body) if request.content_type == FORM else _written_out(json_as(dict[str, str | bool], body))
    names = [name for name, _ in given]
    if len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        return None
    return dict(given)


def _texts(query: bytes) -> list[tuple[str, str]]:
    return [(text_of(name), text_of(value)) for name, value in pairs(query)]


def _written_out(found: Mapping[str, str | bool]) -> list[tuple[str, str]]:
    return [(name, value if isinstance(value, str) else str(value).lower()) for name, value in found.items()]


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """200 whatever happened: each segment has a status of its own."""
    if not 200 <= answer.status < 300:
        raise refused(answer)
    try:
        parts = json_as(Sent, answer.body).messages
    except Malformed:
        parts = ()
    if not parts:
        raise InDoubt("Vonage's answer names no message.")
    for part in parts:
        if part.status == _TAKEN:  # what was taken in part must not be sent again: its receipts tell the rest
            return HandedOver(provider_id=part.message_id)
    status = parts[0].status
    if status in _NEVER:
        raise Undeliverable(f"Vonage refused with {status}.")
    raise TryLater(
        f"Vonage refused with {status}.",
        after=answer.retry_after or (timedelta(seconds=1) if status == _THROTTLED else None),
    )


def _make(settings: VonageSettings, around: Surroundings) -> Channel:
    joiner = Joiner(VonageHooks.name, database=around.database, seal=around.seal, heard=around.heard)
    if settings.send_by is not SendBy.SMS:
        return VonageHooks(settings, heard=around.heard, joiner=joiner, reports=around.reports)
    return VonageChannel(
        settings,
        http=around.http,
        heard=around.heard,
        joiner=joiner,
        reports=around.reports,
        public_url=around.public_url,
    )


OPENING = Opening(
    prefix="MOTMA_VONAGE_",
    settings=VonageSettings,
    secret="signature_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
