"""Which route carries the texts: moved to another when the receipts of the one come late (guarantees G35).

The rule is that of GOV.UK Notify: a route is slow when `SLOW_SHARE` of its messages of the last minutes were not
reported on in time. Whether it is, is measured from the messages themselves, and what was decided stands in the store:
so all processes agree. One process at a time measures, every `judge_every`; all look up the decision every
`look_every`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.errors import Unavailable

SLOW_SHARE = 0.3

_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)

# Whose turn it is to measure: the first to ask after `judge_every`.
TURN = """
    INSERT INTO sms_traffic AS t (route, moved_at, looked_at)
    VALUES ($2, coalesce($1, now()) - interval '1 day', coalesce($1, now()))
    ON CONFLICT (one) DO UPDATE SET looked_at = excluded.looked_at
     WHERE t.looked_at <= excluded.looked_at - $3::interval
    RETURNING true"""
# A message counts once it is old enough for its receipt to be late. Any final report is a receipt, a refusal too.
JUDGE = """
    WITH clock AS (SELECT coalesce($1, now()) AS at),
    judged AS (
        SELECT m.route, count(*) AS messages,
               count(*) FILTER (WHERE least(coalesce(m.settled_at, 'infinity'), c.at) - m.handed_over_at >= $4) AS late
          FROM clock c JOIN message m ON m.handed_over_at > c.at - $3::interval - $4::interval
                                     AND m.handed_over_at <= c.at - $4::interval
         WHERE m.channel = 'sms' AND m.route = ANY ($2::text[])
         GROUP BY m.route)
    INSERT INTO sms_route (route, slow, judged_at)
    SELECT j.route, j.late >= j.messages * $6::float8, c.at FROM judged j, clock c WHERE j.messages >= $5
    ON CONFLICT (route) DO UPDATE SET slow = excluded.slow, judged_at = excluded.judged_at"""
LOOK = """
    SELECT t.route, coalesce($1, now()) - t.moved_at AS since, r.route AS judged, r.slow,
           coalesce($1, now()) - r.judged_at AS age
      FROM sms_traffic t LEFT JOIN sms_route r ON r.route = ANY ($2::text[])"""
MOVE = """
    UPDATE sms_traffic SET route = $3, moved_at = coalesce($1, now())
     WHERE route = $2 AND moved_at <= coalesce($1, now()) - $4::interval"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When traffic moves. A message without a receipt after `late` is late; those of the last `window` are judged.

    A verdict on fewer than `least` messages is none, and an older one holds for `remembered`. Traffic stays at least
    `stay` where it was moved to, and returns to the first route once that has been quick for `return_after`.
    """

    late: timedelta = timedelta(seconds=60)
    window: timedelta = timedelta(minutes=2)
    least: int = 10
    judge_every: timedelta = timedelta(seconds=30)
    look_every: timedelta = timedelta(seconds=10)
    stay: timedelta = timedelta(minutes=5)
    remembered: timedelta = timedelta(minutes=30)
    return_after: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known: the route in use, since when, and of each judged route whether it is slow and how old that is."""

    route: str
    since: timedelta
    verdicts: dict[str, tuple[bool, timedelta]]


class Traffic:
    """Knows the route in use. `routes` by preference; `judged` are those that report on messages."""

    def __init__(
        self,
        database: Database,
        routes: Sequence[str],
        *,
        judged: Sequence[str],
        rule: Rule | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._routes = tuple(routes)
        self._judged = list(judged)
        self._rule = rule or Rule()
        self._clock = clock
        self._route = self._routes[0]
        self._slow: frozenset[str] = frozenset()
        self._look_again = 0.0

    async def route(self) -> str:
        """The route in use. While the store is away, the one last known."""
        now = self._clock()
        if now >= self._look_again:
            self._look_again = now + self._rule.look_every.total_seconds()  # the others go on with what is known
            try:
                await self.look()
            except _AWAY as error:
                log.warning("the traffic's route could not be looked up", error=type(error).__qualname__)
        return self._route

    def is_slow(self, route: str) -> bool:
        """Whether `route` was slow when last judged."""
        return route in self._slow

    async def look(self, at: datetime | None = None) -> str:
        """Measure, if it is our turn, and look the decision up; the route in use. `at` stands in for the clock."""
        rule = self._rule
        async with self._database.connection(Role.WORKER) as connection:
            if await connection.fetchval(TURN, at, self._routes[0], rule.judge_every):
                await connection.execute(JUDGE, at, self._judged, rule.window, rule.late, rule.least, SLOW_SHARE)
                await self._move(connection, at)
            standing = await self._standing(connection, at)
        self._route = standing.route if standing.route in self._routes else self._routes[0]
        self._slow = frozenset(route for route, (slow, _) in standing.verdicts.items() if slow)
        return self._route

    async def _move(self, connection: Connection, at: datetime | None) -> None:
        standing = await self._standing(connection, at)
        better = decided(standing, self._routes, self._rule)
        if better != standing.route:
            await connection.execute(MOVE, at, standing.route, better, self._rule.stay)
            log.warning("texts move to another route", old=standing.route, new=better)

    async def _standing(self, connection: Connection, at: datetime | None) -> Standing:
        rows = await connection.fetch(LOOK, at, self._judged)
        return Standing(
            route=rows[0]["route"],
            since=rows[0]["since"],
            verdicts={
                row["judged"]: (row["slow"], row["age"])
                for row in rows
                if row["judged"] is not None and row["age"] <= self._rule.remembered
            },
        )


def decided(standing: Standing, routes: Sequence[str], rule: Rule) -> str:
    """The route to use from now on: another one only when the present one is slow and the other is not known to be."""
    if standing.route not in routes:  # taken out of the settings
        return routes[0]
    if standing.since < rule.stay:
        return standing.route
    slow = {route for route, (is_slow, _) in standing.verdicts.items() if is_slow}
    if standing.route in slow:
        return next((route for route in routes if route not in slow), standing.route)
    is_slow, age = standing.verdicts.get(routes[0], (True, rule.remembered))
    if standing.since >= rule.return_after and not is_slow and age <= rule.stay:
        return routes[0]
    return standing.route


STATEMENTS = (TURN, JUDGE, LOOK, MOVE)
