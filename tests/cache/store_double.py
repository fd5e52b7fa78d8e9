"""A store whose every move the test decides: what it holds, how slow it is, whether it is away."""

import asyncio
from datetime import UTC, datetime

from domain.dossier import PublicDossier
from domain.errors import Unavailable
from domain.status import Status

CODE = "H05.16-261102-0001"


def dossier(code: str, version: int) -> PublicDossier:
    """A dossier as the store reads it."""
    at = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
    return PublicDossier(
        code=code,
        version=version,
        status=Status.PROCESSING,
        status_at=at,
        received_at=at,
        due_at=at,
        finished_at=None,
        agency_id=7,
        recorded_at=at,
        read_at=datetime.now(UTC),
    )


class Store:
    """Fulfils `DossierSource`. What a search finds is decided when it begins; the answer comes `delay` s later."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.calls = 0
        self.delay = 0.0
        self.away = False
        self.open = asyncio.Event()  # cleared: answers wait
        self.open.set()
        self.asked = asyncio.Event()

    async def find(self, code: str) -> PublicDossier | None:
        """As `DossierSource.find`."""
        self.calls += 1
        self.asked.set()
        if self.away:
            raise Unavailable("The store is away.")
        version = self.versions.get(code)
        await asyncio.sleep(self.delay)
        await self.open.wait()
        return None if version is None else dossier(code, version)
