"""Who calls: the API key, remembered for half a minute, so that a key revoked is out after that at the latest."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import hdrs, web

from cache.limits import Limit, Limits
from database.pool import DATABASE_AWAY, Database, Role
from domain.errors import Forbidden, TooMany, Unauthenticated, Unavailable
from lookup.api_keys import ApiKey, KeyKind, Scope, find_key, split, touch_keys
from lookup.changes import Tenant
from pages.visitors import Visitors

REMEMBERED = 30.0  # seconds
REMEMBERED_UNKNOWN = 5.0
MOST_REMEMBERED = 10_000
LONGEST_TOKEN = 200
# Keys nobody made, by one address: what a loop of guesses costs us in questions to the store.
UNKNOWN_KEYS = Limit.parse("unknown_keys", "60/minute")

_REFUSAL = "The API key is missing or not valid."
_BEARER = "bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The system that calls, and what it may do."""

    tenant: Tenant
    scopes: frozenset[Scope]

    def must(self, scope: Scope) -> None:
        """Raise `Forbidden` without `scope`."""
        if scope not in self.scopes:
            raise Forbidden(f"This key lacks the scope {scope}.")


class Callers:
    """Tells callers by their keys. Unknown, revoked and wrong keys are refused in the same words."""

    def __init__(self, database: Database, limits: Limits, visitors: Visitors) -> None:
        self._database = database
        self._visitors = visitors
        self._limits = limits
        self._known: dict[str, tuple[ApiKey | None, float]] = {}
        self._asked: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._used: set[str] = set()

    async def of(self, request: web.Request, token: str | None = None) -> Caller:
        """The caller by `Authorization: Bearer …`, or by `token` where the message brings its own.

        Raises `Unauthenticated`, `TooMany`, `Unavailable`.
        """
        if token is None:
            header = request.headers.get(hdrs.AUTHORIZATION, "")
            if header[: len(_BEARER)].lower() != _BEARER:
                raise Unauthenticated(_REFUSAL)
            token = header[len(_BEARER) :].strip()
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(_REFUSAL)
        key_id, secret = split(token)
        key = await self._key(key_id, self._visitors.of(request).address)
        if key is None or not key.opens_with(secret):
            raise Unauthenticated(_REFUSAL)
        self._used.add(key_id)
        tenant = Tenant(
            agency_id=key.agency_id,
            agency_code=key.agency_code,
            test=key.kind is KeyKind.TEST,
            api_key_id=key.key_id,
        )
        return Caller(tenant=tenant, scopes=key.scopes)

    async def note_use(self) -> None:
        """Write down which keys were used since the last time."""
        used, self._used = self._used, set()
        if used:
            async with self._database.transaction(Role.WORKER) as connection:
                await touch_keys(connection, sorted(used))

    async def _key(self, key_id: str, address: str) -> ApiKey | None:
        known = self._known.get(key_id)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        verdict = self._limits.check_local(UNKNOWN_KEYS, address)
        if known is None and not verdict.allowed:
            raise TooMany("Too many unknown keys from this address.", after=timedelta(seconds=verdict.retry_after))
        asking = self._asked.get(key_id)
        if asking is None:
            asking = self._asked[key_id] = asyncio.create_task(self._ask(key_id))
            asking.add_done_callback(lambda _: self._asked.pop(key_id, None))
        key = await asyncio.shield(asking)
        if key is None:
            self._limits.take_local(UNKNOWN_KEYS, address)
        return key

    async def _ask(self, key_id: str) -> ApiKey | None:
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                key = await find_key(connection, key_id)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[key_id] = key, time.monotonic() + (REMEMBERED if key else REMEMBERED_UNKNOWN)
        return key


def token_of(candidates: Iterable[object]) -> str | None:
    """The first of `candidates` that can be a token."""
    return next((c for c in candidates if isinstance(c, str) and c), None)
