"""The ladder of retries, and its ends."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.message import MessageKind
from notifications.retries import LADDER, NOTICE_DOUBT, REPLY_DOUBT, wait_before_retry, wait_in_doubt


def middle() -> float:
    """No jitter."""
    return 0.5


def test_the_ladder_is_the_published_one() -> None:
    steps = [wait_before_retry(attempt, chance=middle).total_seconds() for attempt in range(1, 12)]
    minute, hour = 60, 3600
    assert steps == [
        0,
        30,
        2 * minute,
        10 * minute,
        30 * minute,
        hour,
        3 * hour,
        6 * hour,
        12 * hour,
        12 * hour,
        12 * hour,
    ]


@given(attempt=st.integers(1, 40), chance=st.floats(0, 1, exclude_max=True))
def test_every_step_is_within_a_fifth_either_way(attempt: int, chance: float) -> None:
    step = LADDER[min(attempt, len(LADDER)) - 1]
    wait = wait_before_retry(attempt, chance=lambda: chance)
    assert 0.8 * step - timedelta(microseconds=1) <= wait <= 1.2 * step


def test_the_jitter_reaches_both_ends() -> None:
    assert wait_before_retry(2, chance=lambda: 0.0) == timedelta(seconds=24)
    assert wait_before_retry(2, chance=lambda: 0.999999) > timedelta(seconds=35.9)


@given(attempt=st.integers(1, 9), seconds=st.integers(0, 7200), chance=st.floats(0, 1, exclude_max=True))
def test_the_providers_own_wish_is_kept_to_a_second_and_never_undercut(
    attempt: int, seconds: int, chance: float
) -> None:
    wished = timedelta(seconds=seconds)
    assert wished <= wait_before_retry(attempt, wished, chance=lambda: chance) <= wished + timedelta(seconds=1)


def test_a_provider_that_keeps_saying_soon_is_not_asked_for_ever() -> None:
    assert wait_before_retry(10, timedelta(seconds=1), chance=middle) == timedelta(hours=12)
    assert wait_before_retry(10, timedelta(hours=15), chance=middle) > timedelta(hours=15)


@pytest.mark.parametrize(
    ("kind", "wait"), [(MessageKind.REPLY, REPLY_DOUBT), (MessageKind.STATUS_CHANGED, NOTICE_DOUBT)]
)
def test_doubt_waits_for_a_report_as_long_as_the_message_can(kind: MessageKind, wait: timedelta) -> None:
    assert wait_in_doubt(kind) == wait
