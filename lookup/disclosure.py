"""Who may be told what of a dossier: one pure function, used by every channel and API.

Basis of the default: unauthenticated look-up shows the code and the degree of completion only (TT 01/2018/TT-VPCP
art. 16.2d); the holder sees status, dates and what is asked; only officers see all.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum

import msgspec

from domain.agency import Agency, DisclosurePolicy
from domain.civil_time import civil_day
from domain.dossier import Dossier, HistoryEntry, PublicDossier
from domain.status import STAGE_OF, Stage, Status
from lookup.deadlines import LATE, Punctuality, punctuality, working_days_late
from lookup.working_time import WorkingCalendar


class Level(IntEnum):
    """How much has been proven."""

    CODE = 0
    PROVEN = 1
    OFFICER = 2


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How current our knowledge is: the office's last word, and whether its system has been silent too long."""

    as_of: datetime
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenPart:
    """What only the holder of a proof is told."""

    status: Status
    received_at: datetime | None
    due_at: datetime | None
    finished_at: datetime | None
    punctuality: Punctuality
    days_late: int  # working days, 0 unless late
    applicant: str | None = field(repr=False)  # masked below OFFICER
    procedure_name: str | None
    asked_of_you: str | None = field(repr=False)
    timeline: tuple[HistoryEntry, ...] = field(repr=False)
    by_phone: bool = False  # the asker is at the registered phone, which is told of changes by duty


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said of one dossier to one asker. `proven` is None at level L0."""

    level: Level
    code: str
    stage: Stage
    on_time: bool
    due_on: date | None
    agency: Agency
    as_of: datetime
    fresh: bool
    proven: ProvenPart | None = None


def masked(name: str) -> str:
    """A name as its owner recognises it and nobody else learns it: 'Nguyễn Văn An' gives 'N*** V** A*'."""
    return " ".join(word[0] + "*" * min(len(word) - 1, 3) for word in name.split())


def disclose(
    dossier: PublicDossier | Dossier,
    level: Level,
    *,
    agency: Agency,
    freshness: Freshness,
    calendar: WorkingCalendar,
    now: datetime,
    by_phone: bool = False,
) -> Answer:
    """What `level` allows to be said of `dossier`; a level above CODE needs the full dossier, else CODE is answered."""
    public = dossier.public if isinstance(dossier, Dossier) else dossier
    timeliness = punctuality(public.status, due_at=public.due_at, finished_at=public.finished_at, now=now)
    late = timeliness in LATE
    proven = None
    if isinstance(dossier, Dossier) and level > Level.CODE:
        name = dossier.applicant_name
        proven = ProvenPart(
            status=public.status,
            received_at=public.received_at,
            due_at=public.due_at,
            finished_at=public.finished_at,
            punctuality=timeliness,
            days_late=_days_late(public, calendar, now) if late else 0,
            applicant=masked(name) if name and level < Level.OFFICER else name,
            procedure_name=dossier.procedure_name,
            asked_of_you=dossier.asked_of_applicant if STAGE_OF[public.status] is Stage.WAITING_FOR_YOU else None,
            timeline=tuple(_shown(entry, level) for entry in dossier.history),
            by_phone=by_phone,
        )
    shows_due = proven is not None or agency.disclosure is DisclosurePolicy.OPEN
    return Answer(
        level=level if proven is not None else Level.CODE,
        code=public.code,
        stage=STAGE_OF[public.status],
        on_time=not late,
        due_on=civil_day(public.due_at) if shows_due and public.due_at else None,
        agency=agency,
        as_of=freshness.as_of,
        fresh=freshness.fresh,
        proven=proven,
    )


def _days_late(public: PublicDossier, calendar: WorkingCalendar, now: datetime) -> int:
    if public.due_at is None:
        return 0
    return working_days_late(calendar, due_at=public.due_at, until=public.finished_at or now)


def _shown(entry: HistoryEntry, level: Level) -> HistoryEntry:
    """Officers' names and notes are for officers."""
    return entry if level is Level.OFFICER else HistoryEntry(at=entry.at, status=entry.status, office=entry.office)
