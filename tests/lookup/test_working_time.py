"""Working days, working hours and the end of terms."""

import timeit
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.civil_time import CIVIL_ZONE
from lookup.reference_data import day_overrides
from lookup.working_time import DayKind, DayOverride, OfficeHours, Term, TermUnit, WorkingCalendar

CALENDAR = WorkingCalendar(overrides=day_overrides())
DAYS = st.dates(date(2018, 6, 21), date(2035, 12, 31))
MINUTES = st.integers(0, 17 * 365 * 24 * 60)
INSTANTS = MINUTES.map(lambda minutes: datetime(2018, 6, 21, tzinfo=CIVIL_ZONE) + timedelta(minutes=minutes))
AMOUNTS = st.integers(1, 60)


def at(day: date, hour: int = 9, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=CIVIL_ZONE)


def working_days(amount: int) -> Term:
    return Term(amount=amount, unit=TermUnit.WORKING_DAYS)


def calendar_days(amount: int, *, skip_holidays: bool = False) -> Term:
    return Term(amount=amount, unit=TermUnit.CALENDAR_DAYS, skip_holidays=skip_holidays)


def override(day: date, kind: DayKind) -> DayOverride:
    return DayOverride(day=day, kind=kind, reason="thử", source="bài kiểm thử")


@pytest.mark.parametrize(
    ("received", "term", "due"),
    [
        (date(2025, 12, 26), working_days(5), date(2026, 1, 6)),  # 1/1 and, by a swap, 2/1 off
        (date(2026, 2, 12), working_days(3), date(2026, 2, 24)),  # Tết 16-20/2
        (date(2026, 4, 24), working_days(1), date(2026, 4, 28)),  # 27/4 compensates Giỗ Tổ
        (date(2026, 4, 29), working_days(1), date(2026, 5, 4)),  # 30/4, 1/5
        (date(2026, 8, 20), working_days(3), date(2026, 8, 24)),  # Saturday 22/8 is worked
        (date(2026, 8, 28), working_days(2), date(2026, 9, 4)),  # 31/8 swapped, 1-2/9
        (date(2026, 11, 20), working_days(3), date(2026, 11, 26)),  # 24/11, Culture Day
        (date(2026, 4, 24), calendar_days(2), date(2026, 4, 28)),  # ends on a Sunday, Monday compensates
    ],
)
def test_due_dates_of_known_dossiers(received: date, term: Term, due: date) -> None:
    assert CALENDAR.due_date(at(received), term) == due


def test_the_library_alone_misses_a_late_decision() -> None:
    assert WorkingCalendar().due_date(at(date(2025, 12, 26)), working_days(5)) == date(2026, 1, 5)


@pytest.mark.parametrize("worked", [date(2025, 4, 26), date(2026, 1, 10), date(2026, 8, 22)])
def test_a_saturday_worked_in_exchange_is_a_working_day(worked: date) -> None:
    assert CALENDAR.is_working_day(worked)


@pytest.mark.parametrize("off", [date(2025, 5, 2), date(2026, 1, 2), date(2026, 8, 31), date(2026, 11, 24)])
def test_a_weekday_taken_off_by_decision_is_not(off: date) -> None:
    assert not CALENDAR.is_working_day(off)


def test_a_swap_across_the_year_end_counts_on_both_sides() -> None:
    assert not CALENDAR.is_working_day(date(2018, 12, 31))
    assert CALENDAR.is_working_day(date(2019, 1, 5))


def test_the_later_override_wins_so_the_database_corrects_what_was_shipped() -> None:
    shipped, corrected = override(date(2027, 2, 4), DayKind.OFF), override(date(2027, 2, 4), DayKind.WORKED)
    assert WorkingCalendar(overrides=(shipped, corrected)).is_working_day(date(2027, 2, 4))
    assert not WorkingCalendar(overrides=(corrected, shipped)).is_working_day(date(2027, 2, 4))


def test_an_override_can_take_back_a_saturday_the_library_has_worked() -> None:
    saturday = override(date(2026, 8, 22), DayKind.OFF)
    assert not WorkingCalendar(overrides=(saturday,)).is_working_day(date(2026, 8, 22))


