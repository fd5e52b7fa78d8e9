"""Writing down what became of leased messages, many at a time."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from database.pool import Connection
from domain.message import DeliveryState
from domain.vietnamese import clean
from notifications.claims import Claimed
from notifications.retries import MOST_DOUBTS, MOST_DOUBTS_ASKED, MOST_FAULTS, wait_before_retry, wait_in_doubt

MOST_AT_ONCE = 500
MOST_WORDS = 200

# Only the holder of the newest lease writes (attempts is the fence), and only once: a row no longer CLAIMED was
# settled by an earlier try of this statement whose answer was lost. A delivery report may have come first and raised
# the state; it stays. A wait that would end after the message's expiry ends it now: expired, or without receipt if it
# may have arrived. Where another way to the person is left (notifications.ladder), a long wait is a failure of this
# one: an allowance that is used up must not keep the news till tomorrow. What did not end the message is kept as a step
# of it: the row will tell of the next attempt.
_OTHER_WAY = "s.state = 0 AND s.wait > interval '15 minutes' AND m.ways IS NOT NULL"
SETTLE = f"""
    WITH written AS (
        UPDATE message m
           SET state = CASE WHEN m.state > 20 THEN greatest(m.state, s.state)
                            WHEN {_OTHER_WAY} THEN 70
                            WHEN s.state > 20 OR now() + s.wait < m.expires_at THEN s.state
                            WHEN s.state = 0 THEN 60
                            ELSE 50 END,
               run_at = now() + s.wait,
               handed_over_at = CASE s.state WHEN 30 THEN coalesce(m.handed_over_at, now()) ELSE m.handed_over_at END,
               settled_at = CASE WHEN m.settled_at IS NULL
                                  AND (s.state >= 50 OR s.state <= 20 AND now() + s.wait >= m.expires_at
                                       OR {_OTHER_WAY}) THEN now()
                                 ELSE m.settled_at END,
               faults = m.faults + s.fault,
               doubts = m.doubts + s.doubt,
               route = s.route,
               provider_id = coalesce(s.provider_id, m.provider_id),
               failure = s.failure,
               dong = coalesce(s.dong, m.dong)
          FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::smallint[], $5::interval[], $6::smallint[],
                      $7::smallint[], $8::text[], $9::text[], $10::int[])
               AS s (id, fence, route, state, wait, fault, doubt, provider_id, failure, dong)
         WHERE m.id = s.id AND m.attempts = s.fence AND (m.state = 10 OR s.state >= 30)
        RETURNING m.id, m.attempts, s.state, s.route, s.failure),
    kept AS (
        INSERT INTO message_step (message_id, attempt, state, route, reason)
        SELECT w.id, w.attempts, w.state, w.route, w.failure FROM written w
         WHERE w.state <= 20)
    SELECT w.id FROM written w"""  # noqa: S608 - parts of ours

# Whoever has left a channel is told nothing more there before coming back. Who refuses templates to a phone (ZNS) has
# said nothing of texts to it, which the same digest stands for.
LEFT = """
    WITH gone AS (
        INSERT INTO opt_out (contact_digest, source)
        SELECT DISTINCT m.contact_digest, 'left' FROM message m WHERE m.id = ANY ($1::bigint[]) AND m.channel <> 'zns'
            ON CONFLICT (contact_digest) DO NOTHING RETURNING contact_digest)
    INSERT INTO consent_act (contact_digest, act) SELECT contact_digest, 'stop_all' FROM gone"""

NO_WAIT = timedelta(0)


class Outcome(NamedTuple):
    """What became of one leased message. `state` QUEUED or IN_DOUBT comes back after `wait`."""

    state: DeliveryState
    wait: timedelta = NO_WAIT
    fault: int = 0
    doubt: int = 0
    provider_id: str | None = None
    failure: str | None = None
    dong: int | None = None


class Ended(NamedTuple):
    """One leased row, the route it went by, and its outcome; `gone` when the person has left that channel."""

    row: Claimed
    route: str
    outcome: Outcome
    gone: bool = False


RELEASED = Outcome(DeliveryState.QUEUED)
NO_LONGER_TRUE = Outcome(DeliveryState.SUPERSEDED)
NOTHING_TO_TELL = Outcome(DeliveryState.EXPIRED, failure="the dossier is gone")


def handed_over(provider_id: str | None, dong: int | None = None) -> Outcome:
    """The provider took it, calls it `provider_id`, and will have `dong` for it."""
    name = None if provider_id is None else clean(provider_id)[:MOST_WORDS]
    return Outcome(DeliveryState.HANDED_OVER, provider_id=name, dong=dong)


def refused(reason: str) -> Outcome:
    """The provider will never take it."""
    return Outcome(DeliveryState.FAILED, failure=_kept(reason))


def not_taken(row: Claimed, reason: str, after: timedelta | None = None) -> Outcome:
    """The provider did not take it now, or could not be reached; `after` is its own wish."""
    return Outcome(DeliveryState.QUEUED, wait_before_retry(row.fence, after), failure=_kept(reason))


def not_its_turn(reason: str, after: timedelta | None) -> Outcome:
    """It comes back at the time it was told: nothing failed, so the wait grows no longer with its tries."""
    return Outcome(DeliveryState.QUEUED, after or NO_WAIT, failure=_kept(reason))


def in_doubt(row: Claimed, reason: str, *, asked: bool = False, dong: int | None = None) -> Outcome:
    """The request left and no answer came; `asked`: the provider can tell of its messages, so it is tried longer.

    `dong`: what the provider will have for it if it was taken. It counts from the receipt on that says so.
    """
    last = row.doubts + 1 >= (MOST_DOUBTS_ASKED if asked else MOST_DOUBTS)
    state = DeliveryState.NO_RECEIPT if last else DeliveryState.IN_DOUBT
    wait = NO_WAIT if last else wait_in_doubt(row.kind)
    return Outcome(state, wait, doubt=1, failure=_kept(reason), dong=dong)


def not_answered(row: Claimed, reason: str) -> Outcome:
    """What became of it could not be asked now: it stays in doubt, and is not sent again."""
    return Outcome(DeliveryState.IN_DOUBT, wait_before_retry(row.fence), failure=_kept(reason))


def faulty(row: Claimed, error: Exception) -> Outcome:
    """Something nobody foresaw. Its text may hold anything, so only its type is kept."""
    last = row.faults + 1 >= MOST_FAULTS
    state = DeliveryState.DEAD if last else DeliveryState.QUEUED
    wait = NO_WAIT if last else wait_before_retry(row.fence)
    return Outcome(state, wait, fault=1, failure=type(error).__qualname__)


def _kept(reason: str) -> str:
    """What of a provider's words the store can hold: nothing it says may keep an outcome from being written."""
    return clean(reason)[:MOST_WORDS]


async def settle(connection: Connection, ended: Sequence[Ended]) -> set[int]:
    """Write the outcomes; the message ids written. The others were no longer ours to write."""
    outcomes = list(zip(*(one.outcome for one in ended), strict=True))
    rows = await connection.fetch(
        SETTLE,
        [one.row.message_id for one in ended],
        [one.row.fence for one in ended],
        [one.route for one in ended],
        *outcomes,
    )
    if gone := [one.row.message_id for one in ended if one.gone]:
        await connection.execute(LEFT, gone)
    return {row[0] for row in rows}


STATEMENTS = (SETTLE, LEFT)
