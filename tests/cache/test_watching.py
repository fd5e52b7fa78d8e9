"""Watching one dossier."""

import asyncio
from contextlib import aclosing
from time import monotonic

from tests.cache.conftest import OpenCache
from tests.cache.store_double import CODE, Store
from tests.cache.waiting import until


async def test_a_watcher_is_told_of_each_new_version_soon_after_its_commit(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    async with aclosing(reader.watch(CODE, seen=1)) as versions:
        for version in (2, 3):
            following = asyncio.ensure_future(anext(versions))
            await asyncio.sleep(0.05)
            assert not following.done()
            await writer.expect({CODE: version})
            await asyncio.sleep(0.2)  # the commit takes its time
            store.versions[CODE] = version
            committed = monotonic()
            assert (await following).version == version
            assert monotonic() - committed < 0.5
    assert reader._watchers._waiting == {}


async def test_a_watcher_of_an_unknown_code_is_told_of_its_creation(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    cached = await open_cache(redis_url, store)
    async with aclosing(cached.watch(CODE)) as versions:
        following = asyncio.ensure_future(anext(versions))
        await until(lambda: store.calls > 0)
        await cached.expect({CODE: 1})
        store.versions[CODE] = 1
        assert (await following).version == 1


async def test_what_changed_before_the_watching_began_is_told_at_once(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    store.versions[CODE] = 4
    cached = await open_cache(redis_url, store)
    async with aclosing(cached.watch(CODE, seen=3)) as versions:
        assert (await anext(versions)).version == 4


async def test_a_watcher_who_leaves_is_forgotten(open_cache: OpenCache, redis_url: str, store: Store) -> None:
    store.versions[CODE] = 1
    cached = await open_cache(redis_url, store)

    async def watch() -> None:
        async with aclosing(cached.watch(CODE, seen=1)) as versions:
            async for _ in versions:
                pass

    watching = asyncio.create_task(watch())
    await until(lambda: bool(cached._watchers._waiting))
    watching.cancel()
    await asyncio.wait([watching])
    assert cached._watchers._waiting == {}
