"""Days that the general rules of working days get wrong, as operators correct them."""

from collections.abc import Sequence
from datetime import date

from database.pool import Connection
from lookup.working_time import DayKind, DayOverride

LIST = "SELECT day, kind, reason, source FROM day_override WHERE day >= $1 ORDER BY day"
SET = """
    INSERT INTO day_override (day, kind, reason, source) VALUES ($1, $2, $3, $4)
        ON CONFLICT (day) DO UPDATE
       SET kind = excluded.kind, reason = excluded.reason, source = excluded.source, changed_at = now()"""
DROP = "DELETE FROM day_override WHERE day = $1 RETURNING day"


async def corrections(connection: Connection, since: date) -> Sequence[DayOverride]:
    """What operators added, from a day on."""
    return [
        DayOverride(day=row["day"], kind=DayKind(row["kind"]), reason=row["reason"], source=row["source"])
        for row in await connection.fetch(LIST, since)
    ]


async def correct(connection: Connection, day: DayOverride) -> None:
    """From now on the day counts so. Runs as `motma_operator`."""
    await connection.execute(SET, day.day, day.kind, day.reason, day.source)


async def drop_correction(connection: Connection, day: date) -> bool:
    """The general rules count again; False where nothing was corrected. Runs as `motma_operator`."""
    return await connection.fetchval(DROP, day) is not None


STATEMENTS = (LIST, SET, DROP)
