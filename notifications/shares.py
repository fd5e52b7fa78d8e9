"""Fairness between agencies: who has much to tell at once waits behind all who have little.

The queues are served strictly by lane, the oldest first, so that a claim costs the same however much waits. Fairness is
decided before: each agency may put so many notices into the normal lane, and what is more goes into the bulk lane,
which is served as fast whenever the normal one is empty. So nobody waits for more than the shares of the others; those
above their share wait for each other. Every process counts for itself.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from domain.message import Lane

A_SECOND = 20.0  # a million notices a day is 12 a second, of all agencies together
AT_ONCE = 100
AGENCIES = 10_000  # remembered; the one not heard of for longest is forgotten


class Shares:
    """Each agency's share of the normal lane: `at_once` notices, refilled `a_second`."""

    def __init__(
        self,
        *,
        a_second: float = A_SECOND,
        at_once: int = AT_ONCE,
        agencies: int = AGENCIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each = 1 / a_second
        self._tolerance = at_once / a_second
        self._agencies = agencies
        self._clock = clock
        self._spent_until: OrderedDict[int, float] = OrderedDict()

    def lane(self, agency_id: int) -> Lane:
        """The lane of one more notice of the agency."""
        now = self._clock()
        after = max(self._spent_until.get(agency_id, now), now) + self._each
        if after - now > self._tolerance:
            return Lane.BULK
        self._spent_until[agency_id] = after
        self._spent_until.move_to_end(agency_id)
        if len(self._spent_until) > self._agencies:
            self._spent_until.popitem(last=False)
        return Lane.NORMAL
