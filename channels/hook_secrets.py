"""The secrets by which webhooks know their callers. Several may hold at once, so that one is replaced without a gap."""

import hmac


def secrets_of(setting: str) -> tuple[bytes, ...]:
    """The secrets of a setting `new,old`, newest first."""
    return tuple(part.strip().encode() for part in setting.split(",") if part.strip())


def is_one_of(given: str, secrets: tuple[bytes, ...]) -> bool:
    """Whether `given` is one of `secrets`, in a time that does not tell how much of it was right."""
    octets = given.encode("utf-8", "surrogateescape")
    return any(hmac.compare_digest(octets, secret) for secret in secrets)
