"""A push service and the browsers that subscribed there, which open what arrives with their own keys (RFC 8291)."""

import asyncio
import hmac
import json
import os
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from channels.web_push.encryption import browser_key, point_of
from channels.web_push.vapid import b64url, from_b64url


@dataclass
class Browser:
    """One browser with its subscription; `shown` are the notices it opened, `headers` what came with each."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    shown: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def subscription(self) -> dict[str, Any]:
        """As `PushSubscription.toJSON()` has it."""
        keys = {"p256dh": b64url(point_of(self.private.public_key())), "auth": b64url(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def opened(self, body: bytes) -> bytes:
        """The plaintext of a push message (RFC 8188, one record). Raises for anything that is not sealed for it."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        shared = self.private.exchange(ec.ECDH(), browser_key(sender))
        first = hmac.digest(self.auth, shared, "sha256")
        info = b"WebPush: info\0" + point_of(self.private.public_key()) + sender + b"\x01"
        secret = hmac.digest(salt, hmac.digest(first, info, "sha256"), "sha256")
        key = hmac.digest(secret, b"Content-Encoding: aes128gcm\0\x01", "sha256")[:16]
        nonce = hmac.digest(secret, b"Content-Encoding: nonce\0\x01", "sha256")[:12]
        plain, mark, _ = AESGCM(key).decrypt(nonce, record, None).rpartition(b"\x02")
        assert mark
        return plain


@dataclass
class PushService:
    """Takes messages for its browsers; `answers` are given first, each once. Refuses who is not the key's owner."""

    url: str = ""
    key: str = ""  # the public key that browsers subscribed with
    browsers: dict[str, Browser] = field(default_factory=dict)
    answers: list[web.Response] = field(default_factory=list)
    silent: bool = False  # takes a message, and does not say so

    def subscribes(self) -> Browser:
        """One more browser."""
        name = f"/push/{len(self.browsers) + 1}"
        self.browsers[name] = Browser(self.url + name)
        return self.browsers[name]

    async def push(self, request: web.Request) -> web.Response:
        """POST: one message."""
        if self.answers:
            return self.answers.pop(0)
        browser, body = self.browsers[request.path], await request.read()
        if not self._is_ours(request):
            return web.Response(status=403)
        assert request.headers["Content-Encoding"] == "aes128gcm"
        assert 0 <= int(request.headers["TTL"]) <= 4 * 7 * 86_400
        assert len(request.headers["Topic"]) <= 32
        assert len(body) <= 4_096
        browser.headers.append(dict(request.headers))
        browser.shown.append(json.loads(browser.opened(body)))
        if self.silent:
            await asyncio.Event().wait()
        return web.Response(status=201, headers={"Location": f"{browser.endpoint}/message/1"})

    def _is_ours(self, request: web.Request) -> bool:
        """RFC 8292, section 3."""
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        signed, _, signature = given["t"].rpartition(".")
        header, claims = (json.loads(from_b64url(part)) for part in signed.split("."))
        assert (scheme, header) == ("vapid", {"typ": "JWT", "alg": "ES256"})
        assert claims["aud"] == self.url
        assert claims["sub"].startswith(("https:", "mailto:"))
        raw = from_b64url(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        try:
            browser_key(from_b64url(given["k"])).verify(der, signed.encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return given["k"] == self.key
