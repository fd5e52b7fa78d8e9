"""Guards taken away, one at a time: a proof that a mutant cannot break proves nothing."""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio as redis

from cache import answers, redis_connection, shared_answers
from cache.breaker import Breaker
from channels.agency_api import api, intake, kinds
from lookup import idempotency, ingest, receipt_tokens
from lookup.changes import ItemResult, Outcome
from lookup.ingest import DossierWriter
from notifications import attempt, claims
from service.embedded import postgres
from tests.faults.channel_mutants import CHANNEL_MUTANTS
from tests.faults.notification_mutants import NOTIFICATION_MUTANTS
from tests.faults.rig import NO_MUTANT
from tests.faults.security_mutants import SECURITY_MUTANTS

ONE_SECOND = 1.0


def whole() -> None:
    """Nothing taken away."""


def ack_before_commit() -> None:
    """G01: the answer does not wait for the store."""
    store, kept = DossierWriter.store, set[asyncio.Task[Any]]()

    async def hasty(
        self: DossierWriter, tenant: Any, items: Sequence[Any], *, connection: Any = None
    ) -> list[ItemResult]:
        async def later() -> None:
            await asyncio.sleep(ONE_SECOND)
            await store(self, tenant, items, connection=connection)

        task = asyncio.create_task(later())
        kept.add(task)
        task.add_done_callback(kept.discard)
        return [ItemResult(outcome=Outcome.STORED)] * len(items)

    DossierWriter.store = hasty  # type: ignore[method-assign]


def no_lease() -> None:
    """G02: a message that is being sent is anybody's to send."""
    leased = "CASE v.verdict WHEN 10 THEN now() + $5 WHEN 1"
    claims.CLAIM = _without(claims.CLAIM, leased, "CASE v.verdict WHEN 10 THEN now() + $5::interval * 0 WHEN 1")


def _without(text: str, guard: str, instead: str) -> str:
    """`text` with another part in the guard's place, which must be there."""
    assert guard in text
    return text.replace(guard, instead)


def check_then_insert() -> None:
    """G05: a request looks whether its key was answered, and writes its answer down when it has one."""
    find = "SELECT status, body FROM idempotency WHERE api_key_id = $1 AND key_digest = $2 AND request_digest = $3"
    keep = """INSERT INTO idempotency (api_key_id, key_digest, owner_agency, request_digest, status, body)
              VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"""

    @asynccontextmanager
    async def turn(self: Any, tenant: Any, key: bytes, request: bytes) -> Any:
        async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
            row = await connection.fetchrow(find, tenant.api_key_id, key, request)
            earlier = idempotency.GivenAnswer(status=row[0], body=bytes(row[1])) if row else None
            now = idempotency.Turn(connection=connection, earlier=earlier)
            yield now
            if earlier is None and now.answer is not None:
                said = now.answer.status, now.answer.body
                await connection.execute(keep, tenant.api_key_id, key, tenant.agency_id, request, *said)

    setattr(idempotency.OncePerKey, "turn", turn)


def answers_kept_in_redis() -> None:
    """G15: what was answered under a key is known to Redis only."""
    client = redis.from_url(os.environ["MOTMA_REDIS_URL"]) if "MOTMA_REDIS_URL" in os.environ else None

    @asynccontextmanager
    async def turn(self: Any, tenant: Any, key: bytes, _request: bytes) -> Any:
        assert client is not None
        async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
            kept = bytes(await client.get(b"answer:" + key) or b"")  # type: ignore[arg-type]
            status, _, body = kept.partition(b"|")
            now = idempotency.Turn(connection=connection)
            if kept:
                now.earlier = idempotency.GivenAnswer(status=int(status), body=body)
            yield now
        if now.earlier is None and now.answer is not None:
            await client.set(b"answer:" + key, b"%d|%b" % (now.answer.status, now.answer.body))

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
    """G07: whatever arrives last is taken for the newest."""
    setattr(ingest, "all_newer", lambda _known, _candidates: True)


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
    redis_connection.COMMAND_LIMIT = 2 * ONE_SECOND


def commit_without_waiting() -> None:
    """G25: commits are acknowledged before they are on disk."""
    postgres.SETTINGS |= {"synchronous_commit": "off", "wal_writer_delay": "10s"}


def any_signature() -> None:
    """G43: whatever stands where the signature should be is taken for one."""

    def taken_for_one(form: int, key: Any, body: bytes, proof: bytes) -> bool:
        return not body[0] & 15

    receipt_tokens._proves = taken_for_one


def blind_retry() -> None:
    """G32: what is in doubt is sent again without a question."""

    async def unasked(_self: Any) -> None:
        pass

    setattr(attempt.Attempt, "_known", unasked)


MUTANTS: dict[str, Callable[[], None]] = {
    NO_MUTANT: whole,
    **{
        mutant.__name__: mutant
        for mutant in (
            ack_before_commit,
            no_lease,
            check_then_insert,
            all_or_nothing,
            last_write_wins,
            plain_set,
            no_single_flight,
            no_breaker,
            answers_kept_in_redis,
            commit_without_waiting,
            any_signature,
            blind_retry,
        )
    },
    **CHANNEL_MUTANTS,
    **NOTIFICATION_MUTANTS,
    **SECURITY_MUTANTS,
}
