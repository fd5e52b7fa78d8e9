"""The access token of an account: one for all processes, renewed once, by a refresh token that can be used once.

Zalo's rules (OA OAuth v4): an access token lives 25 hours; a refresh token 3 months, and using it makes a new one. Lose
the new one, and only a person can mend it. So the row of the account says that a renewal was begun before Zalo is asked
(`begun_at`), and only the successor of the stored refresh token can replace it. A process that dies in between leaves
`begun_at` behind: the next one asks again with the old token, which shows whether it was spent. Renewing at four fifths
of a token's life leaves hours in which the old access token still sends while somebody is called.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from database.pool import DATABASE_AWAY, Database, Role
from database.supervision import place
from domain.errors import InDoubt, ServiceError, TryLater, Unavailable
from domain.vietnamese import clean
from lookup.sealing import Seal

RENEWED_AFTER = 0.8  # of a token's life
LOOK_AGAIN = 5.0  # seconds between tries to renew a token that still serves
POLL = 0.2  # seconds between looks while another process renews
SAVE_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between tries to write a new token down, the last one repeated
MOST_WORDS = 200

# What a person pasted into the settings replaces what is stored, once: processes with older settings do not undo it.
ADOPT = """
    INSERT INTO provider_token AS t (account, refresh_sealed, refresh_digest, given_digests)
    VALUES ($1, $2, $3, ARRAY[$3::bytea])
    ON CONFLICT (account) DO UPDATE
       SET refresh_sealed = excluded.refresh_sealed, refresh_digest = excluded.refresh_digest,
           given_digests = t.given_digests || $3::bytea, access_sealed = NULL, access_digest = NULL, renew_at = NULL,
           expires_at = NULL, renewed_at = NULL, begun_at = NULL, refused_at = NULL, refusal = NULL
     WHERE $3::bytea <> ALL (t.given_digests)
    RETURNING account"""
READ = """
    SELECT access_sealed, extract(epoch FROM renew_at - now())::float8 AS renew_in,
           extract(epoch FROM expires_at - now())::float8 AS expires_in, begun_at, refused_at, refusal
      FROM provider_token WHERE account = $1"""
# Whoever gets the row renews: when it is due or `$2` (the digest of an access token) was refused, nobody else has
# begun within $3, and neither a refusal nor a renewal is too recent.
BEGIN = """
    UPDATE provider_token t SET begun_at = now()
      FROM (SELECT account, begun_at FROM provider_token WHERE account = $1 FOR UPDATE) was
     WHERE t.account = was.account
       AND (t.begun_at IS NULL OR t.begun_at < now() - $3::interval)
       AND (t.refused_at IS NULL OR t.refused_at < now() - $4::interval)
       AND (t.access_sealed IS NULL OR t.renew_at <= now()
            OR (t.access_digest = $2 AND t.renewed_at < now() - $5::interval))
    RETURNING t.refresh_sealed, t.refresh_digest, t.begun_at, was.begun_at AS abandoned_at"""
SAVE = """
    UPDATE provider_token
       SET refresh_sealed = $3, refresh_digest = $4, access_sealed = $5, access_digest = $6, renew_at = now() + $7,
           expires_at = now() + $8, renewed_at = now(), begun_at = NULL, refused_at = NULL, refusal = NULL
     WHERE account = $1 AND refresh_digest = $2 RETURNING account"""
LEAVE = "UPDATE provider_token SET begun_at = NULL WHERE account = $1 AND begun_at = $2"
REFUSED = """
    UPDATE provider_token SET begun_at = NULL, refused_at = now(), refusal = $3
     WHERE account = $1 AND refresh_digest = $2"""

RENEWALS = Counter(
    "motma_provider_token_renewals", "Renewals of access tokens, by what became of them.", ["account", "outcome"]
)
BROKEN = Gauge(
    "motma_provider_token_broken", "1 while a refresh token is refused and somebody must paste a new one.", ["account"]
)

AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)

log = structlog.get_logger()


class RefreshRefused(ServiceError):
    """The provider refused the refresh token: spent, expired, or not this app's."""

    code = "refresh_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a provider gives for a refresh token."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    life: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewing:
    """How renewals are made.

    `lease` is how long one may take before another process tries, `patience` how long a sender waits for it;
    `refused_pause` lies between tries with a refresh token that was refused; `shortest_life` is how long an access
    token must have lived for its refusal to be believed: an account refused for other reasons must not burn its tokens.
    """

    lease: timedelta = timedelta(seconds=7)
    patience: timedelta = timedelta(seconds=4)
    refused_pause: timedelta = timedelta(minutes=5)
    shortest_life: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenState:
    """How an account stands. `usable_for`: how long the access token still sends."""

    usable_for: timedelta
    refused_at: datetime | None
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """An access token in this process; times by the monotonic clock."""

    access: str = field(repr=False)
    renew_at: float
    expires_at: float


