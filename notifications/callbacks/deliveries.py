"""What became of each delivery to one receiver, as its agency may see it, and delivering again from a place in time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from database.pool import DATABASE_AWAY, Connection, Database
from domain.errors import Invalid
from domain.message import DeliveryState
from domain.status import Status
from lookup.changes import Tenant
from notifications.callbacks.receivers import away, require

MOST_REPLAYED = 2_000  # deliveries of one call
PREFIX = "chg_"

FIND_MESSAGE = "SELECT id FROM callback_change WHERE message_id = $1"
# Numbers and times of recording rise together but for what was stored in the same moment.
FIND_TIME = """
    SELECT coalesce(min(id), 0) - 1
      FROM (SELECT id FROM callback_change WHERE recorded_at >= $1 ORDER BY recorded_at LIMIT 1000) AS first"""
LIST = """
    SELECT c.message_id, c.code, c.version, c.status, c.status_before, c.recorded_at, d.state, d.tries, d.tried_at,
           d.delivered_at, d.answered, d.failure, CASE d.state WHEN 0 THEN d.run_at END AS next_try_at
      FROM callback_delivery d JOIN callback_change c ON c.id = d.change_id
     WHERE d.receiver_id = $1 AND d.change_id < $2 AND d.state = ANY ($3::smallint[])
     ORDER BY d.change_id DESC LIMIT $4"""
# Those given up, from the oldest on.
REPLAY_DEAD = """
    WITH again AS (
        UPDATE callback_delivery SET state = 0, tries = 0, since = NULL, run_at = now()
         WHERE receiver_id = $1 AND change_id = ANY (ARRAY (
               SELECT change_id FROM callback_delivery
                WHERE receiver_id = $1 AND state = 63 ORDER BY change_id LIMIT $2))
        RETURNING change_id)
    SELECT (SELECT count(*) FROM again) AS queued, (SELECT count(*) FROM again) AS seen,
           (SELECT message_id FROM callback_change WHERE id = (SELECT max(change_id) FROM again)) AS last"""
# Everything the journal holds after a place, whatever became of it before; what is on its way stays on its way. The
# place names the agency so that each walks its own part of the journal by index, however many changes others have.
REPLAY_FROM = """
    WITH wanted AS (
        SELECT c.id, c.dossier_id, r.id AS receiver_id, r.owner_agency, r.test
          FROM callback_receiver r
          JOIN agency_reach a ON a.scope_id = r.owner_agency
         CROSS JOIN LATERAL (
               SELECT c.id, c.dossier_id FROM callback_change c
                WHERE c.owner_agency = a.agency_id AND (c.owner_agency, c.id) > (a.agency_id, $2::bigint)
                  AND c.spread AND c.test = r.test
                  AND (r.statuses IS NULL OR c.status = ANY (r.statuses))
                ORDER BY c.id LIMIT $3) c
         WHERE r.id = $1 ORDER BY c.id LIMIT $3),
    again AS (
        INSERT INTO callback_delivery AS d (receiver_id, change_id, dossier_id, owner_agency, test)
        SELECT receiver_id, id, dossier_id, owner_agency, test FROM wanted ORDER BY id
            ON CONFLICT (receiver_id, change_id) DO UPDATE SET state = 0, tries = 0, since = NULL, run_at = now()
         WHERE d.state <> 10
        RETURNING d.change_id)
    SELECT (SELECT count(*) FROM again) AS queued,
           (SELECT message_id FROM callback_change WHERE id = (SELECT max(id) FROM wanted)) AS last,
           (SELECT count(*) FROM wanted) AS seen"""
RESUME = """
    UPDATE callback_receiver
       SET state = 'active', reason = NULL, failures = 0, failing_since = NULL, rest_until = '-infinity',
           changed_at = now()
     WHERE id = $1 AND state <> 'deleted'"""
WAKE = "SELECT pg_notify('motma_callbacks', '')"

_MESSAGE_ID = re.compile(rf"{PREFIX}[0-9a-f]{{32}}")
_LAST = 2**63 - 1


class Progress(StrEnum):
    """How far a delivery has come."""

    WAITING = "waiting"
    UNDER_WAY = "under_way"
    DELIVERED = "delivered"
    DEAD = "dead"


_STATES = {
    Progress.WAITING: DeliveryState.QUEUED,
    Progress.UNDER_WAY: DeliveryState.CLAIMED,
    Progress.DELIVERED: DeliveryState.DELIVERED,
    Progress.DEAD: DeliveryState.DEAD,
}
_PROGRESS = {state: progress for progress, state in _STATES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery. `answered` is the HTTP status of the last answer, `failure` what was wrong otherwise."""

    message_id: str
    code: str
    version: int
    status: Status
    status_before: Status | None
    recorded_at: datetime
    progress: Progress
    tries: int
    tried_at: datetime | None
    next_try_at: datetime | None
    delivered_at: datetime | None
    answered: int | None
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Deliveries, newest first. `cursor` leads to the older ones while there are `more`."""

    items: tuple[Delivery, ...]
    cursor: str | None
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How many deliveries were queued again; after `last` there are `more`."""

    queued: int
    last: str | None
    more: bool


