"""The same request under one Idempotency-Key has one effect and one answer, however often and at once it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakValueDictionary

from database.pool import DATABASE_AWAY, Connection, Database
from domain.errors import Conflict, Unavailable
from lookup.changes import Tenant

KEPT = timedelta(days=7)
# Each holds a connection of motma_app from start to end; the others are for everybody else.
AT_ONCE = 2

# Stands in the same transaction as the effects: a copy in another process waits here until the first has committed,
# and goes on as the first when that has failed.
CLAIM = """
    INSERT INTO idempotency AS i (api_key_id, key_digest, owner_agency, request_digest) VALUES ($1, $2, $3, $4)
        ON CONFLICT (api_key_id, key_digest) DO UPDATE
       SET request_digest = excluded.request_digest, status = NULL, body = NULL, recorded_at = now()
     WHERE i.recorded_at < now() - $5::interval
    RETURNING true"""
FIND = "SELECT request_digest, status, body FROM idempotency WHERE api_key_id = $1 AND key_digest = $2"
ANSWER = "UPDATE idempotency SET status = $3, body = $4 WHERE api_key_id = $1 AND key_digest = $2"
SWEEP = "DELETE FROM idempotency WHERE recorded_at < now() - $1::interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """What a request was answered."""

    status: int
    body: bytes


@dataclass(slots=True, kw_only=True)
class Turn:
    """One request's turn: `earlier` is the answer given before, else `answer` is to be set before the turn ends."""

    connection: Connection
    earlier: GivenAnswer | None = None
    answer: GivenAnswer | None = None


class OncePerKey:
    """Gives each Idempotency-Key of each API key one turn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places = asyncio.Semaphore(AT_ONCE)
        self._locks: WeakValueDictionary[tuple[str, bytes], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant: Tenant, key_digest: bytes, request_digest: bytes) -> AsyncIterator[Turn]:
        """A transaction of the tenant in which the request may have its effects; an exception undoes them and the turn.

        Raises `Conflict` for another request under the same key, `Unavailable`.
        """
        name = (tenant.api_key_id, key_digest)
        # Copies within this process wait here, not in the store, where each would hold a connection.
        lock = self._locks.get(name) or self._locks.setdefault(name, asyncio.Lock())
        try:
            async with lock, self._places, self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                if await connection.fetchval(CLAIM, *name, tenant.agency_id, request_digest, KEPT):
                    turn = Turn(connection=connection)
                    yield turn
                    if turn.answer is not None:
                        await connection.execute(ANSWER, *name, turn.answer.status, turn.answer.body)
                else:
                    row = await connection.fetchrow(FIND, *name)
                    if row["request_digest"] != request_digest:
                        raise Conflict("This Idempotency-Key was used for another request.", field="Idempotency-Key")
                    yield Turn(
                        connection=connection, earlier=GivenAnswer(status=row["status"], body=bytes(row["body"]))
                    )
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error


async def sweep(connection: Connection) -> None:
    """Forget answers older than `KEPT`. Runs as motma_worker."""
    await connection.execute(SWEEP, KEPT)


STATEMENTS = (CLAIM, FIND, ANSWER, SWEEP)
