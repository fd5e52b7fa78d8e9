"""How push services know us: a signed word for each of them, by the key that browsers were given (RFC 8292)."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from yarl import URL

from channels.web_push.encryption import point_of
from domain.errors import Malformed

GOOD_FOR = timedelta(hours=12)  # a day is the most a push service takes
KEY_BYTES = 32


def b64url(raw: bytes) -> str:
    """Base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_b64url(written: str) -> bytes:
    """What was written so, with or without padding. Raises `ValueError`."""
    bare = written.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("this is no base64url") from error


@dataclass(frozen=True, slots=True)
class VapidKey:
    """Our key pair for all push services."""

    _private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def of(cls, setting: str) -> "VapidKey":
        """From a private key of P-256: 32 bytes in base64url. Raises `Malformed`."""
        try:
            raw = from_b64url(setting.strip())
            number = int.from_bytes(raw, "big") if len(raw) == KEY_BYTES else 0
            return cls(ec.derive_private_key(number, ec.SECP256R1()))
        except ValueError:
            raise Malformed("MOTMA_VAPID_KEY is a private key of P-256: 32 bytes in base64url.") from None

    @property
    def public(self) -> str:
        """What browsers are given when they subscribe: they take messages of this key only."""
        return b64url(point_of(self._private.public_key()))

    def authorization(self, endpoint: URL, *, subject: str, now: datetime) -> str:
        """The header for one call; `subject` is where the push service reaches us: https: or mailto:."""
        claims = {"aud": str(endpoint.origin()), "exp": int((now + GOOD_FOR).timestamp()), "sub": subject}
        signed = ".".join(b64url(msgspec.json.encode(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = decode_dss_signature(self._private.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"vapid t={signed}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}, k={self.public}"
