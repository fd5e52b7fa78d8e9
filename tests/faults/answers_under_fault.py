"""G15, G16, G18: Redis may vanish, freeze or lag, and nothing false is said, nothing is lost, nobody waits long."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import redis.asyncio as redis

from cache.answers import CachedDossiers, open_cached_dossiers
from cache.redis_connection import open_redis
from cache.shared_answers import SharedAnswers
from database.pool import Role, open_database
from domain.dossier import PublicDossier
from domain.status import STAGE_OF, Status
from lookup.dossiers import DossierReader
from lookup.sealing import Seal
from lookup.source import DossierSource
from service.servers import open_seal
from service.settings import Settings
from tests.faults.evidence import Evidence, percentile
from tests.faults.load import STATUSES, Producer, Reader, event, phone
from tests.faults.no_loss import everybody_told, nothing_lost
from tests.faults.one_effect import with_key
from tests.faults.rig import NO_MUTANT, SECRET, Rig, open_rig

TOO_OLD = 1.0  # seconds after the acknowledgement
PAUSE = 0.002  # seconds between two look-ups of one reader
OPTED_OUT = 20  # of the phones, before anything happens
OPT_OUT = (
    "INSERT INTO opt_out (contact_digest, source) SELECT phone_digest, 'faults' FROM dossier WHERE code = ANY ($1)"
)


async def redis_faults(*, phase: float, look_ups: float = 200.0, mutant: str = NO_MUTANT) -> Evidence:
    """G15: flushed, killed, frozen, one after the other, under look-ups and events.

    Nothing is lost, sent twice, told to somebody who refused, or answered anew under an old key. Mutants: `no_breaker`,
    `answers_kept_in_redis`.
    """
    evidence = Evidence(guarantee="G15")
    async with open_rig(mutant=mutant, dispatchers=1) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(500)
        await rig.query(OPT_OUT, codes[:OPTED_OUT])
        body = {**event(codes[0], 0), "id": "over-the-faults"}
        answers = [await with_key(rig, "over-the-faults", body)]
        reader, done = Reader(rig, codes, look_ups), asyncio.Event()
        hole: list[float] = []
        async with asyncio.TaskGroup() as load:
            load.create_task(reader.read(done))
            load.create_task(producer.events(codes, rate=50, seconds=phase * 5))
            await asyncio.sleep(phase)
            async with redis.from_url(rig.servers.redis_url) as client:
                await client.flushall()
            answers.append(await with_key(rig, "over-the-faults", body))
            await asyncio.sleep(phase)
            os.kill(await valkey_of(rig), signal.SIGKILL)
            answers.append(await with_key(rig, "over-the-faults", body))
            await asyncio.sleep(phase)
            hole = await _frozen(rig, reader, phase)
            answers.append(await with_key(rig, "over-the-faults", body))
            await asyncio.sleep(phase)
            done.set()
        await nothing_lost(rig, producer, evidence)
        await everybody_told(rig, producer, evidence)
        refused = {phone(number) for number in range(OPTED_OUT)}
        disturbed = sum(number in refused for _, number, _ in rig.ledger.lines())
        evidence.expect(disturbed == 0, f"{disturbed} notices went to people who had refused them")
        evidence.expect(len(set(answers)) == 1, f"one key was answered {len(set(answers))} ways")
        wrong = await _wrong_answers(rig, producer)
        evidence.expect(wrong == 0, f"{wrong} dossiers are answered otherwise than they stand, after all is healed")
        share = 1 - len(reader.failed) / max(1, len(reader.seconds) + len(reader.failed))
        slow, usual = percentile(hole, 0.99), percentile(reader.seconds, 0.5)
        evidence.figures |= {"look-ups": len(reader.seconds), "success %": round(100 * share, 2)}
        evidence.figures |= {"p99 while frozen ms": round(slow * 1000), "median of all ms": round(usual * 1000)}
        evidence.expect(share >= 0.999, f"{len(reader.failed)} look-ups failed, e.g. {set(reader.failed)}")
        evidence.need(bool(hole), "nothing was looked up while Redis was frozen")
        evidence.expect_within(0.5, slow, "p99 while Redis was frozen")
    return evidence


async def _frozen(rig: Rig, reader: Reader, seconds: float) -> list[float]:
    """Stop Redis where it stands, for so long; how long each look-up took that was answered meanwhile."""
    frozen, before = await valkey_of(rig), len(reader.seconds)
    os.kill(frozen, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
        return reader.seconds[before:]
    finally:
        os.kill(frozen, signal.SIGCONT)


async def _wrong_answers(rig: Rig, producer: Producer) -> int:
    """How many dossiers are not shown at the stage of their newest acknowledged event."""
    wrong = 0
    for code, step in producer.newest.items():
        async with rig.http.get(f"{rig.url}/api/v1/lookup/{code}") as response:
            stage = (await response.json())["stage"]
        wrong += stage != STAGE_OF[Status(STATUSES[step % len(STATUSES)])]
    return wrong


async def valkey_of(rig: Rig) -> int:
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


async def no_stale_answer(*, writes: int, readers: int = 9, mutant: str = NO_MUTANT) -> Evidence:
    """G16: caches over one Redis, 2 % of the fills half a second late: nothing older than 1 s is told.

    One of the caches never hears what changes: what it tells may stand in Redis only. Mutant: `plain_set`.
    """
    evidence = Evidence(guarantee="G16")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig, AsyncExitStack() as stack:
        producer = Producer(rig)
        codes = await producer.dossiers(50)
        _delay_fills(0.02, 0.5)
        caches = [await stack.enter_async_context(_cache(rig, linked=linked)) for linked in (True, True, False)]
        acked: dict[str, list[tuple[float, int]]] = {code: [(time.monotonic(), 1)] for code in codes}
        tellings = [Tellings(caches[n % len(caches)], codes, acked, n) for n in range(readers)]
        done = asyncio.Event()
        async with asyncio.TaskGroup() as reading:
            for telling in tellings:
                reading.create_task(telling.read(done))
            for n in range(writes):
                code = codes[n % len(codes)]
                await producer.push("events", [event(code, n // len(codes))])
                acked[code].append((time.monotonic(), n // len(codes) + 2))
            await asyncio.sleep(TOO_OLD + 0.5)
            done.set()
        reads, stale = sum(t.reads for t in tellings), sum(t.stale for t in tellings)
        backwards = sum(t.backwards for t in tellings)
        evidence.figures |= {"writes": writes, "reads": reads, "stale": stale, "backwards": backwards}
        evidence.figures["late fills overtaken"] = sum(cache.figures.overtaken for cache in caches)
        evidence.expect(stale == 0, f"{stale} answers were older than {TOO_OLD:.0f} s after the acknowledgement")
        evidence.expect(backwards == 0, f"{backwards} times a reader saw an older version after a newer one")
        evidence.need(reads > writes, "hardly anything was read")
    return evidence


class Tellings:
    """One reader of one cache, and what it was told wrongly."""

    def __init__(
        self, cache: CachedDossiers, codes: Sequence[str], acked: dict[str, list[tuple[float, int]]], seed: int
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
            due = next(v for at, v in reversed(self._acked[code]) if at <= asked - TOO_OLD or v == 1)
            self.reads += 1
            self.stale += version < due
            self.backwards += version < self._seen.get(code, 0)
            self._seen[code] = max(version, self._seen.get(code, 0))
            await asyncio.sleep(PAUSE)


def _delay_fills(share: float, seconds: float) -> None:
    """The fault: some fills reach Redis late, as behind a slow network."""
    fill, choice = SharedAnswers.fill, random.Random(16)

    async def late(self: SharedAnswers, fills: object) -> list[bool]:
        if choice.random() < share:
            await asyncio.sleep(seconds)
        return await fill(self, fills)  # type: ignore[arg-type]

    SharedAnswers.fill = late  # type: ignore[method-assign]


@asynccontextmanager
async def _cache(
    rig: Rig, source: DossierSource | None = None, *, linked: bool = True
) -> AsyncIterator[CachedDossiers]:
    """A cache as a web process has it, with connections of its own."""
    async with (
        open_database(rig.servers.database_url, roles=(Role.PUBLIC,)) as database,
        open_redis(rig.servers.redis_url) as connection,
        open_cached_dossiers(source or DossierReader(database), connection, _seal(), linked=linked) as cached,
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
    """G18: one hot key expires, 2,000 ask for it within 100 ms, the store takes 300 ms: it is asked once.

    Mutant: `no_single_flight`.
    """
    evidence = Evidence(guarantee="G18")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig:
        (code,) = await Producer(rig).dossiers(1)
        async with open_database(rig.servers.database_url, roles=(Role.PUBLIC,)) as database:
            source = SlowSource(DossierReader(database), 0.3)
            async with _cache(rig, source) as cached:
                await _hot(cached, code)
                source.asked = 0
                await _expire(rig, cached, code)
                waits: list[float] = []

                async def ask(after: float) -> None:
                    await asyncio.sleep(after)
                    asked = time.monotonic()
                    found = await cached.find(code)
                    assert found is not None
                    waits.append(time.monotonic() - asked)

                await asyncio.gather(*(ask(0.1 * n / readers) for n in range(readers)))
        slow = percentile(waits, 0.99)
        evidence.figures |= {"readers": readers, "asked the store": source.asked, "p99 ms": round(slow * 1000)}
        evidence.expect(source.asked == 1, f"the store was asked {source.asked} times")
        evidence.expect_within(0.6, slow, "p99")
    return evidence


async def _hot(cached: CachedDossiers, code: str) -> None:
    """Ask until the process holds the answer: its link is up and the answer stands in Redis."""
    while cached.at_hand(code) is None:
        await cached.find(code)
        await asyncio.sleep(0.01)


async def _expire(rig: Rig, cached: CachedDossiers, code: str) -> None:
    """Let every answer end now, and wait until the process has heard of it."""
    async with redis.from_url(rig.servers.redis_url) as client:
        await client.delete(*[key async for key in client.scan_iter("d:*") if key != b"d:epoch"])
    while cached.at_hand(code) is not None:  # noqa: ASYNC110  # the news comes from Redis
        await asyncio.sleep(0.001)
