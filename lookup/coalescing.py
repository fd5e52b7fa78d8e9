"""Single calls stored together: callers that wait at one time share their statements and their commit."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol
from zlib import crc32

from database.lanes import MOST_WAITING, Lane
from lookup.changes import MAX_BATCH, DossierFacts, ItemResult, StatusEvent, Tenant

LANES = 2  # batches under way at one time, as many as keep one core of PostgreSQL busy


class BatchWriter(Protocol):
    """What is asked of `lookup.ingest.DossierWriter`."""

    async def store(self, tenant: Tenant, items: Sequence[DossierFacts | StatusEvent]) -> list[ItemResult]:
        """Store items of one tenant in one transaction; their results in order."""


class CoalescingWriter:
    """Stores one item per call and answers after its commit. Close it, and what was taken is stored first.

    A caller waits for the batch before its own and for its own: the more callers, the larger the batches. All changes
    of one dossier go through one lane, so that two batches do not wait for each other's rows.
    """

    def __init__(self, writer: BatchWriter, *, lanes: int = LANES, most_waiting: int = MOST_WAITING) -> None:
        self._lanes = [_lane(writer, most_waiting) for _ in range(lanes)]

    async def __aenter__(self) -> "CoalescingWriter":
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(lane.close() for lane in self._lanes))

    async def store_facts(self, tenant: Tenant, item: DossierFacts) -> ItemResult:
        """Store the facts of one dossier. Raises `Unavailable`: nothing was acknowledged, sending it again is safe."""
        return await self._lane_of(item.code).do(tenant, item)

    async def store_event(self, tenant: Tenant, item: StatusEvent) -> ItemResult:
        """Store one change of status. Raises `Unavailable`: nothing was acknowledged, sending it again is safe."""
        return await self._lane_of(item.code).do(tenant, item)

    def _lane_of(self, code: str) -> Lane[Tenant, DossierFacts | StatusEvent, ItemResult]:
        return self._lanes[crc32(code.encode("utf-8", "replace")) % len(self._lanes)]


def _lane(writer: BatchWriter, most_waiting: int) -> Lane[Tenant, DossierFacts | StatusEvent, ItemResult]:
    return Lane(writer.store, most=MAX_BATCH, most_waiting=most_waiting)
