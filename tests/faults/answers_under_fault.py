"""G15, G16, G18: Redis may vanish, freeze or lag, and nothing false is said, nothing is lost, nobody waits long."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import redis.asyncio as redis

from cache.answers import CachedDossiers, open_cached_dossiers
from cache.redis_connection import open_redis
from cache.shared_answers import SharedAnswers
from database.pool import Role, open_database
from domain.dossier import PublicDossier
from lookup.dossiers import DossierReader
from lookup.sealing import Seal
from lookup.source import DossierSource
from service.servers import open_seal
from service.settings import Settings
from tests.faults.evidence import Evidence, percentile
from tests.faults.load import Producer, event
from tests.faults.no_loss import nothing_lost
from tests.faults.rig import NO_MUTANT, SECRET, Rig, open_rig

TOO_OLD = 1.0  # seconds after the acknowledgement


async def redis_faults(*, phase: float, look_ups: float = 200.0, mutant: str = NO_MUTANT) -> Evidence:
    """G15: flushed, killed, frozen, one after the other, under look-ups and events."""
    evidence = Evidence(guarantee="G15")
    async with open_rig(mutant=mutant, dispatchers=0) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(500)
        writing = asyncio.create_task(producer.events(codes, rate=50, seconds=phase * 5))
        seconds: list[float] = []
        failed: list[str] = []
        reading = asyncio.create_task(_look_up(rig, codes, look_ups, seconds, failed))
        await asyncio.sleep(phase)
        async with redis.from_url(rig.servers.redis_url) as client:
            await client.flushall()
        await asyncio.sleep(phase)
        os.kill(await _valkey(rig), signal.SIGKILL)
        await asyncio.sleep(phase)
        frozen = await _valkey(rig)
        os.kill(frozen, signal.SIGSTOP)
        before = len(seconds)
        await asyncio.sleep(phase)
        hole = seconds[before:]
        os.kill(frozen, signal.SIGCONT)
        await writing
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await nothing_lost(rig, producer, evidence)
        share = 1 - len(failed) / max(1, len(seconds) + len(failed))
        slow = percentile(hole, 0.99)
        evidence.figures |= {"look-ups": len(seconds), "success %": round(100 * share, 2)}
        evidence.figures["p99 while frozen ms"] = round(slow * 1000)
        evidence.expect(share >= 0.999, f"{len(failed)} look-ups failed, e.g. {failed[:2]}")
        evidence.expect(0 < slow <= 0.5, f"p99 {slow * 1000:.0f} ms while Redis was frozen")
    return evidence


async def _look_up(rig: Rig, codes: list[str], rate: float, seconds: list[float], failed: list[str]) -> None:
    """Look-ups at `rate` a second until cancelled, whether or not earlier ones were answered."""
    choice, loop = random.Random(2), asyncio.get_running_loop()
    began, sent, calls = loop.time(), 0, set[asyncio.Task[None]]()

    async def one(code: str) -> None:
        asked = loop.time()
        try:
            async with rig.http.get(f"{rig.url}/api/v1/lookup/{code}") as response:
                await response.read()
                if response.status == 200:
                    seconds.append(loop.time() - asked)
                else:
                    failed.append(str(response.status))
        except (aiohttp.ClientError, TimeoutError) as error:
            failed.append(type(error).__name__)

    try:
        while True:
            sent += 1
            call = asyncio.create_task(one(choice.choice(codes)))
            calls.add(call)
            call.add_done_callback(calls.discard)
            await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def _valkey(rig: Rig) -> int:
    """The process id of the Valkey that answers now."""
    deadline = time.monotonic() + 10
    while True:
        try:
            async with redis.from_url(rig.servers.redis_url) as client:
                return int((await client.info("server"))["process_id"])
        except (redis.RedisError, OSError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


async def no_stale_answer(*, writes: int, readers: int = 8, mutant: str = NO_MUTANT) -> Evidence:
    """G16: two caches over one Redis, 2 % of the fills half a second late: nothing older than 1 s is told."""
    evidence = Evidence(guarantee="G16")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig, AsyncExitStack() as stack:
        producer = Producer(rig)
        codes = await producer.dossiers(50)
        _delay_fills(0.02, 0.5)
        caches = [await stack.enter_async_context(_cache(rig)) for _ in range(2)]
        acked: dict[str, list[tuple[float, int]]] = {code: [(time.monotonic(), 1)] for code in codes}
        done = asyncio.Event()
        tellings = [Tellings(cache, codes, acked, seed) for seed, cache in enumerate(caches * (readers // 2))]
        reading = [asyncio.create_task(telling.read(done)) for telling in tellings]
        for n in range(writes):
            code = codes[n % len(codes)]
            await producer.push("events", [event(code, n // len(codes))])
            acked[code].append((time.monotonic(), n // len(codes) + 2))
        await asyncio.sleep(1.5)
        done.set()
        await asyncio.gather(*reading)
        reads, stale = sum(t.reads for t in tellings), sum(t.stale for t in tellings)
        backwards = sum(t.backwards for t in tellings)
        evidence.figures |= {"writes": writes, "reads": reads, "stale": stale, "backwards": backwards}
        evidence.expect(stale == 0, f"{stale} answers were older than {TOO_OLD:.0f} s after the acknowledgement")
        evidence.expect(backwards == 0, f"{backwards} times a reader saw an older version after a newer one")
        evidence.expect(reads > writes, "hardly anything was read")
    return evidence


class Tellings:
    """One reader of one cache, and what it was told wrongly."""

    def __init__(
        self, cache: CachedDossiers, codes: list[str], acked: dict[str, list[tuple[float, int]]], seed: int
    ) -> None:
        self.reads = self.stale = self.backwards = 0
        self._cache, self._codes, self._acked = cache, codes, acked
        self._choice = random.Random(seed)
        self._seen: dict[str, int] = {}

    async def read(self, done: asyncio.Event) -> None:
        """Ask until done, and compare with what was acknowledged a second before."""
        while not done.is_set():
            code = self._choice.choice(self._codes)
            asked = time.monotonic()
            found = await self._cache.find(code)
            version = found.version if found else 0
            due = max(v for at, v in self._acked[code] if at <= asked - TOO_OLD or v == 1)
            self.reads += 1
            self.stale += version < due
            self.backwards += version < self._seen.get(code, 0)
            self._seen[code] = max(version, self._seen.get(code, 0))
            await asyncio.sleep(0.0005)


def _delay_fills(share: float, seconds: float) -> None:
    """The fault: some fills reach Redis late, as behind a slow network."""
    fill, choice = SharedAnswers.fill, random.Random(16)

    async def late(self: SharedAnswers, fills: object) -> list[bool]:
        if choice.random() < share:
            await asyncio.sleep(seconds)
        return await fill(self, fills)  # type: ignore[arg-type]

    SharedAnswers.fill = late  # type: ignore[method-assign]


@asynccontextmanager
async def _cache(rig: Rig, source: DossierSource | None = None) -> AsyncIterator[CachedDossiers]:
    """A cache as a web process has it, with connections of its own."""
    async with (
        open_database(rig.servers.database_url, roles=(Role.PUBLIC,)) as database,
        open_redis(rig.servers.redis_url) as connection,
        open_cached_dossiers(source or DossierReader(database), connection, _seal()) as cached,
    ):
        yield cached


def _seal() -> Seal:
    return open_seal(Settings(secret_key=SECRET))


class SlowSource:
    """A store that takes its time, and counts who asks."""

    def __init__(self, source: DossierSource, seconds: float) -> None:
        self.asked = 0
        self._source, self._seconds = source, seconds

    async def find(self, code: str) -> PublicDossier | None:
        """After the pause."""
        self.asked += 1
        await asyncio.sleep(self._seconds)
        return await self._source.find(code)


async def no_herd(*, readers: int = 2_000, mutant: str = NO_MUTANT) -> Evidence:
    """G18: one code nobody holds, asked by 2,000 at once while the store takes 300 ms: the store is asked once."""
    evidence = Evidence(guarantee="G18")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig:
        codes = await Producer(rig).dossiers(1)
        async with open_database(rig.servers.database_url, roles=(Role.PUBLIC,)) as database:
            source = SlowSource(DossierReader(database), 0.3)
            async with _cache(rig, source) as cached:
                waits: list[float] = []

                async def ask(after: float) -> None:
                    await asyncio.sleep(after)
                    asked = time.monotonic()
                    found = await cached.find(codes[0])
                    assert found is not None
                    waits.append(time.monotonic() - asked)

                await asyncio.gather(*(ask(0.1 * n / readers) for n in range(readers)))
        slow = percentile(waits, 0.99)
        evidence.figures |= {"readers": readers, "asked the store": source.asked, "p99 ms": round(slow * 1000)}
        evidence.expect(source.asked <= 1, f"the store was asked {source.asked} times")
        evidence.expect(slow <= 0.6, f"p99 {slow * 1000:.0f} ms")
    return evidence
