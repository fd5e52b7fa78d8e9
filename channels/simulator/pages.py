"""The page of the simulated phone: choose a number, text the service, watch answers and notices arrive."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from channels.simulator.gateway import ShownText, SimulatedGateway
from channels.sms.numbers import is_mobile, sender_address
from channels.sms.segments import PART, SINGLE
from channels.web.rendering import Pages
from channels.web.requests import small_body
from domain.contact import shown
from domain.language import Language
from domain.message import DeliveryState
from domain.vietnamese import clean
from lookup.wording import Words, moment

DEMO_PHONE = "+84901234567"
STRANGERS_PHONE = "+84987654321"
EXAMPLES = ("HS H05.16-261102-0001", "246810", "THEO DOI", "BO", "DUNG", "HELP")
PHONE_COOKIE = "gia-lap"
_WORDS = Words("channels.simulator")
_MOST_BODY = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One text as the page shows it. `facts` is what the gateway saw of it."""

    ours: bool
    text: str
    at: str
    cost: str
    state: str
    delivered: bool
    facts: tuple[tuple[str, str], ...]


class SimulatorPages:
    """Routes under /gia-lap. `price` is VND a segment, an assumption that the page marks as one."""

    def __init__(self, gateway: SimulatedGateway, *, pages: Pages, price: int) -> None:
        self._gateway = gateway
        self._pages = pages
        self._price = price
        self._open: set[EventSourceResponse] = set()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The page, its two forms, its live news."""
        return [
            web.get("/gia-lap", self.phone),
            web.post("/gia-lap", self.text),
            web.post("/gia-lap/may", self.choose),
            web.get("/gia-lap/live", self.live, allow_head=False),
        ]

    async def close(self) -> None:
        """End the live pages, and wait for reports on their way."""
        for stream in list(self._open):
            stream.stop_streaming()
        await self._gateway.close()

    async def phone(self, request: web.Request) -> web.Response:
        """GET /gia-lap: the phone chosen."""
        return self._shown(request)

    async def choose(self, request: web.Request) -> web.Response:
        """POST /gia-lap/may: another phone, kept in a cookie: numbers stand in no address."""
        form = parse_qs((await small_body(request)).decode("utf-8", "replace"))
        phone = sender_address("".join(form.get("phone", [])))
        if not is_mobile(phone):
            return self._shown(request, wrong_number=True)
        response = _back_to_the_phone()
        response.set_cookie(PHONE_COOKIE, phone, path="/gia-lap", httponly=True, samesite="Strict")
        return response

    async def text(self, request: web.Request) -> web.Response:
        """POST /gia-lap: the phone sends a text."""
        form = parse_qs((await small_body(request, _MOST_BODY)).decode("utf-8", "replace"))
        text = clean("".join(form.get("text", [])))
        if text:
            await self._gateway.receive(_phone_of(request), text)
        return _back_to_the_phone()

    async def live(self, request: web.Request) -> web.StreamResponse:
        """GET /gia-lap/live: an event `changed` whenever the screen has."""
        async with sse_response(request, headers={"Cache-Control": "no-store"}) as stream:
            self._open.add(stream)
            forwarding = asyncio.create_task(self._forward(_phone_of(request), stream))
            try:
                await stream.wait()
            finally:
                self._open.discard(stream)
                forwarding.cancel()
                await asyncio.gather(forwarding, return_exceptions=True)
        return stream

    async def _forward(self, phone: str, stream: EventSourceResponse) -> None:
        async for _ in self._gateway.changes(phone):
            await stream.send("", event="changed")

    def _shown(self, request: web.Request, *, wrong_number: bool = False) -> web.Response:
        language, phone = self._pages.language(request), _phone_of(request)
        screen = self._gateway.screen(phone)
        sent = sum(text.segments.count for text in screen if text.message_id is not None)
        others = dict.fromkeys((DEMO_PHONE, STRANGERS_PHONE, *self._gateway.phones()))
        return self._pages.render(
            request,
            "simulator.html",
            status=422 if wrong_number else 200,
            headers={"Cache-Control": "no-store"},
            language_url=f"/gia-lap?lang={self._pages.other_language(request)}",
            words=partial(_WORDS.say, language),
            phone=shown(phone),
            others=[shown(other) for other in others if other != phone],
            number=self._gateway.number,
            bubbles=[self._bubble(text, language, phone) for text in screen],
            segments_sent=sent,
            total=_money(sent * self._price),
            price=_money(self._price),
            examples=EXAMPLES,
            wrong_number=wrong_number,
        )

    def _bubble(self, text: ShownText, language: Language, phone: str) -> Bubble:
        say = partial(_WORDS.say, language)
        ours = text.message_id is not None
        size = text.segments
        room = SINGLE[size.encoding] if size.count == 1 else PART[size.encoding] * size.count
        cost = _WORDS.say_n(language, "text.segments", size.count, encoding=size.encoding, used=size.units, room=room)
        if ours:
            cost = f"{cost}, {_money(size.count * self._price)}"
        ends = (text.other, phone) if ours else (phone, text.other)
        facts = [("from", ends[0]), ("to", ends[1]), ("gateway_id", text.gateway_id)]
        if ours:
            facts.append(("message_id", str(text.message_id)))
        return Bubble(
            ours=ours,
            text=text.text,
            at=moment(text.at, language),
            cost=cost,
            state=say(f"state.{text.state.name.lower()}") if text.state is not None else say("state.recorded"),
            delivered=text.state is None or text.state is DeliveryState.DELIVERED,
            facts=tuple((say(f"fact.{key}"), value) for key, value in facts),
        )


def _back_to_the_phone() -> web.Response:
    return web.Response(status=web.HTTPSeeOther.status_code, headers={"Location": "/gia-lap"})


def _phone_of(request: web.Request) -> str:
    """The phone in the cookie, else the demo's."""
    phone = sender_address(request.cookies.get(PHONE_COOKIE, ""))
    return phone if is_mobile(phone) else DEMO_PHONE


def _money(amount: int) -> str:
    """Dong as they are written: 1.050đ."""
    return f"{amount:,}đ".replace(",", ".")