class Tokens:
    """The access token of one account. Any number of processes may ask at once."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        *,
        account: str,
        given: str,
        ask: Callable[[str], Awaitable[Grant]],
        renewing: Renewing | None = None,
    ) -> None:
        """`given` is the refresh token of the settings.

        `ask` exchanges a refresh token at the provider, once, within half the lease. It raises `TryLater` when the
        token was certainly not used, `RefreshRefused`, or `InDoubt`.
        """
        self._database = database
        self._seal = seal
        self._account = account
        self._given = given
        self._ask = ask
        self._how = renewing or Renewing()
        self._held: _Held | None = None
        self._adopted = False
        self._broken = False
        self._renewal: asyncio.Task[None] | None = None

    async def access(self) -> str:
        """A token to send with. Raises `TryLater` when there is none now."""
        held = self._held
        if held is not None and time.monotonic() < held.renew_at:
            return held.access
        return await self._another(than=None)

    async def instead_of(self, refused: str) -> str:
        """A token other than `refused`, which the provider refused. Raises `TryLater` when there is none now."""
        held = self._held
        if held is not None and held.access != refused and time.monotonic() < held.renew_at:
            return held.access
        return await self._another(than=refused)

    async def state(self) -> TokenState:
        """How the account stands in the store. Raises `Unavailable`."""
        try:
            await self._adopt()
            async with self._database.connection(Role.WORKER) as connection:
                row = await connection.fetchrow(READ, self._account)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        return TokenState(
            usable_for=timedelta(seconds=max(0.0, row["expires_in"] or 0.0)),
            refused_at=row["refused_at"],
            refusal=row["refusal"] or "",
        )

    async def _another(self, *, than: str | None) -> str:
        """Have the token renewed, by whichever process; the one that still serves needs no waiting."""
        if self._renewal is None or self._renewal.done():
            # A task of its own: a sender that is cancelled must not cut a renewal in two.
            self._renewal = asyncio.create_task(self._renew(than))
        if (held := self._usable(than)) is None:
            await asyncio.wait({self._renewal}, timeout=self._how.patience.total_seconds())
            held = self._usable(than)
        if held is None:
            soon = None if self._broken else timedelta(seconds=2)
            raise TryLater("There is no access token at the moment.", after=soon)
        return held.access

    def _usable(self, refused: str | None) -> _Held | None:
        held = self._held
        usable = held is not None and held.access != refused and time.monotonic() < held.expires_at
        return held if usable else None

    async def _renew(self, refused: str | None) -> None:
        """Bring in a token that is not due and not `refused`. Never raises: who waits sees what came of it."""
        try:
            await self._adopt()
            until = time.monotonic() + 2 * self._how.lease.total_seconds()
            while time.monotonic() < until:
                begun = await self._begin(refused)
                if not await self._renewed_elsewhere(refused) or begun:
                    break
                await asyncio.sleep(POLL)
        except Exception as error:
            log.warning(
                "access token not renewed", account=self._account, error=type(error).__qualname__, at=place(error)
            )
        if self._held is not None and self._held.renew_at < time.monotonic():
            self._held = replace(self._held, renew_at=time.monotonic() + LOOK_AGAIN)

    async def _adopt(self) -> None:
        """Let a refresh token that the settings never gave before replace the stored one."""
        if self._adopted:
            return
        digest = self._digest(self._given)
        async with self._database.connection(Role.WORKER) as connection:
            row = await connection.fetchval(ADOPT, self._account, self._seal.seal(self._given), digest)
        self._adopted = True
        if row is not None:
            log.info("refresh token taken from the settings", account=self._account)

    async def _begin(self, refused: str | None) -> bool:
        """Renew, if it must be and it is this process's turn."""
        digest = None if refused is None else self._digest(refused)
        async with self._database.connection(Role.WORKER) as connection:
            row = await connection.fetchrow(
                BEGIN, self._account, digest, self._how.lease, self._how.refused_pause, self._how.shortest_life
            )
        if row is None:
            return False
        if row["abandoned_at"] is not None:
            RENEWALS.labels(self._account, "unsaved").inc()
            log.error(
                "a token renewal was begun and never written down: the new refresh token may be lost",
                account=self._account,
                begun_at=row["abandoned_at"].isoformat(),
            )
        await self._exchange(row)
        return True

    async def _renewed_elsewhere(self, refused: str | None) -> bool:
        """Take what is stored; whether another process is about to bring something better."""
        async with self._database.connection(Role.WORKER) as connection:
            row = await connection.fetchrow(READ, self._account)
        self._set_broken(broken=row["refused_at"] is not None)
        good = False
        if row["access_sealed"] is not None:
            access, now = self._seal.open(row["access_sealed"]), time.monotonic()
            self._held = _Held(access=access, renew_at=now + row["renew_in"], expires_at=now + row["expires_in"])
            good = access != refused and row["renew_in"] > 0
        return not good and row["begun_at"] is not None

    def _set_broken(self, *, broken: bool) -> None:
        self._broken = broken
        BROKEN.labels(self._account).set(broken)

    async def _exchange(self, begun: Mapping[str, Any]) -> None:
        """Ask with the refresh token of the row `begun`, and write down what came of it."""
        match await self._asked(self._seal.open(begun["refresh_sealed"])):
            case Grant() as grant:
                await self._keep(grant, begun["refresh_digest"])
            case RefreshRefused(message=message):
                RENEWALS.labels(self._account, "refused").inc()
                self._set_broken(broken=True)
                why = ", after a renewal that was never written down" if begun["abandoned_at"] else ""
                refusal = clean(message)[:MOST_WORDS] + why
                log.error("the refresh token is refused: set a new one", account=self._account, refusal=refusal)
                await self._write(REFUSED, self._account, begun["refresh_digest"], refusal)
            case InDoubt(message=message):
                # It may be spent. `begun_at` stays: after the lease somebody finds out.
                RENEWALS.labels(self._account, "in_doubt").inc()
                log.error("no answer to a token renewal", account=self._account, error=message)
            case error:
                RENEWALS.labels(self._account, "not_taken").inc()
                log.warning("access token not renewed", account=self._account, error=error.message)
                await self._write(LEAVE, self._account, begun["begun_at"])

    async def _asked(self, refresh: str) -> Grant | ServiceError:
        try:
            return await self._ask(refresh)
        except (TryLater, RefreshRefused, InDoubt) as error:
            return error

    async def _keep(self, grant: Grant, succeeds: bytes) -> None:
        """Use the new token, and write it down however long the store is away: it exists nowhere else."""
        now, life = time.monotonic(), grant.life.total_seconds()
        self._held = _Held(access=grant.access, renew_at=now + life * RENEWED_AFTER, expires_at=now + life)
        pauses = chain(SAVE_PAUSES, repeat(SAVE_PAUSES[-1]))
        while (saved := await self._saved(grant, succeeds)) is None:
            log.error("a new refresh token is not saved yet: the store is away", account=self._account)
            await asyncio.sleep(next(pauses))
        RENEWALS.labels(self._account, "renewed" if saved else "superseded").inc()
        self._set_broken(broken=False)
        log.info("access token renewed", account=self._account, life=str(grant.life))

    async def _saved(self, grant: Grant, succeeds: bytes) -> bool | None:
        """Whether `grant` now stands in the store; False when the settings brought another meanwhile, None when the
        store is away."""
        try:
            row = await self._write(
                SAVE,
                self._account,
                succeeds,
                self._seal.seal(grant.refresh),
                self._digest(grant.refresh),
                self._seal.seal(grant.access),
                self._digest(grant.access),
                grant.life * RENEWED_AFTER,
                grant.life,
            )
        except AWAY:
            return None
        return row is not None

    async def _write(self, statement: str, *values: object) -> object:
        async with self._database.connection(Role.WORKER) as connection:
            return await connection.fetchval(statement, *values)

    def _digest(self, token: str) -> bytes:
        return self._seal.digest("provider token", token)


STATEMENTS = (ADOPT, READ, BEGIN, SAVE, LEAVE, REFUSED)
