"""A breaker: after a few failures in a row, stop asking for a while, then let one caller try."""

import time
from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row; then one caller per `pause` (seconds) may try, until one succeeds."""

    def __init__(self, *, failures: int = 3, pause: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._failed = 0
        self._next_try = 0.0

    @property
    def open(self) -> bool:
        """Whether callers are turned away."""
        return self._failed >= self._most

    def allows(self) -> bool:
        """Whether the caller may try now. Who is allowed while it is open must report how it went."""
        if self._failed < self._most:
            return True
        now = self._clock()
        if now < self._next_try:
            return False
        self._next_try = now + self._pause
        return True

    def succeeded(self) -> None:
        """The last try went well: closed."""
        self._failed = 0

    def failed(self) -> None:
        """The last try went wrong."""
        self._failed += 1
        if self._failed >= self._most:
            self._next_try = self._clock() + self._pause
