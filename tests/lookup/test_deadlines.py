"""On time, late, not counted; and the legal clock."""

from datetime import UTC, date, datetime

import pytest

from domain.civil_time import CIVIL_ZONE
from domain.status import Status
from lookup.deadlines import LEGAL_CLOCKS, Punctuality, legal_clock, punctuality, working_days_late
from lookup.reference_data import day_overrides
from lookup.working_time import Term, TermUnit, WorkingCalendar

CALENDAR = WorkingCalendar(overrides=day_overrides())
DUE = datetime(2026, 11, 20, 17, tzinfo=CIVIL_ZONE)  # a Friday


def on(day: int, hour: int = 9, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=CIVIL_ZONE)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (on(10), Punctuality.ON_TRACK),
        (on(19, 16, 59), Punctuality.ON_TRACK),
        (on(19, 17), Punctuality.DUE_SOON),
        (on(20, 23, 59), Punctuality.DUE_SOON),  # past the hour, still the day
        (on(21, 0), Punctuality.OVERDUE),
    ],
)
@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.PROCESSING])
def test_a_running_dossier(status: Status, now: datetime, expected: Punctuality) -> None:
    assert punctuality(status, due_at=DUE, finished_at=None, now=now) is expected


@pytest.mark.parametrize(
    ("finished_at", "expected"),
    [
        (on(19, 23), Punctuality.FINISHED_EARLY),
        (on(20, 7), Punctuality.FINISHED_ON_TIME),
        (on(20, 23), Punctuality.FINISHED_ON_TIME),  # later than the hour due, on the day due
        (on(21, 0), Punctuality.FINISHED_LATE),
    ],
)
@pytest.mark.parametrize("status", [Status.COMPLETED, Status.DELIVERED])
def test_a_finished_dossier(status: Status, finished_at: datetime, expected: Punctuality) -> None:
    assert punctuality(status, due_at=DUE, finished_at=finished_at, now=on(30)) is expected


def test_days_are_compared_in_vietnam_whatever_zone_the_sender_uses() -> None:
    due_at_midnight = datetime(2026, 11, 19, 17, tzinfo=UTC)  # 0:00 on the 20th
    finished_at = datetime(2026, 11, 20, 16, tzinfo=UTC)  # 23:00 on the 20th
    on_the_day = punctuality(Status.COMPLETED, due_at=due_at_midnight, finished_at=finished_at, now=on(30))
    assert on_the_day is Punctuality.FINISHED_ON_TIME


def test_a_citizen_who_collects_late_does_not_make_the_office_late() -> None:
    collected_in_december = datetime(2026, 12, 15, 9, tzinfo=CIVIL_ZONE)
    standing = punctuality(Status.DELIVERED, due_at=DUE, finished_at=on(19), now=collected_in_december)
    assert standing is Punctuality.FINISHED_EARLY


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.PROCESSING, Status.COMPLETED, Status.DELIVERED])
def test_without_due_date_nothing_is_ever_late(status: Status) -> None:
    finished_at = on(30) if status in {Status.COMPLETED, Status.DELIVERED} else None
    assert punctuality(status, due_at=None, finished_at=finished_at, now=on(30)) is Punctuality.NO_DUE_DATE


@pytest.mark.parametrize("status", [Status.SUPPLEMENT_REQUIRED, Status.PAYMENT_REQUIRED])
def test_the_clock_stands_still_while_the_office_waits_for_the_citizen(status: Status) -> None:
    assert punctuality(status, due_at=DUE, finished_at=None, now=on(30)) is Punctuality.ON_TRACK


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.REJECTED, Status.WITHDRAWN, Status.STOPPED])
def test_what_never_ran_or_was_broken_off_is_not_counted(status: Status) -> None:
    assert punctuality(status, due_at=DUE, finished_at=on(30), now=on(30)) is Punctuality.NOT_COUNTED


