"""To whom texts go at all, and how many (guarantees G44)."""

import random
from collections.abc import Iterable
from datetime import timedelta

import pytest

from channels.sms.gateway import SendingSettings
from channels.sms.numbers import is_mobile
from channels.sms.routing import RoutedSender
from domain.errors import InDoubt, Malformed, TryLater, Undeliverable
from domain.message import Outgoing
from tests.channels.sms.mouths import Mouth, Routed, settings, text

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