def test_a_holiday_worked_by_decision_is_no_holiday_to_skip() -> None:
    worked = WorkingCalendar(overrides=(override(date(2026, 11, 24), DayKind.WORKED),))
    monday, term = at(date(2026, 11, 23)), calendar_days(1, skip_holidays=True)
    assert worked.due_date(monday, term) == date(2026, 11, 24)
    assert CALENDAR.due_date(monday, term) == date(2026, 11, 25)


def test_receipt_after_closing_counts_from_the_next_working_morning() -> None:
    friday = date(2026, 11, 6)
    assert CALENDAR.due_date(at(friday, 17, 0), working_days(1)) == date(2026, 11, 9)
    assert CALENDAR.due_date(at(friday, 17, 1), working_days(1)) == date(2026, 11, 10)


def test_a_desk_open_on_saturday_morning_does_not_make_saturday_a_working_day() -> None:
    saturday = date(2026, 11, 7)
    assert CALENDAR.day_of_receipt(at(saturday, 8)) == date(2026, 11, 9)
    assert CALENDAR.due_date(at(date(2026, 11, 6)), working_days(1)) == date(2026, 11, 9)


def test_the_civil_day_of_receipt_is_the_one_in_vietnam() -> None:
    late_in_utc = datetime.fromisoformat("2026-11-05T23:30:00+00:00")  # 6:30 on Friday in Vietnam
    assert CALENDAR.due_date(late_in_utc, working_days(1)) == date(2026, 11, 9)


def test_a_term_of_no_days_is_due_on_the_day_of_receipt() -> None:
    assert CALENDAR.due_date(at(date(2026, 11, 6)), working_days(0)) == date(2026, 11, 6)
    assert CALENDAR.due_date(at(date(2026, 11, 6), 18), working_days(0)) == date(2026, 11, 9)


def test_calendar_days_may_skip_holidays_but_count_weekends() -> None:
    before_tet = at(date(2026, 2, 12))
    assert CALENDAR.due_date(before_tet, calendar_days(7)) == date(2026, 2, 23)  # 19/2, in Tết, rolls forward
    assert CALENDAR.due_date(before_tet, calendar_days(7, skip_holidays=True)) == date(2026, 2, 24)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (at(date(2026, 11, 6), 8), 2, at(date(2026, 11, 6), 10)),
        (at(date(2026, 11, 6), 11), 1, at(date(2026, 11, 6), 14)),  # over lunch
        (at(date(2026, 11, 6), 12), 1, at(date(2026, 11, 6), 14, 30)),  # starts at lunch
        (at(date(2026, 11, 6), 7), 8, at(date(2026, 11, 6), 17)),  # a whole day ends when the office closes
        (at(date(2026, 11, 6), 16), 8, at(date(2026, 11, 9), 16)),  # over the weekend
        (at(date(2026, 11, 6), 17, 30), 8, at(date(2026, 11, 9), 17)),  # after closing: from the next morning
        (at(date(2026, 11, 7), 9), 1, at(date(2026, 11, 9), 8)),  # Saturday
        (at(date(2026, 8, 21), 17), 1, at(date(2026, 8, 22), 8)),  # a worked Saturday
        (at(date(2026, 11, 6), 5), 0, at(date(2026, 11, 6), 7)),
    ],
)
def test_working_hours_run_only_while_the_office_is_open(start: datetime, hours: float, end: datetime) -> None:
    assert CALENDAR.add_working_hours(start, hours) == end
    assert CALENDAR.working_hours_between(start, end) == hours


def test_office_hours_are_local() -> None:
    hours = OfficeHours(opens=time(8), lunch_from=time(12), lunch_to=time(13), closes=time(17))
    calendar = WorkingCalendar(overrides=day_overrides(), hours=hours)
    assert calendar.add_working_hours(at(date(2026, 11, 6), 7), 8) == at(date(2026, 11, 6), 17)


