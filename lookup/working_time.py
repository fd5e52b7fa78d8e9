"""Working days, working hours and the end of legal terms in Vietnam.

Sources: Labour Code 2019 art. 111-112 (rest days, holidays, compensating days); Civil Code 2015 art. 147-148 (how a
term runs); yearly decisions of the Prime Minister (swapped days: our override rows).
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from holidays import country_holidays

from domain.civil_time import CIVIL_ZONE, civil_day

_DAY = timedelta(days=1)
_SATURDAY = 5
# Far more years than one store holds; a stream of absurd dates must not fill the memory.
_YEARS_KEPT = 64


class DayKind(StrEnum):
    """What an override makes of a day."""

    OFF = "off"
    WORKED = "worked"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOverride:
    """One day that the general rules get wrong: a swap, a late decision. `source` names the document."""

    day: date
    kind: DayKind
    reason: str
    source: str


class TermUnit(StrEnum):
    """What a legal term is counted in: "ngày làm việc", "ngày", "giờ làm việc"."""

    WORKING_DAYS = "working_days"
    CALENDAR_DAYS = "calendar_days"
    WORKING_HOURS = "working_hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A legal duration. `skip_holidays` (calendar days only): public holidays inside the term are not counted."""

    amount: int
    unit: TermUnit
    skip_holidays: bool = False

    def __post_init__(self) -> None:
        """Raises `ValueError` for a negative amount, or a switch that has no meaning for the unit."""
        if self.amount < 0:
            raise ValueError(f"a term cannot be negative: {self.amount}")
        if self.skip_holidays and self.unit is not TermUnit.CALENDAR_DAYS:
            raise ValueError(f"skip_holidays is for calendar days, not {self.unit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeHours:
    """The civil clock times an office works, the same on every working day: morning and afternoon.

    A desk that also opens on Saturday morning has no place here: Saturday does not become a working day by it.
    """

    opens: time = time(7)
    lunch_from: time = time(11, 30)
    lunch_to: time = time(13, 30)
    closes: time = time(17)

    def __post_init__(self) -> None:
        """Raises `ValueError` when the times are not in order."""
        if not self.opens < self.lunch_from <= self.lunch_to < self.closes:
            raise ValueError("office hours must be in order")

    def sessions(self, day: date) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]]:
        """Morning and afternoon of `day` as (start, end) instants."""
        opens, lunch_from, lunch_to, closes = (
            datetime.combine(day, at, CIVIL_ZONE) for at in (self.opens, self.lunch_from, self.lunch_to, self.closes)
        )
        return (opens, lunch_from), (lunch_to, closes)


