"""The secrets by which webhooks know their callers. Several may hold at once, so that one is replaced without a gap."""

import hmac
import re

from aiohttp import web

from domain.errors import Malformed

_PLAIN_IN_A_PATH = re.compile(rb"[A-Za-z0-9_.~\-]+")


def secrets_of(setting: str) -> tuple[bytes, ...]:
    """The secrets of a setting `new,old`, newest first."""
    return tuple(part.strip().encode() for part in setting.split(",") if part.strip())


def is_one_of(given: str, secrets: tuple[bytes, ...]) -> bool:
    """Whether `given` is one of `secrets`, in a time that does not tell how much of it was right."""
    octets = given.encode("utf-8", "surrogateescape")
    return any(hmac.compare_digest(octets, secret) for secret in secrets)


def path_secrets(setting: str, name: str) -> tuple[bytes, ...]:
    """The secrets of a setting that stand in an address. Raises `Malformed`, naming `name`, for one that cannot."""
    secrets = secrets_of(setting)
    if not all(_PLAIN_IN_A_PATH.fullmatch(secret) for secret in secrets):
        raise Malformed(f"{name} may hold letters, digits and -._~ only: it stands in an address.")
    return secrets


def admit(request: web.Request, secrets: tuple[bytes, ...]) -> None:
    """Let a call pass whose address holds one of `secrets`.

    Whoever does not know it finds nothing here, as at any address that does not exist.
    """
    if not is_one_of(request.match_info["secret"], secrets):
        raise web.HTTPNotFound
