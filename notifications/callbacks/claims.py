"""Taking due deliveries, at most a few per receiver at a time, and writing down what became of each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from database.pool import Connection
from domain.message import DeliveryState

# Receivers that are called, not resting, with something due. Each is locked to the end of the transaction, so that what
# another process has just taken for it is counted below: the two are statements of their own for that reason.
LOCK_READY = """
    SELECT r.id FROM callback_receiver r
     WHERE r.state = 'active' AND r.rest_until <= now()
       AND EXISTS (SELECT FROM callback_delivery d
                    WHERE d.receiver_id = r.id AND d.state <= 10 AND d.run_at <= now())
       FOR NO KEY UPDATE SKIP LOCKED"""
# Of one dossier only the earliest change that has not come to its end. A receiver that fails is tried with one call.
CLAIM = """
    WITH chosen AS MATERIALIZED (
        SELECT d.receiver_id, d.change_id
          FROM unnest($1::text[]) AS given (id)
         CROSS JOIN LATERAL (
               SELECT r.id, CASE WHEN r.failures > 0 THEN 1 ELSE $2 END - (
                      SELECT count(*) FROM callback_delivery h
                       WHERE h.receiver_id = r.id AND h.state = 10 AND h.run_at > now()) AS room
                 FROM callback_receiver r WHERE r.id = given.id) AS r
         CROSS JOIN LATERAL (
               SELECT d.receiver_id, d.change_id FROM callback_delivery d
                WHERE d.receiver_id = r.id AND d.state <= 10 AND d.run_at <= now()
                  AND NOT EXISTS (SELECT FROM callback_delivery e
                                   WHERE e.receiver_id = d.receiver_id AND e.dossier_id = d.dossier_id
                                     AND e.change_id < d.change_id AND e.state <= 10)
                ORDER BY d.run_at, d.change_id LIMIT greatest(r.room, 0)) AS d
         LIMIT $3),
    taken AS (
        UPDATE callback_delivery d
           SET state = 10, fence = d.fence + 1, tries = d.tries + 1, run_at = now() + $4, tried_at = now(),
               since = coalesce(d.since, now())
          FROM chosen
         WHERE d.receiver_id = chosen.receiver_id AND d.change_id = chosen.change_id
        RETURNING d.receiver_id, d.change_id, d.fence, d.tries, now() - d.since AS age)
    SELECT t.receiver_id, t.change_id, t.fence, t.tries, t.age, r.url, r.failures, r.secret_sealed,
           CASE WHEN r.old_secret_until > now() THEN r.old_secret_sealed END,
           c.message_id, c.recorded_at, c.owner_agency, c.code, c.version, c.status, c.status_before, c.status_at,
           c.due_at, c.finished_at, c.delivered_at, c.test
      FROM taken t
      JOIN callback_receiver r ON r.id = t.receiver_id
      JOIN callback_change c ON c.id = t.change_id
     ORDER BY t.change_id"""
# Only the holder of the newest claim writes. What it says of the receiver counts even so: the call was made.
SETTLE = """
    WITH before AS MATERIALIZED (SELECT failing_since, state, email_sealed FROM callback_receiver WHERE id = $1),
    done AS (
        UPDATE callback_delivery
           SET state = $4, run_at = now() + $5::interval, answered = $6, failure = $7,
               delivered_at = CASE $4::smallint WHEN 80 THEN now() END
         WHERE receiver_id = $1 AND change_id = $2 AND fence = $3 AND state = 10
        RETURNING since),
    receiver AS (
        UPDATE callback_receiver r
           SET failures = CASE $4::smallint WHEN 80 THEN 0 ELSE r.failures + 1 END,
               failing_since = CASE $4::smallint WHEN 80 THEN NULL ELSE coalesce(r.failing_since, now()) END,
               delivered_at = CASE $4::smallint WHEN 80 THEN now() ELSE r.delivered_at END,
               rest_until = CASE $4::smallint WHEN 80 THEN '-infinity'
                                 ELSE greatest(r.rest_until, now() + $8::interval) END,
               state = CASE WHEN r.state <> 'active' THEN r.state
                            WHEN $6 = 410 THEN 'disabled'
                            WHEN $4::smallint = 63 AND (SELECT since FROM done) > coalesce(r.delivered_at, '-infinity')
                            THEN 'suspended' ELSE r.state END,
               reason = CASE WHEN r.state <> 'active' THEN r.reason
                             WHEN $6 = 410 THEN 'The receiver answered 410 Gone.'
                             WHEN $4::smallint = 63 AND (SELECT since FROM done) > coalesce(r.delivered_at, '-infinity')
                             THEN 'No call succeeded for three days.' ELSE r.reason END
         WHERE r.id = $1
        RETURNING r.state)
    SELECT EXISTS (SELECT FROM done) AS written,
           (SELECT state FROM receiver) AS state,
           (SELECT state FROM before) AS state_before,
           (SELECT email_sealed FROM before) AS email_sealed,
           $4::smallint = 80 AND (SELECT failing_since FROM before) < now() - $9::interval AS recovered"""
RELEASE = """
    UPDATE callback_delivery SET state = 0, tries = tries - 1, run_at = now()
     WHERE receiver_id = $1 AND change_id = $2 AND fence = $3 AND state = 10"""
# Back after a while: what was put off while it was away is due now.
CATCH_UP = """
    WITH due AS (
        UPDATE callback_delivery SET run_at = now()
         WHERE receiver_id = $1 AND change_id = ANY (ARRAY (
               SELECT change_id FROM callback_delivery
                WHERE receiver_id = $1 AND state = 0 AND run_at > now() LIMIT $2))
        RETURNING change_id)
    SELECT count(*) FROM due"""
MOST_CAUGHT_UP = 2_000
AWAY_FOR = timedelta(minutes=1)


class Claimed(NamedTuple):
    """One delivery to make, in the order of CLAIM's columns. `age` is the time since its first try."""

    receiver_id: str
    change_id: int
    fence: int
    tries: int
    age: timedelta
    url: str
    failures: int
    secret_sealed: bytes
    old_secret_sealed: bytes | None
    message_id: UUID
    recorded_at: datetime
    owner_agency: int
    code: str
    version: int
    status: int
    status_before: int | None
    status_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    delivered_at: datetime | None
    test: bool


