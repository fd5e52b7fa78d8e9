"""SpeedSMS (Vietnam): texts out by its API, delivery reports back by POST where a secret guards their address.

What is known of it: speedsms.vn/sms-api (sending, error codes, 60 calls a minute) and, for the reports, what users of
it publish; SpeedSMS signs nothing, so the secret stands in the path. A report names the message by SpeedSMS's own
`tranId` only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp
import msgspec
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.hook_secrets import admit, path_secrets
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.sms.calls import MOST_CALL, json_as, mended
from channels.sms.gateway import SendingSettings, SmsGateway, basic, required
from channels.sms.manner import SMS_MANNER
from domain.contact import ChannelName
from domain.errors import InDoubt, Malformed, ServiceError, TryLater, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from notifications.reports import Reports
from pages.requests import small_body

API_URL = "https://api.speedsms.vn"
RATE = 1.0  # calls a second: 60 a minute are taken
BRANDNAME = 3  # sms_type: by a brandname of ours
FAILED_FROM = 64  # statuses of a report: 0 arrived, below this not yet, from here on never

# Error codes: malformed number, encoding not carried, text too long. Every other is our account or SpeedSMS's load.
_NEVER = frozenset({"105", "110", "113"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedSmsSettings(SendingSettings):
    """MOTMA_SPEEDSMS_…; off until `token` is set. `sms_type` is SpeedSMS's own: 2 care, 3 brandname, 4 Notify, ….

    `sender` are our names there, comma-separated, the default first; `hook_secret` opens the address for reports.
    """

    token: str | None = field(default=None, repr=False)
    sender: str | None = None
    sms_type: int = BRANDNAME
    api_url: str = API_URL
    hook_secret: str | None = field(default=None, repr=False)
    rate: float | None = RATE
    concurrency: int = 4


class Report(msgspec.Struct, frozen=True):
    """What became of one message."""

    kind: str = msgspec.field(name="type", default="")
    transaction: str = msgspec.field(name="tranId", default="")
    status: int | None = None


class Data(msgspec.Struct, frozen=True):
    """The fruitful part of an answer."""

    transaction: str | None = msgspec.field(name="tranId", default=None)
    refused: tuple[str, ...] | None = msgspec.field(name="invalidPhone", default=None)
    balance: str = "?"
    currency: str = ""


class Answer(msgspec.Struct, frozen=True):
    """An answer of the API."""

    status: str
    code: str = ""
    data: Data = Data()


class SpeedSmsChannel(SmsGateway):
    """Texts out, reports back."""

    name = "speedsms"

    def __init__(self, settings: SpeedSmsSettings, *, http: aiohttp.ClientSession, reports: Reports) -> None:
        super().__init__(settings, settings.sender)
        self._secrets = path_secrets(settings.hook_secret or "", "MOTMA_SPEEDSMS_HOOK_SECRET")
        required("SpeedSMS", MOTMA_SPEEDSMS_TOKEN=settings.token)
        self.gives_receipts = bool(self._secrets)
        self._type = settings.sms_type
        self._api = f"{settings.api_url.rstrip('/')}/index.php"
        self._headers = basic(settings.token or "", "x")
        self._http = http
        self._reports = reports

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Where reports come."""
        return [web.post("/webhooks/speedsms/{secret}", self.report)]

    async def report(self, request: web.Request) -> web.Response:
        """What became of a message of ours. One we do not know is none of ours: nothing is created."""
        admit(request, self._secrets)
        told = json_as(Report, await small_body(request, MOST_CALL))
        if told.kind == "report" and told.status is not None and told.status >= 0:
            state = DeliveryState.FAILED if told.status >= FAILED_FROM else DeliveryState.ON_ITS_WAY
            await self._reports.report(
                route=self.name,
                state=DeliveryState.DELIVERED if told.status == 0 else state,
                provider_word=f"status {told.status}",
                provider_id=mended(told.transaction),
            )
        return web.Response()

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to SpeedSMS. It has no place for a reference of ours."""
        wanted = {
            "to": [message.to.address.removeprefix("+")],
            "content": self.written(message.text),
            "sms_type": self._type,
            "sender": self.sender_of(message) or "",
        }
        return _handed_over(
            await call_once(self._http, "POST", f"{self._api}/sms/send", json=wanted, headers=self._headers)
        )

    async def examine(self) -> str:
        """The account's balance."""
        answer = await call_once(self._http, "GET", f"{self._api}/user/info", headers=self._headers)
        said = json_as(Answer, answer.body) if answer.status == 200 else Answer(status=str(answer.status))
        if said.status != "success":
            raise ServiceError(f"SpeedSMS answers {said.code or said.status}: check MOTMA_SPEEDSMS_TOKEN.")
        return f"balance {said.data.balance} {said.data.currency}".strip()


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """200 whatever happened: `status` tells."""
    if not 200 <= answer.status < 300:
        raise refused(answer)
    try:
        said = json_as(Answer, answer.body)
    except Malformed:
        raise InDoubt("SpeedSMS's answer says neither yes nor no.") from None
    if said.data.refused:
        raise Undeliverable("SpeedSMS takes no such number.")
    if said.status == "success":
        return HandedOver(provider_id=said.data.transaction)
    if said.code in _NEVER:
        raise Undeliverable(f"SpeedSMS refused with {said.code}.")
    raise TryLater(f"SpeedSMS refused with {said.code or said.status}.", after=answer.retry_after)


def _make(settings: SpeedSmsSettings, around: Surroundings) -> SpeedSmsChannel:
    return SpeedSmsChannel(settings, http=around.http, reports=around.reports)


OPENING = Opening(
    prefix="MOTMA_SPEEDSMS_",
    settings=SpeedSmsSettings,
    secret="token",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
