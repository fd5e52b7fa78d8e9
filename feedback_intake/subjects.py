"""The dossier that feedback or a rating is about, as it stands at that moment."""

from dataclasses import dataclass
from datetime import datetime

from database.pool import Connection
from domain.status import STAGE_OF, Stage, Status
from lookup.deadlines import Punctuality, punctuality, working_days_late
from lookup.working_time import WorkingCalendar

FIND_SUBJECT = """
    SELECT d.id, d.owner_agency, coalesce(d.resolving_agency, d.receiving_agency) AS agency_id, d.status, d.due_at,
           d.finished_at, now() AS at
      FROM dossier_code c JOIN dossier d ON d.id = c.dossier_id WHERE c.code = $1 AND NOT c.test"""

_LATE = frozenset({Punctuality.OVERDUE, Punctuality.FINISHED_LATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dossier: whose it is, its status and stage, and how many working days it is late (0 unless late)."""

    dossier_id: int
    owner_agency: int
    agency_id: int
    status: Status
    stage: Stage
    days_late: int


async def find_subject(connection: Connection, code: str | None, calendar: WorkingCalendar) -> Subject | None:
    """The dossier of `code` (canonical), or None when there is none. Runs as `motma_worker`."""
    row = await connection.fetchrow(FIND_SUBJECT, code) if code else None
    if row is None:
        return None
    status = Status(row["status"])
    return Subject(
        dossier_id=row["id"],
        owner_agency=row["owner_agency"],
        agency_id=row["agency_id"],
        status=status,
        stage=STAGE_OF[status],
        days_late=_days_late(status, row["due_at"], row["finished_at"], row["at"], calendar),
    )


def _days_late(
    status: Status, due_at: datetime | None, finished_at: datetime | None, now: datetime, calendar: WorkingCalendar
) -> int:
    if due_at is None or punctuality(status, due_at=due_at, finished_at=finished_at, now=now) not in _LATE:
        return 0
    return working_days_late(calendar, due_at=due_at, until=finished_at or now)


STATEMENTS = (FIND_SUBJECT,)
