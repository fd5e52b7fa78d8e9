"""What the tests of the cache share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from cache.answers import CachedDossiers, open_cached_dossiers
from cache.redis_connection import RedisConnection, open_redis
from lookup.sealing import Seal
from tests.cache.store_double import Store
from tests.cache.valkey_server import ValkeyServer
from tests.cache.waiting import until


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisConnection]:
    """The session's Redis."""
    async with open_redis(redis_url) as connection:
        yield connection


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    """A running Valkey of the test's own, to be mistreated."""
    server = ValkeyServer(tmp_path / "valkey")
    await server.start()
    yield server
    server.kill()


@pytest.fixture
def store() -> Store:
    """An empty store."""
    return Store()


class OpenCache(Protocol):
    """Opens one more process's cache in front of a store."""

    async def __call__(self, url: str, store: Store, *, linked: bool = True) -> CachedDossiers: ...


@pytest.fixture
async def open_cache(seal: Seal) -> AsyncIterator[OpenCache]:
    """Caches as several processes would have them; each is ready when it is returned."""
    async with AsyncExitStack() as stack:

        async def opened(url: str, store: Store, *, linked: bool = True) -> CachedDossiers:
            redis = await stack.enter_async_context(open_redis(url))
            cached = await stack.enter_async_context(open_cached_dossiers(store, redis, seal, linked=linked))
            await until(lambda: cached._trust.holds and (cached._link.good_until > 0 or not linked))
            return cached

        yield opened
