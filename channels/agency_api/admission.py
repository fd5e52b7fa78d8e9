"""What every call passes: its key, its limit, its one turn under an Idempotency-Key; and the headers telling of it."""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from cache.limits import Limit, Limits, Verdict
from channels.agency_api.bodies import MAX_ITEMS, Room
from channels.agency_api.callers import Caller, Callers
from database.pool import Connection
from domain.errors import Invalid, TooMany
from lookup.api_keys import Scope
from lookup.idempotency import GivenAnswer, OncePerKey
from pages.problems import problem_json, problem_of

LONGEST_IDEMPOTENCY_KEY = 255

_VERDICT = web.RequestKey("agency_api_verdict", Verdict)

Work = Callable[[Connection | None], Awaitable[GivenAnswer]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def items_per_key(written: str) -> Limit:
    """The limit of dossiers and events per API key (`600/second`, `off`): a whole array goes in at once."""
    limit = Limit.parse("agency_items", written)
    return Limit(name=limit.name, count=limit.count, period=limit.period, burst=max(limit.burst, MAX_ITEMS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Lets calls in. Shared by all routes of agencies."""

    callers: Callers
    limits: Limits
    limit: Limit
    turns: OncePerKey
    room: Room

    async def admitted(self, request: web.Request, scope: Scope) -> Caller:
        """The caller, who may do this and is within the limit. Raises what `Callers.of` raises, `Forbidden`."""
        caller = await self.callers.of(request)
        caller.must(scope)
        await self.allow(request, caller, 1)
        return caller

    async def allow(self, request: web.Request, caller: Caller, cost: int) -> None:
        """Count `cost` items against the key's allowance. Raises `TooMany`."""
        if cost > 0 and not (verdict := await self._take(request, caller, cost)).allowed:
            raise TooMany("This key's limit is reached.", after=timedelta(seconds=verdict.retry_after))

    async def pace(self, request: web.Request, caller: Caller, cost: int) -> None:
        """The same for a stream, which waits instead: not reading on is how it tells its sender to slow down."""
        verdict = await self._take(request, caller, cost)
        while not verdict.allowed:
            await asyncio.sleep(verdict.retry_after)
            verdict = await self._take(request, caller, cost)

    async def _take(self, request: web.Request, caller: Caller, cost: int) -> Verdict:
        verdict = await self.limits.take(self.limit, caller.tenant.api_key_id, min(cost, self.limit.burst))
        if not self.limit.off:
            request[_VERDICT] = verdict
        return verdict

    async def once(self, request: web.Request, caller: Caller, said: bytes, work: Work) -> GivenAnswer:
        """The answer of `work`, done once for its Idempotency-Key and everything `said`; simply done without a key."""
        key = idempotency_key(request)
        if key is None:
            return await work(None)
        request_digest = _digest(request.method.encode(), request.path.encode(), request.content_type.encode(), said)
        async with self.turns.turn(caller.tenant, _digest(key.encode()), request_digest) as turn:
            turn.answer = turn.earlier or await work(turn.connection)
        return turn.answer

    def told(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write the state of the key's allowance into the headers."""
        if (verdict := request.get(_VERDICT)) is not None:
            spent = (verdict.limit.burst - verdict.remaining) * verdict.limit.each
            response.headers["RateLimit-Limit"] = str(verdict.limit.burst)
            response.headers["RateLimit-Remaining"] = str(verdict.remaining)
            response.headers["RateLimit-Reset"] = str(math.ceil(spent))

    def end_broken_body(self, request: web.Request, response: web.StreamResponse, error: Exception) -> None:
        """After a body that broke (bad gzip, bad chunks) nothing on the connection can be understood: close it.

        Marked as ended, because aiohttp would read on to its end, meet the same error and log it as a fault of ours.
        """
        if isinstance(error, web.RequestPayloadError):
            request.content.feed_eof()
            response.force_close()

    def guarded(self, handler: Handler) -> Handler:
        """`handler` with those headers on every answer, refusals too."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                response = await handler(request)
            except Exception as error:
                problem = problem_of(error)
                if problem.ours:
                    raise
                response = problem_json(problem, "")
                self.end_broken_body(request, response, error)
            self.told(request, response)
            return response

        return guarded


def idempotency_key(request: web.Request) -> str | None:
    """The Idempotency-Key. Raises `Invalid`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
        raise Invalid(f"A key has 1 to {LONGEST_IDEMPOTENCY_KEY} printable ASCII characters.", field="Idempotency-Key")
    return key


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
