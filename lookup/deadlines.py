"""Whether a dossier is on time, and the legal clock around its due date."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from domain.civil_time import CIVIL_ZONE, civil_day
from domain.status import Status
from lookup.working_time import Term, TermUnit, WorkingCalendar

_SOON = timedelta(hours=24)
_NOTHING = timedelta(0)
# Some senders write the year 1 where they have no date; working out two thousand years would hold up everybody.
_LATE_AT_MOST = timedelta(days=3653)


class Punctuality(StrEnum):
    """How a dossier stands to its due date."""

    NO_DUE_DATE = "no_due_date"
    ON_TRACK = "on_track"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"
    FINISHED_EARLY = "finished_early"
    FINISHED_ON_TIME = "finished_on_time"
    FINISHED_LATE = "finished_late"
    NOT_COUNTED = "not_counted"

    __hash__ = str.__hash__  # in C, unlike Enum's own


_RUNNING = frozenset({Status.ACCEPTED, Status.PROCESSING})
_WAITING_FOR_CITIZEN = frozenset({Status.SUPPLEMENT_REQUIRED, Status.PAYMENT_REQUIRED})
_FINISHED = frozenset({Status.COMPLETED, Status.DELIVERED})
_COUNTED = _RUNNING | _WAITING_FOR_CITIZEN | _FINISHED
LATE = frozenset({Punctuality.OVERDUE, Punctuality.FINISHED_LATE})


def punctuality(status: Status, *, due_at: datetime | None, finished_at: datetime | None, now: datetime) -> Punctuality:
    """How a dossier in `status` stands at `now`. All times aware; days, not clock times, are compared.

    `finished_at` is the end of processing (NgayKetThucXuLy): a citizen who collects late does not make the office late.
    While the office waits for the citizen the clock stands still. A finished dossier whose end of processing was never
    told, and one not accepted, refused, withdrawn or stopped, are not counted.
    """
    if status not in _COUNTED:
        return Punctuality.NOT_COUNTED
    if due_at is None:
        return Punctuality.NO_DUE_DATE
    if status in _FINISHED:
        return _finished(civil_day(due_at), finished_at)
    if status in _WAITING_FOR_CITIZEN:
        return Punctuality.ON_TRACK
    left = due_at - now
    if left < _NOTHING and civil_day(now) > civil_day(due_at):
        return Punctuality.OVERDUE
    return Punctuality.DUE_SOON if left <= _SOON else Punctuality.ON_TRACK


def _finished(due: date, finished_at: datetime | None) -> Punctuality:
    if finished_at is None:
        return Punctuality.NOT_COUNTED
    finished = civil_day(finished_at)
    if finished < due:
        return Punctuality.FINISHED_EARLY
    return Punctuality.FINISHED_ON_TIME if finished == due else Punctuality.FINISHED_LATE


def working_days_late(calendar: WorkingCalendar, *, due_at: datetime, until: datetime) -> int:
    """Working days after the due day up to `until`, the end of processing or now; 0 when not late.

    Also 0 for what is late by days off alone. Counts the last ten years at most.
    """
    last = civil_day(until)
    return max(0, calendar.working_days_between(max(civil_day(due_at), last - _LATE_AT_MOST), last))


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalClock:
    """What one text of law says about the dossiers received while it was in force (both days included).

    A value of None means: nothing to compute, the dates delivered by the agency stand.
    """

    law: str
    effective_from: date
    effective_to: date | None
    forwarded_same_day_until: time | None
    supplement_restarts_term: bool
    supplement_within: Term | None
    apology_days_before_due: int | None

    def forward_by(self, received_at: datetime, calendar: WorkingCalendar) -> datetime | None:
        """When the one-stop must have forwarded it: closing time that day, or the opening of the next working day."""
        if self.forwarded_same_day_until is None:
            return None
        local = received_at.astimezone(CIVIL_ZONE)
        day = local.date()
        if calendar.is_working_day(day) and local.time() <= self.forwarded_same_day_until:
            return datetime.combine(day, calendar.hours.closes, CIVIL_ZONE)
        return datetime.combine(calendar.next_working_day(day), calendar.hours.opens, CIVIL_ZONE)

    def due_after_supplement(
        self, calendar: WorkingCalendar, *, due: date | None, supplemented_at: datetime, term: Term
    ) -> date | None:
        """The due date once all papers are there: the whole term from then on, or `due` as delivered."""
        return calendar.due_date(supplemented_at, term) if self.supplement_restarts_term else due

    def supplement_by(self, asked_at: datetime, calendar: WorkingCalendar) -> date | None:
        """The last day for the missing papers; a dossier still incomplete after it is closed."""
        if self.supplement_within is None:
            return None
        return calendar.end_of_term(civil_day(asked_at), self.supplement_within)

    def apologise_by(self, due: date, calendar: WorkingCalendar) -> date | None:
        """The last working day on which a letter of apology still comes in time."""
        if self.apology_days_before_due is None:
            return None
        latest = due - timedelta(days=self.apology_days_before_due)
        return latest if calendar.is_working_day(latest) else calendar.previous_working_day(latest)


LEGAL_CLOCKS = (
    LegalClock(
        law="NĐ 61/2018/NĐ-CP",
        effective_from=date(2018, 6, 21),
        effective_to=date(2025, 6, 30),
        forwarded_same_day_until=None,
        supplement_restarts_term=False,
        supplement_within=None,
        apology_days_before_due=None,
    ),
    LegalClock(
        law="NĐ 118/2025/NĐ-CP, Đ11.2c, 16.3, 18, 19.5, 19.6",
        effective_from=date(2025, 7, 1),
        effective_to=None,
        forwarded_same_day_until=time(15),
        supplement_restarts_term=True,
        supplement_within=Term(amount=15, unit=TermUnit.CALENDAR_DAYS),
        apology_days_before_due=1,
    ),
)


def legal_clock(received_at: datetime) -> LegalClock | None:
    """The text in force on the day of receipt, which a dossier keeps for life; None for older ones."""
    day = civil_day(received_at)
    for clock in LEGAL_CLOCKS:
        if clock.effective_from <= day and (clock.effective_to is None or day <= clock.effective_to):
            return clock
    return None
