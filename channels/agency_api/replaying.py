"""Reading again what was unclear: each item on the way it came, in one transaction with its settlement."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from channels.agency_api.intake import Batch, Writer
from channels.agency_api.kinds import Kinds
from channels.agency_api.portal_sorting import ROUTE, PortalSorting
from channels.agency_api.understanding import Understanding
from channels.json_bodies import decoded
from database.pool import Connection, Database
from domain.errors import Invalid, ServiceError
from lookup.changes import Outcome, Tenant
from lookup.quarantine import open_item, settle
from lookup.registry import Registry
from lookup.sealing import Seal, Unsealable
from lookup.sender_words import ApplicantKinds


class Fate(StrEnum):
    """What became of an item that waited."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    WAITS = "waits"  # still not understood
    REJECTED = "rejected"  # understood, and refused; it is not tried again
    GONE = "gone"  # settled meanwhile by somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The fate of one item, and why it still waits or was rejected."""

    fate: Fate
    reason: str | None = None


_envelope = msgspec.json.Decoder(dict[str, object])


class Replay:
    """Replays items of quarantine through the code that read them first."""

    def __init__(self, *, database: Database, seal: Seal, registry: Registry, writer: Writer) -> None:
        understanding = Understanding(registry)
        self._database = database
        self._seal = seal
        self._writer = writer
        self._kinds = Kinds(understanding)
        self._sorting = PortalSorting(understanding, ApplicantKinds(database), registry)

    async def one(self, item_id: int, tenant: Tenant) -> Replayed:
        """Read the item again and store it. Raises `Unavailable`."""
        async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
            try:
                item = await open_item(connection, self._seal, item_id)
            except Unsealable as error:
                return Replayed(fate=Fate.WAITS, reason=error.message)
            if item is None:
                return Replayed(fate=Fate.GONE)
            replayed = await self._store(connection, tenant, *item)
            if replayed.fate is not Fate.WAITS:
                await settle(connection, item_id, f"replayed: {replayed.reason or replayed.fate}")
            return replayed

    async def _store(self, connection: Connection, tenant: Tenant, route: str, payload: str) -> Replayed:
        try:
            batch = await self._read(tenant, route, payload.encode())
        except ServiceError as error:
            return Replayed(fate=Fate.WAITS, reason=error.message)
        for refused in batch.refused:
            return Replayed(fate=Fate.WAITS, reason=f"{refused.error.message} ({refused.error.field})")
        result = (await self._writer.store(tenant, batch.changes, connection=connection))[0]
        if result.outcome is Outcome.REJECTED and result.error is not None:
            return Replayed(fate=Fate.REJECTED, reason=result.error.message)
        return Replayed(fate=Fate(result.outcome.value))

    async def _read(self, tenant: Tenant, route: str, payload: bytes) -> Batch:
        for kind in (self._kinds.dossiers, self._kinds.imported, self._kinds.events):
            if route == kind.route:
                return kind.one(tenant, payload)
        if route.startswith(ROUTE):
            envelope = decoded(_envelope.decode, payload)
            unit = envelope.get("unit")
            service = route.removeprefix(ROUTE)
            return await self._sorting.batch(
                tenant, service, [envelope.get("item")], unit if isinstance(unit, str) else None
            )
        raise Invalid(f"Nothing here reads what came by {route}.", field="route")
