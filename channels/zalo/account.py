"""An Official Account as the app sends for it: calls with the shared access token, and what the answers mean."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import structlog
from prometheus_client import Counter

from channels.provider_call import ProviderAnswer, call_once, refused
from channels.zalo.refusals import AccountRefused, Meaning, Refusal
from channels.zalo.tokens import Grant, RefreshRefused, Renewing, Tokens
from database.pool import Database
from domain.civil_time import utc_now
from domain.errors import InDoubt, Invalid, Malformed, ServiceError, TryLater
from lookup.sealing import Seal

OPENAPI = "https://openapi.zalo.me"
BUSINESS = "https://business.openapi.zalo.me"
OAUTH = "https://oauth.zaloapp.com"
RENEWAL_LIMIT = 3.5  # seconds; half the lease of a renewal
LIFE = timedelta(hours=25)
SHORTEST = 60  # seconds; a life under it is a mistake, and would use up token after token
DIGITS = re.compile("[0-9]{1,7}", re.ASCII)
TENDED_EVERY = 60.0  # seconds between looks whether the token is due
HELD_BACK = 30.0  # seconds in which nothing is tried after a refusal of our account

REFUSALS = Counter("motma_zalo_refusals", "Refusals by Zalo, by its error code.", ["code"])

log = structlog.get_logger()


class _Answer(msgspec.Struct, frozen=True):
    """Every answer of the two APIs."""

    error: int
    message: str = ""
    data: Any = None


class _TokenAnswer(msgspec.Struct, frozen=True):
    """The answer of OAuth v4: the life in seconds is a string."""

    access_token: str = ""
    refresh_token: str = ""
    expires_in: str | int = 90_000
    error: int | str = 0
    error_name: str = ""


class _Profile(msgspec.Struct, frozen=True):
    """What `getoa` says that decides what an account may do."""

    name: str = ""
    is_verified: bool = False
    package_name: str = ""
    linked_ZCA: str | int | bool | None = None  # noqa: N815 - Zalo's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Where Zalo is reached: three hosts, or one stand-in for all."""

    openapi: str = OPENAPI
    business: str = BUSINESS
    oauth: str = OAUTH

    @classmethod
    def at(cls, api_url: str | None) -> "Hosts":
        """The provider's own, unless `api_url` takes their place."""
        if not api_url:
            return cls()
        url = api_url.rstrip("/")
        return cls(openapi=url, business=url, oauth=url)


