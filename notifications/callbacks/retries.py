"""When a delivery is tried again, and when it is given up: the ladder of Standard Webhooks, over three days."""

import random
from collections.abc import Callable
from datetime import timedelta

# At once, then after these (standardwebhooks.com, "Retry schedule"): 75 h 35 min in all. The spread only lengthens.
LADDER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
SPREAD = 0.2
LEAST_LIFE = timedelta(hours=72)  # no delivery is given up sooner, whatever waits its receiver asks for
LONGEST_WISH = timedelta(hours=24)
LONGEST_REST = timedelta(minutes=1)

Chance = Callable[[], float]  # a number in [0, 1)


def wait_before_retry(
    tries: int, age: timedelta, after: timedelta | None = None, *, chance: Chance = random.random
) -> timedelta | None:
    """How long to wait after `tries` failed tries, `age` after the first; None when it is given up.

    A wait the receiver names is kept instead of the ladder's; past the end of the ladder it only lengthens.
    """
    past_the_end = tries > len(LADDER)
    if past_the_end and age >= LEAST_LIFE:
        return None
    step = LADDER[min(tries, len(LADDER)) - 1] * (1 + SPREAD * chance())
    if after is None:
        return step
    wished = min(after, LONGEST_WISH) + timedelta(seconds=chance())
    return max(wished, step) if past_the_end else wished


def rest(failures: int, after: timedelta | None = None) -> timedelta:
    """How long a receiver is left in peace after so many failed calls in a row.

    Shorter than the ladder's own steps, so that it thins out the calls of a crowd and delays none of a single one.
    """
    peace = min(timedelta(seconds=2 ** min(failures - 1, 10)), LONGEST_REST)
    return peace if after is None else max(peace, min(after, LONGEST_WISH))
