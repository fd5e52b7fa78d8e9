"""Whose turn it is to tell the figures of the whole, what that process sums up, and whom each process leaves alone.

One process at a time tells them: by a lease on the store's clock, so that a poll of all processes counts nothing twice.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID, uuid4

from database.pool import Connection

LEASE = timedelta(seconds=45)
COMMITTED = timedelta(minutes=1)  # whatever was handed over before is committed by now
AT_ONCE = timedelta(hours=1)
MOST_ROUNDS = 48  # in one turn: two days of catching up

TAKE_TURN = """
    UPDATE operation_turn SET holder = $1, until = now() + $2 WHERE holder = $1 OR until < now() RETURNING true"""
LEAVE_TURN = "UPDATE operation_turn SET until = '-infinity' WHERE holder = $1"
# What is summed up and how far it has come change together, so that no message counts twice or not at all.
SUM_UP = """
    WITH span AS (
        SELECT t.counted_until AS begins, least(now() - $1::interval, t.counted_until + $2::interval) AS ends
          FROM operation_turn t FOR UPDATE),
    moved AS (
        UPDATE operation_turn t SET counted_until = s.ends FROM span s WHERE s.ends > s.begins
        RETURNING t.counted_until),
    summed AS (
        INSERT INTO message_cost AS k (day, owner_agency, channel, messages, dong)
        SELECT (m.handed_over_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, m.owner_agency, m.channel, count(*),
               coalesce(sum(m.dong), 0)
          FROM span s JOIN message m ON m.handed_over_at >= s.begins AND m.handed_over_at < s.ends
         GROUP BY 1, 2, 3
            ON CONFLICT (day, owner_agency, channel)
            DO UPDATE SET messages = k.messages + excluded.messages, dong = k.dong + excluded.dong)
    SELECT counted_until < now() - 2 * $1::interval FROM moved"""
REST = """
    INSERT INTO provider_rest AS r (route, process) SELECT route, $1 FROM unnest($2::text[]) AS g (route)
        ON CONFLICT (route, process) DO UPDATE SET seen_at = now()"""
REST_NO_MORE = """
    DELETE FROM provider_rest
     WHERE (process = $1 AND route <> ALL ($2::text[])) OR seen_at < now() - interval '1 hour'"""


class Turn:
    """One process's part in it. Every method runs as `motma_operator`."""

    def __init__(self, process: UUID | None = None) -> None:
        self._process = process or uuid4()

    async def take(self, connection: Connection) -> bool:
        """Whether it is this process's turn until `LEASE` from now."""
        return await connection.fetchval(TAKE_TURN, self._process, LEASE) is True

    async def leave(self, connection: Connection) -> None:
        """Let the next one begin at once."""
        await connection.execute(LEAVE_TURN, self._process)

    async def sum_up(self, connection: Connection) -> None:
        """Sum up what was paid since the last time."""
        for _ in range(MOST_ROUNDS):
            if not await connection.fetchval(SUM_UP, COMMITTED, AT_ONCE):
                return

    async def rest(self, connection: Connection, routes: Collection[str]) -> None:
        """Say that this process leaves these routes alone at the moment, and no others."""
        if routes:
            await connection.execute(REST, self._process, list(routes))
        await connection.execute(REST_NO_MORE, self._process, list(routes))


STATEMENTS = (TAKE_TURN, LEAVE_TURN, SUM_UP, REST, REST_NO_MORE)
