"""Limits by the generic cell rate algorithm (GCRA): how often something may be done, and when again.

Each subject has one number, the time until which its allowance is spent. It stands in Redis for all processes
together, and each process keeps what it last heard of it: a subject known to have spent its allowance is refused
without asking Redis, and while Redis is away the process decides alone. Subjects reach Redis only as digests.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import NamedTuple, Self

from cache.batching import Batches, Tasks
from cache.redis_connection import RedisAway, RedisConnection
from domain.errors import Invalid
from lookup.sealing import Seal

PREFIX = b"l:"
SUBJECTS = 100_000  # remembered per limit and process; the one not seen for longest is forgotten
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}  # seconds
_WRITTEN = re.compile(r"\s*([1-9]\d{0,8})\s*/\s*(second|minute|hour|day)s?\s*")

# KEYS: any number; ARGV for each: time per unit and tolerance (both µs), units. Units below zero give back.
# Answers for each {allowed, spent}: `spent` is how far (µs) the allowance is used up after this.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local verdicts = {}
for i, key in ipairs(KEYS) do
    local each, tolerance, units = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
    local spent = math.max(0, (tonumber(redis.call('GET', key)) or 0) - now)
    spent = math.min(spent, tolerance)
    local after = math.max(0, spent + each * units)
    if after > tolerance and units > 0 then
        verdicts[i] = {0, spent}
    else
        if after > 0 then
            redis.call('SET', key, string.format('%.0f', now + after), 'PX', math.ceil(after / 1000))
        else
            redis.call('DEL', key)
        end
        verdicts[i] = {1, after}
    end
end
return verdicts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`count` per `period`, at most `burst` at once. Within any one period no more than `count` + `burst` are allowed.

    A count of 0 means no limit (`off`).
    """

    name: str
    count: int
    period: timedelta
    burst: int

    @classmethod
    def parse(cls, name: str, text: str, *, burst: int | None = None) -> Self:
        """The limit written as `30/minute` or `off`; `burst` is the count unless given. Raises `Invalid`."""
        if text.strip() == "off":
            return cls(name=name, count=0, period=timedelta(seconds=1), burst=0)
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise Invalid(f"A limit is written like 30/minute, 600/second or off, not {text!r}.", field=name)
        count = int(written[1])
        return cls(name=name, count=count, period=timedelta(seconds=PERIODS[written[2]]), burst=burst or count)

    @property
    def off(self) -> bool:
        """Whether there is no limit."""
        return self.count == 0

    @property
    def each(self) -> float:
        """Seconds until one unit may be taken again."""
        return self.period.total_seconds() / self.count


class Verdict(NamedTuple):
    """Whether it is allowed, and by which limit. A named tuple because one is made for every look-up."""

    limit: Limit
    allowed: bool
    remaining: int  # units that could be taken at once now
    retry_after: float  # seconds, 0 when allowed


class _Allowances:
    """What this process knows of one limit's subjects: until when (monotonic seconds) each has spent its allowance."""

    def __init__(self, limit: Limit, most: int) -> None:
        self.limit = limit
        self.each = round(limit.each * 1e6) / 1e6  # whole microseconds, as Redis counts them
        self.tolerance = self.each * limit.burst + 1e-6  # a clock reading and back loses some nanoseconds
        self._most = most
        self._spent_until: OrderedDict[str, float] = OrderedDict()
        self._alone: dict[str, float] = {}  # until when what was taken without Redis is spent

    def take(self, subject: str, units: float, *, really: bool = True) -> Verdict:
        """Take `units`, or only say whether they could be taken."""
        now = monotonic()
        spent = self._spent_until.get(subject, 0.0) - now
        if spent < 0.0:
            spent = 0.0
        after = spent + self.each * units
        if after > self.tolerance:
            return self.verdict(allowed=False, spent=spent, units=units)
        if really:
            self._note(subject, now + after)
        return Verdict(self.limit, True, int((self.tolerance - after) / self.each), 0.0)  # noqa: FBT003 - for speed

    def spend(self, subject: str) -> float:
        """Take one unit: seconds to wait, 0 when taken."""
        now = monotonic()
        known = self._spent_until
        spent_until = known.get(subject, now)
        after = (max(spent_until, now)) + self.each
        if after - now > self.tolerance:
            return after - now - self.tolerance
        self._note(subject, after)
        return 0.0

    def learn(self, subject: str, spent: float) -> None:
        """`spent` seconds of the allowance are used up."""
        self._note(subject, monotonic() + spent)

    def take_alone(self, subject: str, units: float, share: float) -> Verdict:
        """Take `units` without Redis, of whose allowance this process may grant one part of `share`."""
        verdict = self.take(subject, min(units * share, self.limit.burst))
        if verdict.allowed:
            self.owe(subject, units)
        return verdict

    def owe(self, subject: str, units: float) -> None:
        """Redis has not heard of `units` that were taken."""
        if not units:
            return
        if len(self._alone) >= self._most:
            self._alone.clear()
        now = monotonic()
        self._alone[subject] = max(self._alone.get(subject, now), now) + self.each * units

    def owed(self, subject: str) -> float:
        """The units Redis has yet to hear of: whoever asks tells them, or owes them again."""
        return max(0.0, self._alone.pop(subject, 0.0) - monotonic()) / self.each

    def give_back(self, subject: str, units: float) -> float:
        """Return `units` taken before; how many of them Redis took."""
        if subject in self._spent_until:
            self._spent_until[subject] -= self.each * units
        owed = self.owed(subject)
        if owed > units:
            self.owe(subject, owed - units)
        return max(0.0, units - owed)

    def _note(self, subject: str, until: float) -> None:
        known = self._spent_until
        known[subject] = until
        known.move_to_end(subject)
        if len(known) > self._most:
            known.popitem(last=False)

    def verdict(self, *, allowed: bool, spent: float, units: float) -> Verdict:
        """The verdict when `spent` seconds of the allowance are used up."""
        remaining = int((self.tolerance - spent) / self.each)
        wait = 0.0 if allowed else max(0.0, spent + self.each * units - self.tolerance)
        return Verdict(self.limit, allowed, remaining, wait)


