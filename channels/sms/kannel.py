"""Kannel: the open SMS gateway, by its HTTP interfaces (user guide 1.4.5, chapters 6 and 8).

Kannel proves nothing about itself: the secret stands in the path, and the gateway on loopback or a private link. Its
configuration must set `reply-emptymessage = ""` or `max-messages = 0`, for we never answer in the webhook's body.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from channels.channel import Heard, Opening, Surroundings
from channels.hook_secrets import admit, path_secrets
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.sms.calls import FORM, fields, first, our_id, query_of
from channels.sms.gateway import SendingSettings, SmsGateway, required
from channels.sms.manner import SMS_MANNER
from channels.sms.numbers import sender_address
from channels.sms.segments import fits_gsm7, from_gsm7
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import InDoubt, Malformed
from domain.message import DeliveryState, HandedOver, Incoming, Outgoing
from domain.vietnamese import clean
from lookup.sealing import Seal
from notifications.reports import Reports
from pages.requests import small_body

MOST_TEXT = 16_384  # bytes of a message's body; a text of ten parts has 3,060 at most
ALL_REPORTS = 31  # dlr-mask: delivered, failed, buffered, accepted and rejected by the SMSC
TAKEN = (b"0:", b"3:")  # accepted for delivery; queued for later delivery, which is no error

# The bits of a report's type, the most final first. 8 and 1 come in either order.
_STATE_OF_BIT = MappingProxyType(
    {
        1: DeliveryState.DELIVERED,
        2: DeliveryState.FAILED,
        16: DeliveryState.FAILED,  # rejected by the SMSC
        8: DeliveryState.ON_ITS_WAY,  # accepted by the SMSC
        4: DeliveryState.ON_ITS_WAY,  # buffered
        32: DeliveryState.ON_ITS_WAY,  # an intermediate notice
    }
)
_CODING_BINARY, _CODING_UCS2 = "1", "2"
# What smsbox names as charset (%C), with `mo-recode` and without. An unknown one is taken for what the coding says.
_ENCODINGS = MappingProxyType(
    {
        **dict.fromkeys(("UTF-8", "UTF8", "US-ASCII"), "utf-8"),
        **dict.fromkeys(("UTF-16BE", "UTF-16", "UCS-2", "UCS2", "UCS-2BE", "ISO-10646-UCS-2"), "utf-16-be"),
        **dict.fromkeys(("ISO-8859-1", "LATIN1"), "latin-1"),
        "WINDOWS-1252": "cp1252",
        "WINDOWS-1258": "cp1258",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KannelSettings(SendingSettings):
    """MOTMA_KANNEL_…; the channel is off until `hook_secret` is set. `hook_secret` may be `new,old`.

    `hook_url` is where Kannel reaches us, if not at the public address; `sender` is our number where a message names
    none, and further numbers behind this Kannel after a comma.
    """

    sendsms_url: str | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str | None = None
    hook_secret: str | None = field(default=None, repr=False)
    hook_url: str | None = None


class KannelChannel(SmsGateway):
    """Texts in, texts out, reports back."""

    name = "kannel"

    def __init__(
        self,
        settings: KannelSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        reports: Reports,
        seal: Seal,
        public_url: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings, settings.sender)
        self._settings = settings
        self._secrets = path_secrets(settings.hook_secret or "", "MOTMA_KANNEL_HOOK_SECRET")
        required(
            "Kannel",
            MOTMA_KANNEL_HOOK_SECRET=self._secrets,
            MOTMA_KANNEL_SENDSMS_URL=settings.sendsms_url,
        )
        self._sendsms_url = settings.sendsms_url or ""
        ours = (settings.hook_url or public_url).rstrip("/")
        self._dlr_url = f"{ours}/webhooks/kannel/{self._secrets[0].decode()}/dlr"
        self._http = http
        self._heard = heard
        self._reports = reports
        self._seal = seal
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The two webhooks; Kannel calls the first by get-url or post-url, the second as its dlr-url."""
        mo, dlr = "/webhooks/kannel/{secret}/mo", "/webhooks/kannel/{secret}/dlr"
        return [
            web.get(mo, self.receive, allow_head=False),
            web.post(mo, self.receive),
            web.get(dlr, self.report, allow_head=False),
            web.post(dlr, self.report),
        ]

    # --- in ---

    async def receive(self, request: web.Request) -> web.Response:
        """A text from a phone. Raises `Malformed` for one without a sender."""
        admit(request, self._secrets)
        given = await _parameters(request)
        address = sender_address(first(given, "from"))
        if not address:
            raise Malformed("The message names no sender.", field="from")
        text = clean(_decoded(given))
        now = self._clock()
        # Without an id, the same words from the same phone in the same minute are one message sent again.
        told_id = clean(first(given, "id"))[:64]
        minute = f"{now:%Y%m%d%H%M}"
        message_id = told_id or self._seal.digest("kannel", address, text, minute).hex()
        await self._heard(
            Incoming(
                sender=Contact(channel=ChannelName.SMS, address=address),
                recipient=clean(first(given, "to"))[:64],
                text=text,
                external_id=f"{self.name}:{message_id}",
                received_at=now,
            )
        )
        return web.Response()

    async def report(self, request: web.Request) -> web.Response:
        """What became of a message of ours. One we do not know is none of ours: nothing is created."""
        admit(request, self._secrets)
        given = await _parameters(request)
        kind = first(given, "type")
        if not (kind.isascii() and kind.isdigit() and len(kind) <= 4):
            raise Malformed("The report has no type.", field="type")
        state = next((state for bit, state in _STATE_OF_BIT.items() if int(kind) & bit), None)
        message_id = our_id(first(given, "mid"))
        if state is not None and message_id is not None:
            word = f"{kind} {first(given, 'reply')}"
            await self._reports.report(route=self.name, state=state, provider_word=word, message_id=message_id)
        return web.Response()

    # --- out ---

    def sender_of(self, message: Outgoing) -> str | None:
        """Whom `message` names: Kannel may hold any number of lines, and knows them better than we."""
        return message.sender or super().sender_of(message)

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to smsbox, asking for every report under our own id."""
        text = self.written(message.text)
        report_to = f"{self._dlr_url}?mid={message.message_id}&type=%d&id=%F&reply=%A"
        query = {
            "username": self._settings.username,
            "password": self._settings.password,
            "to": message.to.address,
            "text": text,
            "coding": "0" if fits_gsm7(text) else _CODING_UCS2,
            "charset": "UTF-8",
            "dlr-mask": str(ALL_REPORTS),
            "dlr-url": report_to,
        }
        if sender := self.sender_of(message):
            query["from"] = sender
        # By GET: smsbox refuses forms, and its POST wants the account in headers, which look-alikes do not know.
        separator = "&" if "?" in self._sendsms_url else "?"
        answer = await call_once(
            self._http, "GET", f"{self._sendsms_url}{separator}{urlencode(query, quote_via=quote)}"
        )
        return _handed_over(answer)


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """Kannel gives no id of its own here. 202 says 'taken', not 'sent': that is for the reports to say."""
    if not 200 <= answer.status < 300:
        raise refused(answer)
    if answer.body.lstrip().startswith(TAKEN):
        return HandedOver(provider_id=None)
    raise InDoubt("The gateway's answer says neither yes nor no.")


async def _parameters(request: web.Request) -> Mapping[str, bytes]:
    """What a call carries, as bytes: its query; where a field is missing there, the X-Kannel headers and the body."""
    given = fields(query_of(request))
    if request.method == "POST":
        body = await small_body(request, MOST_TEXT)
        if request.content_type == FORM:
            given = fields(body) | given
        elif "text" not in given:
            given["text"] = body
            if request.charset:
                given.setdefault("charset", request.charset.encode("ascii", "replace"))
    for name in ("from", "to", "coding", "smsc"):
        if not given.get(name) and (value := request.headers.get(f"X-Kannel-{name}")):
            given[name] = value.encode("utf-8", "surrogateescape")
    return given


def _decoded(given: Mapping[str, bytes]) -> str:
    """The message as text. Binary messages have none."""
    octets = given.get("text") or given.get("body") or b""
    coding = first(given, "coding")
    charset = first(given, "charset").upper()
    if coding == _CODING_BINARY or charset == "8-BIT":
        return ""
    if charset == "GSM":
        return from_gsm7(octets)
    encoding = _ENCODINGS.get(charset) or ("utf-16-be" if coding == _CODING_UCS2 else "utf-8")
    try:
        return octets.decode(encoding)
    except UnicodeDecodeError:
        return octets.decode("latin-1" if encoding == "utf-8" else encoding, "replace")


def _make(settings: KannelSettings, around: Surroundings) -> KannelChannel:
    return KannelChannel(
        settings,
        http=around.http,
        heard=around.heard,
        reports=around.reports,
        seal=around.seal,
        public_url=around.public_url,
    )


OPENING = Opening(
    prefix="MOTMA_KANNEL_",
    settings=KannelSettings,
    secret="hook_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
