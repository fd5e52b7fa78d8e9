"""Signing in with an identity provider: OpenID Connect, authorisation code with PKCE.

OpenID Connect Core 1.0 (3.1), RFC 7636 (PKCE, S256), RFC 9700 (no mix-up: one provider, its issuer checked).
No account is made: whoever comes must have one here, found by who he is at the provider, the first time by his
verified e-mail address.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from domain.errors import Unauthenticated, Unavailable
from lookup.sealing import Seal, Unsealable

PREFIX = "MOTMA_OIDC_"
FRESH = 600  # seconds to come back in
KNOWN_FOR = 3_600  # seconds that the provider's document and keys are believed
ASKED_AGAIN = 60  # seconds between two looks for a key we do not know
LEEWAY = 60  # seconds that clocks may differ
# Signatures that only the provider can make; never `none`, never a shared secret taken for a public key.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_TIMEOUT = aiohttp.ClientTimeout(total=10, connect=3)
_LARGEST = 256 * 1024  # bytes of any answer of the provider

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereSettings:
    """The provider; off without an issuer. Each field is `MOTMA_OIDC_` and its name in upper case."""

    issuer: str | None = None
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = ""  # how officers know it
    strong: str = "mfa,otp,hwk,swk,pop"  # values of `amr` (RFC 8176) that count as two proofs


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where to send the browser, and what it must bring back, sealed."""

    address: str
    kept: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who came back. `email` is set where the provider has verified it."""

    issuer: str
    subject: str
    email: str | None = field(repr=False)
    strong: bool
    wanted: str


class _Kept(msgspec.Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    wanted: str
    until: float


class Elsewhere:
    """One identity provider. `back` is our address it sends people back to."""

    def __init__(self, settings: ElsewhereSettings, http: aiohttp.ClientSession, seal: Seal, *, back: str) -> None:
        self._settings = settings
        self._http = http
        self._seal = seal
        self._back = back
        self._strong = frozenset(part.strip() for part in settings.strong.split(",") if part.strip())
        self._document: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._document_at = self._keys_at = -float(KNOWN_FOR)

    @property
    def name(self) -> str:
        """How officers know the provider."""
        return self._settings.name or self._settings.issuer or ""

    async def begin(self, wanted: str) -> Begun:
        """Send somebody there. Raises `Unavailable`."""
        document = await self._discovered()
        kept = _Kept(token_urlsafe(24), token_urlsafe(24), token_urlsafe(48), wanted, time.time() + FRESH)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(kept.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": "openid email",
            "state": kept.state,
            "nonce": kept.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = str(document["authorization_endpoint"])
        joined = address + ("&" if "?" in address else "?") + urlencode(query)
        return Begun(address=joined, kept=self._seal.seal(msgspec.json.encode(kept).decode()).hex())

    async def finish(self, kept_sealed: str, query: Mapping[str, str]) -> Person:
        """Who it was. Raises `Unauthenticated` for whatever does not fit, and `Unavailable`."""
        kept = self._opened(kept_sealed)
        state = query.get("state", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(state, kept.state.encode()) or "code" not in query:
            raise _refused("state")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:  # RFC 9207
            raise _refused("issuer of the answer")
        token = await self._token(query["code"], kept)
        claims = await self._claims(token, kept)
        amr = claims.get("amr")
        methods = {value for value in amr if isinstance(value, str)} if isinstance(amr, list) else set()
        email = claims.get("email")
        return Person(
            issuer=str(self._settings.issuer),
            subject=claims["sub"],
            email=email if isinstance(email, str) and claims.get("email_verified") is True else None,
            strong=bool(methods & self._strong),
            wanted=kept.wanted,
        )

    def _opened(self, kept_sealed: str) -> _Kept:
        try:
            kept = msgspec.json.decode(self._seal.open(bytes.fromhex(kept_sealed)), type=_Kept)
        except (ValueError, Unsealable, msgspec.MsgspecError):
            raise _refused("cookie") from None
        if kept.until < time.time():
            raise _refused("too late")
        return kept

    async def _token(self, code: str, kept: _Kept) -> str:
        document = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self._settings.client_id,
            "code_verifier": kept.verifier,
        }
        headers = {"Accept": "application/json"}
        methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if "client_secret_basic" in methods:
            pair = f"{self._settings.client_id}:{self._settings.client_secret}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        else:
            form["client_secret"] = self._settings.client_secret
        answer = await self._asked("POST", str(document["token_endpoint"]), data=form, headers=headers, refusable=True)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused("no id token")
        return token

    async def _claims(self, token: str, kept: _Kept) -> dict[str, Any]:
        """The claims of a genuine, fresh token for us, by OpenID Connect Core 3.1.3.7."""
        checks = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": str(self._settings.issuer)},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": kept.nonce},
        )
        for asked_again in (False, True):
            try:
                claims = jwt.decode(token, await self._key_set(asked_again=asked_again), algorithms=ALGORITHMS).claims
                checks.validate(claims)
            except (JoseError, ValueError, TypeError) as error:
                if asked_again:
                    raise _refused(type(error).__name__) from None
                continue
            audience = claims["aud"]
            if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._settings.client_id:
                raise _refused("audience")
            if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
                raise _refused("subject")
            return dict(claims)
        raise _refused("token")

    async def _key_set(self, *, asked_again: bool) -> KeySet:
        """The provider's keys; read anew for a key we do not know, though not at everybody's wish."""
        age = time.monotonic() - self._keys_at
        if self._keys is None or age > KNOWN_FOR or (asked_again and age > ASKED_AGAIN):
            document = await self._discovered()
            found = await self._asked("GET", str(document["jwks_uri"]))
            try:
                self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
            except (JoseError, ValueError, TypeError, KeyError):
                raise _away("keys") from None
            self._keys_at = time.monotonic()
        return self._keys

    async def _discovered(self) -> dict[str, Any]:
        if time.monotonic() - self._document_at > KNOWN_FOR or not self._document:
            issuer = str(self._settings.issuer)
            document = await self._asked("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if document.get("issuer") != issuer or not all(isinstance(document.get(name), str) for name in needed):
                raise _away("document")
            self._document, self._document_at = document, time.monotonic()
        return self._document

    async def _asked(
        self,
        method: str,
        address: str,
        *,
        refusable: bool = False,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One answer of the provider. `refusable`: 4xx says that what we brought is wrong."""
        try:
            async with self._http.request(
                method, address, data=data, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                body = await response.content.read(_LARGEST)
                if refusable and 400 <= response.status < 500:
                    raise _refused(f"token endpoint: {response.status}")
                if response.status != 200:
                    raise _away(f"status {response.status}")
                found = msgspec.json.decode(body)
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, RecursionError) as error:
            raise _away(type(error).__name__) from error
        if not isinstance(found, dict):
            raise _away("answer")
        return found


def _refused(why: str) -> Unauthenticated:
    log.warning("sign-in elsewhere refused", why=why)
    return Unauthenticated("Signing in with the identity provider did not succeed.")


def _away(why: str) -> Unavailable:
    log.warning("identity provider away", why=why)
    return Unavailable("The identity provider cannot be asked at the moment.")
