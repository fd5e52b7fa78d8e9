"""Ends messages of which a provider that reports never said what became of them: no receipt is not a delivery."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from database.pool import Connection

SILENCE = timedelta(hours=72)
LOOKED_BACK = timedelta(hours=24)  # at the first look: so long nobody may have looked
AT_ONCE = timedelta(hours=1)

CLOCK = "SELECT now()"
# By the time of their hand-over, from where the last look ended: what is older was ended by an earlier one.
END = """
    UPDATE message m SET state = 50, settled_at = now()
     WHERE m.handed_over_at > $1 AND m.handed_over_at <= $2 AND m.state IN (30, 40) AND m.route = ANY ($3::text[])"""


class NoReceipt:
    """Looks now and then, as `motma_operator`. `routes` are those whose providers report on each message."""

    def __init__(self, routes: Sequence[str], *, silence: timedelta = SILENCE) -> None:
        self._routes = list(routes)
        self._silence = silence
        self._reached: datetime | None = None

    async def end(self, connection: Connection) -> None:
        """End what has been silent for too long. A receipt that comes later still counts."""
        until = await connection.fetchval(CLOCK) - self._silence
        reached = self._reached or until - LOOKED_BACK
        while reached < until:
            following = min(reached + AT_ONCE, until)
            await connection.execute(END, reached, following, self._routes)
            self._reached = reached = following


STATEMENTS = (CLOCK, END)
