"""What we could not understand yet: sealed, its reason and value visible, until an operator maps and replays it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as member
from datetime import datetime
from typing import Any

from database.pool import Connection
from domain.status import Status
from lookup.changes import Tenant
from lookup.sealing import Seal

# The same thing sent again waits once.
KEEP = """
    INSERT INTO quarantine
           (owner_agency, sender_agency, test, route, reason, field, value, payload_digest, payload_sealed)
    SELECT $1, $1, $2, given.*
      FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bytea[]) AS given
        ON CONFLICT (owner_agency, test, payload_digest) WHERE settled_at IS NULL DO NOTHING"""
OVERVIEW = """
    SELECT a.code AS agency_code, q.test, q.route, q.reason, q.field, q.value,
           count(*) AS waiting, min(q.arrived_at) AS oldest
      FROM quarantine q JOIN agency a ON a.id = q.sender_agency
     WHERE q.settled_at IS NULL
     GROUP BY a.code, q.test, q.route, q.reason, q.field, q.value
     ORDER BY a.code, waiting DESC, q.reason, q.value"""
WAITING = """
    SELECT q.id, q.sender_agency, a.code AS agency_code, q.test
      FROM quarantine q JOIN agency a ON a.id = q.sender_agency
     WHERE q.settled_at IS NULL AND q.id > $1 AND ($2::text IS NULL OR a.code = $2)
     ORDER BY q.id LIMIT $3"""
OPEN = "SELECT id, route, payload_sealed FROM quarantine WHERE id = $1 AND settled_at IS NULL FOR UPDATE"
SETTLE = "UPDATE quarantine SET settled_at = now(), settlement = $2 WHERE id = $1 AND settled_at IS NULL"
MAP_STATUS = """
    INSERT INTO status_mapping (sender_agency, raw, status) VALUES ($1, $2, $3)
        ON CONFLICT (sender_agency, raw) DO UPDATE SET status = excluded.status, mapped_at = now()"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """One item that reads well and cannot be understood. `payload` is the item as its `route` takes it."""

    route: str
    reason: str
    field: str | None
    value: str | None
    payload: str = member(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many items of one sender wait for the same reason."""

    agency_code: str
    test: bool
    route: str
    reason: str
    field: str | None
    value: str | None
    waiting: int
    oldest: datetime


async def keep(connection: Connection, seal: Seal, tenant: Tenant, items: Sequence[Unclear]) -> None:
    """Keep `items` of a tenant. Runs as motma_app with the tenant set; what waits already is not kept twice."""
    if not items:
        return
    rows = [
        (
            item.route,
            item.reason,
            item.field,
            item.value,
            seal.digest("quarantine", item.route, item.payload),
            seal.seal(item.payload),
        )
        for item in items
    ]
    await connection.execute(KEEP, tenant.agency_id, tenant.test, *zip(*rows, strict=True))


async def overview(connection: Connection) -> list[Waiting]:
    """What waits, by sender and reason. Runs as motma_operator."""
    return [_waiting(row) for row in await connection.fetch(OVERVIEW)]


async def waiting_ids(
    connection: Connection, *, after: int, agency_code: str | None, most: int
) -> list[tuple[int, Tenant]]:
    """The next items that wait, oldest first, each with the tenant that sent it. Runs as motma_operator."""
    return [
        (
            row["id"],
            Tenant(
                agency_id=row["sender_agency"], agency_code=row["agency_code"], test=row["test"], api_key_id="replay"
            ),
        )
        for row in await connection.fetch(WAITING, after, agency_code, most)
    ]


async def open_item(connection: Connection, seal: Seal, item_id: int) -> tuple[str, str] | None:
    """Route and payload of an item that waits, locked; None when it was settled. Runs as motma_app of its tenant."""
    row = await connection.fetchrow(OPEN, item_id)
    return (row["route"], seal.open(row["payload_sealed"])) if row else None


async def settle(connection: Connection, item_id: int, settlement: str) -> None:
    """Note that an item needs no more attention."""
    await connection.execute(SETTLE, item_id, settlement)


async def map_status(connection: Connection, *, agency_id: int, raw: str, status: Status) -> None:
    """From now on `raw` of this sender means `status`. Runs as motma_operator."""
    await connection.execute(MAP_STATUS, agency_id, raw, status)


def _waiting(row: Mapping[str, Any]) -> Waiting:
    return Waiting(**dict(row))


STATEMENTS = (KEEP, OVERVIEW, WAITING, OPEN, SETTLE, MAP_STATUS)
