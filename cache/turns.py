"""How many messages a second a route carries from all processes together: its places, counted in Redis.

A provider counts what reaches it. Between a message's leaving and its being counted lies whatever a network and a busy
machine make of it, so messages that leave well spaced may arrive at once. What is kept here is therefore not the pace
of leaving: a message holds one of the route's places from before its call until one period after the answer. Of two
that the provider counts within one period, the one that got its place first was then not yet answered, or for less
than a period, when the other got its own: both held places at the same time. So no period of the provider's counts more
messages than there are places, however late they arrive, and whoever stood still meanwhile. The price is that a line
of `rate` a second whose calls take t seconds carries rate / (1 + t).

What this cannot keep: calls that were given up without an answer and arrive later still; the first second after Redis
has come back, where a process does not know yet; and while Redis is away each process keeps a part of its own, as many
as it last saw at work on this route.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from secrets import token_hex

from cache.batching import Tasks
from cache.limits import Limits
from cache.redis_connection import Argument, RedisAway, RedisConnection
from domain.errors import NotItsTurn

PREFIX = b"t:"
LONGEST_CALL = 12.0  # seconds: a place is free again so long after its process died; no call may take longer
CLOCKS_APART = 0.005  # seconds that Redis and a provider may differ over one period
ASK_AGAIN = 0.02  # seconds between two questions to a Redis that does not answer
GATHERING = 0.004  # seconds between two questions; whoever ends or begins meanwhile goes with the next
PUT_BACK = timedelta(seconds=1)  # for a message that waited in vain
SEEN = 60.0  # seconds for which a process counts as one at work on a route

# KEYS: one route. ARGV: how many places, period, longest call, how long a process counts (µs), this process, how many
# have ended, how many are under way that Redis may not know of, then the names of both and of those who want a place.
# In the set stand the places with the time at which each is free again, far above them the processes, and one that
# never leaves: where that is missing Redis has forgotten, and every place counts as taken for a period.
# Answers {how many may go, µs until the next may, how many processes are at work}.
PLACES = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local key, above = KEYS[1], 4e15
local places, period, longest, seen = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ended, under_way = tonumber(ARGV[6]), tonumber(ARGV[7])
local function put(name, at) redis.call('ZADD', key, string.format('%.0f', at), name) end
if not redis.call('ZSCORE', key, 'known') then
    redis.call('ZADD', key, '+inf', 'known')
    for n = 1, places do put('forgotten ' .. n, now + period) end
end
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
redis.call('ZREMRANGEBYSCORE', key, above, above + now)
put('process ' .. ARGV[5], above + now + seen)
for n = 8, 7 + ended do put(ARGV[n], now + period) end
for n = 8 + ended, 7 + ended + under_way do put(ARGV[n], now + longest) end
local taken = redis.call('ZCOUNT', key, '-inf', '(4e15')
local granted = 0
for n = 8 + ended + under_way, #ARGV do
    if not redis.call('ZSCORE', key, ARGV[n]) then
        if taken >= places then break end
        put(ARGV[n], now + longest)
        taken = taken + 1
    end
    granted = granted + 1
end
local first = tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
return {{granted, math.min(math.max(first - now, 0), period), redis.call('ZCOUNT', key, '4e15', '(+inf')}}
"""