def test_a_term_in_working_hours_is_due_on_the_day_its_last_hour_ends() -> None:
    day = Term(amount=8, unit=TermUnit.WORKING_HOURS)
    assert CALENDAR.due_date(at(date(2026, 11, 6), 7), day) == date(2026, 11, 6)
    assert CALENDAR.due_date(at(date(2026, 11, 6), 9), day) == date(2026, 11, 9)


@given(DAYS, AMOUNTS)
def test_adding_working_days_and_counting_them_agree(day: date, n: int) -> None:
    due = CALENDAR.add_working_days(day, n)
    assert CALENDAR.is_working_day(due)
    assert CALENDAR.working_days_between(day, due) == n
    assert CALENDAR.working_days_between(due, day) == -n


@given(DAYS, DAYS)
def test_counting_working_days_is_counting_one_by_one(a: date, b: date) -> None:
    a, b = min(a, b), min(max(a, b), min(a, b) + timedelta(days=500))
    one_by_one = sum(CALENDAR.is_working_day(a + timedelta(days=n)) for n in range(1, (b - a).days + 1))
    assert CALENDAR.working_days_between(a, b) == one_by_one


@given(DAYS)
def test_next_and_previous_working_day_leave_none_between(day: date) -> None:
    after, before = CALENDAR.next_working_day(day), CALENDAR.previous_working_day(day)
    assert before < day < after
    assert CALENDAR.working_days_between(day, after) == 1
    assert CALENDAR.is_working_day(before)
    assert CALENDAR.working_days_between(before, day) == CALENDAR.is_working_day(day)


TERMS = st.one_of(
    st.builds(working_days, AMOUNTS),
    st.builds(calendar_days, AMOUNTS, skip_holidays=st.booleans()),
    st.builds(Term, amount=AMOUNTS, unit=st.just(TermUnit.WORKING_HOURS)),
)


@given(INSTANTS, TERMS)
def test_a_due_date_is_never_a_day_off_nor_before_receipt(received_at: datetime, term: Term) -> None:
    due = CALENDAR.due_date(received_at, term)
    assert CALENDAR.is_working_day(due)
    assert due >= received_at.date()


@given(INSTANTS, st.timedeltas(timedelta(), timedelta(days=10)), TERMS)
def test_who_files_later_is_never_due_earlier(received_at: datetime, later: timedelta, term: Term) -> None:
    assert CALENDAR.due_date(received_at, term) <= CALENDAR.due_date(received_at + later, term)


@given(INSTANTS, st.integers(0, 120).map(lambda quarters: quarters / 4))
def test_adding_working_hours_and_counting_them_agree(start: datetime, hours: float) -> None:
    end = CALENDAR.add_working_hours(start, hours)
    assert CALENDAR.working_hours_between(start, end) == hours
    assert CALENDAR.working_hours_between(end, start) == -hours


@pytest.mark.parametrize("amount", [-1, -30])
def test_a_negative_term_is_refused(amount: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        working_days(amount)
    with pytest.raises(ValueError, match="cannot add"):
        CALENDAR.add_working_days(date(2026, 11, 6), amount)
    with pytest.raises(ValueError, match="cannot add"):
        CALENDAR.add_working_hours(at(date(2026, 11, 6)), amount)


def test_terms_and_hours_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="skip_holidays"):
        Term(amount=3, unit=TermUnit.WORKING_DAYS, skip_holidays=True)
    with pytest.raises(ValueError, match="instant"):
        CALENDAR.end_of_term(date(2026, 11, 6), Term(amount=8, unit=TermUnit.WORKING_HOURS))
    with pytest.raises(ValueError, match="in order"):
        OfficeHours(opens=time(8), closes=time(7))


def test_a_stream_of_absurd_years_keeps_the_memory_bounded() -> None:
    calendar = WorkingCalendar()
    for year in range(1900, 2200):
        calendar.is_working_day(date(year, 6, 15))
    assert len(calendar._years) <= 64


def test_asking_for_a_working_day_takes_under_two_microseconds() -> None:
    day = date(2026, 11, 24)
    CALENDAR.is_working_day(day)
    best = min(timeit.repeat(lambda: CALENDAR.is_working_day(day), number=10_000, repeat=5)) / 10_000
    assert best < 2e-6
