"""What every bench is given, and how rounds are interleaved."""

import statistics
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bench.report import say
from bench.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run: where the servers are, whether a rough answer is enough, and the machine's pace (`bench.pace`)."""

    store: Store
    quick: bool
    slower: float = 1.0  # times, than the machine of the goals

    @property
    def rounds(self) -> int:
        """How often each contestant is measured."""
        return 5 if self.quick else 21

    @property
    def seconds(self) -> float:
        """How long one round of load lasts: short, for a shared machine changes its pace from second to second."""
        return 1.0

    @property
    def dossiers(self) -> int:
        """The size of the store where it is not what is measured."""
        return 100_000 if self.quick else 1_000_000


async def interleaved(
    contestants: Mapping[str, Callable[[int], Awaitable[T]]], rounds: int, *, what: str
) -> dict[str, list[T]]:
    """Each contestant once per round, so that whatever else the machine does disturbs all of them alike."""
    found: dict[str, list[T]] = {name: [] for name in contestants}
    for n in range(rounds):
        say(f"{what}: round {n + 1} of {rounds}")
        for name, measure in contestants.items():
            found[name].append(await measure(n))
    return found


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def ratio_of_rounds(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """The median over rounds of ours to theirs."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def ms(seconds: float) -> str:
    """Milliseconds with as many digits as mean something."""
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def in_time(goal: str, here: str, setting: Setting) -> str:
    """A goal in seconds as it was set, and what it comes to at this machine's pace."""
    return goal if setting.slower == 1 else f"{goal}, here {here}"
