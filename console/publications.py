"""What of an officer's cases stands in the public register, and taking it out again."""

from dataclasses import dataclass
from datetime import datetime

from console.feedback import Rights, found
from console.visit import Visit
from database.pool import Connection
from domain.errors import NotFound
from feedback_intake.cases import Case
from feedback_intake.moves import MOVES, MoveName

OF_CASE = """
    SELECT n, published_at, removed_at, replaced_by FROM register_entry WHERE case_id = $1 ORDER BY n DESC LIMIT 50"""
CASE_OF = "SELECT case_id FROM register_entry WHERE n = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryMade:
    """One entry of a case, by its number in the register."""

    n: int
    published_at: datetime
    removed_at: datetime | None
    replaced_by: int | None


async def entries_of(connection: Connection, case_id: int) -> list[EntryMade]:
    """The entries of a case, the newest first. Runs as `motma_console` with the tenant set."""
    return [EntryMade(**row) for row in await connection.fetch(OF_CASE, case_id)]


async def case_of(visit: Visit, connection: Connection, n: int | None) -> tuple[Case, Rights]:
    """The case of entry `n`, and what the officer may do with it. Raises `NotFound`."""
    case_id = await connection.fetchval(CASE_OF, n) if n is not None else None
    if case_id is None:
        raise NotFound("There is no such entry.")
    return await found(visit, connection, case_id)


def may_remove(rights: Rights) -> bool:
    """Who may publish may take out what was published."""
    return bool(rights.roles & MOVES[MoveName.PUBLISH].by)


STATEMENTS = (OF_CASE, CASE_OF)
