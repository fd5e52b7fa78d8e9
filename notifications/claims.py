"""Taking due messages from the queue: leased, judged and read together with what they speak of, in one statement."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from database.pool import Connection
from domain.message import Lane
from notifications.kinds import SILENT
from notifications.retries import MOST_FAULTS
from notifications.rules import rule_for
from notifications.timing import AT_ONCE, Timing, awake

# The numbers of states are domain.message.DeliveryState, those of lanes domain.message.Lane.
#
# The choice: per channel, lane by lane, oldest first, passing over what another dispatcher is just taking; $3 and $4
# hold one place for each lane of each channel. The rows are named by their place on disk, in an array, so that they
# are fetched and nothing is joined, whatever the planner believes of the sizes.
#
# The verdict, in the same transaction: a row whose lease ran out (state 10) was in the hands of a process that
# vanished, which counts as a fault. What has expired, is dead, opted out of or muted, is said by a newer message, was
# seen by its person meanwhile, or is told no more by a rule, ends here and now. A row at its second vanishing goes to
# the suspects' lane, from which one is taken at a time. Verdicts below 10 put a row back: 1 until the quiet hours are
# over, 2 until its person may be told something again (it is held then), 3 a few seconds, until the newest of the held
# ones has told of them all. All else is leased.
#
# The reading: the dossier as it stands now, so that a message tells the truth of its hour and not of its queueing; and
# for a held message all that was held with it.
_MUTED = """EXISTS (SELECT FROM subscription s
                     WHERE s.dossier_id = {m}.dossier_id AND s.contact_digest = {m}.contact_digest
                       AND (s.state = 'muted' OR {m}.event = ANY (s.unwanted)))"""
# The holder of the phone to which the message's chat is linked.
_STOPPED = """(EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = m.person_digest)
    OR EXISTS (SELECT FROM subscription s
                WHERE s.dossier_id = m.dossier_id AND s.contact_digest = m.person_digest
                  AND (s.state = 'muted' OR m.event = ANY (s.unwanted))))"""
# What the clock brings changes no version: it was seen only by who looked since then.
_SHOWN = """EXISTS (SELECT FROM shown w
                     WHERE w.contact_digest IN ({m}.contact_digest, {m}.person_digest) AND w.dossier_id = {m}.dossier_id
                       AND w.version >= {m}.version AND ({m}.kind <> 'deadline' OR w.shown_at >= {m}.created_at))"""
# When a person who was sent $8 notices in 24 hours may have one more; null for all others. What waits to be sent before
# this one counts as sent, each dossier once, for a newer notice takes the place of an older one. The first look keeps
# it cheap: few people have had so many notices of late.
_BEFORE = """message p WHERE p.contact_digest = m.contact_digest AND p.dossier_id IS NOT NULL AND p.id < m.id
              ORDER BY p.id DESC"""
_FULL_UNTIL = f"""
    CASE WHEN $8 > 0 AND m.dossier_id IS NOT NULL AND m.lane <> 0 AND m.attempts = 0
          AND (SELECT p.created_at FROM {_BEFORE} OFFSET $8 - 1 LIMIT 1) > now() - interval '3 days' THEN (
         SELECT CASE WHEN t.waiting >= $8 THEN now() + interval '24 hours'
                     WHEN t.waiting + cardinality(t.sent) >= $8 THEN t.sent[$8 - t.waiting] + interval '24 hours' END
           FROM (SELECT coalesce(array_agg(p.handed_over_at ORDER BY p.handed_over_at DESC)
                                 FILTER (WHERE p.handed_over_at > now() - interval '24 hours'), '{{}}') AS sent,
                        count(DISTINCT p.dossier_id)
                        FILTER (WHERE p.state <= 20 AND p.handed_over_at IS NULL AND p.held_at IS NULL
                                  AND p.dossier_id <> m.dossier_id) AS waiting
                   FROM (SELECT p.* FROM {_BEFORE} LIMIT 200) p) t) END"""  # noqa: S608 - parts of ours
_HELD_AFTER = """(
    SELECT n.held_at, n.handed_over_at, n.state FROM message n
     WHERE n.contact_digest = m.contact_digest AND n.dossier_id IS NOT NULL AND n.id > m.id OFFSET 0) n"""
CLAIM = f"""
    WITH judged AS (
        UPDATE message m
           SET (state, attempts, faults, lane, run_at, settled_at, held_at, expires_at, claimed_at) = (
               SELECT CASE WHEN v.verdict < 10 THEN 0 ELSE v.verdict END,
                      m.attempts + CASE v.verdict WHEN 10 THEN 1 ELSE 0 END,
                      v.faults,
                      CASE v.verdict WHEN 0 THEN 3 ELSE m.lane END,
                      CASE v.verdict WHEN 10 THEN now() + $5 WHEN 1 THEN (SELECT {awake("now()", "$9", "$10")})
                                     WHEN 2 THEN v.full_until WHEN 3 THEN now() + interval '5 seconds' ELSE now() END,
                      CASE WHEN v.verdict >= 50 THEN now() END,
                      CASE WHEN v.verdict = 2 OR (v.verdict = 10 AND m.held_at IS NOT NULL) THEN now()
                           ELSE m.held_at END,
                      CASE v.verdict WHEN 2 THEN greatest(m.expires_at, v.full_until + interval '24 hours')
                                     ELSE m.expires_at END,
                      CASE v.verdict WHEN 10 THEN m.claimed_at || now() ELSE m.claimed_at END
                 FROM (SELECT f.faults, f.full_until, CASE
                           WHEN m.expires_at <= now() THEN 60
                           WHEN f.faults >= $6 THEN 63
                           WHEN m.kind IN ('reply', 'code') THEN f.usual
                           WHEN EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = m.contact_digest)
                             OR {_MUTED.format(m="m")} OR (m.person_digest IS NOT NULL AND {_STOPPED}) THEN 62
                           WHEN EXISTS (SELECT FROM message n
                                         WHERE n.dossier_id = m.dossier_id AND n.id > m.id
                                           AND n.kind IN ('status_changed', m.kind)
                                           AND n.contact_digest = m.contact_digest AND n.state <> 61) THEN 61
                           WHEN {_SHOWN.format(m="m")} THEN 61
                           WHEN EXISTS (SELECT FROM notice_rule r WHERE r.event = m.event)
                            AND NOT (SELECT coalesce({rule_for("m.event", "d.office", "d.procedure_id")},
                                                     m.event <> ALL ($7::text[]))
                                       FROM (SELECT coalesce(e.resolving_agency, e.receiving_agency) AS office,
                                                    e.procedure_id
                                               FROM dossier e WHERE e.id = m.dossier_id) d) THEN 61
                           WHEN m.held_at IS NOT NULL AND EXISTS (
                                SELECT FROM {_HELD_AFTER} WHERE n.held_at > m.held_at AND n.handed_over_at IS NOT NULL
                                ) THEN 61
                           WHEN m.lane <> 0 AND (SELECT {awake("now()", "$9", "$10")}) > now() THEN 1
                           WHEN m.held_at IS NOT NULL AND m.attempts = 0 AND EXISTS (
                                SELECT FROM {_HELD_AFTER} WHERE n.held_at IS NOT NULL AND n.state <= 20) THEN 3
                           WHEN f.full_until > now() THEN 2
                           ELSE f.usual END AS verdict
                         FROM (SELECT g.faults, CASE WHEN m.state = 10 AND g.faults > 1 AND m.lane <> 3 THEN 0
                                                     ELSE 10 END AS usual,
                                      {_FULL_UNTIL} AS full_until
                                 FROM (SELECT m.faults + CASE m.state WHEN 10 THEN 1 ELSE 0 END AS faults) g
                               OFFSET 0) f
                        OFFSET 0) v)
         WHERE m.ctid = ANY (ARRAY (
               SELECT due.ctid
                 FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS room (channel, total, place)
                CROSS JOIN LATERAL (
                      SELECT w.ctid
                        FROM unnest('{{0,1,2,3}}'::smallint[]) AS lanes (lane)
                       CROSS JOIN LATERAL (
                             SELECT q.ctid
                               FROM message q
                              WHERE q.channel = room.channel AND q.lane = lanes.lane AND q.state <= 20
                                AND q.run_at >= ($4::timestamptz[])[room.place * 4 - 3 + lanes.lane]
                                AND q.run_at <= now()
                              ORDER BY q.run_at, q.id
                              LIMIT ($3::int[])[room.place * 4 - 3 + lanes.lane]
                                FOR UPDATE SKIP LOCKED) w
                       LIMIT room.total) due))
        RETURNING m.id, m.state, m.attempts, m.faults, m.doubts, m.lane, m.created_at, m.kind, m.event, m.channel,
                  m.language, m.proven, m.contact_digest, m.address_sealed, m.text_sealed, m.our_sender,
                  m.choices_sealed, m.dossier_id, m.due_before, m.held_at, m.route)
    SELECT j.id, j.state, j.attempts, j.faults, j.doubts, j.lane, j.created_at, j.kind, j.event, j.channel,
           coalesce((SELECT c.language FROM conversation c WHERE c.contact_digest = j.contact_digest), j.language),
           j.proven, j.address_sealed, j.text_sealed, j.our_sender, j.choices_sealed, j.due_before, j.route,
           CASE WHEN j.channel <> 'sms' THEN
                (SELECT i.received_at FROM inbound i
                  WHERE i.sender_digest = j.contact_digest ORDER BY i.id DESC LIMIT 1) END,
           d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.recorded_at, d.asked,
           d.agency_id,
           (SELECT e.status FROM dossier_event e
             WHERE e.dossier_id = j.dossier_id AND e.at < d.status_at ORDER BY e.at DESC LIMIT 1),
           CASE WHEN j.held_at IS NOT NULL AND j.state = 10 THEN ARRAY (
                SELECT (SELECT o.code FROM dossier o WHERE o.id = h.dossier_id) FROM message h
                 WHERE h.contact_digest = j.contact_digest AND h.dossier_id IS NOT NULL AND h.id <= j.id
                   AND h.held_at IS NOT NULL AND (h.state = 0 OR h.id = j.id)
                   AND NOT {_MUTED.format(m="h")} AND NOT {_SHOWN.format(m="h")}
                 ORDER BY h.id DESC) END,
           now()
      FROM judged j
      LEFT JOIN LATERAL (
           SELECT d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.recorded_at,
                  d.asked, coalesce(d.resolving_agency, d.receiving_agency) AS agency_id
             FROM dossier d WHERE d.id = j.dossier_id AND j.state = 10 LIMIT 1) d ON true"""  # noqa: S608 - parts of ours

# The claim is planned once: planning it for every batch costs as much as running it.
PLAN_ONCE = "SELECT set_config('plan_cache_mode', 'force_generic_plan', false)"


class Claimed(NamedTuple):
    """One judged row, in the order of CLAIM's columns. Only where `state` is CLAIMED is there anything to send.

    The dossier's part is None where the message speaks of none, or of one that is no longer there.
    """

    message_id: int
    state: int
    fence: int
    faults: int
    doubts: int
    lane: int
    created_at: datetime
    kind: str
    event: str | None
    channel: str
    language: str
    proven: bool
    address_sealed: bytes
    text_sealed: bytes | None
    our_sender: str | None
    choices_sealed: bytes | None
    due_before: datetime | None
    route: str | None  # by which it was tried last
    last_heard: datetime | None
    code: str | None
    version: int
    status: int
    status_at: datetime
    received_at: datetime | None
    due_at: datetime | None
    finished_at: datetime | None
    recorded_at: datetime
    asked: str | None
    agency_id: int
    status_before: int | None
    held: list[str] | None  # codes of what was held back with this message, itself included, the newest first
    at: datetime

    @property
    def speaks_of_nothing(self) -> bool:
        """A notice whose dossier has gone: there is nothing left to tell."""
        return self.text_sealed is None and self.code is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many messages one channel can take now: at most `total`, of each lane at most its own number."""

    channel: str
    total: int
    urgent: int
    other: int
    suspect: int
    since: tuple[datetime, ...]

    @property
    def most(self) -> tuple[int, ...]:
        """The limit of each lane, in the order of `Lane`."""
        return self.urgent, self.other, self.other, self.suspect


