"""Twilio Programmable Messaging: signed webhooks in, the REST API of 2010-04-01 out.

The signature (twilio.com/docs/usage/security, and RequestValidator of Twilio's own library): base64 of an HMAC over
the public address and, for forms, each name and value sorted by name; of repeated values one each, sorted. Nothing
parts name from value there, so that bytes can be moved from one field to the next without breaking the signature:
hence every name must be a plain word, and a field we read must stand once and look as it should.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from channels.channel import Heard, Opening, Surroundings
from channels.hook_secrets import is_one_of, secrets_of
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.sms.calls import FORM, JSON, MOST_CALL, first, json_as, our_id, pairs, query_of, text_of
from channels.sms.gateway import SendingSettings, SmsGateway, basic, is_said_in, required
from channels.sms.manner import SMS_MANNER
from channels.sms.received import received
from domain.civil_time import utc_now
from domain.contact import ChannelName
from domain.errors import Gone, InDoubt, Malformed, ServiceError, TryLater, Unauthenticated, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from notifications.reports import Reports
from pages.requests import small_body

API_URL = "https://api.twilio.com"
MOST_LISTED = 50  # messages to one number
CLOCKS_APART = timedelta(minutes=1)
METHODS = frozenset({"sha1", "sha256"})
NO_ANSWER = "<Response/>"  # TwiML that says nothing: our answers go by the API

_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]*")
_READ = frozenset(
    (b"MessageSid", b"AccountSid", b"From", b"To", b"Body", b"MessageStatus", b"ErrorCode", b"OptOutType", b"SmsSid")
)
# twilio.com/docs/messaging/api/message-resource#message-status-values
_STATE_OF = MappingProxyType(
    {
        **dict.fromkeys(("accepted", "scheduled", "queued", "sending"), DeliveryState.HANDED_OVER),
        "sent": DeliveryState.ON_ITS_WAY,
        **dict.fromkeys(("delivered", "read"), DeliveryState.DELIVERED),
        **dict.fromkeys(("undelivered", "failed", "canceled"), DeliveryState.FAILED),
    }
)
# Where Twilio itself keeps opt-outs it has answered the person already; we keep them too.
_WORDS_OF_OPT_OUT = MappingProxyType({"STOP": "STOP", "START": "TIEP TUC"})
_UNSUBSCRIBED = 21610
# twilio.com/docs/api/errors: our account, our sender or its queue, nothing about this message or this number.
_OURS_TO_MEND = frozenset({14107, 20003, 20005, 20429, 21212, 21603, 21606, 21611, 21659, 21660, 21703, 30001, 63038})


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings(SendingSettings):
    """MOTMA_TWILIO_…; off until `auth_token` is set, which may be `new,old`: we call with the first.

    `sender` are our numbers, names or Messaging Services (MG…), comma-separated, the default first. `signature_method`
    names what webhooks may be signed by: `sha1` with the token, `sha256` with `shared_key` (`new,old`), or both.
    """

    account_sid: str | None = None
    auth_token: str | None = field(default=None, repr=False)
    sender: str | None = None
    shared_key: str | None = field(default=None, repr=False)
    signature_method: str = "sha1"
    api_url: str = API_URL


class Taken(msgspec.Struct, frozen=True):
    """The answer to a message sent, or a refusal of it."""

    sid: str | None = None
    status: str | None = None
    code: str | None = None
    error_code: str | None = None


class Listed(msgspec.Struct, frozen=True):
    """One of the messages sent to a number."""

    sid: str
    body: str | None = None
    status: str | None = None
    direction: str = ""
    date_created: str = ""


class Messages(msgspec.Struct, frozen=True):
    """The newest messages to a number, newest first."""

    messages: tuple[Listed, ...]


class Balance(msgspec.Struct, frozen=True):
    """The answer to a question about the account."""

    balance: str = "?"
    currency: str = ""


class TwilioChannel(SmsGateway):
    """Texts in, texts out, statuses back."""

    name = "twilio"

    def __init__(
        self,
        settings: TwilioSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        reports: Reports,
        public_url: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings, settings.sender)
        self._account = settings.account_sid or ""
        self._tokens = secrets_of(settings.auth_token or "")
        required(
            "Twilio",
            MOTMA_TWILIO_ACCOUNT_SID=self._account,
            MOTMA_TWILIO_AUTH_TOKEN=self._tokens,
            MOTMA_TWILIO_SENDER=self.senders,
        )
        self._keys = _signing_keys(settings, self._tokens)
        self._api = f"{settings.api_url.rstrip('/')}/2010-04-01/Accounts/{self._account}"
        self._headers = basic(self._account, self._tokens[0].decode())
        self._ours = public_url.rstrip("/")
        self._addresses = _with_and_without_port(self._ours)
        self._http = http
        self._heard = heard
        self._reports = reports
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The two webhooks: the number's own, and the StatusCallback of each message."""
        return [web.post("/webhooks/twilio", self.receive), web.post("/webhooks/twilio/status", self.report)]

    # --- in ---

    async def receive(self, request: web.Request) -> web.Response:
        """A text from a phone. Raises `Unauthenticated`, `TooLarge`, `Malformed`."""
        given = await self._genuine(request)
        await self._heard(
            received(
                self.name,
                sender=first(given, "From"),
                recipient=first(given, "To"),
                text=_WORDS_OF_OPT_OUT.get(first(given, "OptOutType")) or first(given, "Body"),
                message_id=first(given, "MessageSid"),
                at=self._clock(),
            )
        )
        return web.Response(text=NO_ANSWER, content_type="text/xml")

    async def report(self, request: web.Request) -> web.Response:
        """What became of a message of ours. One we do not know is none of ours: nothing is created."""
        given = await self._genuine(request)
        status = first(given, "MessageStatus")
        if state := _STATE_OF.get(status):
            word = f"{status} {first(given, 'ErrorCode')}".strip()
            await self._reports.report(
                route=self.name,
                state=state,
                provider_word=word,
                message_id=our_id(request.query.get("mid", "")),  # in the address, hence signed
                provider_id=first(given, "MessageSid"),
            )
        return web.Response()

    async def _genuine(self, request: web.Request) -> Mapping[str, bytes]:
        """The fields of a call that Twilio signed. Raises `Unauthenticated` for every other, in the same words."""
        body = await small_body(request, MOST_CALL)
        covered: list[tuple[bytes, bytes]] = []
        if request.content_type == FORM:
            covered = pairs(body)
        elif not _is_digest_of(body, text_of(dict(pairs(query_of(request))).get(b"bodySHA256", b""))):
            raise _not_genuine()
        if not self._is_signed(request.headers.get("X-Twilio-Signature", ""), request.raw_path, covered):
            raise _not_genuine()
        given = self._fields(body) if request.content_type == JSON else covered
        names = [name for name, _ in given]
        fields = {text_of(name): value for name, value in given}
        if (
            not all(_NAME.fullmatch(name) for name in names)
            or any(names.count(name) > 1 for name in _READ)
            or not _SID.fullmatch(first(fields, "MessageSid"))
            or first(fields, "From").rfind("+") > 0
            or not is_one_of(first(fields, "AccountSid"), (self._account.encode(),))
        ):
            raise _not_genuine()
        return fields

    def _is_signed(self, signature: str, path: str, covered: list[tuple[bytes, bytes]]) -> bool:
        """Whether one of our keys signed the call, at our address with or without a port: Twilio does either."""
        fields = b"".join(name + value for name, value in sorted(set(covered)))
        called = path.encode("utf-8", "surrogateescape") + fields
        expected = tuple(
            base64.b64encode(hmac.digest(key, address.encode() + called, method))
            for address in self._addresses
            for method, key in self._keys
        )
        return is_one_of(signature, expected)

    @staticmethod
    def _fields(body: bytes) -> list[tuple[bytes, bytes]]:
        found = json_as(dict[str, str | None], body)
        return [
            (name.encode("utf-8", "replace"), (value or "").encode("utf-8", "replace")) for name, value in found.items()
        ]

    # --- out ---

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to Twilio, its statuses to be told under our own id."""
        sender = self.sender_of(message) or ""
        form = {
            "To": message.to.address,
            "MessagingServiceSid" if sender.startswith("MG") else "From": sender,
            "Body": self.written(message.text),
            "StatusCallback": f"{self._ours}/webhooks/twilio/status?mid={message.message_id}",
        }
        answer = await call_once(self._http, "POST", f"{self._api}/Messages.json", data=form, headers=self._headers)
        return _handed_over(answer)

    async def find(self, message: Outgoing, since: datetime) -> HandedOver | None:
        """The newest message to that number since then that says the same (Messages list resource).

        The list has no place for our id, and filters by the date of sending, which a waiting message does not have.
        """
        answer = await call_once(
            self._http,
            "GET",
            f"{self._api}/Messages.json",
            params={"To": message.to.address, "PageSize": str(MOST_LISTED)},
            headers=self._headers,
        )
        if answer.status != 200:
            raise TryLater(f"Twilio answers {answer.status} when it is asked.", after=answer.retry_after)
        text = self.written(message.text)
        for one in json_as(Messages, answer.body).messages:
            made = _created(one.date_created) or since
            ours = one.direction.startswith("outbound") and made >= since - CLOCKS_APART
            if ours and is_said_in(message, text, one.body or ""):
                return HandedOver(provider_id=one.sid)
        return None

    async def examine(self) -> str:
        """The account's balance."""
        answer = await call_once(self._http, "GET", f"{self._api}/Balance.json", headers=self._headers)
        if answer.status != 200:
            raise ServiceError(
                f"Twilio answers {answer.status}: check MOTMA_TWILIO_ACCOUNT_SID and MOTMA_TWILIO_AUTH_TOKEN."
            )
        held = json_as(Balance, answer.body)
        return f"balance {held.balance} {held.currency}".strip()


