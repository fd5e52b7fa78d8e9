"""One-time codes of an authenticator app (RFC 6238 over RFC 4226: SHA-1, 30 seconds, six digits)."""

import base64
import hmac
from datetime import datetime
from secrets import token_bytes
from urllib.parse import quote, urlencode

SECRET_BYTES = 20
STEP_SECONDS = 30
DIGITS = 6
DRIFT = 1  # steps that a phone's clock may be ahead or behind


def new_secret() -> str:
    """A secret in base32, as apps take it."""
    return base64.b32encode(token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int, *, digits: int = DIGITS) -> str:
    """The code of one time step."""
    mac = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    place = mac[-1] & 0xF
    number = int.from_bytes(mac[place : place + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def step_of(now: datetime) -> int:
    """The number of the time step that holds `now`."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(secret: str, code: str, *, now: datetime, after: int) -> int | None:
    """The step whose code `code` is, near `now` and later than `after`, the one used last; None when there is none."""
    typed = "".join(character for character in code if character.isdecimal() and character.isascii()).encode()
    current = step_of(now)
    found = None
    for step in range(current - DRIFT, current + DRIFT + 1):
        same = hmac.compare_digest(code_at(secret, step).encode(), typed)
        if same and step > after:
            found = step
    return found


def address(secret: str, *, account: str, issuer: str = "Một Mã") -> str:
    """What the QR code for the app holds (Key Uri Format of Google Authenticator)."""
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?" + urlencode({"secret": secret, "issuer": issuer})
