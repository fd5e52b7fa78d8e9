"""Answers from this process, from Redis and from the store."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from cache.answers import open_cached_dossiers
from cache.redis_connection import RedisConnection, open_redis
from domain.errors import Unavailable
from lookup.sealing import Seal
from tests.cache.conftest import OpenCache
from tests.cache.store_double import CODE, Store
from tests.cache.waiting import at_hand, until


async def test_an_answer_is_asked_of_the_store_once_and_then_held(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    store.versions[CODE] = 1
    cached = await open_cache(redis_url, store)
    first = await at_hand(cached, CODE)
    for _ in range(100):
        assert await cached.find(CODE) is first
    assert store.calls == 1


async def test_another_process_gets_the_answer_from_redis(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    store.versions[CODE] = 1
    one, other = await open_cache(redis_url, store), await open_cache(redis_url, store)
    found = await at_hand(one, CODE)
    assert await other.find(CODE) == found
    assert store.calls == 1
    assert other.figures.shared == 1


async def test_a_change_is_seen_by_every_process_at_once(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    store.versions[CODE] = 1
    readers = [await open_cache(redis_url, store) for _ in range(3)]
    writer = await open_cache(redis_url, store, linked=False)
    for reader in readers:
        await at_hand(reader, CODE)
    await writer.expect({CODE: 2})
    store.versions[CODE] = 2
    for reader in readers:
        assert await until(lambda reader=reader: reader.at_hand(CODE) is None) < 0.05  # type: ignore[misc]
        found = await reader.find(CODE)
        assert found is not None
        assert found.version == 2


async def test_until_the_change_commits_the_old_answer_is_told_but_not_kept(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """Mutant: `expect` does nothing."""
    store.versions[CODE] = 1
    cached = await open_cache(redis_url, store)
    await cached.expect({CODE: 2})
    for _ in range(3):
        found = await cached.find(CODE)
        assert found is not None
        assert found.version == 1
        assert cached.at_hand(CODE) is None
        await until(lambda: not cached._searches)
    assert store.calls == 3
    store.versions[CODE] = 2
    assert (await at_hand(cached, CODE)).version == 2


async def test_an_answer_read_before_the_commit_and_written_after_it_is_refused(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """The late-fill race (G16). Mutant: PUT without its comparison of versions."""
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    store.open.clear()
    late = asyncio.create_task(reader.find(CODE))
    await store.asked.wait()
    await writer.expect({CODE: 2})
    store.versions[CODE] = 2
    store.open.set()
    assert (await late) is not None
    await until(lambda: reader.figures.overtaken == 1)
    found = await reader.find(CODE)
    assert found is not None
    assert found.version == 2


async def test_who_asks_after_a_change_was_heard_does_not_join_an_older_search(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """Mutant: `changed` leaves searches alone."""
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    store.open.clear()
    early = asyncio.create_task(reader.find(CODE))
    await store.asked.wait()
    await writer.expect({CODE: 2})
    store.versions[CODE] = 2
    await until(lambda: not reader._searches)
    later = asyncio.create_task(reader.find(CODE))
    await until(lambda: store.calls == 2)
    store.open.set()
    outcomes = [await early, await later]
    assert [found.version for found in outcomes if found] == [1, 2]


async def test_without_a_link_a_search_is_joined_for_half_a_second_only(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    store.versions[CODE] = 1
    reader = await open_cache(redis_url, store, linked=False)
    store.open.clear()
    early = asyncio.create_task(reader.find(CODE))
    await store.asked.wait()
    store.versions[CODE] = 2
    joined = asyncio.create_task(reader.find(CODE))
    await asyncio.sleep(0.6)
    later = asyncio.create_task(reader.find(CODE))
    await until(lambda: store.calls == 2)
    store.open.set()
    outcomes = [await early, await joined, await later]
    assert [found.version for found in outcomes if found] == [1, 1, 2]


async def test_a_herd_asks_the_store_once(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    """G18. Mutant: no single flight."""
    store.versions[CODE] = 1
    store.delay = 0.3
    cached = await open_cache(redis_url, store)
    started = time.monotonic()

    async def ask(number: int) -> float:
        await asyncio.sleep(number / 20_000)
        asked = time.monotonic()
        assert await cached.find(CODE) is not None
        return time.monotonic() - asked

    waits = sorted(await asyncio.gather(*(ask(number) for number in range(2000))))
    assert store.calls == 1
    assert waits[1980] < 0.6
    assert time.monotonic() - started < 1.5


async def test_a_store_slower_than_the_herd_is_still_asked_once(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """As long as changes are heard, joining is safe however long a search takes."""
    store.versions[CODE] = 1
    store.delay = 0.8
    cached = await open_cache(redis_url, store)
    early = asyncio.create_task(cached.find(CODE))
    await asyncio.sleep(0.7)
    assert await cached.find(CODE) == await early
    assert store.calls == 1


async def test_an_unknown_code_is_remembered_shortly_and_void_on_creation(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """G20."""
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    for _ in range(50):
        assert await reader.find(CODE) is None
        await asyncio.sleep(0.001)
    assert store.calls <= 2
    await writer.expect({CODE: 1})
    store.versions[CODE] = 1
    created = time.monotonic()
    while await reader.find(CODE) is None:
        assert time.monotonic() - created < 1
        await asyncio.sleep(0.001)
    assert time.monotonic() - created < 0.2


async def test_an_unknown_code_is_asked_again_after_two_seconds(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """Even when nobody tells us of its creation."""
    reader = await open_cache(redis_url, store)
    assert await reader.find(CODE) is None
    store.versions[CODE] = 1
    await asyncio.sleep(2.05)
    assert await reader.find(CODE) is not None


async def test_an_answer_ends_by_itself(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    """With invalidation cut off no answer is older than 30 s (G16)."""
    store.versions[CODE] = 1
    reader = await open_cache(redis_url, store)
    with patch("cache.shared_answers.FRESH", 1.0):
        await at_hand(reader, CODE)
    store.versions[CODE] = 2  # nobody tells the cache
    await asyncio.sleep(0.7)
    assert (await reader.find(CODE)) == reader.at_hand(CODE)
    await asyncio.sleep(0.4)
    found = await reader.find(CODE)
    assert found is not None
    assert found.version == 2


async def test_an_answer_from_the_future_is_not_believed(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    """A writer whose clock is ahead must not make an answer last longer here."""
    store.versions[CODE] = 1
    reader = await open_cache(redis_url, store, linked=False)
    with patch("cache.answers.time.time", lambda: datetime.now(UTC).timestamp() + 600):
        await reader.find(CODE)
        await until(lambda: not reader._searches)
    await reader.find(CODE)
    assert store.calls == 2


async def test_a_cancelled_reader_harms_nobody(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    store.versions[CODE] = 1
    store.open.clear()
    cached = await open_cache(redis_url, store)
    impatient, patient = asyncio.create_task(cached.find(CODE)), asyncio.create_task(cached.find(CODE))
    await store.asked.wait()
    impatient.cancel()
    await asyncio.wait([impatient])
    store.open.set()
    assert await patient is not None
    assert impatient.cancelled()
    assert store.calls == 1


async def test_while_the_store_is_away_the_last_known_answer_is_told(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """It says itself when it was read; and it is not told any more once the store works."""
    store.versions[CODE] = 1
    with patch("cache.shared_answers.FRESH", 0.2):
        reader = await open_cache(redis_url, store)
        known = await at_hand(reader, CODE)
        await asyncio.sleep(0.25)
        store.away = True
        assert await reader.find(CODE) == known
        newcomer = await open_cache(redis_url, store)
        assert await newcomer.find(CODE) == known
        assert newcomer.figures.kept == 1
        store.away, store.versions[CODE] = False, 2
        for each in (reader, newcomer):
            found = await each.find(CODE)
            assert found is not None
            assert found.version == 2


async def test_while_the_store_is_away_nothing_known_to_be_outdated_is_told(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    await at_hand(reader, CODE)
    await writer.expect({CODE: 2})
    await until(lambda: reader.at_hand(CODE) is None)
    store.away = True
    with pytest.raises(Unavailable):
        await reader.find(CODE)


async def test_an_absence_is_never_told_for_want_of_a_store(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """ "There is no such dossier" may have become false meanwhile."""
    with patch("cache.shared_answers.ABSENT_FRESH", 0.1):
        reader = await open_cache(redis_url, store)
        assert await reader.find(CODE) is None
        await asyncio.sleep(0.15)
        store.away = True
        with pytest.raises(Unavailable):
            await reader.find(CODE)


async def test_a_store_that_hangs_is_not_waited_for_twice(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    store.versions[CODE] = 1
    with patch("cache.shared_answers.FRESH", 0.1):
        reader = await open_cache(redis_url, store)
        await at_hand(reader, CODE)
        await asyncio.sleep(0.12)
        store.away = True
        await reader.find(CODE)
        store.away = False
        store.open.clear()
        asked = time.monotonic()
        assert await reader.find(CODE) is not None
        assert 0.25 < time.monotonic() - asked < 0.5
        store.open.set()


async def test_an_unforeseen_error_of_the_store_reaches_everybody_who_waits(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    cached = await open_cache(redis_url, store)
    with patch.object(store, "find", side_effect=ValueError("unforeseen")):
        outcomes = await asyncio.gather(cached.find(CODE), cached.find(CODE), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError, ValueError]
    store.versions[CODE] = 1
    assert await cached.find(CODE) is not None


async def test_memory_is_bounded(redis: RedisConnection, open_cache: OpenCache, redis_url: str, store: Store) -> None:
    cached = await open_cache(redis_url, store)
    cached._near._most = 50
    store.versions = {f"H05.16-261102-{number:04}": 1 for number in range(200)}
    for code in store.versions:
        await cached.find(code)
    await until(lambda: not cached._searches)
    assert len(cached._near) <= 50
    assert len(cached._near._by_key) == len(cached._near)


class HeldBack(RedisConnection):
    """What Redis answers to a reading reaches its caller only when `release` is set."""

    def __init__(self, other: RedisConnection) -> None:
        super().__init__(other._client)
        self.release, self.answered = asyncio.Event(), asyncio.Event()

    async def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        values = await super()._get_many(keys)
        self.answered.set()
        await self.release.wait()
        return values


async def test_what_changed_between_reading_redis_and_holding_is_not_held(
    open_cache: OpenCache, redis_url: str, store: Store, seal: Seal
) -> None:
    """Mutant: `_hold` ignores `overtaken`."""
    store.versions[CODE] = 1
    writer = await open_cache(redis_url, store)
    async with open_redis(redis_url) as redis:
        held_back = HeldBack(redis)
        async with open_cached_dossiers(store, held_back, seal) as reader:
            await until(lambda: reader._trust.holds and reader._link.good_until > 0)
            await at_hand(writer, CODE)
            early = asyncio.create_task(reader.find(CODE))
            await held_back.answered.wait()
            await writer.expect({CODE: 2})
            store.versions[CODE] = 2
            await until(lambda: not reader._searches)
            held_back.release.set()
            found = await early
            assert found is not None
            assert found.version == 1  # asked before the change
            assert reader.at_hand(CODE) is None
            assert (await at_hand(reader, CODE)).version == 2
