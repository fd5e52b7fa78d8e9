"""The figures an operator watches: what waits, how the providers do, what was paid, who refused, what was given up.

All functions run as `motma_operator` and are cheap however many messages there are: each looks only at what waits, or
at what happened of late. `figures` asks everything at once.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from database.pool import Connection
from domain.civil_time import civil_day, start_of_day
from domain.message import Lane

LATELY = timedelta(minutes=10)
MOST_COUNTED = 20_000  # of one lane of one channel
MOST_LISTED = 1_000
RESTING_SEEN = timedelta(seconds=60)

# Lane by lane, the first ones due first, as the index has them; the channels are found by leaping along it.
QUEUES = """
    WITH RECURSIVE c (channel) AS (
        (SELECT m.channel FROM message m WHERE m.state <= 20 ORDER BY m.channel LIMIT 1)
         UNION ALL
        SELECT (SELECT m.channel FROM message m
                 WHERE m.state <= 20 AND m.channel > c.channel ORDER BY m.channel LIMIT 1)
          FROM c WHERE c.channel IS NOT NULL)
    SELECT g.channel, g.lane, a.code AS agency, g.waiting, g.due, g.oldest_due, g.counted
      FROM (SELECT c.channel, l.lane, w.owner_agency, count(*) AS waiting,
                   count(*) FILTER (WHERE w.state = 0 AND w.run_at <= now()) AS due,
                   min(w.run_at) FILTER (WHERE w.state = 0 AND w.run_at <= now()) AS oldest_due,
                   sum(count(*)) OVER (PARTITION BY c.channel, l.lane) AS counted
              FROM c
             CROSS JOIN unnest('{0,1,2,3}'::smallint[]) AS l (lane)
             CROSS JOIN LATERAL (
                   SELECT m.state, m.run_at, m.owner_agency FROM message m
                    WHERE m.channel = c.channel AND m.lane = l.lane AND m.state <= 20
                    ORDER BY m.run_at, m.id LIMIT $1) w
             GROUP BY c.channel, l.lane, w.owner_agency) g
      LEFT JOIN LATERAL (SELECT a.code FROM agency a WHERE a.id = g.owner_agency OFFSET 0) a ON true
     ORDER BY g.channel, g.lane, g.waiting DESC"""
# Of the last minutes: what each route took, put off, left in doubt and refused; what it reported, and how soon.
PROVIDERS = """
    WITH taken AS (
        SELECT m.route, count(*) AS handed_over, count(*) FILTER (WHERE m.state = 80) AS delivered,
               avg(m.settled_at - m.handed_over_at) FILTER (WHERE m.state = 80) AS receipt_after
          FROM message m WHERE m.handed_over_at > now() - $1::interval AND m.route IS NOT NULL GROUP BY m.route),
    put_off AS (
        SELECT s.route, count(*) FILTER (WHERE s.state <> 20) AS not_taken,
               count(*) FILTER (WHERE s.state = 20) AS in_doubt
          FROM message_step s
         WHERE s.at > now() - $1::interval AND s.route IS NOT NULL AND s.reason IS NOT NULL GROUP BY s.route),
    refused AS (
        SELECT m.route, count(*) AS refused
          FROM message m WHERE m.state = 70 AND m.settled_at > now() - $1::interval AND m.route IS NOT NULL
         GROUP BY m.route),
    resting AS (
        SELECT r.route, count(*) AS resting, min(r.since) AS resting_since
          FROM provider_rest r WHERE r.seen_at > now() - $2::interval GROUP BY r.route)
    SELECT route, coalesce(handed_over, 0) AS handed_over, coalesce(delivered, 0) AS delivered, receipt_after,
           coalesce(not_taken, 0) AS not_taken, coalesce(in_doubt, 0) AS in_doubt, coalesce(refused, 0) AS refused,
           coalesce(resting, 0) AS resting, resting_since,
           (SELECT j.slow FROM sms_route j WHERE j.route = each.route) AS slow,
           coalesce((SELECT t.route = each.route FROM sms_traffic t), false) AS carries_traffic
      FROM (taken FULL JOIN put_off USING (route) FULL JOIN refused USING (route) FULL JOIN resting USING (route)) each
     ORDER BY route"""
# What was summed up of the day, and what left since.
COSTS = """
    SELECT a.code AS agency, c.channel, sum(c.messages)::int AS messages, sum(c.dong)::bigint AS dong
      FROM (SELECT k.owner_agency, k.channel, k.messages, k.dong FROM message_cost k WHERE k.day = $1
             UNION ALL
            SELECT m.owner_agency, m.channel, count(*), coalesce(sum(m.dong), 0)
              FROM message m
             WHERE m.handed_over_at >= greatest($2, (SELECT t.counted_until FROM operation_turn t))
               AND m.handed_over_at < $3
             GROUP BY m.owner_agency, m.channel) c
      LEFT JOIN LATERAL (SELECT a.code FROM agency a WHERE a.id = c.owner_agency OFFSET 0) a ON true
     GROUP BY a.code, c.channel ORDER BY dong DESC, messages DESC"""
REFUSALS = """
    SELECT count(*) FILTER (WHERE since >= $1) AS today,
           count(*) FILTER (WHERE since >= $1 AND source = 'left') AS left_today,
           count(*) AS week
      FROM opt_out WHERE since >= $1 - interval '6 days'"""
GIVEN_UP = """
    SELECT (SELECT count(*) FROM message WHERE state = 63 AND settled_at >= $1) AS dead_today,
           (SELECT count(*) FROM message WHERE state = 70 AND settled_at >= $1) AS failed_today,
           (SELECT count(*) FROM (SELECT FROM message WHERE state = 63 LIMIT $2) d) AS dead"""

APOLOGIES = """
    SELECT (SELECT count(*) FROM (SELECT FROM apology WHERE state = 'drafted' AND NOT automatic LIMIT $1) d) AS waiting,
           (SELECT drafted_at FROM apology WHERE state = 'drafted' AND NOT automatic ORDER BY id LIMIT 1) AS oldest,
           (SELECT drafted_at FROM apology WHERE state = 'drafted' AND automatic ORDER BY id LIMIT 1)
           AS oldest_automatic"""
CLOCK = "SELECT now()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits of one agency in one lane of a channel; `agency` is its code, None for answers to citizens.

    `due` might leave now, and the oldest of these should have left at `oldest_due`. `at_least`: no more than
    `MOST_COUNTED` of a lane are counted, the first ones due, and there were so many.
    """

    channel: str
    lane: Lane
    agency: str | None
    waiting: int
    due: int
    oldest_due: datetime | None
    at_least: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How one route did in the last `LATELY`.

    `not_taken` and `in_doubt` count attempts, `refused` messages that will never be taken. `resting`: so many processes
    leave it alone (the breaker). `slow`: its receipts come late; None where that is not judged.
    """

    route: str
    handed_over: int
    delivered: int
    receipt_after: timedelta | None  # on the average
    not_taken: int
    in_doubt: int
    refused: int
    resting: int
    resting_since: datetime | None
    slow: bool | None
    carries_traffic: bool

    @property
    def error_share(self) -> float:
        """The share of attempts that came to nothing; what a provider refuses for good is an answer."""
        wrong = self.not_taken + self.in_doubt
        tried = wrong + self.handed_over + self.refused
        return wrong / tried if tried else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one agency's messages cost by one channel, in đồng; `agency` is None for answers to citizens."""

    agency: str | None
    channel: str
    messages: int
    dong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Who stopped all messages: today, of these by leaving a channel, and in seven days."""

    today: int
    left_today: int
    week: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Dead letters (our fault) and refused messages (the provider's word) of today; `dead`: of all times, to 1,000."""

    dead_today: int
    failed_today: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApologyDrafts:
    """Apologies that wait for an officer's word, to 1,000, and since when the oldest does.

    `oldest_automatic`: since when the oldest waits that is to be given by itself.
    """

    waiting: int
    oldest: datetime | None
    oldest_automatic: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything, as of one moment."""

    as_of: datetime
    queues: tuple[Queue, ...]
    providers: tuple[Provider, ...]
    costs: tuple[Cost, ...]
    refusals: Refusals
    given_up: GivenUp
    apologies: ApologyDrafts

    @property
    def oldest_due(self) -> datetime | None:
        """Since when the message that waits for longest might have left."""
        return min((queue.oldest_due for queue in self.queues if queue.oldest_due), default=None)


async def queues(connection: Connection) -> tuple[Queue, ...]:
    """What waits, by channel, lane and agency; the largest of each lane first."""
    rows = await connection.fetch(QUEUES, MOST_COUNTED)
    return tuple(
        Queue(
            channel=row["channel"],
            lane=Lane(row["lane"]),
            agency=row["agency"],
            waiting=row["waiting"],
            due=row["due"],
            oldest_due=row["oldest_due"],
            at_least=row["counted"] >= MOST_COUNTED,
        )
        for row in rows
    )


async def providers(connection: Connection) -> tuple[Provider, ...]:
    """Every route that was used of late, or is left alone."""
    return tuple(Provider(**row) for row in await connection.fetch(PROVIDERS, LATELY, RESTING_SEEN))


async def costs(connection: Connection, day: date) -> tuple[Cost, ...]:
    """What messages of a civil day in Vietnam cost, the dearest first."""
    begins, ends = start_of_day(day), start_of_day(day + timedelta(days=1))
    return tuple(Cost(**row) for row in await connection.fetch(COSTS, day, begins, ends))


async def refusals(connection: Connection, day: date) -> Refusals:
    """Opt-outs of the civil day and of the week that ends with it."""
    return Refusals(**await connection.fetchrow(REFUSALS, start_of_day(day)))


async def given_up(connection: Connection, day: date) -> GivenUp:
    """What was given up; `notifications.dead_letters` lists it and says why."""
    return GivenUp(**await connection.fetchrow(GIVEN_UP, start_of_day(day), MOST_LISTED))


async def apologies(connection: Connection) -> ApologyDrafts:
    """What officers have to decide."""
    return ApologyDrafts(**await connection.fetchrow(APOLOGIES, MOST_LISTED))


async def figures(connection: Connection) -> Figures:
    """All of it."""
    as_of = await connection.fetchval(CLOCK)
    today = civil_day(as_of)
    return Figures(
        as_of=as_of,
        queues=await queues(connection),
        providers=await providers(connection),
        costs=await costs(connection, today),
        refusals=await refusals(connection, today),
        given_up=await given_up(connection, today),
        apologies=await apologies(connection),
    )


STATEMENTS = (QUEUES, PROVIDERS, COSTS, REFUSALS, GIVEN_UP, APOLOGIES, CLOCK)
