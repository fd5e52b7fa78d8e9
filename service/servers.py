"""Which PostgreSQL and Redis this process uses: yours when you name them, else our own children."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from lookup.receipt_tokens import ReceiptKeys
from lookup.sealing import Seal
from notifications.ladder import Ladder, rungs_of
from notifications.timing import Timing, timing
from service.embedded import EmbeddedServers, join_embedded, run_embedded
from service.settings import Settings, SettingsError

log = structlog.get_logger()

KEY_FILE = "secret_key"
QUIET_HOURS, NOTICE_WINDOW, NOTICES_A_DAY = "21:00-07:00", 60.0, 3


@asynccontextmanager
async def open_servers(settings: Settings, *, own: bool = False) -> AsyncIterator[EmbeddedServers]:
    """The addresses of both servers while inside.

    With both DSNs set nothing is started. With neither, `own` starts them here (and refuses a directory in use);
    otherwise the ones of a running `motma up` are joined, or started for as long as this process needs them.
    """
    if settings.database_url and settings.redis_url:
        yield EmbeddedServers(database_url=settings.database_url, redis_url=settings.redis_url)
        return
    if settings.database_url or settings.redis_url:
        missing = "MOTMA_REDIS_URL" if settings.database_url else "MOTMA_DATABASE_URL"
        raise SettingsError(f"{missing} is missing: name both servers, or neither to have both started here.")
    if own:
        async with run_embedded(settings.data_dir, on_restart=_say_restarted) as servers:
            yield servers
    else:
        async with join_embedded(settings.data_dir) as servers:
            yield servers


def _say_restarted(server: str) -> None:
    log.warning("server_restarted", server=server)


def open_seal(settings: Settings) -> Seal:
    """The installation's keys; development without MOTMA_SECRET_KEY keeps a secret under the data directory."""
    older = tuple(s.strip().encode() for s in settings.older_secret_keys.split(",") if s.strip())
    return Seal.from_secret(secret_key(settings), older=older)


def open_receipt_keys(settings: Settings, seal: Seal) -> ReceiptKeys:
    """The keys that sign receipts: those of MOTMA_RECEIPT_KEYS, else derived from the installation's secrets."""
    secrets = [s.strip().encode() for s in settings.receipt_keys.split(",") if s.strip()]
    return ReceiptKeys.from_secrets(secrets, seal)


def open_timing(settings: Settings) -> Timing:
    """When notices go out. In development at once, at any hour, unless something else is set."""
    kept = not settings.development
    return timing(
        settings.quiet_hours or (QUIET_HOURS if kept else "off"),
        settings.notice_window if settings.notice_window is not None else NOTICE_WINDOW * kept,
        settings.notices_a_day if settings.notices_a_day is not None else NOTICES_A_DAY * kept,
    )


def open_ladder(settings: Settings) -> Ladder:
    """The ways to the holder of a phone. Raises `Malformed`."""
    rungs = settings.ladder or ("zns,sms" if os.environ.get("MOTMA_ZALO_ZNS_TEMPLATE") else "sms")
    prices = {"sms": settings.sms_segment_price, "zns": settings.zns_price}
    return Ladder(rungs=rungs_of(rungs), prices=prices, dong=settings.dossier_spend)


def secret_key(settings: Settings) -> bytes:
    """The secret everything is derived from. Raises `SettingsError` in production when it is missing."""
    if settings.secret_key:
        return settings.secret_key.encode()
    if not settings.development:
        raise SettingsError("MOTMA_SECRET_KEY is missing: set 32 or more random bytes.")
    file = settings.data_dir / KEY_FILE
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(os.urandom(32).hex())
    except FileExistsError:
        pass  # made by an earlier start
    return file.read_text().strip().encode()
