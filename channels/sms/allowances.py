"""How much may be texted: per number, per prefix and in all, in messages and in money (guarantees G44).

Pumping texts to numbers that earn somebody money is the fraud this stops. The caps hold for all processes together;
within any one day nobody gets beyond a cap, at whatever hour the day begins.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter

from cache.limits import Limit, Limits
from domain.errors import Malformed, TryLater

PREFIX_LENGTH = 5  # characters: +8490 is one network's share of Vietnam, +8210 the mobile phones of Korea
ALL = "all"
SAY_EVERY = 60.0  # seconds between two lines in the log about one cap

CAPPED = Counter("motma_sms_capped", "Texts held back by a cap.", ["cap"])

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one text has taken from the caps."""

    taken: tuple[tuple[Limit, str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """`30/day` messages to one number; đồng a day to one number, to one prefix, in all. `off` for none."""

    messages: str
    number: str
    prefix: str
    total: str


class Allowances:
    """Takes from the caps what a text costs, all or nothing."""

    def __init__(self, limits: Limits, caps: Caps, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._messages = _cap("sms-messages-per-number", caps.messages)
        self._number = _cap("sms-money-per-number", caps.number)
        self._prefix = _cap("sms-money-per-prefix", caps.prefix)
        self._total = _cap("sms-money", caps.total)
        self._clock = clock
        self._said: dict[str, float] = {}

    async def charge(self, address: str, cost: int) -> Charge:
        """Take one message and `cost` đồng for `address` (E.164). Raises `TryLater` when a cap is reached."""
        wanted = (
            (self._messages, address, 1),
            (self._number, address, cost),
            (self._prefix, address[:PREFIX_LENGTH], cost),
            (self._total, ALL, cost),
        )
        verdicts = await asyncio.gather(*(self._limits.take(*one) for one in wanted))
        charge = Charge(taken=tuple(one for one, verdict in zip(wanted, verdicts, strict=True) if verdict.allowed))
        refusals = [verdict for verdict in verdicts if not verdict.allowed]
        if refusals:
            await self.give_back(charge)
            for refusal in refusals:
                self._say(refusal.limit)
            longest = max(refusals, key=lambda refusal: refusal.retry_after)
            after = timedelta(seconds=longest.retry_after)
            raise TryLater(f"The cap {longest.limit.name} is reached.", after=after)
        return charge

    async def give_back(self, charge: Charge) -> None:
        """Return what a text took that did not leave."""
        await asyncio.gather(*(self._limits.give_back(*one) for one in charge.taken))

    def _say(self, limit: Limit) -> None:
        CAPPED.labels(limit.name).inc()
        now = self._clock()
        if now - self._said.get(limit.name, -SAY_EVERY) >= SAY_EVERY:
            self._said[limit.name] = now
            log.error("a cap on texts is reached", cap=limit.name)


def _cap(name: str, text: str) -> Limit:
    """The limit `text`, half of it at once: then no period of its length, however it lies, holds more than `text`."""
    limit = Limit.parse(name, text)
    if limit.off:
        return limit
    if limit.count < 2:
        raise Malformed(f"The cap {name} must be 2 or more.")
    half = limit.count // 2
    return Limit(name=name, count=half, period=limit.period, burst=limit.count - half)
