"""The tracking link."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from structlog.testing import capture_logs

from cache.link import TrackingLink
from cache.redis_connection import RedisConnection, open_redis
from tests.cache.conftest import OpenCache
from tests.cache.store_double import CODE, Store
from tests.cache.valkey_server import ValkeyServer
from tests.cache.waiting import at_hand, until


class Listening:
    """Writes down what the link tells."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.told: list[str] = []

    def changed(self, keys: Sequence[bytes]) -> None:
        self.keys += keys

    def flushed(self) -> None:
        self.told.append("flushed")

    def linked(self) -> None:
        self.told.append("linked")

    def link_lost(self) -> None:
        self.told.append("lost")


@asynccontextmanager
async def linked(redis: RedisConnection) -> AsyncIterator[tuple[TrackingLink, Listening]]:
    listening = Listening()
    link = TrackingLink(redis, b"d:", listening)
    running = asyncio.create_task(link.run())
    await until(lambda: link.good_until > 0)
    try:
        yield link, listening
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_it_tells_of_keys_with_its_prefix_only(redis: RedisConnection) -> None:
    async with linked(redis) as (_, listening):
        await redis.put(b"l:limit", b"1")
        await redis.put(b"d:answer", b"1")
        await until(lambda: bool(listening.keys))
        assert listening.keys == [b"d:answer"]
        await redis._client.flushall()
        await until(lambda: "flushed" in listening.told)


async def test_ten_thousand_changes_without_a_reply_between_do_not_break_it(redis: RedisConnection) -> None:
    """Mutant: `push_request=False`, with which redis-py recurses once per push."""
    async with linked(redis) as (_, listening):
        for first in range(0, 10_000, 500):
            pipeline = redis._client.pipeline(transaction=False)
            for number in range(first, first + 500):
                pipeline.execute_command("SET", b"d:%d" % number, b"1")
                pipeline.execute_command("GET", b"none")
            await pipeline.execute()
        await until(lambda: len(set(listening.keys)) == 10_000)
        assert listening.told == ["linked"]


async def test_one_cancellation_ends_it_wherever_it_is(redis: RedisConnection) -> None:
    """Mutant: connections with a `socket_timeout`, whose sending loses a cancellation (before Python 3.12)."""
    with capture_logs():
        for turns in range(80):
            link = TrackingLink(redis, b"d:", Listening())
            running = asyncio.create_task(link.run())
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            ended, _ = await asyncio.wait([running], timeout=1)
            assert ended, turns


async def test_a_cut_link_is_noticed_at_once_and_comes_back(redis: RedisConnection) -> None:
    async with linked(redis) as (link, listening):
        with capture_logs():
            await redis._client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert await until(lambda: listening.told == ["linked", "lost"]) < 0.05
            assert link.good_until == 0.0
            await until(lambda: link.good_until > 0, within=2)
        assert listening.told == ["linked", "lost", "linked"]
        await redis.put(b"d:answer", b"1")
        await until(lambda: b"d:answer" in listening.keys)


async def test_a_frozen_server_ends_belief_within_one_and_a_half_seconds(valkey: ValkeyServer) -> None:
    async with open_redis(valkey.url) as redis, linked(redis) as (link, listening):
        valkey.signal(signal.SIGSTOP)
        with capture_logs():
            assert await until(lambda: monotonic() > link.good_until) < 1.5
            await until(lambda: "lost" in listening.told, within=2)
            valkey.signal(signal.SIGCONT)
            await until(lambda: link.good_until > monotonic(), within=5)


async def test_a_process_that_slept_believes_nothing_until_it_has_heard_what_it_missed(
    open_cache: OpenCache, redis_url: str, store: Store
) -> None:
    """While our own loop was held up the changes lie unread in the socket, and no timer has run either."""
    store.versions[CODE] = 1
    reader, writer = await open_cache(redis_url, store), await open_cache(redis_url, store, linked=False)
    await at_hand(reader, CODE)
    await writer.expect({CODE: 2})
    store.versions[CODE] = 2
    link = reader._link
    link.good_until = monotonic() - 0.1  # as after a sleep longer than the limit
    assert reader.at_hand(CODE) is None
    found = await reader.find(CODE)
    assert found is not None
    assert found.version == 2


async def test_a_server_without_tracking_leaves_answers_in_process_off(valkey: ValkeyServer, store: Store) -> None:
    """An operator's Redis may forbid CLIENT TRACKING; the rest works on."""
    async with open_redis(valkey.url) as redis:
        await redis._client.execute_command(
            "ACL", "SETUSER", "motma", "on", ">secret", "~*", "+@all", "-client|tracking"
        )
    url = valkey.url.replace("unix://", "unix://motma:secret@")
    listening = Listening()
    async with open_redis(url) as redis:
        link = TrackingLink(redis, b"d:", listening)
        with capture_logs() as logs:
            running = asyncio.create_task(link.run())
            await until(lambda: len(logs) >= 2)
            running.cancel()
            await asyncio.wait([running])
        assert listening.told == []
        assert link.good_until == 0.0
        assert await redis.get_many([b"d:x"]) == [None]