class _Route:
    """One route's places as this process knows them."""

    def __init__(self, redis: RedisConnection, tasks: Tasks, route: str, rate: float, *, process: str) -> None:
        self._redis = redis
        self._tasks = tasks
        self._key = PREFIX + route.encode()
        self._process = process
        self._places = max(1, int(rate))
        self._period = self._places / rate + CLOCKS_APART
        self._names = count(1)
        self._waiting: OrderedDict[str, asyncio.Future[None]] = OrderedDict()
        self._free_at: dict[str, float] = {}  # of places this process has had; infinite while under way
        self._ended: dict[str, None] = {}  # places Redis has not heard the end of
        self._untold: set[str] = set()  # places taken without Redis
        self._processes = 1
        self._away_since = math.inf
        self._changed = asyncio.Event()
        self._at_work = False

    async def take(self) -> str:
        """Wait for a place; its name."""
        name = f"{self._process} {next(self._names)}"
        self._waiting[name] = asyncio.get_running_loop().create_future()
        self._work()
        try:
            await self._waiting[name]
        except asyncio.CancelledError:
            if name in self._free_at:
                self.leave(name)
            raise
        finally:
            del self._waiting[name]
        return name

    def leave(self, name: str) -> None:
        """The call has been answered, or given up."""
        self._free_at[name] = time.monotonic() + self._period
        self._ended[name] = None
        self._work()

    def _work(self) -> None:
        self._changed.set()
        if not self._at_work:
            self._at_work = True
            self._tasks.start(self._serve())

    async def _serve(self) -> None:
        """Ask for those who wait and tell of those who ended, until there are none."""
        try:
            while self._changed.is_set() or self._wanting():
                self._changed.clear()
                wait = await self._ask()
                await asyncio.sleep(GATHERING)
                if self._wanting() and wait > GATHERING:
                    await self._until_changed(wait - GATHERING)
        finally:
            self._at_work = False

    async def _until_changed(self, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._changed.wait()
        except TimeoutError:
            pass  # the next place is free now

    def _wanting(self) -> list[str]:
        return [name for name, future in self._waiting.items() if not future.done()]

    async def _ask(self) -> float:
        """Give places to those who wait, in the order in which they came; seconds until the next may be free."""
        now = time.monotonic()
        self._forget(now)
        wanting, ended = self._wanting(), list(self._ended)
        under_way = [name for name in self._untold if self._free_at.get(name) == math.inf]
        span = [round(seconds * 1e6) for seconds in (self._period, LONGEST_CALL, SEEN)]
        numbers: tuple[Argument, ...] = (self._places, *span, self._process, len(ended), len(under_way))
        call = (self._key, (*numbers, *ended, *under_way, *wanting))
        try:
            ((granted, wait, self._processes),) = await self._redis.run_each(PLACES, [call])
        except RedisAway:
            return self._without_redis(wanting)
        self._away_since = math.inf
        for name in ended:
            self._ended.pop(name, None)
        self._untold.clear()
        self._let_go(wanting[:granted])
        return float(wait) / 1e6

    def _without_redis(self, wanting: list[str]) -> float:
        """A part of the places, after a period in which nobody begins: what others had taken is over then."""
        now = time.monotonic()
        self._away_since = min(self._away_since, now)
        if now - self._away_since < self._period:
            return ASK_AGAIN
        part = max(1, self._places // self._processes)
        going = wanting[: max(0, part - len(self._free_at))]
        self._untold.update(going)
        self._let_go(going)
        return ASK_AGAIN

    def _let_go(self, names: list[str]) -> None:
        for name in names:
            future = self._waiting.get(name)
            if future is None or future.done():  # it has given up meanwhile
                self.leave(name)
            else:
                self._free_at[name] = math.inf
                future.set_result(None)

    def _forget(self, now: float) -> None:
        """What has been free for a while concerns nobody any more."""
        for name in [name for name, at in self._free_at.items() if at <= now]:
            del self._free_at[name]
            self._ended.pop(name, None)
            self._untold.discard(name)


class SharedTurns:
    """Fulfils `notifications.pace.Turns`, with the Redis of `limits`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process = token_hex(6)
        self._routes: dict[str, _Route] = {}

    @asynccontextmanager
    async def turn(self, route: str, rate: float, *, within: float | None = None) -> AsyncIterator[None]:
        """As the protocol says. Raises `NotItsTurn` where the turn does not come `within` so many seconds."""
        kept = self._routes.get(route)
        if kept is None:
            kept = self._routes[route] = _Route(
                self._limits.redis, self._limits.tasks, route, rate, process=self._process
            )
        try:
            async with asyncio.timeout(within):
                place = await kept.take()
        except TimeoutError:
            raise NotItsTurn("The line is taken by others.", after=PUT_BACK) from None
        try:
            yield
        finally:
            kept.leave(place)
