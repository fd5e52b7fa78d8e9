"""Queueing messages in the transaction that gives the reason for them: what is committed is told, nothing else is."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from database.pool import Connection
from domain.civil_time import CIVIL_ZONE, utc_now
from domain.contact import Contact
from domain.language import Language
from domain.message import Choice, Lane, MessageKind
from lookup.changes import Announcement
from lookup.sealing import Seal
from notifications import late_dates
from notifications.kinds import OF_THE_CLOCK, SAYS_A_DATE, SILENT, EventKind, event_kind, is_urgent
from notifications.ladder import BY_SMS, first_rung, rungs_for
from notifications.rules import rule_for
from notifications.shares import Shares
from notifications.timing import AT_ONCE, Timing, awake

WAKE_UP = "motma_outbox"  # the channel of NOTIFY; the statements below name it too
NOTICE_EXPIRY = timedelta(hours=24)
REPLY_EXPIRY = timedelta(hours=1)

# One row per entitled contact of each change: the holder of the registered phone, told by duty unless a row of its own
# says otherwise, by the first way of the ladder (`notifications.ladder`); and whoever follows; of a mere date only who
# has proven a right to it. What a rule silences is not queued. A change that a newer one overtook in the same batch is
# kept as superseded: the proof of why it was not told. Dossiers of test keys reach nobody. Each dossier and each
# opt-out is looked up by its key (OFFSET 0 and the scalar query forbid a join), because a plan made while the tables
# were small must not walk them when they have grown. IS NOT DISTINCT FROM, which no index serves, leaves the planner
# the dossier's own few rows: one person may have thousands.
#
# When: at once if urgent; else after the window that follows the last notice of the dossier, and after the quiet hours.
# $14 names what a day brings, which is queued once for each dossier and date.
_LAST = """(
    SELECT max(coalesce(n.handed_over_at, now())) + $12
      FROM (SELECT p.dossier_id, p.state, p.handed_over_at FROM message p
             WHERE p.contact_digest = told.contact_digest AND p.dossier_id IS NOT NULL
             ORDER BY p.id DESC LIMIT 20) n
     WHERE $12 > interval '0' AND n.dossier_id = d.id
       AND (n.state BETWEEN 10 AND 20 OR n.handed_over_at > now() - $12))"""
ANNOUNCE = f"""
    WITH queued AS (
        INSERT INTO message (dossier_id, event_key, owner_agency, version, event, due_before, lane, run_at, expires_at,
                             settled_at, state, kind, channel, language, proven, contact_digest, address_sealed,
                             person_digest, ways)
        SELECT d.id, c.event_key, d.owner_agency, d.version, c.event, c.due_before, c.lane, due.at, due.at + $9,
               CASE WHEN c.newest THEN NULL ELSE now() END, CASE WHEN c.newest THEN 0 ELSE 61 END, $13,
               told.channel, told.language, told.proven, told.contact_digest, told.address_sealed,
               told.person_digest, told.ways
          FROM unnest($1::bigint[], $2::uuid[], $3::boolean[], $4::text[], $5::boolean[], $6::boolean[],
                      $7::timestamptz[], $8::smallint[])
               WITH ORDINALITY
               AS c (dossier_id, event_key, newest, event, silent, says_a_date, due_before, lane, place)
         CROSS JOIN LATERAL (
               SELECT d.id, d.owner_agency, d.version, d.procedure_id, d.phone_digest, d.phone_sealed,
                      coalesce(d.resolving_agency, d.receiving_agency) AS office
                 FROM dossier d WHERE d.id = c.dossier_id AND NOT d.test OFFSET 0) d
          LEFT JOIN LATERAL (
               SELECT next.*, given.rungs, coalesce(own.language, 'vi') AS language
                 FROM (SELECT {rungs_for("d.office", "$15::text[]")} AS rungs OFFSET 0) given
                CROSS JOIN LATERAL ({first_rung("given.rungs")}) next
                 LEFT JOIN LATERAL (SELECT s.state, s.language, s.unwanted FROM subscription s
                                     WHERE s.dossier_id = d.id
                                       AND s.contact_digest IS NOT DISTINCT FROM d.phone_digest) own ON true
                WHERE d.phone_digest IS NOT NULL AND d.phone_sealed IS NOT NULL AND own.state IS DISTINCT FROM 'muted'
                  AND c.event <> ALL (coalesce(own.unwanted, '{{}}'))
                  AND (SELECT o.since FROM opt_out o WHERE o.contact_digest = d.phone_digest) IS NULL) duty ON true
         CROSS JOIN LATERAL (
               SELECT duty.channel, duty.language, true, duty.contact_digest, duty.address_sealed, duty.person_digest,
                      duty.ways
                WHERE duty.channel IS NOT NULL
                UNION ALL
               SELECT s.channel, s.language, s.proven, s.contact_digest, s.address_sealed, NULL, NULL
                 FROM subscription s
                WHERE s.dossier_id = d.id AND s.state = 'active' AND c.event <> ALL (s.unwanted)
                  AND s.contact_digest IS DISTINCT FROM d.phone_digest
                  AND s.contact_digest IS DISTINCT FROM duty.contact_digest
                  AND (NOT s.by_duty OR coalesce('email' <> ALL (duty.rungs), true)))
               AS told (channel, language, proven, contact_digest, address_sealed, person_digest, ways)
         CROSS JOIN LATERAL (
               SELECT CASE WHEN c.lane = 0 THEN now() ELSE {awake(f"greatest(now(), {_LAST})", "$10", "$11")} END
                      AS at OFFSET 0) due
         WHERE (told.proven OR NOT c.says_a_date)
           AND coalesce({rule_for("c.event", "d.office", "d.procedure_id")}, NOT c.silent)
           AND (SELECT o.since FROM opt_out o WHERE o.contact_digest = told.contact_digest) IS NULL
           AND CASE WHEN $14 THEN (SELECT m.id FROM message m
                                    WHERE m.contact_digest = told.contact_digest AND m.dossier_id = d.id
                                      AND m.event_key = c.event_key LIMIT 1) END IS NULL
         ORDER BY c.place
        RETURNING state)
    SELECT pg_notify('motma_outbox', '') FROM queued WHERE state = 0 LIMIT 1"""  # noqa: S608 - parts of ours

# An inbound message has one reply, however often its handling is tried.
QUEUE = """
    WITH queued AS (
        INSERT INTO message (inbound_id, dossier_id, owner_agency, expires_at, lane, kind, channel, language,
                             contact_digest, address_sealed, text_sealed, our_sender, choices_sealed)
        VALUES ($1, $2, $3, now() + $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (inbound_id) WHERE inbound_id IS NOT NULL DO NOTHING
        RETURNING id)
    SELECT id, pg_notify('motma_outbox', '') FROM queued"""


def sealed_choices(seal: Seal, choices: Sequence[Choice]) -> bytes | None:
    """Choices as a message row keeps them: sealed, for they name dossiers."""
    return seal.seal(msgspec.json.encode(choices).decode()) if choices else None


def opened_choices(seal: Seal, sealed: bytes | None) -> tuple[Choice, ...]:
    """What `sealed_choices` sealed."""
    return () if sealed is None else msgspec.json.decode(seal.open(sealed), type=tuple[Choice, ...])


class Deadline(NamedTuple):
    """A dossier and the civil day in Vietnam on which it is due, or on which the time for its papers ends."""

    dossier_id: int
    due_on: date

    @property
    def due_at(self) -> datetime:
        """The beginning of that day."""
        return datetime.combine(self.due_on, time(), CIVIL_ZONE)


class _Notice(NamedTuple):
    """One change as ANNOUNCE takes it."""

    dossier_id: int
    event_key: UUID
    event: EventKind
    newest: bool = True
    due_before: datetime | None = None
    lane: Lane = Lane.NORMAL


class Outbox:
    """Queues messages in the transaction of the connection it is given; its commit wakes the dispatcher."""

    def __init__(self, seal: Seal, *, timing: Timing = AT_ONCE, rungs: Sequence[str] = BY_SMS) -> None:
        self._seal = seal
        self._shares = Shares()
        self._rungs = [*rungs]
        self._timing = timing

    async def announce(self, connection: Connection, changes: Sequence[Announcement]) -> None:
        """Queue a notice of each change for everybody entitled to it. Runs as `motma_app` with the tenant set."""
        if changes:
            now = utc_now()
            notices = [self._notice(change, now) for change in changes]
            await self._announce(connection, notices, MessageKind.STATUS_CHANGED)
            await late_dates.note(connection, changes, now)

    async def announce_deadline(self, connection: Connection, event: EventKind, deadlines: Sequence[Deadline]) -> None:
        """Queue a notice that these dates come, or have passed (`OF_THE_CLOCK`); each date once.

        Runs as `motma_worker`, in the transaction of the connection it is given. What is no longer so when the notice
        could go out is not sent.
        """
        if event not in OF_THE_CLOCK:
            raise ValueError(f"{event} is not brought by the clock")
        if deadlines:
            notices = [
                _Notice(
                    deadline.dossier_id,
                    self._deadline_key(event, deadline),
                    event,
                    due_before=deadline.due_at,
                    lane=Lane.BULK,
                )
                for deadline in deadlines
            ]
            await self._announce(connection, notices, MessageKind.DEADLINE)

    def _notice(self, change: Announcement, now: datetime) -> _Notice:
        event = event_kind(change.before, change.after)
        due_before = change.before.due_at if change.before and event is EventKind.NEW_DUE_DATE else None
        urgent = is_urgent(event, change.after, now)
        lane = Lane.URGENT if urgent else self._shares.lane(change.owner_agency)
        return _Notice(change.dossier_id, UUID(bytes=change.event_key), event, change.newest, due_before, lane)

    async def _announce(self, connection: Connection, notices: Sequence[_Notice], kind: MessageKind) -> None:
        await connection.execute(
            ANNOUNCE,
            [notice.dossier_id for notice in notices],
            [notice.event_key for notice in notices],
            [notice.newest for notice in notices],
            [notice.event for notice in notices],
            [notice.event in SILENT for notice in notices],
            [notice.event in SAYS_A_DATE for notice in notices],
            [notice.due_before for notice in notices],
            [notice.lane for notice in notices],
            NOTICE_EXPIRY,
            self._timing.shift,
            self._timing.quiet_for,
            self._timing.window,
            kind,
            kind is MessageKind.DEADLINE,
            self._rungs,
        )

    def _deadline_key(self, event: EventKind, deadline: Deadline) -> UUID:
        """The same for one dossier, event and day, however often it is asked for."""
        return UUID(bytes=self._seal.digest("deadline", event, str(deadline.dossier_id), deadline.due_on.isoformat()))

    async def reply(
        self,
        connection: Connection,
        inbound_id: int,
        to: Contact,
        text: str,
        *,
        our_sender: str | None = None,
        language: Language = Language.VIETNAMESE,
        choices: Sequence[Choice] = (),
    ) -> int | None:
        """Queue the answer to an inbound message; its id, or None when that message has its answer already.

        `our_sender` is the number or account the person wrote to. Runs as `motma_worker`.
        """
        return await self.queue(
            connection,
            to,
            text,
            kind=MessageKind.REPLY,
            lane=Lane.URGENT,
            expires_in=REPLY_EXPIRY,
            inbound_id=inbound_id,
            our_sender=our_sender,
            language=language,
            choices=choices,
        )

    async def queue(
        self,
        connection: Connection,
        to: Contact,
        text: str,
        *,
        kind: MessageKind,
        expires_in: timedelta,
        lane: Lane = Lane.NORMAL,
        language: Language = Language.VIETNAMESE,
        inbound_id: int | None = None,
        dossier_id: int | None = None,
        owner_agency: int | None = None,
        our_sender: str | None = None,
        choices: Sequence[Choice] = (),
    ) -> int | None:
        """Queue `text` for one contact; the message's id, or None when `inbound_id` has its answer already."""
        row = await connection.fetchrow(
            QUEUE,
            inbound_id,
            dossier_id,
            owner_agency,
            expires_in,
            lane,
            kind,
            to.channel,
            language,
            self._seal.contact(to),
            self._seal.seal(to.address),
            self._seal.seal(text),
            our_sender,
            sealed_choices(self._seal, choices),
        )
        return None if row is None else int(row["id"])


STATEMENTS = (ANNOUNCE, QUEUE)
