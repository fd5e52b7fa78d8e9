"""A provider that does not answer is left alone for a while, and what waits for it loses nothing."""

import pytest

from domain.errors import InDoubt, TryLater, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from notifications import outage
from notifications.outage import MOST_FAILURES, PAUSE, Outage
from tests.notifications.conftest import Dispatch, Office, Phones
from tests.notifications.test_shares import Clock


def test_after_some_failures_one_message_goes_at_a_time_until_one_is_taken() -> None:
    clock = Clock()
    line = Outage(clock=clock)
    for _ in range(MOST_FAILURES - 1):
        line.failed()
    assert (line.most(10), line.wait()) == (10, 0.0)
    line.failed()
    assert (line.most(10), line.wait()) == (0, PAUSE)
    clock.now = PAUSE
    assert (line.most(10), line.most(0), line.wait()) == (1, 0, 0.0)
    line.trying()
    assert line.most(10) == 0
    line.failed()
    clock.now = 2 * PAUSE
    assert line.most(10) == 1
    line.answered()
    assert line.most(10) == 10


def test_failures_that_are_not_in_a_row_are_no_outage() -> None:
    line = Outage(clock=Clock())
    for _ in range(3 * MOST_FAILURES):
        line.failed()
        line.answered()
    assert line.most(10) == 10


@pytest.mark.parametrize("error", [ConnectionRefusedError(), InDoubt("no answer"), TryLater("out of order")])
async def test_what_waits_for_a_provider_that_is_away_is_not_tried_in_vain(
    office: Office, dispatch: Dispatch, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(outage, "PAUSE", 0.2)
    for inbound_id in range(1, 41):
        await office.answers("…", inbound_id=inbound_id)
    away = True

    def answer(message: Outgoing) -> HandedOver:
        if away:
            raise error
        return HandedOver(provider_id=None)

    phones = Phones(answer, concurrency=MOST_FAILURES)
    dispatcher = dispatch.start(phones)
    await phones.until(lambda phones: len(phones.called) >= MOST_FAILURES + 3)
    tried = await office.owner.fetchval("SELECT count(*) FROM message WHERE attempts > 0")
    assert tried <= MOST_FAILURES + 4
    away = False
    await phones.until(lambda phones: len(phones.told) >= 40 - tried)
    await dispatch.stop(dispatcher)


@pytest.mark.parametrize("error", [Undeliverable("wrong number"), KeyError("0901234567")])
async def test_what_concerns_one_message_alone_stops_no_other(
    office: Office, dispatch: Dispatch, error: Exception
) -> None:
    for inbound_id in range(1, 21):
        await office.answers("…", inbound_id=inbound_id)

    def answer(message: Outgoing) -> HandedOver:
        raise error

    phones = Phones(answer, concurrency=2)
    await dispatch.once(phones, calls=20)
    assert DeliveryState.CLAIMED not in await office.states()