class Outcome(NamedTuple):
    """What became of one try. QUEUED comes back after `wait`; `rest` is the receiver's peace after a failure."""

    state: DeliveryState
    wait: timedelta = timedelta(0)
    rest: timedelta = timedelta(0)
    answered: int | None = None
    failure: str | None = None


class Settled(NamedTuple):
    """What was written: whether we still held the delivery, and what the receiver has become by it."""

    written: bool
    state: str | None
    state_before: str | None
    email_sealed: bytes | None
    recovered: bool | None


async def claim(connection: Connection, *, per_receiver: int, most: int, lease: timedelta) -> list[Claimed]:
    """Take what is due, leased by the database's clock. In the caller's transaction, as motma_worker."""
    ready = [row["id"] for row in await connection.fetch(LOCK_READY)]
    if not ready:
        return []
    return [Claimed._make(row) for row in await connection.fetch(CLAIM, ready, per_receiver, most, lease)]


async def settle(connection: Connection, row: Claimed, outcome: Outcome) -> Settled:
    """Write an outcome down."""
    written = await connection.fetchrow(
        SETTLE,
        row.receiver_id,
        row.change_id,
        row.fence,
        outcome.state,
        outcome.wait,
        outcome.answered,
        outcome.failure,
        outcome.rest,
        AWAY_FOR,
    )
    return Settled._make(written)


async def release(connection: Connection, row: Claimed) -> None:
    """Give back what was never sent."""
    await connection.execute(RELEASE, row.receiver_id, row.change_id, row.fence)


async def catch_up(connection: Connection, receiver_id: str) -> bool:
    """Make due what was put off for a receiver; whether there is more of it."""
    return int(await connection.fetchval(CATCH_UP, receiver_id, MOST_CAUGHT_UP)) == MOST_CAUGHT_UP


STATEMENTS: Sequence[str] = (LOCK_READY, CLAIM, SETTLE, RELEASE, CATCH_UP)
