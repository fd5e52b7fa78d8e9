"""How much one person may file, and how much may be filed about one dossier: counted among what was filed (G48).

Redis turns most of a flood away before it reaches the store (`channels.filing_budget`), but decides nothing: while it
is slow, each process goes by what it knows itself. So whoever files waits here for others who file for the same person
or about the same dossier, and counts what they left. What officers type from paper is not counted.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from database.pool import Connection
from domain.errors import TooMany
from lookup.sealing import Seal

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PER_PERSON = {HOUR: 5, DAY: 10}
PER_DOSSIER = {HOUR: 10}

# In one order for everybody, so that nobody waits for somebody who waits for them.
WAIT_FOR_TURN = "SELECT pg_advisory_xact_lock(turn) FROM unnest($1::bigint[]) AS turns (turn)"
FILED_BY = """
    SELECT now() AS at, ARRAY(
        SELECT filed_at FROM (
            SELECT filed_at FROM feedback
             WHERE contact_digest = $1 AND filed_at > now() - $2::interval AND typed_by IS NULL
             UNION ALL
            SELECT filed_at FROM feedback
             WHERE phone_digest = $1 AND filed_at > now() - $2::interval AND typed_by IS NULL
               AND contact_digest IS DISTINCT FROM $1) filed
         ORDER BY filed_at DESC LIMIT $3) AS times"""
FILED_ABOUT = """
    SELECT now() AS at, ARRAY(
        SELECT filed_at FROM feedback
         WHERE dossier_id = $1 AND filed_at > now() - $2::interval AND typed_by IS NULL
         ORDER BY filed_at DESC LIMIT $3) AS times"""


class TooManyFiled(TooMany):
    """So much was filed of late that this must wait; what was typed is kept."""


async def within_caps(connection: Connection, seal: Seal, *, people: Sequence[bytes], dossier_id: int | None) -> None:
    """Whether one more may be filed by `people` (digests of contacts, one person's) about a dossier.

    Until the transaction ends nobody else files for them or about it. Runs as `motma_worker`; raises `TooManyFiled`.
    """
    about = [] if dossier_id is None else [seal.digest("filed-about", str(dossier_id))]
    turns = sorted({int.from_bytes(digest[:8], signed=True) for digest in (*people, *about)})
    # Most of a flood is refused before it waits, and keeps no connection from others.
    await _count(connection, people, dossier_id)
    await connection.execute(WAIT_FOR_TURN, turns)
    await _count(connection, people, dossier_id)


async def _count(connection: Connection, people: Sequence[bytes], dossier_id: int | None) -> None:
    counted: list[tuple[str, bytes | int, Mapping[timedelta, int]]] = [
        (FILED_BY, digest, PER_PERSON) for digest in dict.fromkeys(people)
    ]
    if dossier_id is not None:
        counted.append((FILED_ABOUT, dossier_id, PER_DOSSIER))
    for statement, subject, caps in counted:
        filed = await connection.fetchrow(statement, subject, max(caps), max(caps.values()))
        if wait := _wait(filed["at"], filed["times"], caps):
            raise TooManyFiled("Too much was sent of late.", after=wait)


def _wait(at: datetime, times: Sequence[datetime], caps: Mapping[timedelta, int]) -> timedelta | None:
    """How long until one more is within all of `caps`, after those filed at `times`, the newest first."""
    waits = [times[most - 1] + period - at for period, most in caps.items() if len(times) >= most]
    return max((wait for wait in waits if wait > timedelta(0)), default=None)


STATEMENTS = (WAIT_FOR_TURN, FILED_BY, FILED_ABOUT)
