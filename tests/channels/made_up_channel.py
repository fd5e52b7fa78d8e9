"""A channel that exists for the tests alone: what one file and one line in the table must be enough for.

A pager: its provider posts `{"id", "from", "text"}` or `{"id", "report"}` with a secret in a header, and takes
`{"to", "text", "buttons", "reference"}`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from channels.channel import Opening, Surroundings
from channels.conversation.turn import Manner
from channels.hook_secrets import is_one_of, secrets_of
from channels.provider_call import call_once, refused
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Malformed, Unauthenticated
from domain.message import DeliveryState, HandedOver, Incoming, Outgoing
from pages.requests import small_body

PAGER = ChannelName("pager")


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerSettings:
    """MOTMA_PAGER_…; off until `hook_secret` is set."""

    api_url: str = ""
    hook_secret: str | None = field(default=None, repr=False)


class _Call(msgspec.Struct, frozen=True):
    id: str
    sender: str = msgspec.field(name="from", default="")
    text: str = ""
    report: str = ""


class PagerChannel:
    """One account."""

    name = "pager"
    reaches = PAGER
    concurrency = 4
    rate = None

    def __init__(self, settings: PagerSettings, around: Surroundings) -> None:
        if not settings.api_url:
            raise Malformed("The pager needs MOTMA_PAGER_API_URL.")
        self._settings = settings
        self._secrets = secrets_of(settings.hook_secret or "")
        self._around = around

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The webhook."""
        return [web.post("/webhooks/pager", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """Words, or a report."""
        if not is_one_of(request.headers.get("X-Secret", ""), self._secrets):
            raise Unauthenticated("Who are you?")
        call = msgspec.json.decode(await small_body(request, 4_096), type=_Call)
        if call.report:
            await self._around.reports.report(
                route=self.name, state=DeliveryState.DELIVERED, provider_word=call.report, provider_id=call.id
            )
        else:
            await self._around.heard(
                Incoming(
                    sender=Contact(channel=PAGER, address=call.sender),
                    recipient="ours",
                    text=call.text,
                    external_id=f"{self.name}:{call.id}",
                    received_at=utc_now(),
                )
            )
        return web.Response()

    async def send(self, message: Outgoing) -> HandedOver:
        """Hand one message over."""
        body = {
            "to": message.to.address,
            "text": message.text,
            "buttons": {choice.label: choice.says for choice in message.choices},
            "reference": message.message_id,
        }
        answer = await call_once(self._around.http, "POST", self._settings.api_url, json=body)
        if answer.status != 200:
            raise refused(answer)
        return HandedOver(provider_id=msgspec.json.decode(answer.body, type=str))

    async def examine(self) -> str:
        """What the doctor prints."""
        return "the pager answers"


OPENING = Opening(
    prefix="MOTMA_PAGER_",
    settings=PagerSettings,
    secret="hook_secret",
    make=PagerChannel,
    reaches=PAGER,
    manner=Manner(fits=lambda text: len(text) <= 900),
)
