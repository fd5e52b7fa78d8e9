"""Connections to PostgreSQL: one small pool per role, a tenant set per transaction; directly, or by way of a pooler.

A pooler in transaction mode hands each transaction to whichever session is free, so nothing may hang on a session: the
role is who logs in, its settings are the role's own (`logins`), statements have no names, and the tenant ends with its
transaction as ever.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from secrets import token_hex
from typing import Any, TypeAlias

import asyncpg

from domain.errors import ServiceError, Unavailable

Connection: TypeAlias = Any  # asyncpg ships no types; a pool's proxy and a connection answer the same calls
Pool: TypeAlias = Any


class Role(StrEnum):
    """The database roles of migrations 0001, 0016 and 0022; the service works as one of them and owns nothing."""

    APP = "motma_app"
    PUBLIC = "motma_public"
    CITIZEN = "motma_citizen"
    WORKER = "motma_worker"
    OPERATOR = "motma_operator"
    GATE = "motma_gate"
    CONSOLE = "motma_console"
    KEEPER = "motma_keeper"


_PLANNED_ONCE = frozenset({Role.APP, Role.PUBLIC, Role.CITIZEN})
_OPENED_LATE = frozenset({Role.OPERATOR, Role.GATE, Role.CONSOLE, Role.KEEPER})  # when somebody asks for them

# A statement that runs longer than a citizen waits is of no use to anybody (docs/decisions/0004).
STATEMENT_LIMIT = timedelta(seconds=2)
LOCK_LIMIT = timedelta(seconds=1)
ACQUIRE_LIMIT = timedelta(seconds=2)
OPENING_LIMIT = timedelta(seconds=20)  # before anybody waits

ROLE_PLACE = "{role}"  # in the address of a pooler, where the role that logs in stands

SET_TENANT = "SELECT set_config('motma.scope', $1, true), set_config('motma.test', $2, true)"

WHO = "SELECT current_user::text"
SESSION = "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)"

# Everything that says "this connection is of no use, another may be": refused, cut, in recovery, after a fail-over.
LOST_CONNECTION: tuple[type[BaseException], ...] = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
)
# The server is there but will not do this now.
BUSY: tuple[type[BaseException], ...] = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
)
DATABASE_AWAY: tuple[type[BaseException], ...] = (*LOST_CONNECTION, *BUSY, TimeoutError)


class UnfitSession(ServiceError):
    """A pooler gives sessions that work as somebody else, or without the limits every session of ours has."""

    code = "unfit_session"


def session_settings(role: Role) -> dict[str, str]:
    """What every session that works as `role` has set."""
    return {
        "TimeZone": "UTC",
        "statement_timeout": str(int(STATEMENT_LIMIT.total_seconds() * 1000)),
        "lock_timeout": str(int(LOCK_LIMIT.total_seconds() * 1000)),
        "idle_in_transaction_session_timeout": "10000",
        "jit": "off",
        # Every statement of ours has its index. Without this a plan made while a table is small reads it whole, and
        # the connection keeps that plan while the table grows a thousandfold.
        "enable_seqscan": "off",
        # The statements of these roles are few, short and asked thousands of times; their plans are tested
        # (tests/lookup/test_query_plans.py). Planning each anew costs two thirds of answering it.
        **({"plan_cache_mode": "force_generic_plan"} if role in _PLANNED_ONCE else {}),
    }


def logins() -> list[str]:
    """What the owner of the roles runs once before a pooler may log in as them; passwords are given apart."""
    return [
        statement
        for role in Role
        for statement in (
            f"ALTER ROLE {role} LOGIN",
            *(f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in session_settings(role).items()),
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSizes:
    """Connections per role and process; their sum times the processes must fit the server's max_connections."""

    app: int = 4
    public: int = 3
    citizen: int = 2
    worker: int = 10  # the inbox answers eight texts at once and records others meanwhile, in two lanes
    operator: int = 1
    gate: int = 2
    console: int = 3
    keeper: int = 1

    def of(self, role: Role) -> int:
        """The most connections `role` may hold in this process."""
        return int(getattr(self, role.name.lower()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The pools of one process."""

    url: str
    pools: dict[Role, Pool]

    @asynccontextmanager
    async def connection(self, role: Role) -> AsyncIterator[Connection]:
        """A connection working as `role`. Raises `Unavailable` when none can be had in `ACQUIRE_LIMIT`."""
        pool = self.pools[role]
        try:
            connection = await pool.acquire(timeout=ACQUIRE_LIMIT.total_seconds())
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error
        try:
            yield connection
        finally:
            await pool.release(connection)

    async def open_all(self, roles: Iterable[Role]) -> None:
        """Open each connection that `roles` may hold here; of a role that few ask for, one.

        Raises one of `DATABASE_AWAY` when some could not be opened in `OPENING_LIMIT`; the others are.
        """
        await asyncio.gather(*(self._open_all(role) for role in roles))

    async def _open_all(self, role: Role) -> None:
        pool = self.pools[role]
        number = 1 if role in _OPENED_LATE else pool.get_max_size()
        limit = OPENING_LIMIT.total_seconds()
        held = await asyncio.gather(*(pool.acquire(timeout=limit) for _ in range(number)), return_exceptions=True)
        opened = [one for one in held if not isinstance(one, BaseException)]
        await asyncio.gather(*(pool.release(one) for one in opened))
        if len(opened) < number:
            raise next(one for one in held if isinstance(one, BaseException))

    @asynccontextmanager
    async def transaction(self, role: Role) -> AsyncIterator[Connection]:
        """One transaction as `role`, with no tenant: a tenant table shows `motma_app` nothing here."""
        async with self.connection(role) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def tenant(self, agency_id: int, *, test: bool) -> AsyncIterator[Connection]:
        """One transaction that sees and writes only rows of `agency_id` and of the agencies below it.

        The tenant is local to the transaction: it ends with it, also behind a transaction-mode pooler.
        """
        async with self.transaction(Role.APP) as connection:
            await connection.execute(SET_TENANT, str(agency_id), "on" if test else "off")
            yield connection


class _TidyConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that needs no cleaning between two uses.

    Settings are local to their transaction, nobody listens or takes session locks on a pooled connection, and a
    transaction left open is rolled back all the same: asyncpg's reset would only cost a round trip per use.
    """

    def get_reset_query(self) -> str:
        return ""

    def _get_unique_id(self, prefix: str) -> str:
        """asyncpg counts the statements of a process; behind a pooler several processes meet in one session."""
        return f"{super()._get_unique_id(prefix)}{token_hex(4)}"


async def _connect_pool(url: str, role: Role, size: int, application: str) -> Pool:
    pooled = ROLE_PLACE in url
    named = {"application_name": f"motma {application} {role.name.lower()}"}

    async def fit(connection: Connection) -> None:
        await _refuse_unfit(connection, role)

    return await asyncpg.create_pool(
        url.replace(ROLE_PLACE, role.value),
        min_size=0 if role in _OPENED_LATE else 1,
        max_size=size,
        connection_class=_TidyConnection,
        command_timeout=(STATEMENT_LIMIT + timedelta(seconds=3)).total_seconds(),
        timeout=5,
        statement_cache_size=0 if pooled else 100,
        init=fit if pooled else None,
        server_settings=named if pooled else {**named, "role": role.value, **session_settings(role)},
    )


async def _refuse_unfit(connection: Connection, role: Role) -> None:
    """Raises `UnfitSession`."""
    who, wanted = await connection.fetchval(WHO), session_settings(role)
    if who != role.value:
        raise UnfitSession(f"The pooler works as {who} where {role.value} logs in: take `user` out of its settings.")
    found = {row["name"]: row["setting"] for row in await connection.fetch(SESSION, [*wanted])}
    wrong = ", ".join(name for name, value in wanted.items() if found.get(name) != value)
    if wrong:
        raise UnfitSession(f"{role.value} has no {wrong}: run what `motma logins` prints, then restart the pooler.")


@asynccontextmanager
async def open_database(
    url: str,
    *,
    pooler: str | None = None,
    roles: tuple[Role, ...] = tuple(Role),
    sizes: PoolSizes | None = None,
    application: str = "service",
) -> AsyncIterator[Database]:
    """The pools for `roles` on the PostgreSQL at `url`, closed at the end.

    `pooler` is where a pooler in transaction mode passes transactions on to it: an address with `{role}` as the user.
    Raises `UnfitSession`.
    """
    sizes = sizes or PoolSizes()
    if pooler is not None and ROLE_PLACE not in pooler:
        raise UnfitSession("The address of a pooler names {role} as its user: postgresql://{role}@host:6432/motma.")
    async with AsyncExitStack() as stack:
        pools: dict[Role, Pool] = {}
        for role in roles:
            pools[role] = await stack.enter_async_context(
                await _connect_pool(pooler or url, role, sizes.of(role), application),
            )
        yield Database(url=url, pools=pools)


STATEMENTS = (SET_TENANT, WHO, SESSION)
