"""Infobip SMS: texts (MO_JSON_2) and delivery reports in by HTTP Basic, several in one call; API v3 out.

Infobip signs nothing: the user and password set with the subscription say who calls (infobip.com/docs/api, SMS).
"""

import base64
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

import aiohttp
import msgspec
from aiohttp import web

from channels.channel import Heard, Opening, Surroundings
from channels.hook_secrets import is_one_of, secrets_of
from channels.provider_call import ProviderAnswer, call_once, refused
from channels.side_by_side import side_by_side
from channels.sms.calls import json_as, mended, our_id
from channels.sms.gateway import SendingSettings, SmsGateway, is_said_in, required
from channels.sms.manner import SMS_MANNER
from channels.sms.received import received
from domain.civil_time import utc_now
from domain.contact import ChannelName
from domain.errors import InDoubt, Malformed, ServiceError, TryLater, Unauthenticated, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from notifications.reports import Reports
from pages.requests import small_body

API_URL = "https://api.infobip.com"
AT_ONCE = 100  # reports of one call
MOST_LISTED = 50  # messages to one number
CLOCKS_APART = timedelta(minutes=1)
MOST_BODY = 1_048_576  # bytes: a call brings a hundred reports, or more if the subscription says so

# infobip.com/docs/essentials/response-status-and-error-codes: groups, and the one status that says less than its group.
_PENDING, _UNDELIVERABLE, _DELIVERED, _EXPIRED, _REJECTED = range(1, 6)
_STATE_OF = MappingProxyType(
    {
        _PENDING: DeliveryState.ON_ITS_WAY,
        _UNDELIVERABLE: DeliveryState.FAILED,
        _DELIVERED: DeliveryState.DELIVERED,
        _EXPIRED: DeliveryState.EXPIRED,
        _REJECTED: DeliveryState.FAILED,
    }
)
_TO_OPERATOR = "DELIVERED_TO_OPERATOR"  # in the group "delivered", but no phone has it
# Our account or Infobip's load, nothing about this message or this number.
_OURS_TO_MEND = frozenset(
    {
        "REJECTED_NOT_ENOUGH_CREDITS",
        "REJECTED_PREPAID_PACKAGE_EXPIRED",
        "REJECTED_SENDER",
        "REJECTED_SOURCE",
        "REJECTED_ROUTE_NOT_AVAILABLE",
        "REJECTED_FLOODING_FILTER",
        "REJECTED_SYSTEM_ERROR",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InfobipSettings(SendingSettings):
    """MOTMA_INFOBIP_…; off until `hook_password` is set, which may be `new,old`.

    `api_url` is best the account's own (https://….api.infobip.com); `sender` are our numbers and names,
    comma-separated, the default first.
    """

    api_key: str | None = field(default=None, repr=False)
    api_url: str = API_URL
    sender: str | None = None
    hook_username: str | None = None
    hook_password: str | None = field(default=None, repr=False)


class ReceivedText(msgspec.Struct, frozen=True, rename="camel"):
    """One text of a call."""

    message_id: str
    sender: str = msgspec.field(name="from", default="")
    recipient: str = msgspec.field(name="to", default="")
    text: str | None = None


class ReceivedTexts(msgspec.Struct, frozen=True):
    """The body of a call with texts."""

    results: tuple[ReceivedText, ...] = ()


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """How far a message came."""

    group_id: int = 0
    name: str = ""


class Fault(msgspec.Struct, frozen=True):
    """What the network said."""

    name: str | None = None


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """What became of one message. `callback_data` is our own id."""

    message_id: str = ""
    callback_data: str | None = None
    status: Status = Status()
    error: Fault | None = None


class ReportedMessages(msgspec.Struct, frozen=True):
    """The body of a call with reports."""

    results: tuple[Report, ...] = ()


class Sent(msgspec.Struct, frozen=True):
    """The answer to a message sent."""

    messages: tuple[Report, ...]


class Content(msgspec.Struct, frozen=True):
    """What a message said."""

    text: str | None = None


class LoggedMessage(msgspec.Struct, frozen=True, rename="camel"):
    """One message of the logs."""

    message_id: str
    content: Content | None = None


class Logged(msgspec.Struct, frozen=True):
    """The messages sent to a number."""

    results: tuple[LoggedMessage, ...]


class Balance(msgspec.Struct, frozen=True):
    """The answer to a question about the account."""

    balance: str = "?"
    currency: str = ""


class InfobipChannel(SmsGateway):
    """Texts in, texts out, reports back."""

    name = "infobip"

    def __init__(
        self,
        settings: InfobipSettings,
        *,
        http: aiohttp.ClientSession,
        heard: Heard,
        reports: Reports,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings, settings.sender)
        user = (settings.hook_username or "").encode()
        self._callers = tuple(
            base64.b64encode(b":".join((user, password))) for password in secrets_of(settings.hook_password or "")
        )
        required(
            "Infobip",
            MOTMA_INFOBIP_API_KEY=settings.api_key,
            MOTMA_INFOBIP_SENDER=self.senders,
            MOTMA_INFOBIP_HOOK_USERNAME=user,
            MOTMA_INFOBIP_HOOK_PASSWORD=self._callers,
        )
        self._api = settings.api_url.rstrip("/")
        self._headers = {"Authorization": f"App {settings.api_key}", "Accept": "application/json"}
        self._http = http
        self._heard = heard
        self._reports = reports
        self._clock = clock

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The two webhooks."""
        return [web.post("/webhooks/infobip/mo", self.receive), web.post("/webhooks/infobip/reports", self.report)]

    async def receive(self, request: web.Request) -> web.Response:
        """Texts from phones. Raises `Unauthenticated`, `TooLarge`, `Malformed`.

        A text without sender or id is passed over: it would only keep the others from coming.
        """
        for text in json_as(ReceivedTexts, await self._genuine(request)).results:
            with suppress(Malformed):
                await self._heard(
                    received(
                        self.name,
                        sender=text.sender,
                        recipient=text.recipient,
                        text=text.text or "",
                        message_id=text.message_id,
                        at=self._clock(),
                    )
                )
        return web.Response()

    async def report(self, request: web.Request) -> web.Response:
        """What became of messages of ours. Those we do not know are none of ours: nothing is created."""
        told = json_as(ReportedMessages, await self._genuine(request)).results
        await side_by_side(((one.message_id, one) for one in told), self._report, at_once=AT_ONCE)
        return web.Response()

    async def _report(self, told: Report) -> None:
        state = _STATE_OF.get(told.status.group_id)
        if told.status.name == _TO_OPERATOR:
            state = DeliveryState.ON_ITS_WAY
        if state is not None:
            why = told.error.name or "" if told.error else ""
            await self._reports.report(
                route=self.name,
                state=state,
                provider_word=mended(f"{told.status.name} {why}").strip(),
                message_id=our_id(told.callback_data or ""),
                provider_id=mended(told.message_id),
            )

    async def _genuine(self, request: web.Request) -> bytes:
        """The body of a call with the right user and password. Raises `Unauthenticated` for every other."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not is_one_of(given.strip(), self._callers):
            raise Unauthenticated("The call does not say who makes it.")
        return await small_body(request, MOST_BODY)

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message to Infobip; our own id comes back with its reports, by the account's subscription."""
        wanted = {
            "messages": [
                {
                    "sender": self.sender_of(message) or "",
                    "destinations": [{"to": message.to.address.removeprefix("+")}],
                    "content": {"text": self.written(message.text)},
                    "webhooks": {"callbackData": str(message.message_id)},
                }
            ]
        }
        return _handed_over(
            await call_once(self._http, "POST", f"{self._api}/sms/3/messages", json=wanted, headers=self._headers)
        )

    async def find(self, message: Outgoing, since: datetime) -> HandedOver | None:
        """The message to that number since then that says the same (Outbound SMS message logs, kept for 48 hours)."""
        answer = await call_once(
            self._http,
            "GET",
            f"{self._api}/sms/3/logs",
            params={
                "destination": message.to.address.removeprefix("+"),
                "sentSince": (since - CLOCKS_APART).strftime("%Y-%m-%dT%H:%M:%S.000%z"),
                "limit": str(MOST_LISTED),
            },
            headers=self._headers,
        )
        if answer.status != 200:
            raise TryLater(f"Infobip answers {answer.status} when it is asked.", after=answer.retry_after)
        text = self.written(message.text)
        for one in json_as(Logged, answer.body).results:
            if is_said_in(message, text, (one.content and one.content.text) or ""):
                return HandedOver(provider_id=one.message_id)
        return None

    async def examine(self) -> str:
        """The account's balance."""
        answer = await call_once(self._http, "GET", f"{self._api}/account/1/balance", headers=self._headers)
        if answer.status != 200:
            raise ServiceError(
                f"Infobip answers {answer.status}: check MOTMA_INFOBIP_API_KEY and MOTMA_INFOBIP_API_URL."
            )
        held = json_as(Balance, answer.body)
        return f"balance {held.balance} {held.currency}".strip()


def _handed_over(answer: ProviderAnswer) -> HandedOver:
    """200 with a status of the message, which may be a refusal all the same."""
    if not 200 <= answer.status < 300:
        raise refused(answer)
    try:
        sent = json_as(Sent, answer.body).messages
    except Malformed:
        sent = ()
    if not sent:
        raise InDoubt("Infobip's answer names no message.")
    status = sent[0].status
    if status.name in _OURS_TO_MEND:
        raise TryLater(f"Infobip refused: {status.name}.", after=answer.retry_after)
    if status.group_id in {_UNDELIVERABLE, _EXPIRED, _REJECTED}:
        raise Undeliverable(f"Infobip refused: {status.name}.")
    return HandedOver(provider_id=sent[0].message_id)


def _make(settings: InfobipSettings, around: Surroundings) -> InfobipChannel:
    return InfobipChannel(settings, http=around.http, heard=around.heard, reports=around.reports)


OPENING = Opening(
    prefix="MOTMA_INFOBIP_",
    settings=InfobipSettings,
    secret="hook_password",  # noqa: S106 - the field's name
    make=_make,
    reaches=ChannelName.SMS,
    manner=SMS_MANNER,
)