def test_a_finished_dossier_is_not_counted_until_its_end_of_processing_is_known() -> None:
    assert punctuality(Status.DELIVERED, due_at=DUE, finished_at=None, now=on(30)) is Punctuality.NOT_COUNTED


def test_every_status_has_a_standing() -> None:
    for status in Status:
        assert punctuality(status, due_at=DUE, finished_at=on(20), now=on(20)) in Punctuality


@pytest.mark.parametrize(
    ("until", "days"),
    [
        (on(10), 0),
        (on(20, 23), 0),
        (on(22), 0),  # late by a weekend
        (on(23), 1),
        (on(26), 3),  # 24/11 is off
    ],
)
def test_lateness_is_told_in_working_days(until: datetime, days: int) -> None:
    assert working_days_late(CALENDAR, due_at=DUE, until=until) == days


def test_an_absurd_due_date_does_not_make_the_calendar_work_out_two_thousand_years() -> None:
    calendar = WorkingCalendar()
    assert working_days_late(calendar, due_at=datetime(1, 1, 1, tzinfo=CIVIL_ZONE), until=on(20)) > 2000
    assert len(calendar._years) <= 11


def test_a_dossier_keeps_the_law_of_its_day_of_receipt() -> None:
    last_old, first_new = datetime(2025, 6, 30, 16, 59, tzinfo=UTC), datetime(2025, 6, 30, 17, tzinfo=UTC)
    old, new = legal_clock(last_old), legal_clock(first_new)
    assert old is not None
    assert new is not None
    assert (old.law, new.law[:13]) == ("NĐ 61/2018/NĐ-CP", "NĐ 118/2025/N")
    assert legal_clock(datetime(2018, 6, 20, tzinfo=CIVIL_ZONE)) is None


def test_historic_dossiers_keep_the_dates_their_offices_gave() -> None:
    historic = LEGAL_CLOCKS[0]
    due, asked_at = date(2025, 3, 14), datetime(2025, 3, 3, 9, tzinfo=CIVIL_ZONE)
    term = Term(amount=5, unit=TermUnit.WORKING_DAYS)
    assert historic.due_after_supplement(CALENDAR, due=due, supplemented_at=asked_at, term=term) == due
    assert historic.supplement_by(asked_at, CALENDAR) is None
    assert historic.forward_by(asked_at, CALENDAR) is None
    assert historic.apologise_by(due, CALENDAR) is None


PRESENT = LEGAL_CLOCKS[-1]


@pytest.mark.parametrize(
    ("received_at", "forward_by"),
    [
        (on(20, 15, 0), on(20, 17)),
        (on(20, 15, 1), on(23, 7)),
        (on(21, 9), on(23, 7)),  # Saturday
        (on(23, 16), on(25, 7)),  # 24/11 is off
    ],
)
def test_what_comes_after_three_is_forwarded_the_next_working_morning(
    received_at: datetime, forward_by: datetime
) -> None:
    assert PRESENT.forward_by(received_at, CALENDAR) == forward_by


def test_the_whole_term_starts_again_once_all_papers_are_there() -> None:
    term = Term(amount=3, unit=TermUnit.WORKING_DAYS)
    restarted = PRESENT.due_after_supplement(CALENDAR, due=date(2026, 11, 10), supplemented_at=on(20), term=term)
    assert restarted == date(2026, 11, 26)


def test_missing_papers_may_come_for_fifteen_days() -> None:
    assert PRESENT.supplement_by(on(2), CALENDAR) == date(2026, 11, 17)
    assert PRESENT.supplement_by(on(6), CALENDAR) == date(2026, 11, 23)  # the 21st is a Saturday


def test_an_apology_comes_at_least_a_day_before_on_a_working_day() -> None:
    assert PRESENT.apologise_by(date(2026, 11, 20), CALENDAR) == date(2026, 11, 19)
    assert PRESENT.apologise_by(date(2026, 11, 25), CALENDAR) == date(2026, 11, 23)
    assert PRESENT.apologise_by(date(2026, 11, 23), CALENDAR) == date(2026, 11, 20)
