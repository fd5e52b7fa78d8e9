"""Guards taken away, one at a time: a proof that a mutant cannot break proves nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from cache import answers, redis_connection, shared_answers
from cache.breaker import Breaker
from channels.agency_api import api, intake, kinds
from database import pool
from lookup import idempotency, newest
from lookup.changes import ItemResult, Outcome
from lookup.ingest import DossierWriter
from notifications import dispatcher
from tests.faults.rig import NO_MUTANT


def whole() -> None:
    """Nothing taken away."""


def ack_before_commit() -> None:
    """G01: the answer does not wait for the store."""

    store, kept = DossierWriter.store, set[asyncio.Task[Any]]()

    async def hasty(
        self: DossierWriter, tenant: Any, items: Sequence[Any], *, connection: Any = None
    ) -> list[ItemResult]:
        async def later() -> None:
            await asyncio.sleep(0.05)
            await store(self, tenant, items, connection=connection)

        task = asyncio.create_task(later())
        kept.add(task)
        task.add_done_callback(kept.discard)
        return [ItemResult(outcome=Outcome.STORED)] * len(items)

    DossierWriter.store = hasty  # type: ignore[method-assign]


def lease_too_short() -> None:
    """G02: a message is anybody's again before its holder can have sent it."""

    whole_init = dispatcher.Dispatcher.__init__

    def init(self: Any, database: Any, senders: Any, notices: Any, dispatching: Any = None) -> None:
        short = dispatcher.Dispatching(lease=timedelta(milliseconds=50))
        whole_init(self, database, senders, notices, short)

    dispatcher.Dispatcher.__init__ = init  # type: ignore[method-assign]


def no_idempotency() -> None:
    """G05: every copy of a request has its effect and its own answer."""

    @asynccontextmanager
    async def turn(self: Any, tenant: Any, _key: bytes, _request: bytes) -> Any:
        async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
            yield idempotency.Turn(connection=connection)

    setattr(idempotency.OncePerKey, "turn", turn)


def all_or_nothing() -> None:
    """G06: a bad item sinks its batch."""

    sorted_out = intake.sorted_out

    def strict(items: Any, places: Any, understand: Any, route: str, names: Any = None) -> Any:
        batch = sorted_out(items, places, understand, route, names)
        return sorted_out([], [], understand, route) if batch.refused else batch

    for module in (intake, kinds, api):
        if hasattr(module, "sorted_out"):
            setattr(module, "sorted_out", strict)


def last_write_wins() -> None:
    """G07: whatever arrives last is the state."""

    def always_newer(_at: datetime, _status: Any) -> tuple[datetime, int]:
        return datetime.now().astimezone(), 0

    setattr(newest, "instant", always_newer)


def plain_set() -> None:
    """G16: an answer read before a change may be written after it."""

    shared_answers.PUT = """
        local written = {}
        for i, key in ipairs(KEYS) do
            redis.call('SET', key, ARGV[4 + i], 'PX', ARGV[4])
            written[i] = 1
        end
        return written"""


class _NeverFound(dict[str, Any]):
    """A search nobody can join."""

    def get(self, _key: object, _default: object = None) -> None:
        """Nothing."""


def no_single_flight() -> None:
    """G18: everybody who finds nothing asks the store."""
    whole_init = answers.CachedDossiers.__init__

    def init(self: answers.CachedDossiers, *given: Any, **named: Any) -> None:
        whole_init(self, *given, **named)
        self._searches = _NeverFound()

    answers.CachedDossiers.__init__ = init  # type: ignore[method-assign]


def no_breaker() -> None:
    """G15: every look-up waits for a Redis that does not answer."""

    setattr(Breaker, "allows", lambda _self: True)
    redis_connection.COMMAND_LIMIT = 2.0


def commit_without_waiting() -> None:
    """G25: commits are acknowledged before they are on disk."""

    pool.SET_TENANT = pool.SET_TENANT.replace("SELECT ", "SELECT set_config('synchronous_commit', 'off', true), ", 1)


MUTANTS: dict[str, Callable[[], None]] = {
    NO_MUTANT: whole,
    **{
        mutant.__name__: mutant
        for mutant in (
            ack_before_commit,
            lease_too_short,
            no_idempotency,
            all_or_nothing,
            last_write_wins,
            plain_set,
            no_single_flight,
            no_breaker,
            commit_without_waiting,
        )
    },
}
