"""By which ways the holder of a dossier's phone is reached: the next one only when the last is known to have failed.

A ladder is a list of channels, `chat` standing for the chat linked to the phone (`channels.linked_phones`): linked
because the platform or a code that was read back says so, never because somebody typed a number; and `email` for the
address stated with the dossier, which is then told in its turn and not on its own. Each message keeps the rungs that
are left.

A rung has failed when its provider refused the message or reported it undelivered, or, in a channel that tells of
delivery, when it did not do so in time. The next is taken if nobody looked the dossier up meanwhile or stopped its
notices, no newer notice says more, and the dossier has not cost too much.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from database.pool import Connection
from domain.contact import ChannelName
from domain.errors import Malformed
from notifications.timing import AT_ONCE, Timing, awake

CHAT = "chat"
EMAIL = "email"
BY_SMS = ("sms",)
# How long a channel that tells of delivery has for it; of a phone that is off Zalo does not tell at all.
SILENCE: Mapping[str, timedelta] = {"zns": timedelta(minutes=10), "zalo": timedelta(minutes=10)}
MOST_AT_ONCE = 200
_RUNG = re.compile("[a-z][a-z_]{1,30}", re.ASCII)


def rungs_for(office: str, default: str) -> str:
    """SQL: the ladder of the nearest agency above `office` (an agency's id) that has one, else `default`."""
    return f"""coalesce((
        SELECT l.rungs FROM notice_ladder l
         WHERE EXISTS (SELECT FROM agency_reach w WHERE w.scope_id = l.agency_id AND w.agency_id = {office})
         ORDER BY (SELECT count(*) FROM agency_reach u WHERE u.agency_id = l.agency_id) DESC LIMIT 1),
        {default})"""  # noqa: S608 - parts of ours


def first_rung(rungs: str) -> str:
    """SQL: the first of `rungs` by which the holder of dossier `d` can be reached, and the rungs after it.

    A chat that was left, or in which the dossier was muted, is passed over; so is e-mail without an address that the
    agency stated with the dossier, or with one that wants no letters.
    """
    return f"""
        SELECT coalesce(l.channel, r.rung) AS channel,
               coalesce(l.contact_digest, mail.contact_digest, d.phone_digest) AS contact_digest,
               coalesce(l.address_sealed, mail.address_sealed, d.phone_sealed) AS address_sealed,
               CASE WHEN coalesce(l.contact_digest, mail.contact_digest) IS NOT NULL THEN d.phone_digest
                    END AS person_digest,
               nullif(({rungs})[r.n + 1:], '{{}}') AS ways
          FROM unnest({rungs}) WITH ORDINALITY AS r (rung, n)
          LEFT JOIN LATERAL (
               SELECT p.channel, p.contact_digest, p.address_sealed
                 FROM (SELECT k.channel, k.contact_digest, k.address_sealed, k.linked_at FROM linked_phone k
                        WHERE r.rung = 'chat' AND k.phone_digest = d.phone_digest OFFSET 0) p
                WHERE p.address_sealed IS NOT NULL
                  AND NOT EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = p.contact_digest)
                  AND NOT EXISTS (SELECT FROM subscription s
                                   WHERE s.dossier_id = d.id AND s.state = 'muted'
                                     AND s.contact_digest IS NOT DISTINCT FROM p.contact_digest)
                ORDER BY p.linked_at DESC LIMIT 1) l ON true
          LEFT JOIN LATERAL (
               SELECT s.contact_digest, s.address_sealed FROM subscription s
                WHERE r.rung = 'email' AND s.dossier_id = d.id AND s.by_duty AND s.state = 'active'
                  AND NOT EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = s.contact_digest)
                LIMIT 1) mail ON true
         WHERE r.rung NOT IN ('chat', 'email') OR l.contact_digest IS NOT NULL OR mail.contact_digest IS NOT NULL
         ORDER BY r.n LIMIT 1"""  # noqa: S608 - parts of ours


# The numbers of states are domain.message.DeliveryState: 70 is failed, 50 and above an end, 30 and 40 on its way.
CLIMB = f"""
    WITH judged AS (
        SELECT m.id,
               m.state IN (50, 70) OR (m.state IN (30, 40) AND m.handed_over_at < now() - s.silence) AS failed
          FROM message m
          LEFT JOIN unnest($1::text[], $2::interval[]) AS s (channel, silence) ON s.channel = m.channel
         WHERE m.ways IS NOT NULL
           AND (m.state >= 50 OR (m.state IN (30, 40) AND m.handed_over_at < now() - s.silence))
         ORDER BY m.id LIMIT $3 FOR UPDATE OF m SKIP LOCKED),
    ended AS (
        UPDATE message m SET ways = NULL FROM judged j, message o
         WHERE m.id = j.id AND o.id = m.id
        RETURNING m.*, o.ways AS rungs, j.failed),
    climbed AS (
        INSERT INTO message (dossier_id, event_key, owner_agency, version, event, due_before, lane, run_at, expires_at,
                             kind, channel, language, proven, contact_digest, address_sealed, person_digest, ways,
                             climbed_from)
        SELECT e.dossier_id, e.event_key, e.owner_agency, e.version, e.event, e.due_before, e.lane,
               CASE WHEN e.lane = 0 THEN now() ELSE {awake("now()", "$7", "$8")} END, e.expires_at, e.kind,
               next.channel, e.language, e.proven, next.contact_digest, next.address_sealed, next.person_digest,
               next.ways, e.id
          FROM ended e
         CROSS JOIN LATERAL (
               SELECT d.id, d.phone_digest, d.phone_sealed FROM dossier d
                WHERE d.id = e.dossier_id AND d.phone_digest = coalesce(e.person_digest, e.contact_digest) OFFSET 0) d
         CROSS JOIN LATERAL ({first_rung("e.rungs")}) next
         WHERE e.failed AND e.expires_at > now()
           AND NOT EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = d.phone_digest)
           AND NOT EXISTS (SELECT FROM subscription s
                            WHERE s.dossier_id = d.id AND s.contact_digest = d.phone_digest AND s.state = 'muted')
           AND NOT EXISTS (SELECT FROM shown w
                            WHERE w.contact_digest IN (e.contact_digest, e.person_digest) AND w.dossier_id = d.id
                              AND w.version >= e.version AND (e.kind <> 'deadline' OR w.shown_at >= e.created_at))
           AND NOT EXISTS (SELECT FROM message n
                            WHERE n.dossier_id = d.id AND n.id > e.id AND n.kind IN ('status_changed', e.kind)
                              AND d.phone_digest IN (n.contact_digest, n.person_digest) AND n.state <> 61)
           AND NOT coalesce(
               (SELECT coalesce(sum(p.dong), 0) FROM message n
                  JOIN unnest($4::text[], $5::int[]) AS p (channel, dong) ON p.channel = n.channel
                 WHERE n.contact_digest = d.phone_digest AND n.dossier_id = d.id AND n.handed_over_at IS NOT NULL)
             + (SELECT coalesce(max(p.dong), 0) FROM unnest($4::text[], $5::int[]) AS p (channel, dong)
                 WHERE p.channel = next.channel)
             > coalesce((SELECT l.dong FROM notice_ladder l
                          WHERE EXISTS (SELECT FROM agency_reach w
                                         WHERE w.scope_id = l.agency_id AND w.agency_id = e.owner_agency)
                          ORDER BY (SELECT count(*) FROM agency_reach u WHERE u.agency_id = l.agency_id) DESC
                          LIMIT 1), $6::int), false)
        RETURNING id)
    SELECT id, pg_notify('motma_outbox', '') FROM climbed"""  # noqa: S608 - parts of ours
SET_LADDER = """
    INSERT INTO notice_ladder (agency_id, rungs, dong) VALUES ($1, $2, $3)
        ON CONFLICT (agency_id) DO UPDATE SET rungs = excluded.rungs, dong = excluded.dong, changed_at = now()"""
DROP_LADDER = "DELETE FROM notice_ladder WHERE agency_id = $1 RETURNING agency_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The operator's rungs, what one message costs by channel (đồng), and when a dossier has cost enough."""

    rungs: tuple[str, ...] = BY_SMS
    prices: Mapping[str, int] = field(default_factory=dict)
    dong: int | None = None  # None for no limit
    silence: Mapping[str, timedelta] = field(default_factory=lambda: SILENCE)


def rungs_of(text: str) -> tuple[str, ...]:
    """The rungs written as `chat,zns,sms`. Raises `Malformed`."""
    rungs = tuple(part.strip() for part in text.split(",") if part.strip())
    if not rungs or len(set(rungs)) < len(rungs) or not all(_RUNG.fullmatch(rung) for rung in rungs):
        raise Malformed(f"A ladder is a list of channels such as chat,zns,{ChannelName.SMS}, not {text!r}.")
    if rungs[-1] in {CHAT, EMAIL}:
        raise Malformed(f"A ladder cannot end in {rungs[-1]}: not everybody has one.")
    return rungs


async def climb(connection: Connection, ladder: Ladder, timing: Timing = AT_ONCE) -> int:
    """Queue the next rung of every notice whose last has failed; how many. Runs as `motma_worker`."""
    rows = await connection.fetch(
        CLIMB,
        [*ladder.silence],
        [*ladder.silence.values()],
        MOST_AT_ONCE,
        [*ladder.prices],
        [*ladder.prices.values()],
        ladder.dong,
        timing.shift,
        timing.quiet_for,
    )
    return len(rows)


async def set_ladder(connection: Connection, agency_id: int, rungs: Sequence[str], *, dong: int | None = None) -> None:
    """From now on the agency and all below it use `rungs`. Runs as `motma_operator`. Raises `Malformed`."""
    await connection.execute(SET_LADDER, agency_id, [*rungs_of(",".join(rungs))], dong)


async def drop_ladder(connection: Connection, agency_id: int) -> bool:
    """Take an agency's ladder back; False when it had none. Runs as `motma_operator`."""
    return await connection.fetchval(DROP_LADDER, agency_id) is not None


STATEMENTS = (CLIMB, SET_LADDER, DROP_LADDER)
