"""Limits: in Redis together, in one process alone."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cache.budgets import MISSES_PER_ORIGIN, WRONG_PROOFS_PER_DOSSIER, lookups_per_origin
from cache.limits import Limit, Limits
from cache.redis_connection import RedisAway, RedisConnection, open_redis
from domain.errors import Invalid
from lookup.sealing import Seal
from tests.cache.valkey_server import ValkeyServer

PHONE = "+84901234567"
FIVE = Limit.parse("five", "5/hour")


def test_limits_are_read_as_operators_write_them() -> None:
    limit = Limit.parse("lookups", " 30 / minute ")
    assert (limit.count, limit.period, limit.burst) == (30, timedelta(minutes=1), 30)
    assert Limit.parse("agency", "600/second").each == pytest.approx(1 / 600)
    assert Limit.parse("x", "10/hours", burst=3).burst == 3
    assert lookups_per_origin("off").off


@pytest.mark.parametrize(
    "text", ["", "30", "0/minute", "-1/minute", "30/fortnight", "30 per minute", "x/hour", "1.5/hour"]
)
def test_a_limit_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="30/minute") as refused:
        Limit.parse("lookups", text)
    assert refused.value.field == "lookups"


async def test_the_allowance_is_shared_by_all_processes(redis: RedisConnection, seal: Seal) -> None:
    one, other = Limits(redis, seal), Limits(redis, seal)
    for expected in (4, 3, 2):
        verdict = await one.take(FIVE, PHONE)
        assert (verdict.allowed, verdict.remaining) == (True, expected)
    for expected in (1, 0):
        verdict = await other.take(FIVE, PHONE)
        assert (verdict.allowed, verdict.remaining) == (True, expected)
    for each in (one, other):
        verdict = await each.take(FIVE, PHONE)
        assert (verdict.allowed, verdict.remaining, verdict.limit) == (False, 0, FIVE)
        assert 710 < verdict.retry_after <= 720
    assert (await one.take(FIVE, "+84907654321")).allowed
    assert (await one.take(Limit.parse("other", "5/hour"), PHONE)).allowed


async def test_costs_that_just_fill_the_allowance_are_taken_however_quickly(
    redis: RedisConnection, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis counts whole microseconds; what a process knows must be rounded as Redis does."""
    monkeypatch.setattr("cache.limits.monotonic", lambda: 1000.0)  # no time goes by here
    limits, limit = Limits(redis, seal), Limit.parse("spend", "2800/day")
    assert [(await limits.take(limit, PHONE, 1400)).allowed for _ in range(3)] == [True, True, False]


async def test_an_allowance_refills_with_time(redis: RedisConnection, seal: Seal) -> None:
    limits, limit = Limits(redis, seal), Limit.parse("fast", "20/second", burst=2)
    assert [(await limits.take(limit, PHONE)).allowed for _ in range(3)] == [True, True, False]
    await asyncio.sleep(0.06)
    assert [(await limits.take(limit, PHONE)).allowed for _ in range(2)] == [True, False]
    await asyncio.sleep(0.2)
    assert await redis._client.keys("l:*") == []  # what is refilled leaves nothing behind


async def test_fifty_at_once_get_no_more_than_one_after_the_other(redis: RedisConnection, seal: Seal) -> None:
    one, other = Limits(redis, seal), Limits(redis, seal)
    verdicts = await asyncio.gather(*(each.take(FIVE, PHONE) for each in (one, other) for _ in range(50)))
    assert sum(verdict.allowed for verdict in verdicts) == 5


async def test_who_is_known_to_have_spent_it_is_refused_without_asking_redis(
    redis: RedisConnection, seal: Seal
) -> None:
    one, other = Limits(redis, seal), Limits(redis, seal)
    for _ in range(5):
        await one.take(FIVE, PHONE)
    assert not (await other.take(FIVE, PHONE)).allowed  # hears it from Redis
    assert not other.check_local(FIVE, PHONE).allowed
    before = (await redis._client.info("commandstats"))["cmdstat_eval"]["calls"]
    for _ in range(100):
        assert not (await other.take(FIVE, PHONE)).allowed
    assert (await redis._client.info("commandstats"))["cmdstat_eval"]["calls"] == before


async def test_what_is_given_back_can_be_taken_again(redis: RedisConnection, seal: Seal) -> None:
    limits = Limits(redis, seal)
    for _ in range(20):
        assert (await limits.take(FIVE, PHONE)).allowed
        await limits.give_back(FIVE, PHONE)
    await limits.give_back(FIVE, PHONE, cost=50)
    verdicts = [(await limits.take(FIVE, PHONE)).allowed for _ in range(6)]
    assert verdicts == [True] * 5 + [False]


async def test_redis_learns_digests_only(redis: RedisConnection, seal: Seal) -> None:
    limits = Limits(redis, seal)
    await limits.take(FIVE, PHONE)
    (key,) = await redis._client.keys("*")
    assert b"901234567" not in key
    assert key.startswith(b"l:five:")


async def test_no_limit_asks_nobody(redis: RedisConnection, seal: Seal) -> None:
    limits, off = Limits(redis, seal), Limit.parse("lookups", "off")
    for _ in range(100):
        assert (await limits.take(off, PHONE)).allowed
        assert limits.take_local(off, PHONE).allowed
    assert await redis._client.keys("*") == []


async def test_the_fastest_way_draws_on_the_same_allowance(redis: RedisConnection, seal: Seal) -> None:
    limits = Limits(redis, seal)
    spend = limits.local(FIVE)
    assert [spend(PHONE) for _ in range(4)] == [0.0] * 4
    assert limits.take_local(FIVE, PHONE).allowed
    assert 710 < spend(PHONE) <= 720
    assert not limits.check_local(FIVE, PHONE).allowed
    assert limits.local(Limit.parse("lookups", "off"))(PHONE) == 0.0


