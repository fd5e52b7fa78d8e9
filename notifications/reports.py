"""What providers report of messages they took: every report kept, the state only ever raised."""

from database.pool import Database, Role
from domain.message import DeliveryState
from domain.vietnamese import clean

MOST_WORD = 200
LARGEST_ID = 2**63 - 1

RECORD = """
    WITH raised AS (
        UPDATE message
           SET state = $2, handed_over_at = coalesce(handed_over_at, now()), route = coalesce(route, $3),
               settled_at = CASE WHEN $2 >= 50 THEN coalesce(settled_at, now()) ELSE settled_at END
         WHERE id = $1 AND state < $2)
    INSERT INTO delivery_report (message_id, state, route, provider_word)
    SELECT id, $2, $3, $4 FROM message WHERE id = $1
    RETURNING id"""
FIND = "SELECT id FROM message WHERE route = $1 AND provider_id = $2 ORDER BY id DESC LIMIT 1"


class Reports:
    """Takes delivery reports in whatever order they come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(
        self,
        *,
        route: str,
        state: DeliveryState,
        provider_word: str,
        message_id: int | None = None,
        provider_id: str | None = None,
    ) -> bool:
        """Record that `route` says `provider_word`, meaning `state`, of a message; False when it is none of ours.

        The message is named by our own `message_id` where the report carries it, else by the provider's name for it on
        that route. A route whose reports may overtake the answer to our call must carry our id. A state lower than the
        message's own is history only. Raises `ValueError` for a state no provider can report.
        """
        if state < DeliveryState.HANDED_OVER:
            raise ValueError(f"a provider cannot report {state.name}")
        async with self._database.connection(Role.WORKER) as connection:
            if message_id is None:
                message_id = await connection.fetchval(FIND, route, clean(provider_id or ""))
            if message_id is None or not 0 < message_id <= LARGEST_ID:
                return False
            word = clean(provider_word)[:MOST_WORD]
            return await connection.fetchval(RECORD, message_id, int(state), route, word) is not None


STATEMENTS = (RECORD, FIND)
