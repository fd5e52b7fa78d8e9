"""The rate of a route is kept by all processes together."""

import asyncio

import pytest

from cache.limits import Limits
from cache.redis_connection import open_redis
from cache.turns import SharedTurns
from lookup.sealing import Seal


async def goes(turns: SharedTurns, at: list[float], number: int) -> None:
    """One process sends so many messages, each in its turn."""
    clock = asyncio.get_running_loop().time
    for _ in range(number):
        wait = await turns.wait("zalo", 40.0)
        while wait > 0:
            await asyncio.sleep(wait)
            wait = await turns.wait("zalo", 40.0)
        at.append(clock())


async def test_two_processes_share_the_turns_of_a_route(redis_url: str, seal: Seal) -> None:
    at: list[float] = []
    async with open_redis(redis_url) as one, open_redis(redis_url) as other:
        limits = [Limits(one, seal), Limits(other, seal)]
        async with asyncio.timeout(20):
            await asyncio.gather(*(goes(SharedTurns(each), at, 30) for each in limits))
        for each in limits:
            await each.aclose()
    late = 2  # two may have been let through a moment before the window
    assert max(sum(start <= when < start + 1 for when in at) for start in at) <= 40 + late
    assert len(at) == 60


@pytest.mark.parametrize("rate", [0.5, 1.0, 25.0])
async def test_a_route_with_turns_of_its_own_waits_for_no_other(redis_url: str, seal: Seal, rate: float) -> None:
    async with open_redis(redis_url) as redis:
        limits = Limits(redis, seal)
        turns = SharedTurns(limits)
        assert await turns.wait("a", rate) == 0
        assert await turns.wait("b", rate) == 0
        assert 0 < await turns.wait("a", rate) <= 1 / rate + 0.01
        await limits.aclose()
