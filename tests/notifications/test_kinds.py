"""What a change is to its people."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.status import Status
from lookup.changes import Standing
from notifications.kinds import OF_THE_CLOCK, EventKind, event_kind, is_urgent, kind_now

DUE = datetime(2026, 11, 20, 10, tzinfo=UTC)
LATER = datetime(2026, 11, 27, 10, tzinfo=UTC)
S, K = Status, EventKind


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, Standing(S.SUBMITTED), K.RECEIVED),
        (None, Standing(S.ACCEPTED, DUE), K.RECEIVED),
        (None, Standing(S.PROCESSING, DUE), K.MOVED_ON),
        (None, Standing(S.PAYMENT_REQUIRED), K.ASKED),
        (None, Standing(S.COMPLETED), K.RESULT_READY),
        (None, Standing(S.REJECTED), K.CLOSED),
        (Standing(S.SUBMITTED), Standing(S.ACCEPTED, DUE), K.RECEIVED),
        (Standing(S.ACCEPTED, DUE), Standing(S.PROCESSING, DUE), K.MOVED_ON),
        (Standing(S.ACCEPTED), Standing(S.PROCESSING, DUE), K.MOVED_ON),
        (Standing(S.ACCEPTED, DUE), Standing(S.PROCESSING, LATER), K.NEW_DUE_DATE),
        (Standing(S.PROCESSING, DUE), Standing(S.PROCESSING, LATER), K.NEW_DUE_DATE),
        (Standing(S.PROCESSING, LATER), Standing(S.PROCESSING, DUE), K.NEW_DUE_DATE),
        (Standing(S.PROCESSING), Standing(S.PROCESSING, DUE), K.NEW_DUE_DATE),
        (Standing(S.PROCESSING, DUE), Standing(S.PROCESSING, DUE + timedelta(hours=3)), K.INTERNAL),
        (Standing(S.PROCESSING, DUE), Standing(S.PROCESSING, DUE), K.INTERNAL),
        (Standing(S.PROCESSING, DUE), Standing(S.PROCESSING), K.INTERNAL),
        (Standing(S.PROCESSING), Standing(S.SUPPLEMENT_REQUIRED), K.ASKED),
        (Standing(S.SUPPLEMENT_REQUIRED, asked="a"), Standing(S.SUPPLEMENT_REQUIRED, asked="b"), K.ASKED),
        (Standing(S.SUPPLEMENT_REQUIRED, asked="a"), Standing(S.SUPPLEMENT_REQUIRED, LATER, "a"), K.INTERNAL),
        (Standing(S.SUPPLEMENT_REQUIRED), Standing(S.PAYMENT_REQUIRED), K.ASKED),
        (Standing(S.COMPLETED), Standing(S.SUPPLEMENT_REQUIRED), K.ASKED),
        # After a supplement the term runs anew by law: no apology is due.
        (Standing(S.SUPPLEMENT_REQUIRED, DUE), Standing(S.PROCESSING, LATER), K.MOVED_ON),
        (Standing(S.PROCESSING), Standing(S.COMPLETED), K.RESULT_READY),
        (Standing(S.COMPLETED), Standing(S.DELIVERED), K.CLOSED),
        (Standing(S.PROCESSING), Standing(S.STOPPED), K.CLOSED),
        (Standing(S.STOPPED), Standing(S.WITHDRAWN), K.CLOSED),
        (Standing(S.COMPLETED), Standing(S.PROCESSING, LATER), K.CORRECTED),
        (Standing(S.DELIVERED), Standing(S.COMPLETED), K.CORRECTED),
        (Standing(S.PROCESSING), Standing(S.ACCEPTED), K.CORRECTED),
    ],
)
def test_a_change_is_what_it_means_to_the_citizen(before: Standing | None, after: Standing, kind: EventKind) -> None:
    assert event_kind(before, after) is kind


def test_every_change_is_of_some_kind() -> None:
    standings = [Standing(status, due) for status in Status for due in (None, DUE, LATER)]
    assert {event_kind(before, after) for before in (None, *standings) for after in standings} == set(
        EventKind
    ) - OF_THE_CLOCK


@pytest.mark.parametrize(
    ("queued", "before", "now", "kind"),
    [
        (K.MOVED_ON, S.ACCEPTED, Standing(S.PROCESSING), K.MOVED_ON),
        (K.RESULT_READY, S.PROCESSING, Standing(S.COMPLETED), K.RESULT_READY),
        # Told of its hour: the office took it back without a word, or went on.
        (K.RESULT_READY, S.COMPLETED, Standing(S.PROCESSING), K.CORRECTED),
        (K.MOVED_ON, S.PROCESSING, Standing(S.COMPLETED), K.RESULT_READY),
        (K.RECEIVED, S.ACCEPTED, Standing(S.PROCESSING), K.MOVED_ON),
        (K.CLOSED, None, Standing(S.PROCESSING), K.MOVED_ON),
        (K.CLOSED, S.PROCESSING, Standing(S.PROCESSING, DUE), K.MOVED_ON),
    ],
)
def test_a_notice_is_about_what_is_true_when_it_goes_out(
    queued: EventKind, before: Status | None, now: Standing, kind: EventKind
) -> None:
    assert kind_now(queued, before, now, due_before=None, at=DUE) is kind


@pytest.mark.parametrize(
    ("queued", "now", "at", "true"),
    [
        (K.DUE_TOMORROW, Standing(S.PROCESSING, DUE), DUE - timedelta(days=1), True),
        (K.DUE_TOMORROW, Standing(S.PROCESSING, DUE), DUE - timedelta(days=3), True),  # days off between
        (K.DUE_TOMORROW, Standing(S.PROCESSING, DUE), DUE, False),
        (K.DUE_TOMORROW, Standing(S.PROCESSING, LATER), DUE - timedelta(days=1), False),
        (K.DUE_TOMORROW, Standing(S.COMPLETED, DUE), DUE - timedelta(days=1), False),
        (K.DUE_TOMORROW, Standing(S.PROCESSING), DUE, False),
        (K.OVERDUE, Standing(S.PROCESSING, DUE), DUE + timedelta(days=1), True),
        (K.OVERDUE, Standing(S.PROCESSING, DUE), DUE, False),
        (K.OVERDUE, Standing(S.PROCESSING, DUE - timedelta(days=1)), DUE + timedelta(days=1), False),
        (K.SUPPLEMENT_OVERDUE, Standing(S.SUPPLEMENT_REQUIRED), DUE, True),
        (K.SUPPLEMENT_OVERDUE, Standing(S.PROCESSING), DUE, False),
        (K.OVERDUE, Standing(S.SUPPLEMENT_REQUIRED, DUE), DUE + timedelta(days=1), False),
        (K.NEW_DUE_DATE, Standing(S.PROCESSING, LATER), DUE, True),
        (K.NEW_DUE_DATE, Standing(S.PROCESSING, DUE), DUE, False),
        (K.NEW_DUE_DATE, Standing(S.COMPLETED, LATER), DUE, False),
    ],
)
def test_a_date_that_is_no_longer_so_is_not_told(queued: EventKind, now: Standing, at: datetime, *, true: bool) -> None:
    assert (kind_now(queued, S.ACCEPTED, now, due_before=DUE, at=at) is queued) is true


@pytest.mark.parametrize(
    ("kind", "due_at", "urgent"),
    [(K.ASKED, DUE, True), (K.ASKED, LATER, False), (K.ASKED, None, False), (K.RESULT_READY, DUE, False)],
)
def test_what_must_be_done_today_is_urgent(kind: EventKind, due_at: datetime | None, *, urgent: bool) -> None:
    assert is_urgent(kind, Standing(S.SUPPLEMENT_REQUIRED, due_at), DUE - timedelta(hours=5)) is urgent