async def test_a_clock_set_back_locks_nobody_out(redis: RedisConnection, seal: Seal) -> None:
    """A number far ahead, as of a server whose clock was wrong, counts as one spent allowance at most."""
    limits, limit = Limits(redis, seal), Limit.parse("fast", "20/second", burst=2)
    await limits.take(limit, PHONE)
    (key,) = await redis._client.keys("l:*")
    await redis._client.set(key, str(int((time.time() + 3600) * 1e6)))
    assert not (await limits.take(limit, PHONE)).allowed
    await redis._client.delete(key)
    await asyncio.sleep(0.11)
    assert (await limits.take(limit, PHONE)).allowed


async def test_without_redis_all_processes_together_stay_within_twice_the_limit(
    valkey: ValkeyServer, seal: Seal
) -> None:
    """G21: the attacker has spent the allowance, then Redis freezes; eight processes decide alone.

    Mutant: without Redis everything is allowed.
    """
    async with open_redis(valkey.url) as redis:
        limit = Limit.parse("misses", "20/hour")
        processes = [Limits(redis, seal, processes=8) for _ in range(8)]
        with capture_logs():
            valkey.signal(signal.SIGSTOP)
            granted, refused_after = 0, time.monotonic()
            for process in processes:
                for _ in range(40):
                    granted += (await process.take(limit, PHONE)).allowed
            assert time.monotonic() - refused_after < 1.0
            assert 20 <= granted <= 40
            assert (await processes[0].take(limit, "+84907654321")).allowed  # others are still served
            valkey.signal(signal.SIGCONT)


async def test_what_was_spent_before_redis_went_away_is_not_granted_again(valkey: ValkeyServer, seal: Seal) -> None:
    async with open_redis(valkey.url) as redis:
        limits = Limits(redis, seal)
        for _ in range(4):
            assert (await limits.take(FIVE, PHONE)).allowed
        with capture_logs():
            valkey.kill()
            assert [(await limits.take(FIVE, PHONE)).allowed for _ in range(3)] == [True, False, False]


async def test_what_was_granted_without_redis_counts_when_it_is_back(valkey: ValkeyServer, seal: Seal) -> None:
    async with open_redis(valkey.url) as redis:
        limits = Limits(redis, seal)
        assert (await limits.take(FIVE, PHONE)).allowed
        with capture_logs():
            async with _turned_away(valkey, redis):
                alone = [(await limits.take(FIVE, PHONE)).allowed for _ in range(2)]
        together = [(await limits.take(FIVE, PHONE)).allowed for _ in range(5)]
    assert (alone, together) == ([True, True], [True, True, False, False, False])


async def test_what_was_granted_without_redis_is_not_given_back_to_it(valkey: ValkeyServer, seal: Seal) -> None:
    """Given back to Redis, which never took it, it would be one more than the limit for everybody."""
    async with open_redis(valkey.url) as redis:
        limits, other = Limits(redis, seal), Limits(redis, seal)
        for _ in range(4):
            assert (await other.take(FIVE, PHONE)).allowed
        with capture_logs():
            async with _turned_away(valkey, redis):
                assert (await limits.take(FIVE, PHONE)).allowed
        await limits.give_back(FIVE, PHONE)
        assert [(await limits.take(FIVE, PHONE)).allowed for _ in range(2)] == [True, False]


@asynccontextmanager
async def _turned_away(valkey: ValkeyServer, redis: RedisConnection) -> AsyncIterator[None]:
    """Inside, Redis did not answer of late, so nothing is sent to it; at the end it is asked again."""
    valkey.signal(signal.SIGSTOP)
    while not redis.away:
        with suppress(RedisAway):
            await redis.get_many([b"x"])
    yield
    valkey.signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        while redis.away:
            with suppress(RedisAway):
                await redis.get_many([b"x"])
            await asyncio.sleep(0.02)


async def test_memory_is_bounded(redis: RedisConnection, seal: Seal) -> None:
    limits = Limits(redis, seal, subjects=100)
    for number in range(1000):
        limits.take_local(MISSES_PER_ORIGIN, f"10.0.{number // 256}.{number % 256}")
    assert len(limits._known["misses"]._spent_until) == 100


async def test_wrong_proofs_for_one_dossier_never_exceed_ten_within_an_hour() -> None:
    """G42, whatever the timing: what a full allowance and an hour of refilling give together."""
    limit = WRONG_PROOFS_PER_DOSSIER
    assert limit.burst + timedelta(hours=1).total_seconds() / limit.each <= 10


@given(
    limit=st.builds(
        Limit,
        name=st.just("x"),
        count=st.integers(1, 50),
        period=st.just(timedelta(seconds=1)),
        burst=st.integers(1, 50),
    ),
    gaps=st.lists(st.floats(0, 0.5), max_size=200),
)
def test_within_any_period_no_more_than_count_and_burst(limit: Limit, gaps: list[float]) -> None:
    limits = Limits.__new__(Limits)
    limits._known, limits._subjects = {}, 10
    clock, taken = 1000.0, list[float]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cache.limits.monotonic", lambda: clock)
        for gap in gaps:
            clock += gap
            verdict = limits.take_local(limit, "subject")
            if verdict.allowed:
                taken.append(clock)
            else:
                assert verdict.retry_after > 0
                clock += verdict.retry_after + 1e-6
                assert limits.take_local(limit, "subject").allowed
                taken.append(clock)
    for first in taken:
        assert sum(first <= each < first + 1 for each in taken) <= limit.count + limit.burst
