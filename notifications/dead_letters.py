"""What was given up, why, and sending it again: for an operator who has mended what was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from database.pool import Connection
from domain.message import DeliveryState
from notifications.outbox import NOTICE_EXPIRY

MOST_AT_ONCE = 1_000

# 63 is dead (our fault, or a process that vanished with it again and again), 70 failed (refused for good).
LIST = """
    SELECT m.id AS message_id, m.state, m.kind, m.event, m.channel, m.route, m.attempts, m.faults, m.failure,
           m.created_at, m.settled_at, a.code AS agency,
           (SELECT d.code FROM dossier d WHERE d.id = m.dossier_id) AS dossier
      FROM message m LEFT JOIN agency a ON a.id = m.owner_agency
     WHERE m.state IN (63, 70) AND m.state = ANY ($1::smallint[]) AND ($2::text IS NULL OR m.channel = $2)
       AND ($3::int IS NULL OR m.owner_agency IN (SELECT r.agency_id FROM agency_reach r WHERE r.scope_id = $3))
       AND ($4::timestamptz IS NULL OR m.settled_at >= $4) AND ($5::bigint IS NULL OR m.id < $5)
     ORDER BY m.id DESC LIMIT $6"""
SUMMARY = """
    SELECT m.channel, m.state, m.failure, count(*) AS number, max(m.settled_at) AS last
      FROM message m WHERE m.state IN (63, 70) AND m.settled_at >= $1
     GROUP BY m.channel, m.state, m.failure ORDER BY number DESC LIMIT 100"""
# As new, but for its number of leases, which fences off whoever may still hold an old one. Whether there is still
# something to tell, and whether its person wants it, is decided at the claim as always.
REPLAY = """
    WITH ended AS (
        SELECT m.id, m.settled_at, m.attempts, m.state, m.route, m.failure
          FROM message m WHERE m.id = ANY ($1::bigint[]) AND m.state IN (63, 70) AND m.kind <> 'code' FOR UPDATE),
    kept AS (
        INSERT INTO message_step (message_id, at, attempt, state, replayed, route, reason)
        SELECT e.id, t.at, e.attempts, t.state, t.replayed, e.route, t.reason
          FROM ended e CROSS JOIN LATERAL (VALUES (coalesce(e.settled_at, now()), e.state, false, e.failure),
                                                  (now(), 0::smallint, true, NULL)) t (at, state, replayed, reason)),
    again AS (
        UPDATE message m
           SET state = 0, faults = 0, doubts = 0, lane = CASE m.lane WHEN 3 THEN 1 ELSE m.lane END, run_at = now(),
               expires_at = now() + $2, settled_at = NULL
          FROM ended e WHERE m.id = e.id
        RETURNING m.id)
    SELECT id, pg_notify('motma_outbox', '') FROM again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message that was given up. `failure` is the provider's reason or the type of our fault, never its words."""

    message_id: int
    state: DeliveryState
    kind: str
    event: str | None
    channel: str
    route: str | None
    attempts: int
    faults: int
    failure: str | None
    created_at: datetime
    settled_at: datetime | None
    agency: str | None
    dossier: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason, how many messages it ended, and when the last."""

    channel: str
    state: DeliveryState
    failure: str | None
    number: int
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which dead letters: of an agency and all below it, of a channel, given up since; `before` an id, for paging."""

    states: tuple[DeliveryState, ...] = (DeliveryState.DEAD, DeliveryState.FAILED)
    channel: str | None = None
    agency_id: int | None = None
    since: datetime | None = None
    before: int | None = None


async def dead_letters(connection: Connection, which: Which, *, most: int = 100) -> list[DeadLetter]:
    """The newest first. Runs as `motma_operator`."""
    rows = await connection.fetch(
        LIST,
        [int(state) for state in which.states],
        which.channel,
        which.agency_id,
        which.since,
        which.before,
        min(most, MOST_AT_ONCE),
    )
    return [DeadLetter(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


async def reasons(connection: Connection, since: datetime) -> list[Reason]:
    """Why messages were given up since then, the commonest reason first. Runs as `motma_operator`."""
    rows = await connection.fetch(SUMMARY, since)
    return [Reason(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


async def replay(
    connection: Connection, message_ids: Sequence[int], *, expires_in: timedelta = NOTICE_EXPIRY
) -> set[int]:
    """Queue them again; the ids that were. One-time codes are not: nobody waits for them any more.

    A notice is worded anew from its dossier, an answer goes as it was written. Runs as `motma_operator`.
    """
    rows = await connection.fetch(REPLAY, message_ids[:MOST_AT_ONCE], expires_in)
    return {row["id"] for row in rows}


STATEMENTS = (LIST, SUMMARY, REPLAY)
