"""The rate of a route is kept by all processes together, as the provider counts it."""

import asyncio
import math
import random
import time
from bisect import bisect_left
from collections.abc import AsyncIterator

import pytest

from cache import turns as shared_turns
from cache.breaker import Breaker
from cache.limits import Limits
from cache.redis_connection import RedisConnection, open_redis
from cache.turns import CLOCKS_APART, SharedTurns
from domain.errors import NotItsTurn
from lookup.sealing import Seal
from tests.cache.valkey_server import ValkeyServer

RATE = 40.0


@pytest.fixture
async def processes(redis_url: str, seal: Seal) -> AsyncIterator[list[SharedTurns]]:
    """Two processes on the session's Redis."""
    async with open_redis(redis_url) as one, open_redis(redis_url) as other:
        limits = [Limits(one, seal), Limits(other, seal)]
        yield [SharedTurns(each) for each in limits]
        for each in limits:
            await each.aclose()


def busiest_second(at: list[float]) -> int:
    """The most of `at` that any second, its end excluded, holds."""
    at = sorted(at)
    return max(bisect_left(at, start + 1) - place for place, start in enumerate(at))


async def test_no_second_of_the_provider_holds_more_than_the_rate_however_late_messages_arrive(
    processes: list[SharedTurns],
) -> None:
    arrived, chance = list[float](), random.Random(1)

    async def send(turns: SharedTurns) -> None:
        async with turns.turn("zalo", RATE):
            await asyncio.sleep(chance.choice((0.0, 0.3)))
            arrived.append(time.monotonic())

    async with asyncio.timeout(20):
        await asyncio.gather(*(send(turns) for _ in range(60) for turns in processes))
    assert busiest_second(arrived) <= RATE
    assert max(arrived) - min(arrived) < 120 / RATE * 1.5


@pytest.mark.parametrize("rate", [0.5, 1.0, 25.0])
async def test_a_route_waits_for_no_other_and_each_message_for_the_one_before(
    processes: list[SharedTurns], rate: float
) -> None:
    await _begun(processes[0], "a", "b", rate=rate)
    places, began = max(1, int(rate)), time.monotonic()
    async with asyncio.timeout(1):
        for _ in range(places):
            async with processes[0].turn("a", rate):
                pass
        async with processes[1].turn("b", rate):
            pass
    took = time.monotonic() - began
    with pytest.raises(NotItsTurn):
        async with processes[1].turn("a", rate, within=max(0.0, places / rate - took) / 2):
            pass


async def test_who_gives_up_waiting_leaves_its_turn_to_others(processes: list[SharedTurns]) -> None:
    await _begun(processes[0], "a", rate=1.0)
    async with processes[0].turn("a", 1.0):
        waiting = [asyncio.create_task(_goes(processes[0])) for _ in range(3)]
        await asyncio.sleep(0.02)
        for task in waiting[:2]:
            task.cancel()
    began = time.monotonic()
    async with asyncio.timeout(3):
        await waiting[2]
    assert 0.9 < time.monotonic() - began < 1.5


async def test_a_redis_that_has_forgotten_grants_nothing_for_a_second(valkey: ValkeyServer, seal: Seal) -> None:
    async with open_redis(valkey.url) as redis:
        limits = Limits(redis, seal)
        turns, left = SharedTurns(limits), list[float]()
        await _begun(turns, "zalo", rate=RATE)
        for lap in range(2):
            async with asyncio.timeout(10):
                for _ in range(int(RATE)):
                    async with turns.turn("zalo", RATE):
                        left.append(time.monotonic())
            if not lap:
                await redis._client.flushall()
        assert busiest_second(left) <= RATE
        await limits.aclose()


async def test_without_redis_each_process_keeps_its_part_after_a_second_of_rest(
    valkey: ValkeyServer, seal: Seal
) -> None:
    async with open_redis(valkey.url) as one, open_redis(valkey.url) as other:
        limits = [Limits(RedisConnection(redis._client, Breaker(failures=1)), seal) for redis in (one, other)]
        both = [SharedTurns(each) for each in limits]
        await _begun(both[0], "zalo", rate=10.0)
        for turns in (*both, both[0]):  # the first has seen that there are two
            async with turns.turn("zalo", 10.0):
                pass
        valkey.kill()
        killed, left = time.monotonic(), list[float]()
        async with asyncio.timeout(10):
            for _ in range(8):
                async with both[0].turn("zalo", 10.0):
                    left.append(time.monotonic())
        assert left[0] - killed >= 1.0
        assert busiest_second(left) == 5
        for each in limits:
            await each.aclose()


async def test_a_process_that_died_gives_its_places_back(
    processes: list[SharedTurns], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_turns, "LONGEST_CALL", 0.3)
    await _begun(processes[0], "a", rate=2.0)
    held = [processes[0].turn("a", 2.0) for _ in range(2)]
    for turn in held:
        await turn.__aenter__()
    began = time.monotonic()
    async with asyncio.timeout(5), processes[1].turn("a", 2.0):
        assert 0.2 < time.monotonic() - began < 1.0
    for turn in held:
        await turn.__aexit__(None, None, None)


def test_a_place_outlasts_a_period_of_the_provider() -> None:
    assert CLOCKS_APART > 0
    assert math.isfinite(shared_turns.LONGEST_CALL)


async def _goes(turns: SharedTurns) -> None:
    async with turns.turn("a", 1.0):
        pass


async def _begun(turns: SharedTurns, *routes: str, rate: float) -> None:
    """Redis knows the routes, and nothing is taken there."""
    for route in routes:
        async with turns.turn(route, rate):
            pass
    await asyncio.sleep(max(1, int(rate)) / rate + 2 * CLOCKS_APART)
