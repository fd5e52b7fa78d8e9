"""A limit on how many messages a second leave this process by one route."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

PER_BURST = 20  # one burst holds a twentieth of a second's messages


class Turns(Protocol):
    """The turns of a route among all processes, where there is somewhere to count them together."""

    def turn(self, route: str, rate: float) -> AbstractAsyncContextManager[None]:
        """Wait for a message's turn to leave by `route`, which has it while inside: for one call and no longer.

        However late calls arrive, the provider counts no more than `rate` in any second. Raises nothing.
        """


class Pace:
    """A token bucket that lets at most `rate` messages through in any second, the burst included.

    A bucket of `burst` tokens refilled at r lets `burst + r - 1` through in a second; so r is `rate + 1 - burst`. A
    rate below one message a second keeps its spacing.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = max(1, int(rate // PER_BURST))
        self._refill = rate + 1 - self._burst
        self._clock = clock
        self._tokens = float(self._burst)
        self._at = clock()

    def ready(self) -> int:
        """How many messages may leave now; below 1 when none."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._refill)
        self._at = now
        return int(self._tokens)

    def wait(self) -> float:
        """Seconds until the next message may leave; 0 when one may now."""
        return 0.0 if self.ready() > 0 else (1 - self._tokens) / self._refill

    def take(self) -> float:
        """Take one message's turn; the seconds until it comes."""
        self.ready()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._refill)
