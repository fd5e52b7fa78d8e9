"""Settings: read once from the environment, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from domain.errors import ServiceError

PREFIX = "MOTMA_"
SHORTEST_SECRET = 32  # bytes; HMAC-SHA256 and AES-256 keys are derived from it
SHORTEST_HOOK_SECRET = 16
KNOWN_SECRETS = frozenset({"changeme", "secret", "password", "development", "test", "motma"})

S = TypeVar("S")


class SettingsError(ServiceError):
    """One or more settings are missing, unreadable or unsafe; each line of the message names one and how to mend it."""

    code = "settings"


class Environment(StrEnum):
    """Production refuses what development tolerates."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every role needs. Each field is `MOTMA_` and its name in upper case."""

    env: Environment = Environment.DEVELOPMENT
    database_url: str | None = field(default=None, repr=False)
    pooler_url: str | None = field(default=None, repr=False)  # a pooler before that PostgreSQL, with {role} as the user
    redis_url: str | None = field(default=None, repr=False)
    public_url: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    older_secret_keys: str = field(default="", repr=False)  # comma-separated, oldest first
    receipt_keys: str = field(default="", repr=False)  # comma-separated secrets, the newest first
    receipt_days: int = 730  # a receipt opens its dossier for so long
    receipt_days_after_end: int | None = None  # and no longer than this after the dossier was closed
    data_dir: Path = Path(".motma")
    listen: str = "127.0.0.1:8080"
    admin_listen: str = "127.0.0.1:9464"
    closing_seconds: float | None = None  # for kept connections when the process stops; none in development
    trusted_proxies: str = ""  # comma-separated networks
    widget_origins: str = ""  # comma-separated origins of sites whose pages may show answers in place
    lookup_limit: str = "30/minute"
    agency_limit: str = "600/second"  # items (dossiers, events) per API key
    sms_number: str | None = None  # the number citizens text; shown on pages and receipts
    hotline: str = ""  # the phone named to people who need a person where no office is known, e.g. 1022
    zalo_address: str | None = None  # how people find us there, printed on receipts, e.g. zalo.me/1234567890
    telegram_address: str | None = None  # the same, e.g. t.me/motma_bot
    quiet_hours: str | None = None  # in Vietnam; like the next two, None is as below, and in development nothing waits
    notice_window: float | None = None  # seconds between two notices of one dossier
    notices_a_day: int | None = None  # to one person; what is more comes as one digest
    ladder: str = ""  # ways to the holder of a phone: chat,zns,sms; by default ZNS where it is set up, then SMS
    zns_price: int = 300  # VND
    dossier_spend: int | None = None  # VND; no further way is tried once the notices of a dossier cost so much
    intake_desk: str = ""  # code of the agency that sorts feedback which names no office; else the root of the tree
    mail_inbox_secret: str = field(default="", repr=False)  # `whsec_…` of /webhooks/email/letter, or `new,old`
    mail_inbox_url: str = field(default="", repr=False)  # imaps://…: the mailbox in which people's letters are read
    clamd: str = ""  # host:port or socket of a clamd that looks through files people send
    keep: str = ""  # other terms of classes of personal data than our own: inbound=30,message=730 (days)
    sms_segment_price: int = 350  # VND; what the simulator and reports count with

    @property
    def url(self) -> str:
        """Where citizens and gateways reach us, without a slash at the end."""
        return (self.public_url or f"http://{self.listen}").rstrip("/")

    @property
    def development(self) -> bool:
        """Whether the simulator pages are served."""
        return self.env is Environment.DEVELOPMENT


def read(kind: type[S], given: Mapping[str, str], *, prefix: str = PREFIX) -> S:
    """A settings dataclass from environment names: `prefix` and each field in upper case. Raises `SettingsError`."""
    names = {f.name: prefix + f.name.upper() for f in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {name: given[env] for name, env in names.items() if given.get(env, "") != ""}
    try:
        return msgspec.convert(values, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        text = str(error)
        at = next((names[n] for n in names if f"`$.{n}`" in text or f"`{n}`" in text), prefix + "…")
        raise SettingsError(f"{at}: {text.split(' - at', maxsplit=1)[0]}.") from None


def _decode(kind: type, value: str) -> Path:
    if kind is Path:
        return Path(value)
    raise TypeError(f"no reading of {kind.__name__} from text")


def address(listen: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080` or `[::1]:8080`. Raises `SettingsError`."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"{listen!r} is not HOST:PORT, for example 127.0.0.1:8080.")
    return host.strip("[]"), int(port)


def faults(settings: Settings, hook_secrets: Mapping[str, str | None]) -> list[str]:
    """Why this must not run in production, one line per fault, each saying how to mend it; empty when it may.

    `hook_secrets` maps the environment name of every secret that guards an open channel to its value.
    """
    found = []
    if not settings.secret_key:
        found.append("MOTMA_SECRET_KEY is missing: set 32 or more random bytes, e.g. from `openssl rand -base64 48`.")
    elif len(settings.secret_key.encode()) < SHORTEST_SECRET or settings.secret_key.lower() in KNOWN_SECRETS:
        found.append("MOTMA_SECRET_KEY is too short or well known: set 32 or more random bytes.")
    if not settings.public_url or not settings.public_url.startswith("https://"):
        found.append("MOTMA_PUBLIC_URL must be the https:// address citizens use.")
    if any(0 < len(key.strip().encode()) < SHORTEST_SECRET for key in settings.receipt_keys.split(",")):
        found.append("MOTMA_RECEIPT_KEYS holds a key that is too short: each needs 32 or more random bytes.")
    hook_secrets = {**hook_secrets, "MOTMA_MAIL_INBOX_SECRET": settings.mail_inbox_secret or None}
    for name, value in hook_secrets.items():
        if value is not None and (len(value.encode()) < SHORTEST_HOOK_SECRET or value.lower() in KNOWN_SECRETS):
            found.append(f"{name} is too short or well known: set 16 or more random characters.")
    return found
