"""Single calls stored together: callers that wait at one time share their statements and their commit."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Protocol
from zlib import crc32

from domain.errors import Unavailable
from lookup.changes import MAX_BATCH, DossierFacts, ItemResult, StatusEvent, Tenant

LANES = 2  # batches under way at one time, as many as keep one core of PostgreSQL busy
MOST_WAITING = 2000  # callers per lane: about a tenth of a second of work
COME_BACK = timedelta(seconds=1)


class BatchWriter(Protocol):
    """What is asked of `lookup.ingest.DossierWriter`."""

    async def store(self, tenant: Tenant, items: Sequence[DossierFacts | StatusEvent]) -> list[ItemResult]:
        """Store items of one tenant in one transaction; their results in order."""


class _Caller(NamedTuple):
    item: DossierFacts | StatusEvent
    answer: asyncio.Future[ItemResult]


class CoalescingWriter:
    """Stores one item per call and answers after its commit. Close it, and what was taken is stored first.

    A caller waits for the batch before its own and for its own: the more callers, the larger the batches. All changes
    of one dossier go through one lane, so that two batches do not wait for each other's rows.
    """

    def __init__(self, writer: BatchWriter, *, lanes: int = LANES, most_waiting: int = MOST_WAITING) -> None:
        self._lanes = [_Lane(writer, most_waiting) for _ in range(lanes)]

    async def __aenter__(self) -> "CoalescingWriter":
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    async def store_facts(self, tenant: Tenant, item: DossierFacts) -> ItemResult:
        """Store the facts of one dossier. Raises `Unavailable`: nothing was acknowledged, sending it again is safe."""
        return await self._lane(item.code).store(tenant, item)

    async def store_event(self, tenant: Tenant, item: StatusEvent) -> ItemResult:
        """Store one change of status. Raises `Unavailable`: nothing was acknowledged, sending it again is safe."""
        return await self._lane(item.code).store(tenant, item)

    def _lane(self, code: str) -> "_Lane":
        return self._lanes[crc32(code.encode("utf-8", "replace")) % len(self._lanes)]


class _Lane:
    """One batch at a time: whoever comes meanwhile waits and makes up the next one."""

    def __init__(self, writer: BatchWriter, most_waiting: int) -> None:
        self._writer = writer
        self._most_waiting = most_waiting
        self._waiting: dict[Tenant, list[_Caller]] = {}
        self._count = 0
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    async def store(self, tenant: Tenant, item: DossierFacts | StatusEvent) -> ItemResult:
        if self._closed:
            raise Unavailable("The service is shutting down.", after=COME_BACK)
        if self._count >= self._most_waiting:
            raise Unavailable("The service is full at the moment. Please send more slowly.", after=COME_BACK)
        answer: asyncio.Future[ItemResult] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, []).append(_Caller(item, answer))
        self._count += 1
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="coalescing lane")
        return await answer

    async def close(self) -> None:
        """Take no more, and store what was taken."""
        self._closed = True
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        """Store batch after batch until nobody waits; tenants take turns."""
        try:
            while self._waiting:
                tenant = next(iter(self._waiting))
                callers = self._waiting.pop(tenant)
                if len(callers) > MAX_BATCH:
                    self._waiting[tenant] = callers[MAX_BATCH:]
                    del callers[MAX_BATCH:]
                self._count -= len(callers)
                # A caller that gave up before its turn wants nothing stored.
                await self._store(tenant, [caller for caller in callers if not caller.answer.done()])
        finally:
            self._running = None

    async def _store(self, tenant: Tenant, callers: list[_Caller]) -> None:
        if not callers:
            return
        try:
            results = await self._writer.store(tenant, [caller.item for caller in callers])
        except Unavailable as error:
            _fail(callers, error)
        except Exception as error:  # whatever one item breaks, the others are stored without it
            if len(callers) == 1:
                _fail(callers, error)
                return
            middle = len(callers) // 2
            await self._store(tenant, callers[:middle])
            await self._store(tenant, callers[middle:])
        else:
            for caller, result in zip(callers, results, strict=True):
                if not caller.answer.done():
                    caller.answer.set_result(result)


def _fail(callers: list[_Caller], error: Exception) -> None:
    for caller in callers:
        if not caller.answer.done():
            caller.answer.set_exception(error)
