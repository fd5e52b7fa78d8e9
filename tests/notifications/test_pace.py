"""A route's limit is never exceeded, in any second, and is used."""

from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.pace import Pace

ROUNDING = 1e-6


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def busiest_second(at: list[float]) -> int:
    """The most events of a sorted list that any second, its end excluded, holds."""
    return max(bisect_left(at, start + 1 - ROUNDING) - place for place, start in enumerate(at))


@settings(deadline=None)
@given(
    rate=st.sampled_from([0.5, 1.0, 2.0, 10.0, 30.0, 100.0, 333.0]),
    pauses=st.lists(st.floats(0, 1.5), min_size=1, max_size=30),
    eager=st.integers(1, 60),
)
def test_no_second_holds_more_than_the_rate(rate: float, pauses: list[float], eager: int) -> None:
    clock = Clock()
    pace = Pace(rate, clock=clock)
    left = []
    for pause in pauses:
        clock.now += pause
        left += [clock.now + pace.take() for _ in range(eager)]
    assert left == sorted(left)
    assert busiest_second(left) <= max(1, rate)


@pytest.mark.parametrize("rate", [1.0, 10.0, 100.0, 1000.0])
def test_the_rate_is_used(rate: float) -> None:
    clock = Clock()
    pace = Pace(rate, clock=clock)
    sent = 0
    while clock.now < 110:
        clock.now += pace.wait()
        while pace.ready() > 0:
            assert pace.take() == 0
            sent += 1
        clock.now += 0.0001
    assert sent >= 0.94 * rate * 10


def test_a_turn_taken_early_is_waited_for() -> None:
    pace = Pace(2, clock=Clock())
    assert [round(pace.take(), 3) for _ in range(4)] == [0, 0.5, 1, 1.5]
    assert pace.ready() < 1
    assert pace.wait() == pytest.approx(2.0)