_SILENT = [*SILENT]
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Front:
    """Where the waiting part of each lane of one channel begins.

    Every claim would otherwise walk over what was claimed before, until it is vacuumed away, which an old snapshot can
    prevent for hours. What was committed long after its time, or locked in passing, lies behind the front: so every
    `WALK_ALL` seconds a claim begins at the beginning.
    """

    since: list[datetime] = field(default_factory=lambda: [_EVER] * len(Lane))
    _walked: float = field(default_factory=time.monotonic)

    WALK_ALL = 5.0
    LATE = timedelta(seconds=2)

    def begin(self) -> tuple[datetime, ...]:
        """Where the next claim begins, lane by lane."""
        if time.monotonic() - self._walked > self.WALK_ALL:
            self._walked = time.monotonic()
            self.since = [_EVER] * len(Lane)
        return tuple(self.since)

    def move(self, room: Room, rows: Sequence[Claimed]) -> None:
        """Take note of what a claim in `room` found: all that was due, or the oldest part of it."""
        for lane, most in enumerate(room.most):
            found = [row.created_at for row in rows if row.lane == lane]
            if len(found) >= most or len(rows) >= room.total:
                self.since[lane] = min(found, default=self.since[lane])
            elif rows:
                self.since[lane] = rows[0].at - self.LATE


async def claim(
    connection: Connection, rooms: Sequence[Room], lease: timedelta, timing: Timing = AT_ONCE
) -> list[Claimed]:
    """Judge what is due in `rooms`; the rows to send are leased until the database's clock has gone on by `lease`."""
    rows = await connection.fetch(
        CLAIM,
        [room.channel for room in rooms],
        [room.total for room in rooms],
        [most for room in rooms for most in room.most],
        [since for room in rooms for since in room.since],
        lease,
        MOST_FAULTS,
        _SILENT,
        timing.a_day,
        timing.shift,
        timing.quiet_for,
    )
    return [Claimed._make(row) for row in rows]


STATEMENTS = (CLAIM, PLAN_ONCE)
