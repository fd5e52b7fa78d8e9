"""What agencies' systems send in these tests, and what the store then holds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncpg import Record

from database.pool import Database
from domain.status import Status
from lookup.changes import DossierFacts, ItemResult, StatusEvent, Tenant
from lookup.sealing import Seal

START = datetime(2026, 11, 2, 1, tzinfo=UTC)
CODE = "H05.16-261102-0001"
PHONE = "+84901234567"


def hour(n: float) -> datetime:
    """`n` hours after 8:00 on Monday 2/11/2026 in Vietnam."""
    return START + timedelta(hours=n)


def facts(tenant: Tenant, status: Status, at: datetime, *, code: str = CODE, **more: Any) -> DossierFacts:  # noqa: ANN401  # any field
    """A statement of facts received by the tenant itself."""
    given: dict[str, Any] = {"receiving_agency": tenant.agency_id, "applicant_name": "Nguyễn Văn An", **more}
    return DossierFacts(code=code, status=status, status_at=at, **given)


def event(event_id: str, status: Status, at: datetime, *, code: str = CODE, **more: Any) -> StatusEvent:  # noqa: ANN401  # any field
    """A change of status."""
    return StatusEvent(event_id=event_id, code=code, status=status, at=at, **more)


def outcomes(results: list[ItemResult]) -> list[str]:
    """The outcomes, or the codes of errors."""
    return [result.error.code if result.error else result.outcome.value for result in results]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A dossier row and its history, oldest first."""

    row: dict[str, Any]
    history: list[Record]

    @property
    def course(self) -> list[tuple[datetime, int]]:
        """The history as people see it."""
        return sorted({(step["at"], step["status"]) for step in self.history})


async def held(database: Database, tenant: Tenant, code: str = CODE) -> Held | None:
    """What the store holds of a dossier of the tenant."""
    async with database.tenant(tenant.agency_id, test=tenant.test) as connection:
        row = await connection.fetchrow("SELECT * FROM dossier WHERE code = $1", code)
        if row is None:
            return None
        history = await connection.fetch("SELECT * FROM dossier_event WHERE dossier_id = $1 ORDER BY at", row["id"])
    return Held(row=dict(row), history=history)


async def row_of(database: Database, tenant: Tenant, code: str = CODE) -> dict[str, Any]:
    """The row of a dossier the store must hold."""
    found = await held(database, tenant, code)
    assert found is not None
    return found.row


def comparable(row: dict[str, Any], seal: Seal) -> dict[str, Any]:
    """A row without what depends on when and in how many steps it was written, contacts opened."""
    volatile = {"id", "version", "recorded_at", "code", "phone_tail_digest", "secret_digest", "facts_digest"}
    opened = {name: seal.open(row[name]) if row[name] else None for name in ("phone_sealed", "email_sealed")}
    return {name: value for name, value in row.items() if name not in volatile} | opened
