"""Watches the calendar: who is told that a dossier falls due, is overdue, or that the time for its papers is over.

Notices are queued on working days only, because each names an office to ask, which must be there to answer:

- falls due: on the last working day before the due day, by whose end the office must have apologised if it will be late
  (NĐ 118/2025 Đ19.6, `lookup.deadlines.LegalClock.apologise_by`). For a Monday that is the Friday before;
- overdue: on the first working day after the due day. Days, not clock times, are compared, and a day late counts from
  the next working day on (`lookup.deadlines.working_days_late`);
- papers overdue: on the first working day after the last day for them (Đ11.2c, `LegalClock.supplement_by`).

A walk per kind goes along the history in order of the dates that were stated there. Its place is a row of
`deadline_walk`, and whoever locks that row does the next batch, in the one transaction that queues the notices and
moves the place on: the leader of a batch needs no session of its own, works behind a transaction-mode pooler, and when
it dies the next to ask goes on where it stood. After an outage a walk goes on from its place, oldest first, but never
further back than what is still worth telling; of what falls due only what still lies ahead. Rests between batches hold
for all processes together. What is stated late, behind the place, is noted with its change (`notifications.late_dates`)
and taken from there.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

import prometheus_client

from database.pool import Connection, Database, Role
from domain.civil_time import CIVIL_ZONE, civil_day
from lookup.deadlines import LEGAL_CLOCKS, legal_clock
from lookup.registry import Registry
from lookup.working_time import WorkingCalendar
from notifications import late_dates
from notifications.apology_drafts import ApologyDrafts
from notifications.kinds import EventKind
from notifications.outbox import Deadline, Outbox

COME = prometheus_client.Counter("motma_deadlines", "Dossiers whose date came, by kind of notice.", ["event"])
AHEAD = prometheus_client.Gauge(
    "motma_deadlines_ahead_seconds", "How much of its dates a walk has still to go along today.", ["event"]
)

# Older than this, an overdue date is no news: whoever set the service up late is not told of last year.
WORTH_TELLING = timedelta(days=14)
APOLOGIES = "apologies"  # the walk along drafts
_DAY = timedelta(days=1)

TAKE = """
    SELECT reached, dossier_id, now() AS now FROM deadline_walk
     WHERE event = $1 AND rest_until <= now() FOR UPDATE SKIP LOCKED"""
BEGIN = "INSERT INTO deadline_walk (event, reached) VALUES ($1, $2) ON CONFLICT DO NOTHING"
MOVE = "UPDATE deadline_walk SET reached = $2, dossier_id = $3, rest_until = now() + $4 WHERE event = $1"
CLOCK = "SELECT now()"
PLACE = "SELECT reached FROM deadline_walk WHERE event = $1"
PLACES = "SELECT event, reached FROM deadline_walk WHERE event <> 'apologies' ORDER BY event"
AGAIN = """
    UPDATE deadline_walk SET reached = $2, dossier_id = 0, rest_until = '-infinity'
     WHERE event = $1 AND reached > $2 RETURNING event"""

# The dossier's row is asked by its key (OFFSET 0 forbids a join): it holds the date that counts, the entries of the
# history those that were ever stated. A row without one still says how far the walk has come.
FIND_DUE = """
    SELECT f.at, f.dossier_id, d.id IS NOT NULL AS counts, d.received_at
      FROM (SELECT e.due_at AS at, e.dossier_id FROM dossier_event e
             WHERE NOT e.test AND e.due_at IS NOT NULL AND (e.due_at, e.dossier_id) > ($1::timestamptz, $2::bigint)
               AND e.due_at < $3
             ORDER BY e.due_at, e.dossier_id LIMIT $4) f
      LEFT JOIN LATERAL (
           SELECT o.id, o.received_at
             FROM (SELECT d.id, d.received_at, d.status, d.due_at FROM dossier d WHERE d.id = f.dossier_id OFFSET 0) o
            WHERE o.status IN (2, 4) AND o.due_at = f.at) d ON true
     ORDER BY f.at, f.dossier_id"""
# The first request of an unbroken run of them counts: a system may state it again and again.
FIND_ASKED = """
    SELECT f.at, f.dossier_id, d.id IS NOT NULL AS counts, d.received_at
      FROM (SELECT e.at, e.dossier_id FROM dossier_event e
             WHERE NOT e.test AND e.status = 5 AND (e.at, e.dossier_id) > ($1::timestamptz, $2::bigint) AND e.at < $3
             ORDER BY e.at, e.dossier_id LIMIT $4) f
      LEFT JOIN LATERAL (
           SELECT o.id, o.received_at
             FROM (SELECT d.id, d.received_at, d.status FROM dossier d WHERE d.id = f.dossier_id OFFSET 0) o
            WHERE o.status = 5
              AND NOT EXISTS (SELECT FROM dossier_event n
                               WHERE n.dossier_id = f.dossier_id AND n.at > f.at AND n.status <> 5)
              AND (SELECT p.status FROM dossier_event p WHERE p.dossier_id = f.dossier_id AND p.at < f.at
                    ORDER BY p.at DESC LIMIT 1) IS DISTINCT FROM 5) d ON true
     ORDER BY f.at, f.dossier_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How the calendar is watched: dossiers a batch, the rest after each, and how often to look when nothing is due."""

    batch: int = 100
    rest: timedelta = timedelta(milliseconds=500)
    look: timedelta = timedelta(seconds=5)


class _Window(NamedTuple):
    """The part of the dates that is due today; `first` is where a walk begins that has no place yet."""

    since: datetime
    until: datetime
    first: datetime


class Found(NamedTuple):
    """One dossier that a walk met; `at` is the date it was found by. Only what `counts` is as it was stated then."""

    at: datetime
    dossier_id: int
    counts: bool
    received_at: datetime | None


def due_tomorrow(today: date, calendar: WorkingCalendar) -> _Window:
    """Due dates after `today`, a working day, up to the next working day."""
    since = _midnight(today + _DAY)
    return _Window(since, _midnight(calendar.next_working_day(today) + _DAY), since)


def overdue(today: date, calendar: WorkingCalendar) -> _Window:
    """Due dates before `today`, a working day."""
    until = _midnight(today)
    return _Window(until - WORTH_TELLING, until, _midnight(calendar.previous_working_day(today)))


def supplement_overdue(today: date, calendar: WorkingCalendar) -> _Window:
    """Requests for papers whose last day lies before `today`, a working day."""
    until = _asked_before(today, calendar)
    return _Window(until - WORTH_TELLING, until, _asked_before(calendar.previous_working_day(today), calendar))


def _asked_before(today: date, calendar: WorkingCalendar) -> datetime:
    """The beginning of the first day a request of which still has time `today`."""
    clock, day = LEGAL_CLOCKS[-1], today
    while (last := clock.supplement_by(_midnight(day), calendar)) is not None and last >= today:
        day -= _DAY
    return _midnight(day + _DAY)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), CIVIL_ZONE)


class _Walk(NamedTuple):
    event: EventKind
    find: str
    window: Callable[[date, WorkingCalendar], _Window]


# What loses its sense soonest goes first.
WALKS = (
    _Walk(EventKind.DUE_TOMORROW, FIND_DUE, due_tomorrow),
    _Walk(EventKind.SUPPLEMENT_OVERDUE, FIND_ASKED, supplement_overdue),
    _Walk(EventKind.OVERDUE, FIND_DUE, overdue),
)


class DeadlineWatch:
    """Queues what the calendar brings, until cancelled. Any number may run on one database.

    `clock` is the database's own unless given, so that no process with a wrong clock begins a day too soon.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        outbox: Outbox,
        drafts: ApologyDrafts,
        *,
        watching: Watching | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._registry = registry
        self._outbox = outbox
        self._drafts = drafts
        self._how = watching or Watching()
        self._clock = clock

    async def run(self) -> None:
        """Watch. Cancelled at any moment it leaves nothing half done."""
        while True:
            busy = await self.turn()
            await asyncio.sleep((self._how.rest if busy else self._how.look).total_seconds())

    async def turn(self) -> bool:
        """One batch of each walk; whether there is more to do today."""
        busy = [await self._step(walk) for walk in WALKS]
        return any([*busy, await self._take_late(), await self._tend_apologies()])

    async def _step(self, walk: _Walk) -> bool:
        async with self._database.transaction(Role.WORKER) as connection:
            place = await connection.fetchrow(TAKE, walk.event)
            now = self._clock() if self._clock else await _now(connection, place)
            today, calendar = civil_day(now), self._registry.calendar
            if not calendar.is_working_day(today):
                AHEAD.labels(walk.event).set(0)
                return False
            window = walk.window(today, calendar)
            if place is None:  # another process is at it, rests, or nobody ever was
                await connection.execute(BEGIN, walk.event, window.first)
                _tell_how_far(walk.event, await connection.fetchval(PLACE, walk.event), window)
                return False
            reached, dossier_id = max((place["reached"], place["dossier_id"]), (window.since, 0))
            _tell_how_far(walk.event, reached, window)
            if reached >= window.until:
                return False
            rows = await connection.fetch(walk.find, reached, dossier_id, window.until, self._how.batch)
            await self._tell(connection, walk.event, [Found._make(row) for row in rows if row["counts"]], now)
            more = len(rows) == self._how.batch
            reached, dossier_id = (rows[-1]["at"], rows[-1]["dossier_id"]) if more else (window.until, 0)
            await connection.execute(MOVE, walk.event, reached, dossier_id, self._how.rest)
            _tell_how_far(walk.event, reached, window)
            return more

    async def _take_late(self) -> bool:
        """One batch of the dates that were stated when their day had come; what lies ahead is the walks' to find."""
        async with self._database.transaction(Role.WORKER) as connection:
            now = self._clock() if self._clock else await _now(connection, None)
            today, calendar = civil_day(now), self._registry.calendar
            if not calendar.is_working_day(today):
                return False
            noted = await late_dates.take(connection, self._how.batch)
            said = {one.dossier_id for one in noted if one.said}
            for event, window in ((EventKind.DUE_TOMORROW, due_tomorrow), (EventKind.OVERDUE, overdue)):
                since, until, _ = window(today, calendar)
                found = [Found._make(one[:4]) for one in noted if one.counts and since <= one.at < until]
                await self._tell(connection, event, found, now, said)
            return len(noted) == self._how.batch

    async def _tell(
        self,
        connection: Connection,
        event: EventKind,
        found: Sequence[Found],
        now: datetime,
        said: Collection[int] = (),
    ) -> None:
        """Queue the notices and draft the apologies; of dossiers in `said` people know already."""
        found = list(dict.fromkeys(found))
        if event is EventKind.OVERDUE:
            said = {*said, *await self._drafts.draft(connection, found, now)}
        found = [one for one in found if one.dossier_id not in said]
        deadlines = [
            deadline for one in found if (deadline := _deadline(event, one, self._registry.calendar)) is not None
        ]
        await self._outbox.announce_deadline(connection, event, deadlines)
        COME.labels(event).inc(len(deadlines))

    async def _tend_apologies(self) -> bool:
        """Give the apologies that agencies leave to us, and drop drafts that came to nothing; one process at a time."""
        async with self._database.transaction(Role.WORKER) as connection:
            place = await connection.fetchrow(TAKE, APOLOGIES)
            if place is None:
                await connection.execute(BEGIN, APOLOGIES, await _now(connection, None))
                return False
            given = await self._drafts.give_automatic(connection, self._how.batch // 4)
            after = await self._drafts.lapse(connection, place["dossier_id"], self._how.batch)
            rest = self._how.rest if given else self._how.look
            await connection.execute(MOVE, APOLOGIES, place["now"], after, rest)
            return given > 0


def _tell_how_far(event: EventKind, reached: datetime, window: _Window) -> None:
    """To Prometheus, from every process: the one that walked last may be gone."""
    AHEAD.labels(event).set(max(0.0, (window.until - max(reached, window.since)).total_seconds()))


def _deadline(event: EventKind, found: Found, calendar: WorkingCalendar) -> Deadline | None:
    """What is told of; None where the law of the day of receipt sets no time for papers."""
    if event is not EventKind.SUPPLEMENT_OVERDUE:
        return Deadline(found.dossier_id, civil_day(found.at))
    clock = legal_clock(found.received_at or found.at)
    last = clock and clock.supplement_by(found.at, calendar)
    return Deadline(found.dossier_id, last) if last else None


async def _now(connection: Connection, place: Any) -> datetime:  # noqa: ANN401 - a row
    now: datetime = place["now"] if place is not None else await connection.fetchval(CLOCK)
    return now


async def go_back(connection: Connection, event: EventKind, since: date) -> bool:
    """Walk again from the dates of `since` on; False where the walk is not that far. Runs as `motma_operator`.

    What was told is not told again, and nothing older than what is worth telling.
    """
    return await connection.fetchval(AGAIN, event, _midnight(since)) is not None


STATEMENTS = (TAKE, BEGIN, MOVE, CLOCK, PLACE, PLACES, AGAIN, FIND_DUE, FIND_ASKED)
