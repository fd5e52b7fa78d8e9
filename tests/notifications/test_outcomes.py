"""Waiting for a turn is no failure and no call; what ends close together is written down together."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from domain.errors import NotItsTurn
from domain.message import DeliveryState, HandedOver, Outgoing
from notifications.dispatcher import Dispatching
from tests.notifications.conftest import Dispatch, Office, Phones


class OneAfterAnother(Phones):
    """A provider that ends a call every two milliseconds."""

    async def send(self, message: Outgoing) -> HandedOver:
        await asyncio.sleep(0.002 * message.message_id)
        return await super().send(message)


async def test_outcomes_that_come_close_together_are_written_down_together(office: Office, dispatch: Dispatch) -> None:
    for n in range(40):
        await office.answers("…", inbound_id=n + 1)
    await dispatch.once(OneAfterAnother(concurrency=60))
    # Each transaction leaves its own number in the rows it wrote last: alone, each row has one of its own.
    assert await office.owner.fetchval("SELECT count(DISTINCT xmin::text) FROM message WHERE state = 30") < 20


async def test_a_message_whose_turn_is_long_in_coming_is_not_taken_for_one_that_fails(
    office: Office, dispatch: Dispatch
) -> None:
    """After nine failures the next try is half a day away."""
    await office.answers("…")
    tried: list[int] = []

    def in_turn(message: Outgoing) -> HandedOver:
        tried.append(message.message_id)
        if len(tried) <= 12:
            raise NotItsTurn("others first", after=timedelta(milliseconds=5))
        return HandedOver(provider_id=None)

    phones = Phones(in_turn)
    dispatcher = dispatch.start(phones, Dispatching(poll=timedelta(milliseconds=10)))
    await phones.until(lambda phones: len(phones.told) == 1)
    await dispatch.stop(dispatcher)
    assert len(tried) == 13


class OthersFirst:
    """The turns of a route that others use too: one comes after half a second."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    @asynccontextmanager
    async def turn(self, route: str, rate: float) -> AsyncIterator[None]:
        """Then, and from then on."""
        await asyncio.sleep(self.began + 0.5 - time.monotonic())
        yield


async def test_the_wait_for_a_turn_is_no_part_of_the_call(office: Office, dispatch: Dispatch) -> None:
    """It would be in doubt for ten minutes, though nobody was called."""
    await office.answers("…")
    phones = OneAfterAnother(rate=50)
    how = Dispatching(call_limit=timedelta(milliseconds=200), poll=timedelta(milliseconds=20))
    dispatcher = dispatch.start(phones, how, turns=OthersFirst())
    await phones.until(lambda phones: len(phones.told) == 1)
    await dispatch.stop(dispatcher)
    assert await office.states() == [DeliveryState.HANDED_OVER]
