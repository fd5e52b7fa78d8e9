"""An OpenID provider that speaks the documented protocol strictly, and lies where a test asks it to."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "motma", "một bí mật dài"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})
Claims = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Provider:
    """One provider. `person` is who signs in there; `lie` changes the claims before they are signed."""

    issuer: str = ""
    person: Claims = field(default_factory=lambda: {"sub": "u-1", "email": "an@bacninh.gov.vn", "email_verified": True})
    lie: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Claims], str] = lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY)
    down: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def document(self, _request: web.Request) -> web.Response:
        """OpenID Connect Discovery 1.0."""
        if self.down:
            raise web.HTTPServiceUnavailable
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def keys(self, _request: web.Request) -> web.Response:
        """The public keys."""
        return web.json_response({"keys": [KEY.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        """The person is signed in there already: back with a code at once."""
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT
        assert "openid" in asked["scope"].split()
        code = token_urlsafe(16)
        self.codes[code] = asked
        query = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return web.Response(status=303, headers={"Location": f"{asked['redirect_uri']}?{query}"})

    async def token(self, request: web.Request) -> web.Response:
        """A code is good once, for who asked for it (RFC 6749 4.1.3, RFC 7636 4.6)."""
        form = await request.post()
        asked = self.codes.pop(str(form.get("code")), None)
        auth = BasicAuth.decode(request.headers["Authorization"], encoding="utf-8")
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        proven = asked and base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
        if (auth.login, auth.password) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        if not asked or not proven or form.get("redirect_uri") != asked["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        signed = self.sign(self.lie({**claims, **self.person}))
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": signed})


@asynccontextmanager
async def open_provider() -> AsyncIterator[Provider]:
    """A provider on a port of its own."""
    provider, app = Provider(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.document)
    app.router.add_get("/keys", provider.keys)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    server = TestServer(app)
    await server.start_server()
    provider.issuer = str(server.make_url("")).rstrip("/")
    yield provider
    await server.close()


def by_shared_secret(claims: Claims) -> str:
    """The public key taken for a shared secret: the classic confusion of algorithms."""
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(KEY.as_pem(private=False)))


def by_nobody(claims: Claims) -> str:
    """No signature at all."""
    head, body, _ = jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return f"{none}.{body}." if head else ""


def by_somebody_else(claims: Claims) -> str:
    """A key with the right name that is not the provider's."""
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, OTHER_KEY)
