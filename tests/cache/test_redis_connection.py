"""Connections to Redis: how they are named, and how long they may take."""

import asyncio
import signal
import time

import pytest
from redis.asyncio import Redis, RedisCluster
from structlog.testing import capture_logs

from cache.redis_connection import RedisAway, RedisConnection, open_redis
from tests.cache.valkey_server import ValkeyServer


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://u:p@10.0.0.1:6380/2", {"host": "10.0.0.1", "port": 6380, "db": 2, "username": "u", "password": "p"}),
        ("unix:///run/valkey.sock", {"path": "/run/valkey.sock"}),
        ("rediss://cache.example", {"host": "cache.example"}),
    ],
)
async def test_one_server_is_named_by_its_url(url: str, expected: dict[str, object]) -> None:
    async with open_redis(url) as redis:
        client = redis._client
        assert isinstance(client, Redis)
        kwargs = client.connection_pool.connection_kwargs
        assert {name: kwargs.get(name) for name in expected} == expected
        assert kwargs["protocol"] == 3


async def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    async with open_redis("rediss+cluster://u:p%40ss@10.0.0.1:7000,10.0.0.2") as redis:
        client = redis._client
        assert isinstance(client, RedisCluster)
        nodes = client.nodes_manager.startup_nodes.values()
        assert {(node.host, node.port) for node in nodes} == {("10.0.0.1", 7000), ("10.0.0.2", 6379)}
        kwargs = client.get_connection_kwargs()
        assert (kwargs["username"], kwargs["password"]) == ("u", "p@ss")


async def test_a_frozen_server_is_waited_for_a_tenth_of_a_second_and_then_not_at_all(valkey: ValkeyServer) -> None:
    async with open_redis(valkey.url) as redis:
        await redis.get_many([b"x"])
        valkey.signal(signal.SIGSTOP)
        waits = []
        with capture_logs() as logs:
            for _ in range(10):
                asked = time.monotonic()
                with pytest.raises(RedisAway):
                    await redis.get_many([b"x"])
                waits.append(time.monotonic() - asked)
        assert all(0.08 < wait < 0.15 for wait in waits[:3])
        assert all(wait < 0.01 for wait in waits[3:])
        assert [entry["event"] for entry in logs] == ["redis is away"]
        assert redis.away
        valkey.signal(signal.SIGCONT)
        await asyncio.sleep(1.1)
        with capture_logs():
            assert await redis.get_many([b"x"]) == [None]
        assert not redis.away


async def test_a_loop_held_up_for_long_does_not_take_redis_for_dead(redis: RedisConnection) -> None:
    """The reply is there; only nobody has read it yet. Mutant: a plain `asyncio.timeout`."""
    await redis.get_many([b"x"])
    for turns in range(12):  # wherever in its way the question is
        asking = asyncio.create_task(redis.get_many([b"x"]))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251 - this is the hold-up
        assert await asking == [None]


async def test_a_server_that_refuses_is_away_too(redis: RedisConnection) -> None:
    await redis._client.set("text", "no number")
    with pytest.raises(RedisAway), capture_logs():
        await redis.run_each("return {redis.call('INCR', KEYS[1])}", [(b"text", ())])
