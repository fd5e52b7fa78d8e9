"""The cache on a Valkey Cluster of three masters."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from cache.limits import Limit, Limits
from cache.redis_connection import open_redis
from lookup.sealing import Seal
from tests.cache.conftest import OpenCache
from tests.cache.store_double import Store
from tests.cache.valkey_server import ValkeyServer, form_cluster
from tests.cache.waiting import at_hand, until


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[list[ValkeyServer]]:
    """Three masters that share the slots."""
    servers: list[ValkeyServer] = []
    try:
        for number in range(3):
            servers.append(ValkeyServer(tmp_path / str(number), cluster=True))
            await servers[-1].start()
        await form_cluster(servers)
        yield servers
    finally:
        for server in servers:
            server.kill()


def url_of(cluster: list[ValkeyServer]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in cluster[:2])


async def test_answers_changes_and_limits_work_across_masters(
    cluster: list[ValkeyServer], open_cache: OpenCache, store: Store, seal: Seal
) -> None:
    store.versions = {f"H05.16-261102-{number:04}": 1 for number in range(100)}
    url = url_of(cluster)
    reader, other = await open_cache(url, store), await open_cache(url, store)
    writer = await open_cache(url, store, linked=False)
    assert len(reader._link._wires) == 3
    for code in store.versions:
        await at_hand(reader, code)
    async with asyncio.timeout(10):
        asked = -1
        while store.calls > asked:  # once more, should a node that was kept waiting have ended all belief meanwhile
            asked = store.calls
            assert all(await asyncio.gather(*(other.find(code) for code in store.versions)))
    assert other.figures.shared > 0
    await writer.expect(dict.fromkeys(store.versions, 2))
    store.versions = dict.fromkeys(store.versions, 2)
    await until(lambda: not any(reader.at_hand(code) for code in store.versions), within=0.5)
    for code in store.versions:
        assert (await at_hand(reader, code)).version == 2
    for server in cluster:
        async with Redis.from_url(server.url) as client:
            assert await client.dbsize() > 10
    async with open_redis(url) as redis:
        limits, limit = Limits(redis, seal), Limit.parse("five", "5/hour")
        verdicts = await asyncio.gather(*(limits.take(limit, f"subject {n % 10}") for n in range(100)))
        assert sum(verdict.allowed for verdict in verdicts) == 50


async def test_a_lost_master_ends_belief_in_all_that_is_held(
    cluster: list[ValkeyServer], open_cache: OpenCache, store: Store
) -> None:
    """Its keys may change unheard, and which keys are its own may change too."""
    store.versions = {f"H05.16-261102-{number:04}": 1 for number in range(30)}
    reader = await open_cache(url_of(cluster), store)
    for code in store.versions:
        await at_hand(reader, code)
    with capture_logs():
        cluster[2].kill()
        assert await until(lambda: not any(reader.at_hand(code) for code in store.versions)) < 0.1
        store.versions = dict.fromkeys(store.versions, 2)
        asked = time.monotonic()
        for found in await asyncio.gather(*(reader.find(code) for code in store.versions)):
            assert found is not None
            assert found.version == 2
        assert time.monotonic() - asked < 0.3
