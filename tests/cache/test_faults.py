"""Redis killed, frozen, restarted, cut off; and a storm of writers and readers (slices of G15, G16, G17)."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from structlog.testing import capture_logs

from cache.answers import CachedDossiers, open_cached_dossiers
from cache.redis_connection import Argument, RedisConnection, ScriptCall, open_redis
from lookup.sealing import Seal
from tests.cache.conftest import OpenCache
from tests.cache.store_double import CODE, Store
from tests.cache.valkey_server import ValkeyServer
from tests.cache.waiting import at_hand, until


async def slowest(cached: CachedDossiers, *, seconds: float) -> float:
    """Ask for many codes for so long; the longest wait (seconds)."""
    longest, until_then = 0.0, time.monotonic() + seconds

    async def ask(number: int) -> None:
        nonlocal longest
        while time.monotonic() < until_then:
            asked = time.monotonic()
            assert await cached.find(f"H05.16-261102-{number:04}") is not None
            longest = max(longest, time.monotonic() - asked)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(ask(number) for number in range(20)))
    return longest


def known(store: Store) -> None:
    store.versions |= {f"H05.16-261102-{number:04}": 1 for number in range(20)}


async def test_a_frozen_redis_costs_no_answer_more_than_its_time_limit(
    valkey: ValkeyServer, open_cache: OpenCache, store: Store
) -> None:
    known(store)
    cached = await open_cache(valkey.url, store)
    await slowest(cached, seconds=0.1)
    with capture_logs():
        valkey.signal(signal.SIGSTOP)
        frozen = time.monotonic()
        cached._near.doubt_all()  # else everything is answered at hand for the first second
        assert await slowest(cached, seconds=2.5) < 0.15
        assert cached.at_hand(CODE) is None
        assert time.monotonic() - frozen > 1.5
        valkey.signal(signal.SIGCONT)
        await until(lambda: cached._trust.holds and cached._link.good_until > time.monotonic())
        await at_hand(cached, CODE)


async def test_a_killed_redis_costs_nothing_but_time_and_comes_back_empty(
    valkey: ValkeyServer, open_cache: OpenCache, store: Store
) -> None:
    known(store)
    cached = await open_cache(valkey.url, store)
    await at_hand(cached, CODE)
    with capture_logs():
        valkey.kill()
        assert await until(lambda: cached.at_hand(CODE) is None) < 0.05
        assert await slowest(cached, seconds=0.5) < 0.15
        await cached.expect({CODE: 2})
        store.versions[CODE] = 2
        found = await cached.find(CODE)
        assert found is not None
        assert found.version == 2
        await valkey.start()
        assert (await at_hand(cached, CODE)).version == 2


async def test_telling_a_frozen_redis_never_raises_and_costs_a_writer_a_tenth_of_a_second(
    valkey: ValkeyServer, open_cache: OpenCache, store: Store
) -> None:
    writer = await open_cache(valkey.url, store, linked=False)
    with capture_logs():
        valkey.signal(signal.SIGSTOP)
        for _ in range(5):
            told = time.monotonic()
            await writer.expect({f"H05.16-261102-{number:04}": 2 for number in range(500)})
            assert time.monotonic() - told < 0.15
        assert not writer._trust.holds
        valkey.signal(signal.SIGCONT)
        await until(lambda: writer._trust.holds)


async def test_without_redis_from_the_start_answers_come_from_the_store(
    tmp_path: Path, seal: Seal, store: Store
) -> None:
    """And with Redis coming later they are cached."""
    known(store)
    valkey = ValkeyServer(tmp_path / "valkey")
    with capture_logs():
        async with open_redis(valkey.url) as redis, open_cached_dossiers(store, redis, seal) as cached:
            assert await slowest(cached, seconds=0.3) < 0.15
            await valkey.start()
            try:
                await at_hand(cached, CODE)
            finally:
                valkey.kill()


async def test_what_changed_while_a_reader_was_cut_off_is_not_missed(
    valkey: ValkeyServer, open_cache: OpenCache, store: Store
) -> None:
    """G17: 2,000 changes while neither process could reach Redis; Redis itself kept its old answers.

    Mutant: `Trust.doubt` does nothing.
    """
    store.versions = {f"H05.16-261102-{number:04}": 1 for number in range(2000)}
    reader, writer = await open_cache(valkey.url, store), await open_cache(valkey.url, store, linked=False)
    await asyncio.gather(*(reader.find(code) for code in store.versions))
    await until(lambda: not reader._searches)
    with capture_logs():
        valkey.signal(signal.SIGSTOP)
        await until(lambda: time.monotonic() > reader._link.good_until)
        await writer.expect(dict.fromkeys(store.versions, 2))
        store.versions = dict.fromkeys(store.versions, 2)
        valkey.signal(signal.SIGCONT)
        await asyncio.sleep(1)
        found = await asyncio.gather(*(reader.find(code) for code in store.versions))
        assert {each.version for each in found if each} == {2}


class Delaying(RedisConnection):
    """2 % of the calls reach Redis half a second late, after their caller has given up."""

    chance = Random(20261122)
    under_way: ClassVar[list[asyncio.Future[list[Any]]]] = []

    async def _run(self, script: str, calls: Sequence[ScriptCall], common: tuple[Argument, ...]) -> list[Any]:
        call = super()._run(script, calls, common)
        if self.chance.random() > 0.02:
            return await call
        late = asyncio.ensure_future(self._later(call))
        self.under_way.append(late)
        return await asyncio.shield(late)

    async def _later(self, call: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        await asyncio.sleep(0.5)
        return await call


@dataclass
class Truth:
    """What was committed when, and what readers saw."""

    committed: dict[str, list[float]] = field(default_factory=dict)  # [version - 1]: when it became the truth
    reads: int = 0
    stale: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)


async def test_a_storm_of_changes_never_yields_an_outdated_answer(redis_url: str, seal: Seal, store: Store) -> None:
    """G16 in small: three processes, two of them reading, fills delayed past their limit.

    No reading is older than a second after a commit, and no reader sees a version go down. Mutants: PUT without its
    comparison of versions; `changed` does nothing.
    """
    codes = [f"H05.16-261102-{number:04}" for number in range(40)]
    truth = Truth({code: [time.monotonic()] for code in codes})
    store.versions = dict.fromkeys(codes, 1)
    store.delay = 0.001
    chance = Random(7)
    with capture_logs():
        async with open_redis(redis_url) as one, open_redis(redis_url) as two, open_redis(redis_url) as three:
            delaying = [Delaying(each._client) for each in (one, two)]
            async with (
                open_cached_dossiers(store, delaying[0], seal) as first,
                open_cached_dossiers(store, delaying[1], seal) as second,
                open_cached_dossiers(store, three, seal, linked=False) as writer,
            ):

                async def write() -> None:
                    while truth.reads < 12_000:
                        for code in chance.sample(codes, 4):
                            await writer.expect({code: store.versions[code] + 1})
                            await asyncio.sleep(chance.random() * 0.004)
                            store.versions[code] += 1
                            truth.committed[code].append(time.monotonic())

                async def read(process: CachedDossiers) -> None:
                    seen: dict[str, int] = {}
                    while truth.reads < 12_000:
                        code, asked = chance.choice(codes), time.monotonic()
                        found = await process.find(code)
                        assert found is not None
                        truth.reads += 1
                        next_since = truth.committed[code][found.version :][:1]
                        if next_since and next_since[0] < asked - 1:
                            truth.stale.append(f"{code} {found.version} {asked - next_since[0]:.3f} s")
                        if found.version < seen.get(code, 0):
                            truth.backwards.append(f"{code} {found.version} after {seen[code]}")
                        seen[code] = found.version
                        await asyncio.sleep(0.001)

                await asyncio.gather(write(), *(read(each) for each in (first, second) * 10))
                figures = first.figures
                await asyncio.wait(Delaying.under_way)
    assert truth.stale == []
    assert truth.backwards == []
    assert len(Delaying.under_way) > 5
    assert figures.nearby > 100
    assert figures.overtaken > 0
