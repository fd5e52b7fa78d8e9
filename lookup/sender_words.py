"""What senders mean by numbers of their own, beyond statuses: kinds of applicant (LoaiDoiTuong)."""

import time
from collections.abc import Callable

import structlog

from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.errors import Unavailable

log = structlog.get_logger()

FRESH_FOR = 30.0  # seconds
_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)

KINDS = "SELECT sender_agency, raw, kind FROM applicant_kind_mapping"
MAP_KIND = """
    INSERT INTO applicant_kind_mapping (sender_agency, raw, kind) VALUES ($1, $2, $3)
        ON CONFLICT (sender_agency, raw) DO UPDATE SET kind = excluded.kind, mapped_at = now()"""


class ApplicantKinds:
    """Kinds of applicant as mapped for each sender; nothing is guessed, because the contracts contradict each other."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._kinds: dict[tuple[int, str], str] = {}
        self._read_at = float("-inf")

    async def refresh(self) -> None:
        """Read the mappings again, if that was not done just now; with the store away the old ones stay."""
        if self._clock() - self._read_at < FRESH_FOR:
            return
        self._read_at = self._clock()
        try:
            async with self._database.transaction(Role.PUBLIC) as connection:
                rows = await connection.fetch(KINDS)
        except _AWAY as error:
            log.warning("kinds of applicant not read", error=type(error).__qualname__)
            return
        self._kinds = {(row["sender_agency"], row["raw"]): row["kind"] for row in rows}

    def of(self, sender_id: int, raw: str) -> str | None:
        """The kind a sender means by `raw`."""
        return self._kinds.get((sender_id, raw))


async def map_kind(connection: Connection, *, agency_id: int, raw: str, kind: str) -> None:
    """From now on `raw` of this sender means `kind`. Runs as motma_operator."""
    await connection.execute(MAP_KIND, agency_id, raw, kind)


STATEMENTS = (KINDS, MAP_KIND)
