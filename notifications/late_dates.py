"""Due dates stated when their day is here or gone already: the walk along the calendar has passed them.

They are noted in the transaction that stores the change, where the change is news that may be told: an import that
tells nobody notes nothing. The watch (`notifications.deadlines`) takes them on the next working day, for most at once,
and does with each what the walk would have done; but what the notice of the change itself has said, that the dossier is
due on that day or late, people are not told twice. Noting too much does no harm: each date is told once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from database.pool import Connection
from domain.status import Status
from lookup.changes import Announcement

RUNNING = frozenset({Status.ACCEPTED, Status.PROCESSING})
# Nothing further off can lie behind the walk: it goes as far as the next working day, the longest holidays take eleven.
NEAR = timedelta(days=15)

# Three days beyond the place: a walk that leaps over a weekend just now does not see what is not committed yet.
NOTE = """
    INSERT INTO date_stated_late (dossier_id, due_at)
    SELECT given.dossier_id, given.due_at
      FROM unnest($1::bigint[], $2::timestamptz[]) AS given (dossier_id, due_at)
     WHERE given.due_at < (SELECT w.reached + interval '3 days' FROM deadline_walk w WHERE w.event = 'due_tomorrow')"""
TAKE_NOTED = """
    WITH taken AS (
        DELETE FROM date_stated_late
         WHERE id = ANY (ARRAY (SELECT id FROM date_stated_late ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING id, dossier_id, due_at, learned_at)
    SELECT t.due_at AS at, t.dossier_id, d.id IS NOT NULL AS counts, d.received_at,
           EXISTS (SELECT FROM message m
                    WHERE m.dossier_id = t.dossier_id AND m.kind = 'status_changed' AND m.created_at >= t.learned_at
                      AND m.state NOT BETWEEN 60 AND 63) AS said
      FROM taken t
      LEFT JOIN LATERAL (
           SELECT o.id, o.received_at
             FROM (SELECT d.id, d.received_at, d.status, d.due_at FROM dossier d
                    WHERE d.id = t.dossier_id AND NOT d.test OFFSET 0) o
            WHERE o.status IN (2, 4) AND o.due_at = t.due_at) d ON true
     ORDER BY t.id"""


class Noted(NamedTuple):
    """One date, in the order of TAKE_NOTED's columns. `said`: the notice of its change tells it."""

    at: datetime
    dossier_id: int
    counts: bool  # as it was stated
    received_at: datetime | None
    said: bool


async def note(connection: Connection, changes: Sequence[Announcement], now: datetime) -> None:
    """Note the dates that these changes bring, where they may lie behind the walk. Runs as `motma_app`."""
    near = [change for change in changes if _brings_a_date(change, now + NEAR)]
    if near:
        await connection.execute(NOTE, [change.dossier_id for change in near], [change.after.due_at for change in near])


def _brings_a_date(change: Announcement, until: datetime) -> bool:
    """Whether a dossier under way has a due date before `until` that it had not, or was not under way."""
    before, after = change.before, change.after
    if not change.newest or after.status not in RUNNING or after.due_at is None or after.due_at >= until:
        return False
    return before is None or before.status not in RUNNING or before.due_at != after.due_at


async def take(connection: Connection, most: int) -> list[Noted]:
    """Take the oldest notes. Runs as `motma_worker`; they come back with the transaction if it fails."""
    return [Noted._make(row) for row in await connection.fetch(TAKE_NOTED, most)]


STATEMENTS = (NOTE, TAKE_NOTED)