@dataclass(frozen=True, slots=True)
class _Year:
    """One year worked out: its working days in order, the same as a set, and its public holidays."""

    ordered: tuple[date, ...]
    working: frozenset[date]
    holidays: frozenset[date]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCalendar:
    """Which days and hours count: the `holidays` library, corrected by override rows.

    Of two overrides for one day the later in the tuple wins, so give the shipped rows first and the database's after.
    Years are worked out once, when first asked for. Where the library knows no holidays (from 2101), weekends are off.
    """

    overrides: tuple[DayOverride, ...] = ()
    hours: OfficeHours = OfficeHours()
    _years: dict[int, _Year] = field(default_factory=dict, init=False, repr=False, compare=False)

    def is_working_day(self, day: date) -> bool:
        """Whether state offices work on `day`."""
        return day in self._year(day.year).working

    def working_day_from(self, day: date) -> date:
        """`day` itself if it is worked, else the first working day after it."""
        return day if self.is_working_day(day) else self.next_working_day(day)

    def next_working_day(self, day: date) -> date:
        """The first working day after `day`."""
        return self.add_working_days(day, 1)

    def previous_working_day(self, day: date) -> date:
        """The last working day before `day`."""
        while not self.is_working_day(day := day - _DAY):
            pass
        return day

    def add_working_days(self, day: date, n: int) -> date:
        """The `n`-th working day after `day`, which is not counted itself; for 0, `working_day_from(day)`."""
        if n < 0:
            raise ValueError(f"cannot add {n} working days")
        if n == 0:
            return self.working_day_from(day)
        year = day.year
        ordered = self._year(year).ordered
        index = bisect_right(ordered, day) + n - 1
        while index >= len(ordered):
            index -= len(ordered)
            year += 1
            ordered = self._year(year).ordered
        return ordered[index]

    def working_days_between(self, a: date, b: date) -> int:
        """Working days after `a` up to and including `b`; negative when `b` lies before `a`."""
        if b < a:
            return -self.working_days_between(b, a)
        years = (self._year(year).ordered for year in range(a.year, b.year + 1))
        return sum(bisect_right(ordered, b) - bisect_right(ordered, a) for ordered in years)

    def day_of_receipt(self, received_at: datetime) -> date:
        """The civil day a receipt counts for: its own, or after closing and on days off the next working day."""
        local = received_at.astimezone(CIVIL_ZONE)
        if local.time() > self.hours.closes:
            return self.next_working_day(local.date())
        return self.working_day_from(local.date())

    def due_date(self, received_at: datetime, term: Term) -> date:
        """The day a dossier received at `received_at` (aware) is due; always a working day."""
        if term.unit is TermUnit.WORKING_HOURS:
            return civil_day(self.add_working_hours(received_at, term.amount))
        return self.end_of_term(self.day_of_receipt(received_at), term)

    def end_of_term(self, start: date, term: Term) -> date:
        """The last day of a term in days that starts on `start`, which is not counted (Civil Code art. 147.2).

        A term of calendar days that would end on a day off ends on the next working day (art. 148.5).
        """
        if term.unit is TermUnit.WORKING_HOURS:
            raise ValueError("a term in working hours starts at an instant, not on a day")
        if term.unit is TermUnit.WORKING_DAYS:
            return self.add_working_days(start, term.amount)
        end = start + _DAY * term.amount
        if term.skip_holidays:
            end, left = start, term.amount
            while left:
                end += _DAY
                if not self._is_holiday(end):
                    left -= 1
        return self.working_day_from(end)

    def add_working_hours(self, at: datetime, hours: float) -> datetime:
        """The instant (civil zone) when `hours` of office time have passed since `at`; 8 hours are a day by default.

        Ends at closing time rather than at the next opening. For 0 hours: `at`, or the next opening when closed.
        """
        if hours < 0:
            raise ValueError(f"cannot add {hours} working hours")
        at = at.astimezone(CIVIL_ZONE)
        left = timedelta(hours=hours)
        day = self.working_day_from(at.date())
        while True:
            for start, end in self.hours.sessions(day):
                start = max(start, at)
                if start < end and left <= end - start:
                    return start + left
                left -= max(end - start, timedelta())
            day = self.next_working_day(day)

    def working_hours_between(self, a: datetime, b: datetime) -> float:
        """Office hours from `a` to `b`; negative when `b` lies before `a`."""
        if b < a:
            return -self.working_hours_between(b, a)
        total = timedelta()
        day, last = self.working_day_from(civil_day(a)), civil_day(b)
        while day <= last:
            for start, end in self.hours.sessions(day):
                total += max(min(end, b) - max(start, a), timedelta())
            day = self.next_working_day(day)
        return total / timedelta(hours=1)

    def _is_holiday(self, day: date) -> bool:
        return day in self._year(day.year).holidays

    def _year(self, year: int) -> _Year:
        known = self._years.get(year)
        if known is None:
            if len(self._years) >= _YEARS_KEPT:
                self._years.clear()
            known = self._years[year] = self._worked_out(year)
        return known

    def _worked_out(self, year: int) -> _Year:
        """The library's holidays, compensating and swapped days of `year`, corrected by our overrides."""
        first = date(year, 1, 1)
        public = country_holidays("VN", years=year, expand=False)
        kinds = {row.day: row.kind for row in self.overrides if row.day.year == year}
        worked = {day for day in public.weekend_workdays if day.year == year}
        worked |= {day for day, kind in kinds.items() if kind is DayKind.WORKED}
        off = {day for day, kind in kinds.items() if kind is DayKind.OFF}
        holidays = frozenset((set(public) - worked) | off)
        worked -= off
        days = (first + timedelta(days=n) for n in range((date(year, 12, 31) - first).days + 1))
        ordered = tuple(day for day in days if day in worked or (day.weekday() < _SATURDAY and day not in holidays))
        return _Year(ordered, frozenset(ordered), holidays)
