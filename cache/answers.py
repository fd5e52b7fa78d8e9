"""Answers to look-ups: from this process, else from Redis, else from the store, and none that is known to be outdated.

- Before a change commits, its writer puts a *floor* into Redis: no answer below the coming version can be written any
  more. A process that dies right after its commit therefore leaves nothing outdated behind.
- Redis tells every process which keys changed. What a process holds counts only while that link lives, and it holds
  only what Redis gave or took, if nothing changed meanwhile. Who asks after a change was heard never joins a search
  begun before.
- When Redis may have missed a floor, the *epoch* is raised: every answer written before is void (`cache.trust`).
- Without Redis the store is asked, one search per code at a time. Without the store the last known answer is told,
  however old; it says itself when it was read.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import structlog

from cache.batching import Batches, Tasks
from cache.link import TrackingLink
from cache.nearby_answers import Held, NearbyAnswers
from cache.redis_connection import RedisAway, RedisConnection
from cache.shared_answers import EPOCH_KEY, FRESH, PREFIX, Fill, Record, SharedAnswers, freshness_ends
from cache.trust import Trust
from cache.watching import Watchers
from domain.dossier import PublicDossier
from domain.errors import Unavailable
from lookup.sealing import Seal
from lookup.source import DossierSource

log = structlog.get_logger(__name__)

NEARBY = 100_000  # answers held in a process
JOIN_LIMIT = 0.5  # seconds: an older search is not joined, for the time when nobody tells us what changed
PATIENCE = 0.3  # seconds the store is given, once it has failed, before an older answer is told


@dataclass(slots=True)
class Figures:
    """How many answers came from where, since the start."""

    nearby: int = 0
    joined: int = 0  # waited for a search that others had begun
    shared: int = 0
    store: int = 0
    kept: int = 0  # older than they should be, because the store was away
    overtaken: int = 0  # not written to Redis, because something newer stood there


@dataclass(slots=True, eq=False)
class _Search:
    """One search for one code, and everybody who waits for it."""

    code: str
    key: bytes
    started: float  # monotonic
    generation: int
    waiting: list[asyncio.Future[PublicDossier | None]] = field(default_factory=list)
    outcome: PublicDossier | Exception | None = None
    settled: bool = False
    overtaken: bool = False  # the answer changed since, or somebody began a younger search
    epoch: bytes | None = None  # as it was before the store was asked; None: nothing may be written to Redis
    in_redis: Record | None = None

    def settle(self, outcome: PublicDossier | Exception | None) -> None:
        """Tell everybody who waits, and whoever joins later."""
        self.outcome, self.settled = outcome, True
        for future in self.waiting:
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    async def answer(self) -> PublicDossier | None:
        """The outcome, as soon as it is known."""
        if not self.settled:
            future: asyncio.Future[PublicDossier | None] = asyncio.get_running_loop().create_future()
            self.waiting.append(future)
            return await future
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class CachedDossiers:
    """A `DossierSource` before another one, and the `Forgetter` of its writers. Open it with `open_cached_dossiers`."""

    def __init__(self, source: DossierSource, redis: RedisConnection, seal: Seal, *, nearby: int = NEARBY) -> None:
        self.figures = Figures()
        self._source = source
        self._seal = seal
        self._shared = SharedAnswers(redis)
        self._tasks = Tasks()
        self._trust = Trust(self._shared, self._tasks)
        self._link = TrackingLink(redis, PREFIX, self)
        self._near = NearbyAnswers(nearby)
        self._reads: Batches[_Search] = Batches(self._read, self._tasks)
        self._fills: Batches[tuple[_Search, Fill]] = Batches(self._fill, self._tasks)
        self._searches: dict[str, _Search] = {}
        self._searches_by_key: dict[bytes, _Search] = {}
        self._watchers = Watchers(self.find)
        self._asking: set[asyncio.Future[PublicDossier | None]] = set()
        self._store_failing = False

    # What others ask of us

    async def find(self, code: str) -> PublicDossier | None:
        """The dossier, or None when there is none. Raises `Unavailable` when the store is away and nothing is known."""
        held = self._near.get(code)
        now = monotonic()
        if held is not None and now < self._link.good_until and self._near.fresh(held, now):
            self.figures.nearby += 1
            return held.dossier
        search = self._searches.get(code)
        # While changes are heard, a search they overtake is taken off `_searches`; else it must be young to be joined.
        if search is None or (search.started + JOIN_LIMIT < now and now >= self._link.good_until):
            search = self._begin(code, held.key if held else self._key(code), now)
        else:
            self.figures.joined += 1
        return await search.answer()

    def at_hand(self, code: str) -> PublicDossier | None:
        """The dossier if this process holds it fresh, without waiting; the same object as long as nothing changed."""
        held = self._near.get(code)
        now = monotonic()
        if held is not None and now < self._link.good_until and self._near.fresh(held, now):
            self.figures.nearby += 1
            return held.dossier
        return None

    def watch(self, code: str, *, seen: int = 0) -> AsyncGenerator[PublicDossier, None]:
        """Each version of the dossier above `seen`, as it becomes visible. Use it within `contextlib.aclosing`."""
        return self._watchers.watch(code, self._key(code), seen)

    async def expect(self, versions: dict[str, int]) -> None:
        """From now on no cache keeps a value of `code` older than the version given. Never raises."""
        floors = {self._key(code): version for code, version in versions.items()}
        self.changed(list(floors))
        if floors:
            await self._trust.expect(floors)

    def distrust(self) -> None:
        """Make every cached answer void, everywhere as soon as Redis can be told: after the store was restored."""
        self._doubt_nearby()
        self._trust.doubt()

    # What the tracking link tells us

    def changed(self, keys: Sequence[bytes]) -> None:
        """These keys were written, expired or evicted: forget what is held, and let nobody join a search under way."""
        for key in keys:
            self._near.drop(key)
            search = self._searches_by_key.get(key)
            if search is not None:
                search.overtaken = True
                self._end(search)
            self._watchers.wake(key)
        if EPOCH_KEY in keys:
            self._doubt_nearby()

    def flushed(self) -> None:
        """All keys are gone, floors too."""
        self.distrust()

    def linked(self) -> None:
        """Changes are heard from now on; what changed before was not."""
        self._doubt_nearby()

    def link_lost(self) -> None:
        """Nothing is heard any more, and the server may come back with an old copy of itself."""
        self.distrust()

    def _doubt_nearby(self) -> None:
        self._near.doubt_all()
        for search in list(self._searches.values()):
            search.overtaken = True
        self._searches.clear()
        self._searches_by_key.clear()
        self._watchers.wake_all()

    # The search for one code

    def _key(self, code: str) -> bytes:
        return PREFIX + self._seal.code(code).hex().encode()

    def _begin(self, code: str, key: bytes, now: float) -> _Search:
        if (older := self._searches.get(code)) is not None:
            older.overtaken = True
        search = _Search(code, key, now, self._near.generation)
        self._searches[code] = self._searches_by_key[key] = search
        if self._trust.holds:
            self._reads.add(search)
        else:
            self._ask_store(search)
        return search

    def _end(self, search: _Search) -> None:
        if self._searches.get(search.code) is search:
            del self._searches[search.code]
            del self._searches_by_key[search.key]

    async def _read(self, searches: list[_Search]) -> None:
        """Answer from Redis; what does not stand there fresh is asked of the store."""
        epoch: bytes | None = None
        records: Sequence[Record | None] = [None] * len(searches)
        try:
            epoch, records = await self._shared.read([search.key for search in searches])
            if epoch is None:
                self._trust.doubt()
        except RedisAway:
            pass  # the connection has counted and logged it; the store answers instead
        if not self._trust.holds:
            epoch = None
        now = time.time()
        for search, record in zip(searches, records, strict=True):
            search.epoch = epoch
            search.in_redis = record
            if record is None or record.epoch != epoch or not self._answer_with(record, search, now):
                self._ask_store(search)

    def _answer_with(self, record: Record, search: _Search, now: float) -> bool:
        """Answer with what stands in Redis, if it is fresh and can be read."""
        # Further ahead than `FRESH`: the clock here is behind the writer's and would let the answer grow too old.
        if not 0 < record.until - now <= FRESH:
            return False
        try:
            found = record.dossier(search.code)
        except ValueError:
            return False
        self.figures.shared += 1
        search.settle(found)
        self._hold(search, found, record.until)
        self._end(search)
        return True

    def _ask_store(self, search: _Search) -> None:
        """Begin to ask; the answer settles the search. No task of our own, because that is done for every miss."""
        # Once the store has failed it is given less time, if there is something to tell without it.
        hasty = self._store_failing and self._kept(search) is not None
        source = self._source.find(search.code)
        asking = asyncio.ensure_future(asyncio.wait_for(source, PATIENCE) if hasty else source)
        self._asking.add(asking)
        asking.add_done_callback(partial(self._told_by_store, search, time.time()))

    def _told_by_store(self, search: _Search, asked: float, asking: asyncio.Future[PublicDossier | None]) -> None:
        self._asking.discard(asking)
        error = Unavailable("The service is stopping.") if asking.cancelled() else asking.exception()
        if isinstance(error, TimeoutError):
            error = Unavailable("The store does not answer in time.")
        self._store_failing = isinstance(error, Unavailable)
        if error is not None:
            kept = self._kept(search) if self._store_failing else None
            self.figures.kept += kept is not None
            # Nobody may be left waiting, whatever it is.
            search.settle(kept or (error if isinstance(error, Exception) else Unavailable("The service is stopping.")))
            self._end(search)
            if not self._store_failing:
                log.error("a search failed", exc_info=error)
            return
        found = asking.result()
        self.figures.store += 1
        search.settle(found)
        if search.epoch is None:
            self._hold(search, found, until=0.0)
            self._end(search)
        else:
            until = freshness_ends(search.key, found, asked)
            self._fills.add((search, Fill(key=search.key, found=found, epoch=search.epoch, until=until)))

    def _kept(self, search: _Search) -> PublicDossier | None:
        """The newest answer known of the code, fresh or not."""
        held = self._near.get(search.code)
        known = [held.dossier] if held else []
        if search.in_redis is not None:
            try:
                known.append(search.in_redis.dossier(search.code))
            except ValueError:
                known.append(None)  # of another release: as good as nothing
        return max((d for d in known if d), key=lambda d: (d.version, d.read_at), default=None)

    async def _fill(self, fills: list[tuple[_Search, Fill]]) -> None:
        """Write the store's answers to Redis, and hold those it took."""
        try:
            taken = await self._shared.fill([fill for _, fill in fills])
        except RedisAway:
            for search, fill in fills:
                self._hold(search, fill.found, until=0.0)
        else:
            for (search, fill), written in zip(fills, taken, strict=True):
                if written:
                    self._hold(search, fill.found, fill.until)
            self.figures.overtaken += taken.count(False)
        finally:
            for search, _ in fills:
                self._end(search)

    def _hold(self, search: _Search, found: PublicDossier | None, until: float) -> None:
        """Hold an answer in this process until then (seconds since 1970), unless it changed meanwhile."""
        if not search.overtaken:
            until += monotonic() - time.time()
            self._near.put(Held(search.code, search.key, found, until, search.generation))

    @asynccontextmanager
    async def running(self, *, linked: bool) -> AsyncIterator[None]:
        """Keep trust and, if `linked`, the tracking link; without it nothing held in this process counts as fresh."""
        self._tasks.start(self._trust.run())
        if linked:
            self._tasks.start(self._link.run())
        try:
            yield
        finally:
            await self._tasks.end()
            for asking in list(self._asking):
                asking.cancel()
            for search in self._searches.values():
                search.settle(Unavailable("The service is stopping."))


@asynccontextmanager
async def open_cached_dossiers(
    source: DossierSource, redis: RedisConnection, seal: Seal, *, nearby: int = NEARBY, linked: bool = True
) -> AsyncIterator[CachedDossiers]:
    """Cached answers before `source`, running until the end. A process that only writes needs no link."""
    cached = CachedDossiers(source, redis, seal, nearby=nearby)
    async with cached.running(linked=linked):
        yield cached
