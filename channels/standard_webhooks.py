"""Signatures of Standard Webhooks 1.0 (standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from domain.civil_time import utc_now
from domain.errors import Malformed, Unauthenticated

TOLERANCE = timedelta(seconds=300)
PREFIX = "whsec_"
VERSION = "v1"
MOST_SIGNATURES = 16
_TIMESTAMP = re.compile("[0-9]{1,12}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")  # visible ASCII without a dot, which parts what is signed


def key_of(secret: str) -> bytes:
    """The key of a secret `whsec_<base64>` (the prefix may be missing). Raises `Malformed`."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise Malformed(f"A webhook secret is {PREFIX} and base64.")
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature as it stands in the header: `v1,<base64>`."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return f"{VERSION},{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


class Verifier:
    """Knows genuine calls. Any of `keys` may have signed, so that a secret is replaced without a gap."""

    def __init__(self, keys: tuple[bytes, ...], *, clock: Callable[[], datetime] = utc_now) -> None:
        self._keys = keys
        self._clock = clock

    def message_id(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id of a genuine call. Raises `Unauthenticated` for every other, in the same words whatever is wrong."""
        message_id = headers.get("webhook-id", "")
        timestamp = headers.get("webhook-timestamp", "")
        if (
            _MESSAGE_ID.fullmatch(message_id)
            and _TIMESTAMP.fullmatch(timestamp)
            and abs(self._clock().timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()
            and self._is_signed(headers.get("webhook-signature", ""), message_id, int(timestamp), body)
        ):
            return message_id
        raise Unauthenticated("The call is not signed as agreed.")

    def _is_signed(self, header: str, message_id: str, timestamp: int, body: bytes) -> bool:
        """Whether one signature is right. One that cannot be read spoils them all; other versions are skipped."""
        entries = header.split(" ")
        if len(entries) > MOST_SIGNATURES or not all("," in entry for entry in entries):
            return False
        expected = [sign(key, message_id, timestamp, body).encode() for key in self._keys]
        given = [entry.encode("utf-8", "surrogateescape") for entry in entries if entry.startswith(f"{VERSION},")]
        return any(hmac.compare_digest(one, right) for one in given for right in expected)
