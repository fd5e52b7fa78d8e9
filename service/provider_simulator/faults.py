"""What goes wrong at a simulated provider: one set of switches, which may be turned while it runs."""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from domain.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Shares are parts of all messages, from 0 to 1; times are seconds. As it stands, nothing goes wrong.

    `latency` passes before a message is taken, `jitter` at most besides, `answer_after` between that and the answer.
    Before a message is taken: `too_many` are answered 429 with `retry_after`, `broken` 503, `odd` 200 with an error in
    the body. `silent` ones are taken and never answered. What is taken gets receipts if `receipts`: after
    `receipt_after`, a share `late` after `late_by` more; `failed` say undelivered; `missing` never come; each comes
    `copies` times; `reversed_` has the last word first; `unknown` come about messages nobody sent. `rate` messages a
    second are taken, more are answered 429.
    """

    latency: float = 0.0
    answer_after: float = 0.0
    jitter: float = 0.0
    too_many: float = 0.0
    retry_after: float = 5.0
    broken: float = 0.0
    odd: float = 0.0
    silent: float = 0.0
    rate: float | None = None
    receipts: bool = False
    receipt_after: float = 0.1
    late: float = 0.0
    late_by: float = 0.0
    failed: float = 0.0
    missing: float = 0.0
    copies: int = 1
    reversed_: bool = False
    unknown: float = 0.0


def faults_of(given: dict[str, Any], before: Faults | None = None) -> Faults:
    """`before`, with the switches that are `given`. Raises `Invalid`."""
    known = {field.name.rstrip("_"): field.name for field in fields(Faults)}
    if unknown := set(given) - set(known):
        raise Invalid(f"There is no switch {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
    kept = {name: getattr(before or Faults(), name) for name in known.values()}
    wanted = kept | {known[name]: value for name, value in given.items()}
    try:
        made = Faults(**{name: _typed(name, value) for name, value in wanted.items()})
    except (ValueError, TypeError):
        raise Invalid("A switch is a number, or true or false.") from None
    if any(getattr(made, name) is not None and getattr(made, name) < 0 for name in kept):
        raise Invalid("No switch is below zero.")
    return made


def _typed(name: str, value: Any) -> Any:  # noqa: ANN401 - as the field has it
    if name in {"receipts", "reversed_"}:
        return value if isinstance(value, bool) else str(value).lower() in {"1", "true", "yes"}
    if name == "rate" and value in {None, "", "off"}:
        return None
    return int(value) if name == "copies" else float(value)


class Chance:
    """Rolls the dice of one provider, the same for every run with one `seed`."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - guards nothing

    def falls(self, share: float) -> bool:
        """Whether it befalls this one."""
        return share > 0 and self._random.random() < share

    def seconds(self, least: float, spread: float) -> float:
        """Between `least` and `least + spread`."""
        return least + spread * self._random.random()


class Window:
    """At most so many in any `seconds`, counted as strictly as the strictest provider does."""

    def __init__(self, seconds: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._taken: deque[float] = deque()

    def wait(self, most: float) -> float:
        """0 when one more fits, which is counted; else the seconds until one does."""
        now = self._clock()
        while self._taken and now - self._taken[0] >= self._seconds:
            self._taken.popleft()
        if len(self._taken) < most:
            self._taken.append(now)
            return 0.0
        return max(0.001, (self._taken[0] if self._taken else now) + self._seconds - now)
