"""Taking due messages from the queue: leased, judged and read together with what they speak of, in one statement."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from database.pool import Connection
from domain.message import Lane
from notifications.retries import MOST_FAULTS

# The numbers of states are domain.message.DeliveryState, those of lanes domain.message.Lane.
#
# The choice: per channel, lane by lane, oldest first, passing over what another dispatcher is just taking; $3 and $4
# hold one place for each lane of each channel. The rows are named by their place on disk, in an array, so that they
# are fetched and nothing is joined, whatever the planner believes of the sizes.
#
# The verdict, in the same transaction: a row whose lease ran out (state 10) was in the hands of a process that
# vanished, which counts as a fault. What has expired, is dead, opted out of or muted, or is said by a newer message,
# ends here and now. A row at its second vanishing goes to the suspects' lane, from which one is taken at a time. All
# else is leased.
#
# The reading: the dossier as it stands now, so that a message tells the truth of its hour and not of its queueing.
CLAIM = """
    WITH judged AS (
        UPDATE message m
           SET (state, attempts, faults, lane, run_at, settled_at) = (
               SELECT v.verdict,
                      m.attempts + CASE v.verdict WHEN 10 THEN 1 ELSE 0 END,
                      v.faults,
                      CASE v.verdict WHEN 0 THEN 3 ELSE m.lane END,
                      CASE v.verdict WHEN 10 THEN now() + $5 ELSE now() END,
                      CASE WHEN v.verdict >= 50 THEN now() END
                 FROM (SELECT f.faults, CASE
                           WHEN m.expires_at <= now() THEN 60
                           WHEN f.faults >= $6 THEN 63
                           WHEN m.kind NOT IN ('reply', 'code') AND (
                                EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = m.contact_digest)
                                OR EXISTS (SELECT FROM subscription s
                                            WHERE s.dossier_id = m.dossier_id AND s.contact_digest = m.contact_digest
                                              AND s.state = 'muted')) THEN 62
                           WHEN m.kind = 'status_changed' AND EXISTS (
                                SELECT FROM message n
                                 WHERE n.dossier_id = m.dossier_id AND n.id > m.id AND n.kind = m.kind
                                   AND n.contact_digest = m.contact_digest AND n.state <> 61) THEN 61
                           WHEN m.state = 10 AND f.faults > 1 AND m.lane <> 3 THEN 0
                           ELSE 10 END AS verdict
                         FROM (SELECT m.faults + CASE m.state WHEN 10 THEN 1 ELSE 0 END AS faults) f
                        OFFSET 0) v)
         WHERE m.ctid = ANY (ARRAY (
               SELECT due.ctid
                 FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS room (channel, total, place)
                CROSS JOIN LATERAL (
                      SELECT w.ctid
                        FROM unnest('{0,1,2,3}'::smallint[]) AS lanes (lane)
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
        RETURNING m.id, m.state, m.attempts, m.faults, m.doubts, m.lane, m.created_at, m.kind, m.channel, m.language,
                  m.proven, m.contact_digest, m.address_sealed, m.text_sealed, m.our_sender, m.choices_sealed,
                  m.dossier_id)
    SELECT j.id, j.state, j.attempts, j.faults, j.doubts, j.lane, j.created_at, j.kind, j.channel,
           coalesce((SELECT c.language FROM conversation c WHERE c.contact_digest = j.contact_digest), j.language),
           j.proven, j.address_sealed, j.text_sealed, j.our_sender, j.choices_sealed,
           CASE WHEN j.channel <> 'sms' THEN
                (SELECT i.received_at FROM inbound i
                  WHERE i.sender_digest = j.contact_digest ORDER BY i.id DESC LIMIT 1) END,
           d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.recorded_at, d.asked,
           d.agency_id,
           (SELECT e.status FROM dossier_event e
             WHERE e.dossier_id = j.dossier_id AND e.at < d.status_at ORDER BY e.at DESC LIMIT 1),
           now()
      FROM judged j
      LEFT JOIN LATERAL (
           SELECT d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.recorded_at,
                  d.asked, coalesce(d.resolving_agency, d.receiving_agency) AS agency_id
             FROM dossier d WHERE d.id = j.dossier_id AND j.state = 10 LIMIT 1) d ON true"""

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
    channel: str
    language: str
    proven: bool
    address_sealed: bytes
    text_sealed: bytes | None
    our_sender: str | None
    choices_sealed: bytes | None
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


async def claim(connection: Connection, rooms: Sequence[Room], lease: timedelta) -> list[Claimed]:
    """Judge what is due in `rooms`; the rows to send are leased until the database's clock has gone on by `lease`."""
    rows = await connection.fetch(
        CLAIM,
        [room.channel for room in rooms],
        [room.total for room in rooms],
        [most for room in rooms for most in room.most],
        [since for room in rooms for since in room.since],
        lease,
        MOST_FAULTS,
    )
    return [Claimed._make(row) for row in rows]


STATEMENTS = (CLAIM, PLAN_ONCE)
