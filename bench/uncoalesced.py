"""The same service with one transaction per single call, to compare with: `python -m bench.uncoalesced web`."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from lookup.changes import DossierFacts, ItemResult, StatusEvent, Tenant
from service import site
from service.__main__ import main


class BatchWriter(Protocol):
    """What is asked of `lookup.ingest.DossierWriter`."""

    async def store(self, tenant: Tenant, items: Sequence[DossierFacts | StatusEvent]) -> list[ItemResult]:
        """Store items of one tenant in one transaction; their results in order."""


class OneTransactionPerCall:
    """Stands where `lookup.coalescing.CoalescingWriter` stands, and shares nothing among callers."""

    def __init__(self, writer: BatchWriter) -> None:
        self._writer = writer

    async def __aenter__(self) -> "OneTransactionPerCall":
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        return None

    async def store_facts(self, tenant: Tenant, item: DossierFacts) -> ItemResult:
        """Store the facts of one dossier."""
        return (await self._writer.store(tenant, [item]))[0]

    async def store_event(self, tenant: Tenant, item: StatusEvent) -> ItemResult:
        """Store one change of status."""
        return (await self._writer.store(tenant, [item]))[0]


if __name__ == "__main__":
    setattr(site, "CoalescingWriter", OneTransactionPerCall)  # noqa: B010 -- a name the module does not export
    main()
