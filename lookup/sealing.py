"""Personal data sealed in the application: AES-GCM for reading back, keyed digests for finding again."""

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.contact import Contact
from domain.errors import ServiceError

NONCE_BYTES = 12
DIGEST_BYTES = 16


class Unsealable(ServiceError):
    """The bytes were sealed with a key this installation no longer has, or were changed."""

    code = "unsealable"


def _derive(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose (HKDF-Expand of RFC 5869 with a single block)."""
    return hmac.digest(secret, purpose.encode() + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals and digests with keys derived from the installation's secret.

    Sealed form: one byte key id, 12 bytes nonce, ciphertext with its 16-byte tag. Rotation adds a key id and keeps
    the old.
    """

    key_id: int
    _ciphers: dict[int, AESGCM] = field(repr=False)
    _digest_key: bytes = field(repr=False)
    _secrets: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes, *, older: tuple[bytes, ...] = ()) -> "Seal":
        """A seal whose newest key comes from `secret`; data sealed under `older` secrets (oldest first) stays readable.

        Digests must find what was stored before a rotation, so their key comes from the oldest secret.
        """
        secrets = (*older, secret)
        ciphers = {n: AESGCM(_derive(s, "motma contact")) for n, s in enumerate(secrets, start=1)}
        return cls(len(secrets), ciphers, _derive(secrets[0], "motma digest"), secrets)

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """A 32-byte key for one more purpose from each of the secrets, the newest first."""
        return tuple(_derive(secret, purpose) for secret in reversed(self._secrets))

    def seal(self, text: str) -> bytes:
        """`text` sealed under the newest key."""
        return self.seal_bytes(text.encode())

    def open(self, sealed: bytes) -> str:
        """The text of a sealed value; an empty value is a text that was forgotten. Raises `Unsealable`."""
        return self.open_bytes(sealed).decode() if sealed else ""

    def seal_bytes(self, content: bytes) -> bytes:
        """`content`, a file for instance, sealed under the newest key."""
        nonce = os.urandom(NONCE_BYTES)
        return bytes([self.key_id]) + nonce + self._ciphers[self.key_id].encrypt(nonce, content, None)

    def open_bytes(self, sealed: bytes) -> bytes:
        """The content of a sealed value. Raises `Unsealable`."""
        cipher = self._ciphers.get(sealed[0]) if sealed else None
        if cipher is None:
            raise Unsealable("The value was sealed with a key that is not configured here.")
        try:
            return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], None)
        except InvalidTag:
            raise Unsealable("The sealed value was changed, or its key is not configured here.") from None

    def digest(self, purpose: str, *parts: str) -> bytes:
        """16 bytes that find `parts` again without showing them; different for every `purpose`."""
        return hashlib.blake2b(
            "\x1f".join(parts).encode(),
            digest_size=DIGEST_BYTES,
            key=self._digest_key,
            person=purpose.encode()[:16],
        ).digest()

    def contact(self, contact: Contact) -> bytes:
        """The digest under which a contact is found: subscriptions, opt-outs, inbound."""
        return self.digest("contact", contact.channel, contact.address)

    def code(self, code: str) -> bytes:
        """The digest under which a dossier code stands in Redis, metrics and logs."""
        return self.digest("code", code)

    def proof_secret(self, code: str, secret: str) -> bytes:
        """The digest of a look-up secret, bound to its dossier."""
        return self.digest("proof-secret", code, secret.strip().casefold())

    def proof_tail(self, code: str, tail: str) -> bytes:
        """The digest of the last four digits of the registered phone, bound to the dossier."""
        return self.digest("proof-tail", code, tail)
