"""Which gateway a text leaves by, and from whom (guarantees G35)."""

import asyncio

import pytest

from channels.sms import routing
from channels.sms.gateway import SendingSettings
from channels.sms.routing import agency_senders
from domain.errors import InDoubt, Malformed, TryLater, Undeliverable
from domain.message import HandedOver
from tests.channels.sms.mouths import Answering, Mouth, Routed, settings, text

# --- which route ---


async def test_one_gateway_is_used_as_it_is_and_named(routed: Routed) -> None:
    only = Mouth("esms")
    sender = routed(only)
    assert sender.name == "esms"
    assert (await sender.send(text())) == HandedOver(provider_id="esms-1", route="esms", dong=350)


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
    monkeypatch.setattr(routing, "PAUSE", 0.5)
    first, second = Mouth("esms", error=TryLater("busy")), Mouth("kannel", "8100")
    sender = routed(first, second)
    for message_id in range(3):
        with pytest.raises(TryLater):
            await sender.send(text(message_id))
    await asyncio.sleep(0.6)
    outcomes = await asyncio.gather(*(sender.send(text(n)) for n in range(10, 20)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(TryLater) == 1
    assert (first.calls, second.calls) == (4, 9)
    first.error = None
    await asyncio.sleep(0.6)
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
