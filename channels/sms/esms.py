"""eSMS (Vietnam): brandname texts out by its JSON API, receipts back by GET. Nothing comes in.

eSMS signs nothing: the secret stands in the path (developers.esms.vn, "Callback Url"). Our own reference comes back
with each receipt, and carries a digest, so that it names a message of this installation and no other. Of references
eSMS takes each once: a message sent again after a doubt is refused there as a duplicate, and arrives once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp
import msgspec
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.hook_secrets import admit, is_one_of, path_secrets
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.sms.calls import fields, first, json_as, our_id, query_of
from channels.sms.gateway import SendingSettings, SmsGateway, required
from channels.sms.manner import SMS_MANNER
from channels.sms.segments import fits_gsm7
from domain.contact import ChannelName, shown
from domain.errors import InDoubt, Malformed, ServiceError, TryLater, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from lookup.sealing import Seal
from notifications.reports import Reports

API_URL = "https://rest.esms.vn"
CARE = "2"  # SmsType: customer care, by brandname

# CodeResult (developers.esms.vn, "Table of error codes"). Every code not named here is our account, our brandname, our
# settings or eSMS's load.
_TAKEN = "100"
_TAKEN_BEFORE = "124"
_NEVER = {
    "99": "the number is blocked there",
    "108": "the number is malformed",
    "146": "the text fits no template approved for the brandname",
}

# SendStatus of a receipt.
_APPROVAL, _WAITING, _REFUSED, _ENDED, _AT_THE_NETWORK = "1", "2", "4", "5", "7"


@dataclass(frozen=True, slots=True, kw_only=True)
class EsmsSettings(SendingSettings):
    """MOTMA_ESMS_…; off until `hook_secret` is set, which may be `new,old`.

    `brandname` are our names there, comma-separated, the default first.
    """

    api_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    brandname: str | None = None
    api_url: str = API_URL
    hook_secret: str | None = field(default=None, repr=False)


class Sent(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a message sent."""

    code_result: str
    sms_id: str | None = msgspec.field(name="SMSID", default=None)


class Balance(msgspec.Struct, frozen=True, rename="pascal"):
    """The answer to a question about the account, in đồng."""

    code_response: str = ""
    balance: str = "?"


class EsmsChannel(SmsGateway):
    """Texts out, receipts back."""

    name = "esms"

    def __init__(
        self, settings: EsmsSettings, *, http: aiohttp.ClientSession, reports: Reports, seal: Seal, public_url: str
    ) -> None:
        super().__init__(settings, settings.brandname)
        self._secrets = path_secrets(settings.hook_secret or "", "MOTMA_ESMS_HOOK_SECRET")
        required(
            "eSMS",
            MOTMA_ESMS_API_KEY=settings.api_key,
            MOTMA_ESMS_SECRET_KEY=settings.secret_key,
            MOTMA_ESMS_BRANDNAME=self.senders,
            MOTMA_ESMS_HOOK_SECRET=self._secrets,
        )
        self._account = {"ApiKey": settings.api_key, "SecretKey": settings.secret_key}
        self._api = f"{settings.api_url.rstrip('/')}/MainService.svc/json"
        self._hook_url = f"{public_url.rstrip('/')}/webhooks/esms/{self._secrets[0].decode()}"
        self._http = http
        self._reports = reports
        self._seal = seal

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Where receipts come."""
        return [web.get("/webhooks/esms/{secret}", self.report, allow_head=False)]

    async def report(self, request: web.Request) -> web.Response:
        """What became of a message of ours. One we do not know is none of ours: nothing is created."""
        admit(request, self._secrets)
        given = fields(query_of(request))
        state = _state(given)
        message_id = self._referred(first(given, "RequestId"))
        if state is not None:
            failed, succeeded = first(given, "SendFailed"), first(given, "SendSuccess")
            await self._reports.report(
                route=self.name,
                state=state,
                provider_word=f"status {first(given, 'SendStatus')} failed {failed} success {succeeded}",
                message_id=message_id,
                provider_id=first(given, "SMSID"),
            )
        return web.Response()

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to eSMS under our own reference."""
        text = self.written(message.text)
        wanted = {
            **self._account,
            "Phone": shown(message.to.address),
            "Content": text,
            "Brandname": self.sender_of(message),
            "SmsType": CARE,
            "IsUnicode": "0" if fits_gsm7(text) else "1",
            "RequestId": self._reference(message.message_id),
            "CallbackUrl": self._hook_url,
        }
        url = f"{self._api}/SendMultipleMessage_V4_post_json/"
        return _handed_over(await call_once(self._http, "POST", url, json=wanted))

    async def examine(self) -> str:
        """The account's balance."""
        answer = await call_once(self._http, "POST", f"{self._api}/GetBalance_json", json=self._account)
        held = json_as(Balance, answer.body) if answer.status == 200 else Balance()
        if held.code_response != _TAKEN:
            raise ServiceError(
                f"eSMS answers {held.code_response or answer.status}: check MOTMA_ESMS_API_KEY, MOTMA_ESMS_SECRET_KEY,"
                " and whether our address may call."
            )
        return f"balance {held.balance} VND"

    def _reference(self, message_id: int) -> str:
        """Our id and what proves it ours: ids count from 1 again in every new store, and eSMS takes each once."""
        return f"{message_id}-{self._seal.digest('esms', str(message_id)).hex()[:16]}"

    def _referred(self, reference: str) -> int | None:
        message_id = our_id(reference.partition("-")[0])
        if message_id is None or not is_one_of(reference, (self._reference(message_id).encode(),)):
            return None
        return message_id


def _state(given: Mapping[str, bytes]) -> DeliveryState | None:
    """What a receipt means. `SendStatus` 5 alone says only that it is over: the counts say how it went."""
    status = first(given, "SendStatus")
    if status == _ENDED:
        failed, succeeded = our_id(first(given, "SendFailed")) or 0, our_id(first(given, "SendSuccess")) or 0
        if succeeded and not failed:
            return DeliveryState.DELIVERED
        return DeliveryState.FAILED if failed and not succeeded else DeliveryState.ON_ITS_WAY
    return {
        _APPROVAL: DeliveryState.HANDED_OVER,
        _WAITING: DeliveryState.HANDED_OVER,
        _REFUSED: DeliveryState.FAILED,
        _AT_THE_NETWORK: DeliveryState.ON_ITS_WAY,
    }.get(status)


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """200 whatever happened: `CodeResult` tells."""
    if not 200 <= answer.status < 300:
        raise refused(answer)
    try:
        said = json_as(Sent, answer.body)
    except Malformed:
        raise InDoubt("eSMS's answer says neither yes nor no.") from None
    if said.code_result in {_TAKEN, _TAKEN_BEFORE}:
        return HandedOver(provider_id=said.sms_id)
    if reason := _NEVER.get(said.code_result):
        raise Undeliverable(f"eSMS refused with {said.code_result}: {reason}.")
    raise TryLater(f"eSMS refused with {said.code_result}.", after=answer.retry_after)


def _make(settings: EsmsSettings, around: Surroundings) -> EsmsChannel:
    return EsmsChannel(
        settings, http=around.http, reports=around.reports, seal=around.seal, public_url=around.public_url
    )


OPENING = Opening(
    prefix="MOTMA_ESMS_",
    settings=EsmsSettings,
    secret="hook_secret",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