def _created(written: str) -> datetime | None:
    """A time as Twilio writes it (RFC 2822); None when it cannot be read."""
    try:
        found = parsedate_to_datetime(written)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """201 with the message's id; a refusal has a code of Twilio's own, which says more than the status."""
    try:
        said = json_as(Taken, answer.body)
    except Malformed:
        said = Taken()
    taken = 200 <= answer.status < 300
    if taken and said.sid is None:
        raise InDoubt("Twilio's answer names no message.")
    if taken and _STATE_OF.get(said.status or "") is not DeliveryState.FAILED:
        return HandedOver(provider_id=said.sid)
    code = our_id(said.code or said.error_code or "")
    if code == _UNSUBSCRIBED:
        raise Gone("The person has told Twilio to send nothing more.")
    if code in _OURS_TO_MEND:
        raise TryLater(f"Twilio refused with {code}.", after=answer.retry_after)
    if taken or (code is not None and answer.status == 400):
        raise Undeliverable(f"Twilio refused with {code}.")
    raise refused(answer)


def _signing_keys(settings: TwilioSettings, tokens: tuple[bytes, ...]) -> tuple[tuple[str, bytes], ...]:
    methods = [method.strip() for method in settings.signature_method.split(",")]
    if not methods or set(methods) - METHODS:
        raise Malformed("MOTMA_TWILIO_SIGNATURE_METHOD is sha1, sha256, or both with a comma.")
    keys = {"sha1": tokens, "sha256": secrets_of(settings.shared_key or "")}
    if "sha256" in methods:
        required("Twilio's sha256", MOTMA_TWILIO_SHARED_KEY=keys["sha256"])
    return tuple((method, key) for method in methods for key in keys[method])


def _with_and_without_port(url: str) -> tuple[str, ...]:
    """An address as it is, without its port, and with the default one where it has none."""
    parts = urlsplit(url)
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    port = parts.port or (80 if parts.scheme == "http" else 443)
    others = (parts._replace(netloc=netloc).geturl() for netloc in (host, f"{host}:{port}"))
    return tuple(dict.fromkeys((url, *others)))


def _is_digest_of(body: bytes, digest: str) -> bool:
    """Whether `digest` (hex) is the SHA-256 of `body`, which the address then binds to the signature."""
    try:
        given = binascii.unhexlify(digest)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(given, hashlib.sha256(body).digest())


def _not_genuine() -> Unauthenticated:
    return Unauthenticated("The call is not signed as agreed.")


def _make(settings: TwilioSettings, around: Surroundings) -> TwilioChannel:
    return TwilioChannel(
        settings, http=around.http, heard=around.heard, reports=around.reports, public_url=around.public_url
    )


OPENING = Opening(
    prefix="MOTMA_TWILIO_",
    settings=TwilioSettings,
    secret="auth_token",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
