"""Sealing a notice for one browser, so that no push service can read it (RFC 8291, by the coding of RFC 8188)."""

import hmac
import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

POINT_BYTES = 65  # a public key of P-256, uncompressed
AUTH_BYTES = 16
SALT_BYTES = 16
LONGEST = 3_993  # bytes of plaintext that every push service takes (RFC 8030, section 7.2)
PADDED_TO = 1_024  # what all usual notices are made as long as, so that their length says nothing
_RECORD = 4_096
_LAST = b"\x02"


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as the wire has it."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def browser_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a browser. Raises `ValueError` for bytes that are no point of the curve."""
    if len(point) != POINT_BYTES:
        raise ValueError("a public key has 65 bytes")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def encrypted(
    plain: bytes,
    *,
    browser: bytes,
    auth: bytes,
    ours: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
    padded_to: int = PADDED_TO,
) -> bytes:
    """The body of a push message with `Content-Encoding: aes128gcm`, in one record.

    `browser` and `auth` are the subscription's p256dh and auth. A key pair and a salt of their own belong to each
    message; they are given only to repeat the example of RFC 8291. Raises `ValueError` for what is too long, and for a
    key that is none.
    """
    if len(plain) > LONGEST:
        raise ValueError(f"a push message holds {LONGEST} bytes")
    ours = ours or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(SALT_BYTES)
    our_point = point_of(ours.public_key())
    shared = ours.exchange(ec.ECDH(), browser_key(browser))
    both = _expanded(hmac.digest(auth, shared, "sha256"), b"WebPush: info\0" + browser + our_point)
    secret = hmac.digest(salt, both, "sha256")
    key = _expanded(secret, b"Content-Encoding: aes128gcm\0")[:16]
    nonce = _expanded(secret, b"Content-Encoding: nonce\0")[:12]
    padding = bytes(max(0, padded_to - len(plain)))
    sealed = AESGCM(key).encrypt(nonce, plain + _LAST + padding, None)
    return salt + _RECORD.to_bytes(4, "big") + bytes([POINT_BYTES]) + our_point + sealed


def _expanded(secret: bytes, purpose: bytes) -> bytes:
    """HKDF-Expand (RFC 5869), one block of it."""
    return hmac.digest(secret, purpose + b"\x01", "sha256")
