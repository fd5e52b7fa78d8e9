"""Which gateway a text leaves by, from whom, and which texts do not leave at all (guarantees G35, G44)."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from cache.limits import Limits
from cache.redis_connection import open_redis
from channels.channel import Gateway
from channels.sms import routing
from channels.sms.gateway import SendingSettings, SmsGateway
from channels.sms.numbers import is_mobile
from channels.sms.routing import RoutedSender, RoutingSettings, agency_senders
from channels.sms.traffic import Rule
from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import InDoubt, Malformed, TryLater, Undeliverable
from domain.message import HandedOver, Outgoing
from lookup.sealing import Seal

WIDE = RoutingSettings(per_number="off", spend_per_number="off", spend_per_prefix="off", spend="off", share=0)
LOOKS_ALWAYS = Rule(look_every=timedelta(0))


@dataclass
class Mouth(SmsGateway):
    """A gateway that says what it was told to send."""

    name: str
    senders_here: str = "8088"
    sending: SendingSettings = field(default_factory=SendingSettings)
    sent: list[Outgoing] = field(default_factory=list)
    error: BaseException | None = None
    gives_receipts: bool = True
    calls: int = 0
    has_sent: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        super().__init__(self.sending, self.senders_here)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return ()

    async def send(self, message: Outgoing) -> HandedOver:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.sent.append(message)
        self.has_sent.set()
        return HandedOver(provider_id=f"{self.name}-{message.message_id}")

    def from_whom(self) -> list[str | None]:
        return [self.sender_of(message) for message in self.sent]


@dataclass
class Answering:
    """A gateway that takes answers to its own calls."""

    waiting: set[int]
    name: str = "shortcode"
    reaches: ChannelName = ChannelName.SMS
    concurrency: int = 8
    rate: None = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return ()

    async def answer(self, message: Outgoing) -> HandedOver | None:
        return HandedOver(provider_id=None, route=self.name) if message.message_id in self.waiting else None

    async def send(self, message: Outgoing) -> HandedOver:
        raise AssertionError(message)


@pytest.fixture
async def limits(redis_url: str, seal: Seal) -> AsyncIterator[Limits]:
    async with open_redis(redis_url) as redis:
        opened = Limits(redis, seal)
        yield opened
        await opened.aclose()


class Routed:
    """Makes senders."""

    def __init__(self, limits: Limits, database: Database) -> None:
        self.limits = limits
        self.database = database

    def __call__(self, *gateways: Gateway, settings: RoutingSettings = WIDE, rule: Rule = LOOKS_ALWAYS) -> RoutedSender:
        return RoutedSender(gateways, settings, limits=self.limits, database=self.database, rule=rule)

    async def use(self, route: str, slow: Sequence[str] = ()) -> None:
        """Decide for all processes."""
        async with self.database.connection(Role.WORKER) as connection:
            await connection.execute(
                "INSERT INTO sms_traffic (route, moved_at, looked_at) VALUES ($1, now(), now() + interval '1 hour')"
                " ON CONFLICT (one) DO UPDATE SET route = $1",
                route,
            )
            for name in slow:
                await connection.execute("INSERT INTO sms_route VALUES ($1, true, now())", name)


@pytest.fixture
def routed(limits: Limits, database: Database) -> Routed:
    return Routed(limits, database)


def text(message_id: int = 1, to: str = "+84901234567", sender: str | None = None, words: str = "Hồ sơ") -> Outgoing:
    return Outgoing(message_id=message_id, to=Contact(channel=ChannelName.SMS, address=to), text=words, sender=sender)


def settings(**changed: Any) -> RoutingSettings:  # noqa: ANN401 - of any field
    base = {name: getattr(WIDE, name) for name in RoutingSettings.__dataclass_fields__}
    return RoutingSettings(**{**base, **changed})


# --- which route ---


async def test_one_gateway_is_used_as_it_is_and_named(routed: Routed) -> None:
    only = Mouth("esms")
    sender = routed(only)
    assert sender.name == "esms"
    assert (await sender.send(text())) == HandedOver(provider_id="esms-1", route="esms")


async def test_texts_go_by_the_route_in_use_and_say_so(routed: Routed) -> None:
    first, second = Mouth("esms"), Mouth("kannel", "8100")
    sender = routed(first, second)
    assert (await sender.send(text())).route == "esms"
    await routed.use("kannel")
    assert (await sender.send(text())).route == "kannel"
    assert (len(first.sent), len(second.sent)) == (1, 1)


async def test_the_settings_name_the_routes_and_their_order(routed: Routed) -> None:
    gateways = [Mouth("esms"), Mouth("kannel", "8100"), Mouth("twilio", "8200")]
    sender = routed(*gateways, settings=settings(routes="twilio, esms"))
    assert (await sender.send(text())).route == "twilio"
    await routed.use("kannel")  # no longer in the settings
    assert (await sender.send(text())).route == "twilio"
    with pytest.raises(Malformed, match="MOTMA_SMS_ROUTES"):
        routed(*gateways, settings=settings(routes="esms,vonage"))


async def test_a_small_share_goes_the_other_way_the_same_message_always_the_same(routed: Routed) -> None:
    first, second = Mouth("esms"), Mouth("kannel", "8100")
    sender = routed(first, second, settings=settings(share=5))
    for _ in range(2):
        for message_id in range(200):
            await sender.send(text(message_id))
    assert len(second.sent) == 20
    assert {message.message_id % 100 for message in second.sent} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("share", [-1, 100])
async def test_a_share_is_a_share(routed: Routed, share: int) -> None:
    with pytest.raises(Malformed, match="MOTMA_SMS_SHARE"):
        routed(Mouth("esms"), settings=settings(share=share))


async def test_a_reply_goes_back_by_the_number_that_was_written_to(routed: Routed) -> None:
    first, second = Mouth("esms", "MOTMA"), Mouth("kannel", "8088,8100")
    sender = routed(first, second)
    await sender.send(text(sender="8100"))
    await sender.send(text(sender="+8088"))
    await sender.send(text(sender=None))
    assert second.from_whom() == ["8100", "+8088"]
    assert first.from_whom() == ["MOTMA"]


async def test_a_reply_from_a_slow_or_failing_gateway_goes_by_another_under_its_own_name(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Mouth("esms", "MOTMA"), Mouth("kannel", "8088")
    sender = routed(first, second)
    await routed.use("esms", slow=["kannel"])
    await sender.send(text(sender="8088"))
    assert first.from_whom() == ["MOTMA"]


async def test_agencies_names_go_by_any_route(routed: Routed) -> None:
    first, second = Mouth("esms", "MOTMA"), Mouth("kannel", "8088")
    sender = routed(first, second)
    await sender.send(text(sender="UBNDBacNinh"))
    await routed.use("kannel")
    await sender.send(text(sender="UBNDBacNinh"))
    assert first.from_whom() == second.from_whom() == ["UBNDBacNinh"]


def test_the_names_of_agencies_are_read() -> None:
    assert agency_senders(" H05=UBNDBacNinh, H05.16=SNV ,") == {"H05": "UBNDBacNinh", "H05.16": "SNV"}
    for wrong in ("H05", "=A", "H05=", "H05=8088", "H05=UBND tinh Bac Ninh", "H05=Bắc Ninh"):
        with pytest.raises(Malformed, match="MOTMA_SMS_SENDERS"):
            agency_senders(wrong)


# --- gateways that fail ---


@pytest.mark.parametrize(
    "error", [TryLater("busy"), InDoubt("silent"), OSError("gone"), TimeoutError(), asyncio.CancelledError()], ids=repr
)
async def test_a_gateway_that_fails_again_and_again_is_left_for_the_other(error: BaseException, routed: Routed) -> None:
    first, second = Mouth("esms", error=error), Mouth("kannel", "8100")
    sender = routed(first, second)
    for message_id in range(routing.MOST_FAILURES):
        with pytest.raises(type(error)):
            await sender.send(text(message_id))
    for message_id in range(10, 20):
        assert (await sender.send(text(message_id))).route == "kannel"
    assert first.calls == routing.MOST_FAILURES
    assert second.calls == 10


async def test_a_failed_text_is_not_also_sent_the_other_way(routed: Routed) -> None:
    first, second = Mouth("esms", error=InDoubt("silent")), Mouth("kannel", "8100")
    with pytest.raises(InDoubt):
        await routed(first, second).send(text())
    assert second.sent == []


async def test_a_gateway_left_alone_is_tried_with_one_text_at_a_time(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "PAUSE", 0.05)
    first, second = Mouth("esms", error=TryLater("busy")), Mouth("kannel", "8100")
    sender = routed(first, second)
    for message_id in range(3):
        with pytest.raises(TryLater):
            await sender.send(text(message_id))
    await asyncio.sleep(0.06)
    outcomes = await asyncio.gather(*(sender.send(text(n)) for n in range(10, 20)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(TryLater) == 1
    assert (first.calls, second.calls) == (4, 9)
    first.error = None
    await asyncio.sleep(0.06)
    assert {(await sender.send(text(n))).route for n in range(20, 30)} == {"esms"}


async def test_where_all_fail_the_gateway_in_use_goes_on_being_asked(routed: Routed) -> None:
    first, second = Mouth("esms", error=TryLater("busy")), Mouth("kannel", "8100", error=TryLater("busy"))
    sender = routed(first, second)
    for message_id in range(12):
        with pytest.raises(TryLater):
            await sender.send(text(message_id))
    assert first.calls + second.calls == 12


async def test_a_number_refused_says_nothing_against_the_gateway(routed: Routed) -> None:
    first, second = Mouth("esms", error=Undeliverable("no such number")), Mouth("kannel", "8100")
    sender = routed(first, second)
    for message_id in range(10):
        with pytest.raises(Undeliverable):
            await sender.send(text(message_id))
    assert (first.calls, second.calls) == (10, 0)


# --- how fast ---


async def test_texts_wait_for_their_turn_where_a_gateway_has_a_rate(routed: Routed) -> None:
    limited = Mouth("speedsms", sending=SendingSettings(rate=20, concurrency=100))
    sender = routed(limited)
    assert sender.rate is None
    assert sender.concurrency == 60  # no more than get their turn in three seconds
    clock = asyncio.get_running_loop().time
    began = clock()
    await asyncio.gather(*(sender.send(text(n)) for n in range(20)))
    assert clock() - began >= 0.8


async def test_the_room_is_that_of_the_route_in_use(routed: Routed) -> None:
    wide = Mouth("esms", sending=SendingSettings(concurrency=30))
    narrow = Mouth("speedsms", "N", sending=SendingSettings(rate=1, concurrency=4))
    sender = routed(wide, narrow)
    assert sender.concurrency == 30
    await routed.use("speedsms")
    await sender.send(text())
    assert sender.concurrency == 3


# --- answers in the body of a call ---


async def test_an_answer_goes_to_the_call_that_waits_for_it_else_by_a_gateway(routed: Routed) -> None:
    carrier = Mouth("esms", "MOTMA")
    sender = routed(Answering({1}), carrier)
    assert (await sender.send(text(1, sender="8788"))).route == "shortcode"
    assert (await sender.send(text(2, sender="8788"))).route == "esms"
    assert carrier.from_whom() == ["MOTMA"]


async def test_without_another_gateway_what_no_call_waits_for_cannot_leave(routed: Routed) -> None:
    sender = routed(Answering({1}))
    assert sender.concurrency == 8
    assert (await sender.send(text(1))).route == "shortcode"
    with pytest.raises(Undeliverable):
        await sender.send(text(2))


# --- to whom ---


@pytest.mark.parametrize(
    "address",
    ["8088", "VIETTEL", "+842438228229", "+841900123456", "+8210012345678", "+15005550006", "", "+84", "+84588888888"],
)
async def test_only_vietnamese_mobile_phones_are_texted_and_not_ourselves(routed: Routed, address: str) -> None:
    gateway = Mouth("esms", "MOTMA,84588888888")
    with pytest.raises(Undeliverable):
        await routed(gateway).send(text(to=address))
    assert gateway.calls == 0


async def test_more_may_be_texted_where_the_operator_says_so_but_no_premium_numbers(routed: Routed) -> None:
    gateway = Mouth("esms")
    sender = routed(gateway, settings=settings(prefixes="+8210, +44"))
    for address in ("+821012345678", "+447400123456", "+84901234567"):
        await sender.send(text(to=address))
    for address in ("+449098790000", "+442071838750", "+819012345678", "+44", "+447"):  # premium, fixed, elsewhere
        with pytest.raises(Undeliverable):
            await sender.send(text(to=address))
    assert len(gateway.sent) == 3


@pytest.mark.parametrize("prefixes", ["84", "+", "+0", "all", "+84;+82"])
async def test_prefixes_are_prefixes(routed: Routed, prefixes: str) -> None:
    with pytest.raises(Malformed, match="MOTMA_SMS_PREFIXES"):
        routed(Mouth("esms"), settings=settings(prefixes=prefixes))


# --- how much ---


async def sent_until_capped(sender: RoutedSender, messages: Iterable[Outgoing]) -> int:
    """How many were sent before a cap; every later one is held back too."""
    outcomes = [await outcome_of(sender, message) for message in messages]
    waits = [outcome for outcome in outcomes if outcome is not None]
    assert waits, "no cap was reached"
    assert min(waits) > timedelta(0)
    sent = len(outcomes) - len(waits)
    assert outcomes[:sent] == [None] * sent, "sent after the cap"
    return sent


async def outcome_of(sender: RoutedSender, message: Outgoing) -> timedelta | None:
    """None when it was sent, else how long to wait."""
    try:
        await sender.send(message)
    except TryLater as cap:
        return cap.after or timedelta(0)
    return None


async def test_a_number_gets_so_many_texts_a_day_and_no_more(routed: Routed) -> None:
    gateway = Mouth("esms")
    sender = routed(gateway, settings=settings(per_number="30/day"))
    assert await sent_until_capped(sender, (text(n) for n in range(40))) == 15  # the rest over the day
    await sender.send(text(99, to="+84987654321"))


async def test_a_number_costs_so_much_a_day_and_no_more(routed: Routed) -> None:
    sender = routed(Mouth("esms"), settings=settings(spend_per_number="7000/day", segment_price=350))
    assert await sent_until_capped(sender, (text(n, words="x" * 161) for n in range(20))) == 5  # two segments each


async def test_accents_count_at_their_own_price(routed: Routed) -> None:
    words = "ạ" * 100
    plain = Mouth("esms")
    dear = Mouth("kannel", sending=SendingSettings(accented=True))
    capped = settings(spend_per_number="2800/day", segment_price=350)
    assert await sent_until_capped(routed(plain, settings=capped), (text(n, words=words) for n in range(9))) == 4
    numbers = (text(n, to="+84987654321", words=words) for n in range(9))
    assert await sent_until_capped(routed(dear, settings=capped), numbers) == 2


async def test_a_prefix_and_all_together_cost_so_much_a_day(routed: Routed) -> None:
    sender = routed(Mouth("esms"), settings=settings(spend_per_prefix="14000/day", spend="70000/day"))
    one_prefix = (text(n, to=f"+84901{n:06}") for n in range(50))
    assert await sent_until_capped(sender, one_prefix) == 20
    prefixes = ("+8491", "+8493", "+8494", "+8496", "+8497", "+8498", "+8432", "+8433")
    everywhere = [text(n, to=f"{prefixes[n % 8]}1{n:06}") for n in range(100)]
    assert await sent_until_capped(sender, everywhere) == 80


async def test_what_did_not_leave_costs_nothing(routed: Routed) -> None:
    gateway = Mouth("esms")
    sender = routed(gateway, settings=settings(per_number="4/day", spend="1400/day"))
    for error in (TryLater("busy"), Undeliverable("no"), OSError("gone")) * 3:
        gateway.error = error
        with pytest.raises(type(error)):
            await sender.send(text())
    gateway.error = InDoubt("who knows")  # may have left, so it counts
    with pytest.raises(InDoubt):
        await sender.send(text())
    gateway.error = None
    assert await sent_until_capped(sender, (text(n) for n in range(9))) == 1


async def test_a_text_held_back_by_one_cap_takes_nothing_from_the_others(routed: Routed) -> None:
    sender = routed(Mouth("esms"), settings=settings(per_number="2/day", spend="7000/day", spend_per_prefix="off"))
    assert await sent_until_capped(sender, (text(n) for n in range(30))) == 1
    others = (text(n, to=f"+84987{n:06}") for n in range(30))
    assert await sent_until_capped(sender, others) == 9


@pytest.mark.parametrize("cap", ["1/day", "many", "30"])
async def test_caps_are_caps(routed: Routed, cap: str) -> None:
    with pytest.raises(Exception, match=r"sms-messages-per-number|limit is written like"):
        routed(Mouth("esms"), settings=settings(per_number=cap))


async def test_pumping_from_ten_thousand_numbers_reaches_allowed_prefixes_and_the_cap_only(routed: Routed) -> None:
    dice = random.Random(44)
    gateway = Mouth("esms", "MOTMA,84588888888")
    sender = routed(gateway, settings=settings(per_number="30/day", spend="350000/day", spend_per_prefix="70000/day"))
    kinds = (
        lambda: f"+84{dice.choice('35789')}{dice.randrange(10**8):08}",
        lambda: f"+{dice.randrange(1, 99)}{dice.randrange(10**9):09}",
        lambda: str(dice.randrange(100, 99999)),
        lambda: f"+841900{dice.randrange(10**6):06}",
        lambda: "".join(dice.choices("ABCDEFGH", k=6)),
        lambda: "+84588888888",
    )
    for n in range(10_000):
        try:
            await sender.send(text(n, to=dice.choice(kinds)()))
        except (Undeliverable, TryLater):
            continue
    assert all(is_mobile(message.to.address) for message in gateway.sent)
    assert not any(gateway.owns(message.to.address) for message in gateway.sent)
    assert len(gateway.sent) * 350 <= 350_000
    prefixes = [message.to.address[:5] for message in gateway.sent]
    assert max(prefixes.count(prefix) for prefix in set(prefixes)) * 350 <= 70_000