class ZaloAccount:
    """Calls Zalo with an access token that is good. Each call is made once, a refused token apart."""

    def __init__(
        self,
        *,
        app_id: str,
        app_secret: str,
        refresh_token: str,
        api_url: str | None,
        http: aiohttp.ClientSession,
        database: Database,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
        renewing: Renewing | None = None,
    ) -> None:
        for name, value in (("APP_ID", app_id), ("APP_SECRET", app_secret), ("REFRESH_TOKEN", refresh_token)):
            if not value:
                raise Malformed(f"Zalo needs MOTMA_ZALO_{name}.")
        self.hosts = Hosts.at(api_url)
        self._app_id = app_id
        self._app_secret = app_secret
        self._http = http
        self._clock = clock
        self._held_back_until = 0.0
        self._held_back_for = ""
        self._tokens = Tokens(
            database, seal, account=f"zalo {app_id}", given=refresh_token, ask=self._exchange, renewing=renewing
        )

    async def call(
        self,
        method: str,
        url: str,
        **request: Any,  # noqa: ANN401 - as for `call_once`
    ) -> Any:  # noqa: ANN401 - the member `data` of the answer
        """Call `url`; the `data` of the answer.

        Raises `TryLater`, `InDoubt`, or what the refusal means (`refusals.Refusal.error`).
        """
        if (wait := self._held_back_until - time.monotonic()) > 0:
            raise TryLater(self._held_back_for, after=timedelta(seconds=wait))
        token = await self._tokens.access()
        answer = await self._call(token, method, url, request)
        if isinstance(answer, Refusal) and answer.meaning is Meaning.TOKEN:
            token = await self._tokens.instead_of(token)
            answer = await self._call(token, method, url, request)
        if isinstance(answer, Refusal):
            raise self._error_of(answer)
        return answer

    async def examine(self) -> str:
        """What Zalo says of the account. Raises `ServiceError` naming what to mend."""
        state = await self._tokens.state()
        if state.refused_at is not None:
            raise Invalid(
                f"Zalo refuses the refresh token ({state.refusal}). The access token still sends for "
                f"{state.usable_for.total_seconds() / 3600:.1f} h. Let an administrator of the account grant access "
                "again (docs/channels/zalo.md, 'When the token is lost') and set MOTMA_ZALO_REFRESH_TOKEN.",
                field="MOTMA_ZALO_REFRESH_TOKEN",
            )
        data = await self.call("GET", f"{self.hosts.openapi}/v2.0/oa/getoa")
        try:
            profile = msgspec.convert(data, _Profile, strict=False)
        except msgspec.ValidationError:
            return "the account answers"
        if not profile.is_verified:
            raise Invalid(f"The Official Account {profile.name} is not verified: Zalo sends nothing outside a chat.")
        return f"Official Account {profile.name}, package {profile.package_name or 'unknown'}"

    async def tend(self, every: float = TENDED_EVERY) -> None:
        """Renew when due though nothing is sent, for a refresh token unused for 3 months dies. Until cancelled."""
        while True:
            with suppress(TryLater):  # the log and `motma_provider_token_broken` tell why
                await self._tokens.access()
            await asyncio.sleep(every)

    async def _call(self, token: str, method: str, url: str, request: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """One call: the `data` of a success, or the refusal."""
        answer = await call_once(self._http, method, url, headers={"access_token": token}, **request)
        try:
            return _read(answer)
        except TryLater as error:
            if error.after is not None:
                self._hold_back(error)
            raise

    def _error_of(self, refusal: Refusal) -> ServiceError:
        REFUSALS.labels(str(refusal.code)).inc()
        error = refusal.error(self._clock())
        if isinstance(error, AccountRefused):
            log.error("Zalo refuses our account", code=refusal.code, words=refusal.words)
            self._hold_back(error)
        elif isinstance(error, TryLater) and refusal.meaning is Meaning.MINUTE:
            self._hold_back(error)
        return error

    def _hold_back(self, error: TryLater) -> None:
        """Spare Zalo, and the log, the same refusal again and again."""
        wait = HELD_BACK if error.after is None else error.after.total_seconds()
        self._held_back_until = time.monotonic() + wait
        self._held_back_for = error.message

    async def _exchange(self, refresh_token: str) -> Grant:
        """A new pair for `refresh_token`, by OAuth v4. Raises as `Tokens` asks."""
        answer = await call_once(
            self._http,
            "POST",
            f"{self.hosts.oauth}/v4/oa/access_token",
            within=RENEWAL_LIMIT,
            headers={"secret_key": self._app_secret},
            data={"app_id": self._app_id, "grant_type": "refresh_token", "refresh_token": refresh_token},
        )
        try:
            said = msgspec.json.decode(answer.body, type=_TokenAnswer, strict=False)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            raise InDoubt(f"OAuth answered {answer.status} and nothing that can be read.") from None
        if said.access_token and said.refresh_token:
            return Grant(access=said.access_token, refresh=said.refresh_token, life=_life(said.expires_in))
        if said.error == -32 or answer.status == 429:
            raise TryLater("OAuth has too many calls.", after=answer.retry_after)
        if not said.error:
            raise InDoubt(f"OAuth answered {answer.status} without a token.")
        raise RefreshRefused(f"{said.error} {said.error_name}".strip())


def _life(seconds: str | int) -> timedelta:
    """The life of a token; what cannot be read is the documented one."""
    digits = str(seconds)
    return timedelta(seconds=int(digits)) if DIGITS.fullmatch(digits) and int(digits) >= SHORTEST else LIFE


def _read(answer: ProviderAnswer) -> Any:  # noqa: ANN401 - data or refusal
    """The `data` of a success, or the refusal. Raises `InDoubt` and what `provider_call.refused` says."""
    if answer.status == 401:
        return Refusal(code=-216, words="HTTP 401")
    if not 200 <= answer.status < 300:
        raise refused(answer)
    try:
        said = msgspec.json.decode(answer.body, type=_Answer)
    except (ValueError, RecursionError):
        raise InDoubt("Zalo's answer says neither yes nor no.") from None
    if said.error != 0:
        return Refusal(code=said.error, words=said.message[:200])
    return said.data