def message_name(message_id: UUID) -> str:
    """The `webhook-id` of a change, the same at every try and for every receiver."""
    return PREFIX + message_id.hex


class Deliveries:
    """Reads and queues as the tenant. All raise `NotFound` for a receiver that is not the tenant's, `Unavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, tenant: Tenant, receiver_id: str, *, progress: Progress | None, cursor: str | None, limit: int
    ) -> Page:
        """The deliveries to one receiver, newest first. Raises `Invalid` for a cursor that is none."""
        states = [int(state) for one, state in _STATES.items() if progress in {None, one}]
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                await require(connection, receiver_id)
                before = await _place(connection, cursor, "cursor") if cursor else _LAST
                rows = await connection.fetch(LIST, receiver_id, before, states, limit)
        except DATABASE_AWAY as error:
            raise away() from error
        items = tuple(map(_delivery, rows))
        return Page(items=items, cursor=items[-1].message_id if items else cursor, more=len(items) == limit)

    async def replay(
        self,
        tenant: Tenant,
        receiver_id: str,
        *,
        after: str | None = None,
        since: datetime | None = None,
        connection: Connection | None = None,
    ) -> Replayed:
        """Deliver again everything after the message `after` or recorded `since`; without both, what was given up.

        The receiver is called again if it was not. In a transaction of its own, or in the caller's `connection`. Raises
        `Invalid` for a message that is not known.
        """
        try:
            if connection is not None:
                return await _replayed(connection, receiver_id, after, since)
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as own:
                return await _replayed(own, receiver_id, after, since)
        except DATABASE_AWAY as error:
            raise away() from error


async def _replayed(connection: Connection, receiver_id: str, after: str | None, since: datetime | None) -> Replayed:
    await require(connection, receiver_id)
    if after is None and since is None:
        row = await connection.fetchrow(REPLAY_DEAD, receiver_id, MOST_REPLAYED)
    else:
        place = (
            await connection.fetchval(FIND_TIME, since) if after is None else await _place(connection, after, "after")
        )
        row = await connection.fetchrow(REPLAY_FROM, receiver_id, _LAST if place < 0 else place, MOST_REPLAYED)
    await connection.execute(RESUME, receiver_id)
    await connection.execute(WAKE)
    last = None if row["last"] is None else message_name(row["last"])
    return Replayed(queued=row["queued"], last=last, more=row["seen"] == MOST_REPLAYED)


async def _place(connection: Connection, message: str, name: str) -> int:
    """The place of a message in the journal. Raises `Invalid`."""
    found = None
    if _MESSAGE_ID.fullmatch(message):
        found = await connection.fetchval(FIND_MESSAGE, UUID(message.removeprefix(PREFIX)))
    if found is None:
        raise Invalid("We know no such message of yours; they are kept for 35 days.", field=name)
    return int(found)


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        message_id=message_name(row["message_id"]),
        code=row["code"],
        version=row["version"],
        status=Status(row["status"]),
        status_before=None if row["status_before"] is None else Status(row["status_before"]),
        recorded_at=row["recorded_at"],
        progress=_PROGRESS[DeliveryState(row["state"])],
        tries=row["tries"],
        tried_at=row["tried_at"],
        next_try_at=row["next_try_at"],
        delivered_at=row["delivered_at"],
        answered=row["answered"],
        failure=row["failure"],
    )


STATEMENTS: Sequence[str] = (FIND_MESSAGE, FIND_TIME, LIST, REPLAY_DEAD, REPLAY_FROM, RESUME, WAKE)