class _Taking(NamedTuple):
    """One request to Redis on its way."""

    key: bytes
    each: int  # µs
    tolerance: int  # µs
    units: float
    reply: "asyncio.Future[tuple[bool, float]]"  # allowed, and seconds spent; or RedisAway


class Limits:
    """Takes from allowances.

    `processes` is how many share the limits: without Redis each grants so much that all together stay within twice
    the limit (guarantee G21).
    """

    def __init__(self, redis: RedisConnection, seal: Seal, *, processes: int = 1, subjects: int = SUBJECTS) -> None:
        self.redis = redis
        self._seal = seal
        self._processes = processes
        self._subjects = subjects
        self._known: dict[str, _Allowances] = {}
        self.tasks = Tasks()
        self._takings: Batches[_Taking] = Batches(self._take_all, self.tasks)

    async def take(self, limit: Limit, subject: str, cost: int = 1) -> Verdict:
        """Take `cost` units of the allowance that all processes share; never waits longer than Redis may take."""
        if limit.off:
            return _unlimited(limit)
        known = self._allowances(limit)
        foreseen = known.take(subject, cost, really=False)
        if not foreseen.allowed:
            return foreseen
        owed = known.owed(subject)
        try:
            allowed, spent = await self._ask(limit, subject, cost + owed)
        except RedisAway:
            known.owe(subject, owed)
            return known.take_alone(subject, cost, max(1.0, self._processes / 2))
        if not allowed:
            known.owe(subject, owed)
            spent = min(spent + owed * known.each, known.tolerance)
        known.learn(subject, spent)
        return known.verdict(allowed=allowed, spent=spent, units=cost)

    def take_local(self, limit: Limit, subject: str, cost: int = 1) -> Verdict:
        """Take `cost` units of the allowance of this process alone: for the hot path."""
        if limit.count == 0:
            return _unlimited(limit)
        return self._allowances(limit).take(subject, cost)

    def local(self, limit: Limit) -> Callable[[str], float]:
        """`take_local` of one unit at a time, for where every microsecond counts: seconds to wait, 0 when taken."""
        return (lambda _subject: 0.0) if limit.off else self._allowances(limit).spend

    def check_local(self, limit: Limit, subject: str) -> Verdict:
        """Whether one unit could be taken, as far as this process knows. Takes nothing."""
        if limit.count == 0:
            return _unlimited(limit)
        return self._allowances(limit).take(subject, 1, really=False)

    async def give_back(self, limit: Limit, subject: str, cost: int = 1) -> None:
        """Return units taken before: the proof was right after all. Lost when Redis is away."""
        if limit.off:
            return
        known = self._allowances(limit)
        taken = known.give_back(subject, cost)
        if not taken:
            return
        try:
            _, spent = await self._ask(limit, subject, -taken)
        except RedisAway:
            return
        known.learn(subject, spent)

    async def aclose(self) -> None:
        """End what is on its way to Redis."""
        await self.tasks.end()

    def _allowances(self, limit: Limit) -> _Allowances:
        known = self._known.get(limit.name)
        if known is None or (known.limit is not limit and known.limit != limit):
            known = self._known[limit.name] = _Allowances(limit, self._subjects)
        return known

    async def _ask(self, limit: Limit, subject: str, units: float) -> tuple[bool, float]:
        reply: asyncio.Future[tuple[bool, float]] = asyncio.get_running_loop().create_future()
        key = PREFIX + limit.name.encode() + b":" + self._seal.digest("limit", limit.name, subject).hex().encode()
        each = round(limit.each * 1e6)
        self._takings.add(_Taking(key, each, each * limit.burst, units, reply))
        return await reply

    async def _take_all(self, takings: list[_Taking]) -> None:
        try:
            verdicts = await self.redis.run_each(TAKE, [(t.key, (t.each, t.tolerance, t.units)) for t in takings])
            for taking, (allowed, spent) in zip(takings, verdicts, strict=True):
                if not taking.reply.done():
                    taking.reply.set_result((bool(allowed), spent / 1e6))
        except RedisAway:
            pass  # those who wait are told below
        finally:
            for taking in takings:
                if not taking.reply.done():
                    taking.reply.set_exception(RedisAway())


def _unlimited(limit: Limit) -> Verdict:
    return Verdict(limit, True, 1, 0.0)  # noqa: FBT003 - positional for speed
