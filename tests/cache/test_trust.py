"""When Redis is believed, and what happens when it may have missed something (G17)."""

import asyncio
from unittest.mock import patch

from structlog.testing import capture_logs

from cache.answers import CachedDossiers
from cache.batching import Tasks
from cache.redis_connection import RedisAway, RedisConnection
from cache.shared_answers import SharedAnswers
from cache.trust import Trust
from tests.cache.conftest import OpenCache
from tests.cache.store_double import CODE, Store
from tests.cache.waiting import at_hand, until


async def flush(redis: RedisConnection, *heard_by: CachedDossiers) -> None:
    """FLUSHALL, heard and settled by these processes."""
    before = {cached: cached._trust._doubts for cached in heard_by}
    await redis._client.flushall()
    await until(
        lambda: all(cached._trust._doubts > doubts and cached._trust.holds for cached, doubts in before.items())
    )


async def test_a_floor_redis_did_not_confirm_makes_every_answer_void(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """The answer was in Redis and in another process; its writer could not reach Redis; then it could again.

    Mutant: `expect` gives up quietly.
    """
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    await at_hand(reader, CODE)
    with capture_logs(), patch.object(writer._shared._redis, "run_each", side_effect=RedisAway):
        await writer.expect({CODE: 2})
        assert not writer._trust.holds
        store.versions[CODE] = 2
        assert (await reader.find(CODE)) == reader.at_hand(CODE)  # nobody could tell the reader
        found = await writer.find(CODE)  # the writer knows that it must not believe Redis
        assert found is not None
        assert found.version == 2
    await until(lambda: writer._trust.holds)
    assert await until(lambda: reader.at_hand(CODE) is None) < 0.1
    found = await reader.find(CODE)
    assert found is not None
    assert found.version == 2


async def test_a_flush_between_floor_and_commit_does_not_let_the_old_answer_in(
    open_cache: OpenCache, redis_url: str, store: Store, redis: RedisConnection
) -> None:
    """The floor is told again. Mutant: `run` raises the epoch without writing the recent floors."""
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store)
    await writer.expect({CODE: 2})
    await flush(redis, reader, writer)
    for _ in range(5):
        await reader.find(CODE)  # reads version 1 and tries to keep it
        await until(lambda: not reader._searches)
    store.versions[CODE] = 2
    found = await reader.find(CODE)
    assert found is not None
    assert found.version == 2


async def test_a_change_rolled_back_leaves_the_old_answer_told(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    store.versions[CODE] = 1
    cached = await open_cache(redis_url, store)
    await cached.expect({CODE: 2})
    found = await cached.find(CODE)
    assert found is not None
    assert found.version == 1
    await cached.expect({CODE: 2})
    store.versions[CODE] = 2
    assert (await at_hand(cached, CODE)).version == 2


async def test_a_flush_is_survived_by_the_epoch(
    open_cache: OpenCache, redis_url: str, store: Store, redis: RedisConnection
) -> None:
    """An answer on its way while Redis is flushed carries the old epoch and is not believed."""
    store.versions[CODE] = 1
    reader = await open_cache(redis_url, store)
    store.open.clear()
    early = asyncio.create_task(reader.find(CODE))
    await store.asked.wait()
    await flush(redis, reader)
    store.open.set()
    await early
    store.versions[CODE] = 2
    found = await reader.find(CODE)
    assert found is not None
    assert found.version == 2


async def test_distrust_makes_everything_void_everywhere(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    """After the store was restored its versions may even be lower."""
    store.versions[CODE] = 5
    one, other = await open_cache(redis_url, store), await open_cache(redis_url, store)
    await at_hand(one, CODE)
    await at_hand(other, CODE)
    store.versions[CODE] = 3
    one.distrust()
    await until(lambda: one._trust.holds and other.at_hand(CODE) is None)
    for each in (one, other):
        found = await each.find(CODE)
        assert found is not None
        assert found.version == 3


async def test_floors_are_remembered_for_a_while_and_not_for_ever(redis: RedisConnection) -> None:
    trust = Trust(SharedAnswers(redis), Tasks())
    now = 1e9
    with patch("cache.trust.monotonic", lambda: now):
        await trust.expect({b"d:1": 1})
        await trust.expect({b"d:2": 1})
        now += 11
        await trust.expect({b"d:3": 1})
        assert {**trust._older, **trust._recent} == {b"d:1": 1, b"d:2": 1, b"d:3": 1}
        now += 11
        await trust.expect({b"d:4": 1})
        assert {**trust._older, **trust._recent} == {b"d:3": 1, b"d:4": 1}
