"""How Zalo signs its webhooks: a plain SHA-256, not an HMAC, of app id, raw body, timestamp and the account's secret.

The documentation takes the timestamp from the body. One public project took it from a header `X-ZEvent-Timestamp`,
another saw that there is none: where it comes, either counts. Neither can be moved without the secret.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from domain.errors import Unauthenticated

SIGNATURE = "X-ZEvent-Signature"
TIMESTAMP = "X-ZEvent-Timestamp"
PREFIX = b"mac="
# Zalo sends an event again for one to two hours; one public report says twelve. What is older was kept by somebody.
MOST_AGE = timedelta(hours=24)
MOST_AHEAD = timedelta(minutes=10)
# Found without reading the JSON, which nobody has vouched for yet. Within a text the quotes would be escaped.
_IN_BODY = re.compile(rb'"timestamp"\s*:\s*"?([0-9]{10,14})(?![0-9])')
_IN_HEADER = re.compile("[0-9]{10,14}", re.ASCII)
MOST_STAMPS = 4


class Verifier:
    """Knows Zalo's calls. Any of `secrets` may have signed, so that one is replaced without a gap."""

    def __init__(self, app_id: str, secrets: tuple[bytes, ...]) -> None:
        self._app_id = app_id.encode()
        self._secrets = secrets

    def signed_at(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> datetime:
        """When a genuine call was signed. Raises `Unauthenticated` for every other, in the same words."""
        given = headers.get(SIGNATURE, "").encode("utf-8", "surrogateescape").strip().removeprefix(PREFIX).lower()
        # Every digest is made and compared, whichever of them is right.
        genuine = [stamp for stamp in _stamps(headers, body) if self._is_signed(given, body, stamp)]
        if genuine:
            at = datetime.fromtimestamp(int(genuine[0]) / 1_000, UTC)
            if now - MOST_AGE <= at <= now + MOST_AHEAD:
                return at
        raise Unauthenticated("The call is not signed as agreed.")

    def _is_signed(self, given: bytes, body: bytes, stamp: bytes) -> bool:
        start = hashlib.sha256(self._app_id + body + stamp)
        right = 0
        for secret in self._secrets:
            digest = start.copy()
            digest.update(secret)
            right += hmac.compare_digest(given, digest.hexdigest().encode())
        return right > 0


def _stamps(headers: Mapping[str, str], body: bytes) -> Iterable[bytes]:
    """What may be the timestamp: usually one."""
    yield from islice(dict.fromkeys(match[1] for match in _IN_BODY.finditer(body)), MOST_STAMPS)
    if _IN_HEADER.fullmatch(stamp := headers.get(TIMESTAMP, "")):
        yield stamp.encode()
