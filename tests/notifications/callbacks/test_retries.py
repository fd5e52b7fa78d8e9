"""The ladder: three days, never less, and a wish kept."""

from datetime import timedelta

from notifications.callbacks.retries import LADDER, rest, wait_before_retry

LATE = timedelta(hours=80)


def test_the_ladder_lasts_three_days_and_is_not_lengthened_beyond_a_fifth() -> None:
    def total(chance: float) -> timedelta:
        waits = [wait_before_retry(n, timedelta(0), chance=lambda: chance) for n in range(1, len(LADDER) + 1)]
        return sum((wait for wait in waits if wait is not None), timedelta(0))

    assert total(0) == timedelta(hours=75, minutes=35, seconds=5)
    assert total(1) == total(0) * 1.2


def test_after_its_end_a_delivery_is_given_up() -> None:
    assert wait_before_retry(len(LADDER), LATE) is not None
    assert wait_before_retry(len(LADDER) + 1, LATE) is None


def test_wishes_of_the_receiver_use_up_no_life() -> None:
    """Ten answers of 429 with a minute each are ten minutes, not three days."""
    soon = timedelta(minutes=10)
    assert wait_before_retry(3, soon, timedelta(seconds=60), chance=lambda: 0.5) == timedelta(seconds=60.5)
    patience = wait_before_retry(len(LADDER) + 1, soon, timedelta(seconds=60), chance=lambda: 0)
    assert patience == LADDER[-1]


def test_no_wish_is_longer_than_a_day() -> None:
    assert wait_before_retry(1, timedelta(0), timedelta(days=900), chance=lambda: 0) == timedelta(days=1)


def test_peace_is_shorter_than_the_steps_of_the_ladder() -> None:
    assert [rest(n).total_seconds() for n in (1, 2, 3, 7, 100)] == [1, 2, 4, 60, 60]
    assert all(rest(n) < LADDER[n - 1] for n in range(1, len(LADDER) + 1))
    assert rest(1, timedelta(seconds=90)) == timedelta(seconds=90)
