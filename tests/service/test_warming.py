"""Whoever calls a process first waits no longer than any other."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from redis.asyncio import Redis

from database import pool
from database.pool import PoolSizes, Role
from lookup.sealing import Seal
from service.embedded import EmbeddedServers
from service.warming import TO_ANSWER, warm
from service.wiring import open_core

OPEN = "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_every_connection_is_open_before_anybody_calls(database_url: str, redis_url: str, seal: Seal) -> None:
    servers = EmbeddedServers(database_url=database_url, redis_url=redis_url)
    async with open_core(servers, seal, application="warm") as core:
        before = await _clients(redis_url)
        await warm(core, answers=True)
        sizes = PoolSizes()
        wanted = {role: 1 if role in {Role.GATE, Role.CONSOLE} else sizes.of(role) for role in TO_ANSWER}
        assert {role: core.database.pools[role].get_size() for role in TO_ANSWER} == wanted
        assert core.database.pools[Role.PUBLIC].get_idle_size() == sizes.public
        assert await _clients(redis_url) - before >= 14
        assert len(await _sessions(database_url)) >= sum(wanted.values())


async def test_a_store_with_too_few_connections_and_a_redis_that_is_away_keep_nobody_from_starting(
    database_url: str, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "OPENING_LIMIT", timedelta(milliseconds=50))
    servers = EmbeddedServers(database_url=database_url, redis_url="redis://127.0.0.1:1")
    async with open_core(servers, seal, application="warm") as core:
        others = core.database.pools[Role.CITIZEN]
        taken = [await others.acquire() for _ in range(others.get_max_size())]
        with pytest.raises(TimeoutError):
            await core.database.open_all([Role.CITIZEN, Role.PUBLIC])
        assert core.database.pools[Role.PUBLIC].get_idle_size() == PoolSizes().public
        await asyncio.gather(*(others.release(one) for one in taken))
        await warm(core, answers=True)
        assert await core.desk.by_code("H05.16-261102-0001") is None


async def _sessions(url: str) -> list[str]:
    owner = await asyncpg.connect(url)
    rows = await owner.fetch(OPEN)
    await owner.close()
    return [row["usename"] for row in rows]


async def _clients(url: str) -> int:
    async with Redis.from_url(url) as client:
        return len(await client.client_list())
