"""The receivers of an agency: made, listed, given a new secret, deleted; each only as its own tenant."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import asyncpg

from database.pool import DATABASE_AWAY, Connection, Database
from domain.errors import Invalid, NotFound, Unavailable
from domain.status import Status
from lookup.changes import Tenant
from lookup.sealing import Seal

MOST_RECEIVERS = 10  # of one agency
SECRET_BYTES = 32
OLD_SECRET_STAYS = timedelta(hours=24)

_COLUMNS = """
    id, url, description, statuses, email_sealed, state, reason, failures, failing_since, delivered_at, created_at,
    CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until"""
# One agency's receivers are counted and added one after another.
TURN = "SELECT pg_advisory_xact_lock(7305808869231651172 + $1::int)"
COUNT = "SELECT count(*) FROM callback_receiver WHERE owner_agency = $1 AND state <> 'deleted'"
LISTEN = "INSERT INTO callback_listener (agency_id, test) VALUES ($1, $2) ON CONFLICT DO NOTHING"
ADD = f"""
    INSERT INTO callback_receiver (id, owner_agency, test, url, description, statuses, email_sealed, secret_sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_COLUMNS}"""  # noqa: S608  # our own columns
LIST = f"SELECT {_COLUMNS} FROM callback_receiver WHERE state <> 'deleted' ORDER BY created_at, id"  # noqa: S608
GET = f"SELECT {_COLUMNS} FROM callback_receiver WHERE id = $1 AND state <> 'deleted'"  # noqa: S608
DELETE = """
    UPDATE callback_receiver SET state = 'deleted', changed_at = now()
     WHERE id = $1 AND state <> 'deleted' RETURNING id"""
# While an older secret still signs, a further change replaces the newer one only: an answer that was lost, and asked
# for again, must not take away the one in use.
RENEW = f"""
    UPDATE callback_receiver
       SET old_secret_sealed = CASE WHEN old_secret_until > now() THEN old_secret_sealed ELSE secret_sealed END,
           old_secret_until = CASE WHEN old_secret_until > now() THEN old_secret_until ELSE now() + $3 END,
           secret_sealed = $2, changed_at = now()
     WHERE id = $1 AND state <> 'deleted' RETURNING {_COLUMNS}"""  # noqa: S608


class ReceiverState(StrEnum):
    """Whether a receiver is called. `SUSPENDED`: it failed for three days; `DISABLED`: it answered 410."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One receiver, without its secrets. No `statuses` means all. `reason` says why it is not called."""

    receiver_id: str
    url: str = field(repr=False)
    description: str
    statuses: tuple[Status, ...] | None
    email: str | None = field(repr=False)
    state: ReceiverState
    reason: str | None
    failures: int
    failing_since: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    old_secret_until: datetime | None


def made_secret() -> str:
    """A new secret as receivers know it: `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class Receivers:
    """Another agency's receiver is not found, in the words for one that does not exist. All raise `Unavailable`."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def add(
        self,
        tenant: Tenant,
        url: str,
        *,
        statuses: Sequence[Status] | None,
        description: str,
        email: str | None,
    ) -> tuple[Receiver, str]:
        """A new receiver and its secret, which is not shown again. Raises `Invalid`."""
        secret = made_secret()
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                await connection.execute(TURN, tenant.agency_id)
                if await connection.fetchval(COUNT, tenant.agency_id) >= MOST_RECEIVERS:
                    raise Invalid(f"An agency has {MOST_RECEIVERS} receivers at most.", field="url")
                await connection.execute(LISTEN, tenant.agency_id, tenant.test)
                row = await connection.fetchrow(
                    ADD,
                    f"cb_{secrets.token_hex(8)}",
                    tenant.agency_id,
                    tenant.test,
                    url,
                    description,
                    statuses and sorted(set(statuses)),
                    self._seal.seal(email) if email else None,
                    self._seal.seal(secret),
                )
        except asyncpg.UniqueViolationError:
            raise Invalid("This address is a receiver of yours already.", field="url") from None
        except DATABASE_AWAY as error:
            raise away() from error
        return self._receiver(row), secret

    async def all(self, tenant: Tenant) -> list[Receiver]:
        """Every receiver of the tenant and of agencies below, oldest first."""
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                return [self._receiver(row) for row in await connection.fetch(LIST)]
        except DATABASE_AWAY as error:
            raise away() from error

    async def get(self, tenant: Tenant, receiver_id: str) -> Receiver:
        """One receiver. Raises `NotFound`."""
        return self._receiver(await self._one(tenant, GET, receiver_id))

    async def delete(self, tenant: Tenant, receiver_id: str) -> None:
        """It is called no more, and what waits for it is dropped. Raises `NotFound`."""
        await self._one(tenant, DELETE, receiver_id)

    async def renew_secret(self, tenant: Tenant, receiver_id: str) -> tuple[Receiver, str]:
        """A new secret; calls are signed with the old one too for another day. Raises `NotFound`."""
        secret = made_secret()
        row = await self._one(tenant, RENEW, receiver_id, self._seal.seal(secret), OLD_SECRET_STAYS)
        return self._receiver(row), secret

    async def _one(self, tenant: Tenant, statement: str, receiver_id: str, *values: object) -> Mapping[str, Any]:
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                row: Mapping[str, Any] | None = await connection.fetchrow(statement, receiver_id, *values)
        except DATABASE_AWAY as error:
            raise away() from error
        if row is None:
            raise unknown()
        return row

    def _receiver(self, row: Mapping[str, Any]) -> Receiver:
        return Receiver(
            receiver_id=row["id"],
            url=row["url"],
            description=row["description"],
            statuses=None if row["statuses"] is None else tuple(map(Status, row["statuses"])),
            email=self._seal.open(row["email_sealed"]) if row["email_sealed"] else None,
            state=ReceiverState(row["state"]),
            reason=row["reason"],
            failures=row["failures"],
            failing_since=row["failing_since"],
            delivered_at=row["delivered_at"],
            created_at=row["created_at"],
            old_secret_until=row["old_secret_until"],
        )


async def require(connection: Connection, receiver_id: str) -> None:
    """Raise `NotFound` unless the tenant of the open transaction has this receiver."""
    if await connection.fetchrow(GET, receiver_id) is None:
        raise unknown()


def unknown() -> NotFound:
    """For a receiver that does not exist, and for another agency's."""
    return NotFound("You have no such receiver.", field="id")


def away() -> Unavailable:
    """The store gives no answer."""
    return Unavailable("The store cannot be reached at the moment. Please try again shortly.")


STATEMENTS = (TURN, COUNT, LISTEN, ADD, LIST, GET, DELETE, RENEW)
