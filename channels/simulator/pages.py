"""The page of the simulated phone: choose a channel and a person, write to the service, watch what arrives."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from channels.simulator.gateway import Conditions, Receipts, ShownText, SimulatedGateway
from channels.simulator.handsets import Handsets
from channels.sms.numbers import is_mobile, sender_address
from channels.sms.segments import PART, SINGLE
from channels.web.live import Streams
from channels.web.unbroken import unbroken
from domain.contact import ChannelName, shown
from domain.language import Language
from domain.message import Choice, DeliveryState, IncomingKind
from domain.vietnamese import clean
from lookup.wording import Words, moment
from pages.rendering import Pages
from pages.requests import small_form

PLACE = "/gia-lap"
DEMO_PHONE = "+84901234567"
STRANGERS_PHONE = "+84987654321"
EXAMPLES = ("HS H05.16-261102-0001", "246810", "THEO DOI", "GOP Y", "DANH GIA 5", "BO", "DUNG", "HELP")
PHONE_COOKIE = "gia-lap"
_WORDS = Words("channels.simulator")
_MOST_BODY = 16_384
_COMING_AND_GOING = (IncomingKind.JOINED, IncomingKind.LEFT, IncomingKind.OWN_PHONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """What can be done at one provider: the page shows it by the name of its channel."""

    way: str
    conditions: Conditions
    faults: tuple[tuple[str, str], ...]
    receipts: tuple[tuple[str, str], ...]
    hours: int  # of the window; 0 where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """One text as the page shows it. `facts` is what the provider saw of it; `template` the parts of a template."""

    side: str  # from-us, from-person, or event
    text: str
    at: str
    cost: str
    state: str
    delivered: bool
    facts: tuple[tuple[str, str], ...]
    template: tuple[tuple[str, str], ...]
    number: str  # of the template
    way: str  # the channel it came by
    owed: str  # the gateway's number where the report waits to be let go
    choices: tuple[Choice, ...]


class SimulatorPages:
    """Routes under /gia-lap. `price` is VND a segment, an assumption that the page marks as one."""

    def __init__(self, handsets: Handsets, *, pages: Pages, price: int) -> None:
        self._handsets = handsets
        self._pages = pages
        self._price = price
        self._streams = Streams()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The page, its forms, its live news."""
        return [
            web.get(PLACE, self.phone),
            web.post(PLACE, self.text),
            web.post(f"{PLACE}/may", self.choose),
            web.post(f"{PLACE}/ra-vao", self.come_or_go),
            web.post(f"{PLACE}/nha-mang", self.arrange),
            web.get(f"{PLACE}/live", self.live, allow_head=False),
        ]

    async def close(self) -> None:
        """End the live pages, and wait for reports on their way."""
        await self._streams.close()
        await self._handsets.close()

    async def phone(self, request: web.Request) -> web.Response:
        """GET /gia-lap?kenh=…: the screen of the person chosen, in one channel."""
        return self._shown(request, self._gateway(request.query.get("kenh", "")))

    async def choose(self, request: web.Request) -> web.Response:
        """POST /gia-lap/may: another person, kept in a cookie: numbers stand in no address."""
        form = await small_form(request)
        gateway, phone = self._gateway(form.get("kenh", "")), sender_address(form.get("phone", ""))
        if not is_mobile(phone):
            return self._shown(request, gateway, wrong_number=True)
        response = _back_to(gateway)
        response.set_cookie(PHONE_COOKIE, phone, path=PLACE, httponly=True, samesite="Strict")
        return response

    async def text(self, request: web.Request) -> web.Response:
        """POST /gia-lap: the person says something, or taps a button, which says something too."""
        form = await small_form(request, _MOST_BODY)
        gateway, text = self._gateway(form.get("kenh", "")), clean(form.get("text", ""))
        if text:
            await gateway.receive(self._address(request, gateway), text)
        return _back_to(gateway)

    async def come_or_go(self, request: web.Request) -> web.Response:
        """POST /gia-lap/ra-vao: the person opens the chat, leaves it, or shares the phone number."""
        form = await small_form(request)
        gateway, what = self._gateway(form.get("kenh", "")), form.get("what")
        kind = next((kind for kind in _COMING_AND_GOING if kind == what), None)
        if kind is not None and gateway.reaches != ChannelName.SMS:
            text = _phone_of(request) if kind is IncomingKind.OWN_PHONE else ""
            await gateway.receive(self._address(request, gateway), text, kind)
        return _back_to(gateway)

    async def arrange(self, request: web.Request) -> web.Response:
        """POST /gia-lap/nha-mang: what the provider does with the next message, its receipts, its window."""
        form = await small_form(request)
        page = self._gateway(form.get("kenh", ""))
        gateway = next((one for one in self._of_page(page) if one.reaches == form.get("qua", "")), page)
        address = self._address(request, gateway)
        conditions = gateway.conditions(address)
        gateway.report_late(address, form.get("report", ""))
        if "fault" in form:
            conditions.fault = next((fault for fault in gateway.faults if fault == form["fault"]), None)
        if "receipts" in form:
            conditions.receipts = next((kind for kind in Receipts if kind == form["receipts"]), conditions.receipts)
        if "window" in form:
            conditions.window_closed = form["window"] == "closed"
        return _back_to(page)

    async def live(self, request: web.Request) -> web.StreamResponse:
        """GET /gia-lap/live?kenh=…: an event `changed` whenever the screen has."""
        gateway = self._gateway(request.query.get("kenh", ""))
        changes = gateway.changes(self._address(request, gateway))
        return await self._streams.changed(request, changes, address="", headers={"Cache-Control": "no-store"})

    def _gateway(self, channel: str) -> SimulatedGateway:
        """That of the channel asked for, else the first."""
        gateways = self._handsets.gateways
        return gateways.get(ChannelName(channel)) or next(iter(gateways.values()))

    def _of_page(self, gateway: SimulatedGateway) -> tuple[SimulatedGateway, ...]:
        """All whose messages are seen on the page of `gateway`."""
        beside = self._handsets.beside.get(gateway.reaches)
        return (gateway,) if beside is None else (gateway, beside)

    def _address(self, request: web.Request, gateway: SimulatedGateway) -> str:
        return self._handsets.address(gateway.reaches, _phone_of(request))

    # --- what is shown ---

    def _shown(self, request: web.Request, gateway: SimulatedGateway, *, wrong_number: bool = False) -> web.Response:
        language, phone = self._pages.language(request), _phone_of(request)
        channel, say = gateway.reaches, partial(_WORDS.say, language)
        seen = [(text, one) for one in self._of_page(gateway) for text in one.screen(self._address(request, one))]
        sent = sum(text.segments.count for text, _ in seen if text.message_id is not None)
        known = [self._handsets.phone(channel, other) for other in gateway.phones()]
        others = dict.fromkeys((DEMO_PHONE, STRANGERS_PHONE, *known))
        other_language = self._pages.other_language(request)
        return self._pages.render(
            request,
            "simulator.html",
            status=422 if wrong_number else 200,
            headers={"Cache-Control": "no-store"},
            language_url=f"{PLACE}?kenh={channel}&lang={other_language}",
            words=say,
            unbroken=unbroken,
            channel=channel,
            channels=[(name, _name_of(name, language)) for name in self._handsets.gateways],
            phone=shown(phone),
            others=[shown(other) for other in others if other != phone],
            number=gateway.number,
            bubbles=[
                self._bubble(text, language, self._address(request, one), one)
                for text, one in sorted(seen, key=lambda each: each[0].at)
            ],
            sms=channel == ChannelName.SMS,
            segments_sent=sent,
            total=_money(sent * self._price),
            price=_money(self._price),
            examples=EXAMPLES,
            wrong_number=wrong_number,
            shares_phone=not self._handsets.knows_phone(channel),
            levers=[self._lever(one, self._address(request, one), language) for one in self._of_page(gateway)],
        )

    def _lever(self, gateway: SimulatedGateway, address: str, language: Language) -> Lever:
        say = partial(_WORDS.say, language)
        return Lever(
            way=gateway.reaches,
            conditions=gateway.conditions(address),
            faults=tuple((fault, say(f"fault.{fault}")) for fault in gateway.faults),
            receipts=tuple((kind, say(f"receipts.{kind}")) for kind in Receipts),
            hours=round(gateway.window.total_seconds() / 3600) if gateway.window else 0,
        )

    def _bubble(self, text: ShownText, language: Language, address: str, gateway: SimulatedGateway) -> Bubble:
        say = partial(_WORDS.say, language)
        ours = text.message_id is not None
        ends = (text.other, address) if ours else (address, text.other)
        facts = [("from", ends[0]), ("to", ends[1]), ("gateway_id", text.gateway_id)]
        if ours:
            facts.append(("message_id", str(text.message_id)))
        return Bubble(
            side="event" if text.event else "from-us" if ours else "from-person",
            text=say(f"event.{text.event}") if text.event else text.text,
            at=moment(text.at, language),
            cost=self._cost(text, language) if gateway.reaches == ChannelName.SMS else say("text.details"),
            state=say(f"state.{text.state.name.lower()}") if text.state is not None else say("state.recorded"),
            delivered=text.state is None or text.state is DeliveryState.DELIVERED,
            facts=tuple((say(f"fact.{key}"), value) for key, value in facts),
            template=tuple(text.facts.items()),
            number=text.template,
            way=gateway.reaches,
            owed=text.gateway_id if text.owed else "",
            choices=text.choices,
        )

    def _cost(self, text: ShownText, language: Language) -> str:
        size = text.segments
        room = SINGLE[size.encoding] if size.count == 1 else PART[size.encoding] * size.count
        cost = _WORDS.say_n(language, "text.segments", size.count, encoding=size.encoding, used=size.units, room=room)
        return f"{cost}, {_money(size.count * self._price)}" if text.message_id is not None else cost


def _back_to(gateway: SimulatedGateway) -> web.Response:
    to = PLACE if gateway.reaches == ChannelName.SMS else f"{PLACE}?kenh={gateway.reaches}"
    return web.Response(status=web.HTTPSeeOther.status_code, headers={"Location": to})


def _name_of(channel: ChannelName, language: Language) -> str:
    """The channel as people call it; one that has no words yet by its own name."""
    key = f"channel.{channel}"
    return _WORDS.say(language, key) if _WORDS.has(language, key) else channel.replace("_", " ").capitalize()


def _phone_of(request: web.Request) -> str:
    """The phone in the cookie, else the demo's."""
    phone = sender_address(request.cookies.get(PHONE_COOKIE, ""))
    return phone if is_mobile(phone) else DEMO_PHONE


def _money(amount: int) -> str:
    """Dong as they are written: 1.050đ."""
    return f"{amount:,}đ".replace(",", ".")
