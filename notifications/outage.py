"""Notices that a provider does not answer, and leaves it alone for a while: what waits keeps its attempts."""

import time
from collections.abc import Callable

MOST_FAILURES = 5  # in a row
PAUSE = 5.0  # seconds


class Outage:
    """Open after `MOST_FAILURES` in a row; then one message per `PAUSE` goes, until one is taken."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed = 0
        self._next_try = 0.0

    @property
    def open(self) -> bool:
        """Whether the provider is left alone."""
        return self._failed >= MOST_FAILURES

    def most(self, free: int) -> int:
        """How many of `free` places may be used now."""
        if self._failed < MOST_FAILURES:
            return free
        return min(free, 1) if self._clock() >= self._next_try else 0

    def wait(self) -> float:
        """Seconds until the next try; 0 when there is no outage, or it is time."""
        return max(0.0, self._next_try - self._clock()) if self._failed >= MOST_FAILURES else 0.0

    def trying(self) -> None:
        """A message goes: while it is on its way no other does."""
        if self._failed >= MOST_FAILURES:
            self._next_try = self._clock() + PAUSE

    def answered(self) -> None:
        """The provider answered, whatever it said."""
        self._failed = 0

    def failed(self) -> None:
        """It could not be reached, did not answer, or says that it is out of order."""
        self._failed += 1
        if self._failed >= MOST_FAILURES:
            self._next_try = self._clock() + PAUSE
