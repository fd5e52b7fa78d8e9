"""From items read to items stored: what is understood goes to the store, what is unclear into quarantine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from channels.agency_api.payloads import Unreadable
from channels.agency_api.tallies import Named, Refused, Tally, item_error
from channels.agency_api.understanding import UnknownStatus
from database.pool import DATABASE_AWAY, Connection, Database
from domain.errors import ServiceError, Unavailable
from lookup.changes import DossierFacts, ItemResult, Outcome, StatusEvent, Tenant
from lookup.quarantine import Unclear, keep
from lookup.sealing import Seal

Change = DossierFacts | StatusEvent
P = TypeVar("P", bound=msgspec.Struct)


class Writer(Protocol):
    """What is asked of `lookup.ingest.DossierWriter`."""

    async def store(
        self, tenant: Tenant, items: Sequence[Change], *, connection: Connection | None = None
    ) -> list[ItemResult]:
        """Store items in order; their results."""


class OneByOne(Protocol):
    """What is asked of `lookup.coalescing.CoalescingWriter`."""

    async def store_event(self, tenant: Tenant, item: StatusEvent) -> ItemResult:
        """Store one event together with those of other callers."""

    async def store_facts(self, tenant: Tenant, item: DossierFacts) -> ItemResult:
        """Store one statement of facts together with those of other callers."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """Items sorted out: `changes` with their `places` in what was sent, and what cannot be stored as it is."""

    changes: list[Change] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    names: list[str] | None = None  # the senders' ids of events, where they are not the ids we store

    def __len__(self) -> int:
        return len(self.changes) + len(self.refused)


def sorted_out(
    items: Sequence[P | Unreadable],
    places: Sequence[int],
    understand: Callable[[P], Change],
    route: str,
    names: Sequence[str] | None = None,
) -> Batch:
    """The batch of what was read; `route` is the one that can take the payload of an unclear item again.

    `names` are the ids by which senders know their events, where those are not the ids we store.
    """
    batch = Batch(names=[] if names is not None else None)
    for n, item in enumerate(items):
        if isinstance(item, Unreadable):
            named = Named(code=item.code, event_id=item.event_id)
            batch.refused.append(Refused(place=places[n], named=named, error=item_error(item.error)))
            continue
        name = names[n] if names is not None else None
        try:
            batch.changes.append(understand(item))
        except ServiceError as error:
            batch.refused.append(refused(item, places[n], error, route, name))
            continue
        batch.places.append(places[n])
        if batch.names is not None and name is not None:
            batch.names.append(name)
    return batch


def refused(item: msgspec.Struct, place: int, error: ServiceError, route: str, name: str | None = None) -> Refused:
    """An item that reads well and does not reach the store."""
    named = Named(code=getattr(item, "code", None) or None, event_id=name or getattr(item, "id", None))
    unclear = None
    if isinstance(error, UnknownStatus):
        unclear = Unclear(
            route=route,
            reason=error.code,
            field=error.field,
            value=error.value,
            payload=msgspec.json.encode(item).decode(),
        )
    return Refused(place=place, named=named, error=item_error(error), unclear=unclear)


class Intake:
    """Stores batches and single items."""

    def __init__(self, *, database: Database, seal: Seal, writer: Writer) -> None:
        self._database = database
        self._seal = seal
        self._writer = writer

    async def store(self, tenant: Tenant, batch: Batch, tally: Tally, connection: Connection | None = None) -> None:
        """Store a batch, in the caller's transaction where there is one. Raises `Unavailable`: all may come again."""
        await self._quarantine(tenant, [r.unclear for r in batch.refused if r.unclear], connection)
        for one in batch.refused:
            tally.refuse(one)
        if batch.changes:
            results = await self._writer.store(tenant, batch.changes, connection=connection)
            tally.add(batch.places, batch.changes, results, batch.names)

    async def store_one(
        self, tenant: Tenant, batch: Batch, one_by_one: OneByOne, connection: Connection | None = None
    ) -> ItemResult:
        """Store a batch of one item: `one_by_one` with those of other callers, or in the caller's transaction."""
        for one in batch.refused:
            if one.unclear is None:
                return ItemResult(outcome=Outcome.REJECTED, error=one.error)
            await self._quarantine(tenant, [one.unclear], connection)
            return ItemResult(outcome=Outcome.QUARANTINED, error=one.error)
        change = batch.changes[0]
        if connection is not None:
            return (await self._writer.store(tenant, [change], connection=connection))[0]
        if isinstance(change, StatusEvent):
            return await one_by_one.store_event(tenant, change)
        return await one_by_one.store_facts(tenant, change)

    async def _quarantine(self, tenant: Tenant, items: list[Unclear], connection: Connection | None) -> None:
        if not items:
            return
        if connection is not None:
            await keep(connection, self._seal, tenant, items)
            return
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as own:
                await keep(own, self._seal, tenant, items)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error
