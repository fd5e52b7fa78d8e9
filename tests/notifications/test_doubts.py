"""G32: what may have been taken is asked about before it is sent again, where its provider can tell."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from domain.errors import CannotTell, InDoubt, TryLater
from domain.message import DeliveryState, HandedOver, Outgoing
from domain.status import Status
from notifications.attempt import DOUBTS
from notifications.dispatcher import Dispatching
from notifications.retries import MOST_DOUBTS_ASKED
from tests.notifications.conftest import QUICK, Dispatch, Office, Phones


class Knowing(Phones):
    """A sender whose provider can be asked; `knows` is what it says."""

    def __init__(
        self, answer: Callable[[Outgoing], HandedOver], knows: HandedOver | Exception | None, *, name: str = "phones"
    ) -> None:
        super().__init__(answer, name=name)
        self.knows = knows
        self.asked: list[tuple[int, str | None, datetime]] = []

    async def ask(self, message: Outgoing, *, route: str | None, since: datetime) -> HandedOver | None:
        """As it knows."""
        self.asked.append((message.message_id, route, since))
        await self._tell()
        if isinstance(self.knows, Exception):
            raise self.knows
        return self.knows


def silent(message: Outgoing) -> HandedOver:
    """The call left, and no answer came; it went by a route of several."""
    error = InDoubt("no answer")
    error.route = "second"
    error.dong = 700
    raise error


async def in_doubt(office: Office, dispatch: Dispatch, phones: Knowing) -> None:
    """A notice whose answer never came, and whose wait is over."""
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(phones)
    row = await office.owner.fetchrow("SELECT state, route, dong FROM message")
    # What it costs is known then, and counts once a receipt says that it was taken.
    assert (row["state"], row["route"], row["dong"]) == (DeliveryState.IN_DOUBT, "second", 700)
    await again(office)


async def again(office: Office) -> None:
    """The wait is over."""
    await office.owner.execute("UPDATE message SET run_at = now()")


async def asked(dispatch: Dispatch, phones: Knowing, times: int = 1) -> None:
    """Run until it was asked so often."""
    dispatcher = dispatch.start(phones, QUICK)
    await phones.until(lambda _: len(phones.asked) >= times)
    await dispatch.stop(dispatcher)


async def test_what_its_provider_has_is_handed_over_and_not_sent_again(office: Office, dispatch: Dispatch) -> None:
    before = DOUBTS.labels("phones")._value.get()
    phones = Knowing(silent, HandedOver(provider_id="p1"))
    await in_doubt(office, dispatch, phones)
    await asked(dispatch, phones)
    row = await office.owner.fetchrow("SELECT state, provider_id, route, created_at FROM message")
    assert (row["state"], row["provider_id"], row["route"]) == (DeliveryState.HANDED_OVER, "p1", "second")
    assert len(phones.called) == 1
    assert phones.asked == [(1, "second", row["created_at"])]
    assert DOUBTS.labels("phones")._value.get() == before + 1


async def test_what_its_provider_has_not_is_sent_again(office: Office, dispatch: Dispatch) -> None:
    phones = Knowing(silent, None)
    await in_doubt(office, dispatch, phones)
    await dispatch.once(phones, calls=2)
    assert await office.states() == [DeliveryState.IN_DOUBT]
    for n in range(3, MOST_DOUBTS_ASKED + 1):
        await again(office)
        await dispatch.once(phones, calls=n)
    assert await office.states() == [DeliveryState.NO_RECEIPT]
    assert len(phones.called) == MOST_DOUBTS_ASKED


async def test_while_the_provider_does_not_answer_nothing_is_sent(office: Office, dispatch: Dispatch) -> None:
    for error in (TryLater("busy"), InDoubt("silent"), OSError("gone"), TimeoutError()):
        phones = Knowing(silent, error)
        await in_doubt(office, dispatch, phones)
        await asked(dispatch, phones)
        assert await office.states() == [DeliveryState.IN_DOUBT]
        assert len(phones.called) == 1
        await office.owner.execute("TRUNCATE message, message_step, delivery_report RESTART IDENTITY")


async def test_where_nobody_can_tell_it_is_sent_again_once(office: Office, dispatch: Dispatch) -> None:
    phones = Knowing(silent, CannotTell("not this route"))
    await in_doubt(office, dispatch, phones)
    await dispatch.once(phones, calls=2)
    assert await office.states() == [DeliveryState.NO_RECEIPT]


async def test_what_a_vanished_process_had_in_hand_is_asked_about(office: Office, dispatch: Dispatch) -> None:
    hanging = Phones(closed=True)
    await office.moves(await office.opens(), Status.PROCESSING)
    lease = Dispatching(lease=timedelta(milliseconds=300), call_limit=timedelta(milliseconds=200))
    killed = dispatch.start(hanging, lease)
    await hanging.until(lambda phones: bool(phones.called))
    await dispatch.kill(killed)
    phones = Knowing(silent, HandedOver(provider_id="p1"))
    await asked(dispatch, phones)
    assert await office.states() == [DeliveryState.HANDED_OVER]
    assert phones.called == []


@pytest.mark.parametrize("known", [None, HandedOver(provider_id="x")])
async def test_what_was_never_in_doubt_is_sent_without_a_question(
    office: Office, dispatch: Dispatch, known: HandedOver | None
) -> None:
    phones = Knowing(lambda _: HandedOver(provider_id="y"), known)
    await office.answers("…")
    await dispatch.once(phones)
    assert phones.asked == []
    assert await office.owner.fetchval("SELECT provider_id FROM message") == "y"
