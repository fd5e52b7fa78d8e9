"""The life of each message, step by step with its times: from the queue to the last receipt, the next way included.

Most steps are columns of the message's own row; what a later attempt would overwrite stands in `message_step`
(`notifications.settlement`), what the provider said later in `delivery_report`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from database.pool import Connection
from domain.message import DeliveryState, Lane
from lookup.sealing import Seal, Unsealable

MOST_AT_ONCE = 1_000
COMMITTED = timedelta(minutes=1)  # by so much at most a message with a lower id may be the younger one

_MESSAGE = """
    SELECT m.id AS message_id, m.state, m.kind, m.event, m.channel, m.lane, m.language, m.route, m.provider_id,
           m.failure, m.attempts, m.created_at, m.run_at, m.expires_at, m.held_at, m.claimed_at, m.handed_over_at,
           m.settled_at, m.climbed_from, m.dong, m.address_sealed, m.version,
           n.id AS climbed_to, n.created_at AS climbed_at,
           (SELECT a.code FROM agency a WHERE a.id = m.owner_agency) AS agency,
           (SELECT d.code FROM dossier d WHERE d.id = m.dossier_id) AS dossier
      FROM message m
      LEFT JOIN LATERAL (SELECT n.id, n.created_at FROM message n
                          WHERE n.dossier_id = m.dossier_id AND n.climbed_from = m.id LIMIT 1) n ON true"""
# About the first id since a time, for ids rise with time but for seconds: found by halving, in twenty to thirty looks
# along the key, whatever the number of messages.
FIRST_SINCE = """
    WITH RECURSIVE halved (low, high) AS (
        SELECT (SELECT min(id) FROM message), (SELECT max(id) + 1 FROM message)
         UNION ALL
        SELECT CASE WHEN p.created_at < $1 THEN p.id + 1 ELSE h.low END,
               CASE WHEN p.created_at < $1 THEN h.high ELSE (h.low + h.high) / 2 END
          FROM halved h
         CROSS JOIN LATERAL (SELECT m.id, m.created_at FROM message m
                              WHERE m.id >= (h.low + h.high) / 2 ORDER BY m.id LIMIT 1) p
         WHERE h.low < h.high)
    SELECT max(low) FROM halved"""
LIST = f"""{_MESSAGE}
     WHERE ($1::bigint IS NULL OR m.id < $1) AND m.id >= $2
       AND ($3::smallint[] IS NULL OR m.state = ANY ($3)) AND ($4::text IS NULL OR m.channel = $4)
       AND ($5::int IS NULL OR m.owner_agency IN (SELECT r.agency_id FROM agency_reach r WHERE r.scope_id = $5))
       AND ($6::timestamptz IS NULL OR m.created_at >= $6)
     ORDER BY m.id DESC LIMIT $7"""  # noqa: S608 - parts of ours
LIST_OF_DOSSIER = f"""{_MESSAGE}
     WHERE m.dossier_id = (SELECT c.dossier_id FROM dossier_code c WHERE c.code = $1 AND NOT c.test)
       AND ($2::bigint IS NULL OR m.id < $2) AND ($3::smallint[] IS NULL OR m.state = ANY ($3))
       AND ($4::text IS NULL OR m.channel = $4) AND ($5::timestamptz IS NULL OR m.created_at >= $5)
     ORDER BY m.id DESC LIMIT $6"""  # noqa: S608 - parts of ours
# Notices to a person, and answers to what the person sent. One-time codes are neither.
LIST_OF_CONTACT = f"""{_MESSAGE}
     WHERE m.id = ANY (ARRAY (
           SELECT t.id FROM message t WHERE t.contact_digest = $1 AND t.dossier_id IS NOT NULL
            UNION ALL
           SELECT t.id FROM inbound i JOIN message t ON t.inbound_id = i.id WHERE i.sender_digest = $1))
       AND ($2::bigint IS NULL OR m.id < $2) AND ($3::smallint[] IS NULL OR m.state = ANY ($3))
       AND ($4::text IS NULL OR m.channel = $4) AND ($5::timestamptz IS NULL OR m.created_at >= $5)
     ORDER BY m.id DESC LIMIT $6"""  # noqa: S608 - parts of ours
LIST_BY_ID = f"""{_MESSAGE}
     WHERE m.id = ANY ($1::bigint[]) ORDER BY m.id DESC"""
STEPS = """
    SELECT s.message_id, s.at, s.attempt, s.state, s.replayed, s.route, s.reason
      FROM message_step s WHERE s.message_id = ANY ($1::bigint[]) ORDER BY s.at, s.attempt"""
REPORTS = """
    SELECT r.message_id, r.at, r.state, r.route, r.provider_word
      FROM delivery_report r WHERE r.message_id = ANY ($1::bigint[]) ORDER BY r.at, r.id"""


class What(StrEnum):
    """What happened to a message."""

    QUEUED = "queued"
    CLIMBED_FROM = "climbed_from"  # queued because the message of this number did not arrive by its way
    HELD = "held"  # its person had as many notices as a day may bring
    CUT_OFF = "cut_off"  # an attempt ended with its process, at the latest when the next began
    CLAIMED = "claimed"  # an attempt begins
    NOT_TAKEN = "not_taken"
    IN_DOUBT = "in_doubt"
    HANDED_OVER = "handed_over"
    REPORTED = "reported"  # a receipt of the provider
    ENDED = "ended"
    REPLAYED = "replayed"
    CLIMBED_TO = "climbed_to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened. `other` is the message climbed from, or to."""

    at: datetime
    what: What
    state: DeliveryState | None = None
    attempt: int | None = None
    route: str | None = None
    word: str | None = None  # the provider's word or reason, or the type of our fault
    other: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message and its life. `contact` shows enough to tell two apart, and not enough to write to anybody."""

    message_id: int
    state: DeliveryState
    kind: str
    event: str | None
    channel: str
    lane: Lane
    language: str
    route: str | None
    provider_id: str | None
    failure: str | None
    attempts: int
    created_at: datetime
    run_at: datetime
    expires_at: datetime
    settled_at: datetime | None
    dong: int | None
    version: int | None
    agency: str | None
    dossier: str | None
    contact: str = field(repr=False)
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages: of a `dossier` (a canonical code), or of a `contact` (a digest), or of neither; between two ids.

    `agency_id`, which brings all agencies below it, is heeded only where neither is named.
    """

    dossier: str | None = None
    contact: bytes | None = field(default=None, repr=False)
    states: tuple[DeliveryState, ...] = ()
    channel: str | None = None
    agency_id: int | None = None
    since: datetime | None = None
    before: int | None = None
    after: int = 0


class Timeline:
    """Reads lives of messages, as whatever role the connection has: a tenant sees those of its own dossiers."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def messages(self, connection: Connection, wanted: Wanted, *, most: int = 100) -> list[Message]:
        """The newest first, `most` at the most."""
        most = min(most, MOST_AT_ONCE)
        states = [int(state) for state in wanted.states] or None
        if wanted.dossier is not None or wanted.contact is not None:
            whose = wanted.dossier if wanted.contact is None else wanted.contact
            statement = LIST_OF_DOSSIER if wanted.contact is None else LIST_OF_CONTACT
            rows = await connection.fetch(statement, whose, wanted.before, states, wanted.channel, wanted.since, most)
            return await self._with_steps(connection, [row for row in rows if row["message_id"] > wanted.after])
        since = wanted.since and wanted.since - COMMITTED
        first = await connection.fetchval(FIRST_SINCE, since) if since else None
        rows = await connection.fetch(
            LIST,
            wanted.before,
            max(first or 0, wanted.after + 1),
            states,
            wanted.channel,
            wanted.agency_id,
            wanted.since,
            most,
        )
        return await self._with_steps(connection, rows)

    async def by_id(self, connection: Connection, message_ids: Sequence[int]) -> list[Message]:
        """These messages, the newest first; unknown ids are passed over."""
        return await self._with_steps(connection, await connection.fetch(LIST_BY_ID, message_ids))

    async def _with_steps(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Message]:
        ids = [row["message_id"] for row in rows]
        steps = _by_message(await connection.fetch(STEPS, ids))
        reports = _by_message(await connection.fetch(REPORTS, ids))
        return [self._message(row, steps[row["message_id"]], reports[row["message_id"]]) for row in rows]

    def _message(
        self, row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], reports: Sequence[Mapping[str, Any]]
    ) -> Message:
        try:
            contact = masked_contact(row["channel"], self._seal.open(row["address_sealed"]))
        except (Unsealable, ValueError):  # one broken row hides no other
            contact = HIDDEN
        kept = {name: row[name] for name in _KEPT}
        return Message(
            **kept,
            state=DeliveryState(row["state"]),
            lane=Lane(row["lane"]),
            contact=contact,
            steps=tuple(_life(row, steps, reports)),
        )


_KEPT = (
    *("message_id", "kind", "event", "channel", "language", "route", "provider_id", "failure", "attempts"),
    *("created_at", "run_at", "expires_at", "settled_at", "dong", "version", "agency", "dossier"),
)
HIDDEN = "…"
_SHOWN = 2  # characters of an address's end


def masked_contact(channel: str, address: str) -> str:
    """`address` with its middle taken away: fewer digits than prove anything (`…67`), of a mail address its host."""
    if "@" in address:
        name, _, host = address.rpartition("@")
        return f"{name[:1]}{HIDDEN}@{host}"
    tail = address[-_SHOWN:] if len(address) > 3 * _SHOWN else ""
    head = address[:3] if channel in {"sms", "zns"} and tail else ""
    return f"{head}{HIDDEN}{tail}"


def _by_message(rows: Sequence[Mapping[str, Any]]) -> defaultdict[int, list[Mapping[str, Any]]]:
    grouped: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["message_id"]].append(row)
    return grouped


def _life(
    row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], reports: Sequence[Mapping[str, Any]]
) -> list[Step]:
    """All steps in the order of their times; at one time, in the order in which they must have come."""
    found = [*_of_row(row, {step["attempt"] for step in steps}), *map(_kept, steps), *map(_reported, reports)]
    return sorted(found, key=lambda step: (step.at, _ORDER[step.what]))


def _of_row(row: Mapping[str, Any], told: set[int]) -> Iterator[Step]:
    state = DeliveryState(row["state"])
    yield Step(at=row["created_at"], what=What.QUEUED, state=DeliveryState.QUEUED)
    if row["climbed_from"] is not None:
        yield Step(at=row["created_at"], what=What.CLIMBED_FROM, other=row["climbed_from"])
    if row["held_at"] is not None:
        yield Step(at=row["held_at"], what=What.HELD)
    claims = row["claimed_at"] or []
    for attempt, at in enumerate(claims, start=1):
        yield Step(at=at, what=What.CLAIMED, state=DeliveryState.CLAIMED, attempt=attempt)
        if attempt not in told and attempt < len(claims):
            yield Step(at=claims[attempt], what=What.CUT_OFF, attempt=attempt)
    if row["handed_over_at"] is not None:
        yield Step(at=row["handed_over_at"], what=What.HANDED_OVER, state=DeliveryState.HANDED_OVER, route=row["route"])
    if row["settled_at"] is not None and not (state in _OF_REPORTS and row["handed_over_at"] is not None):
        yield Step(at=row["settled_at"], what=What.ENDED, state=state, route=row["route"], word=row["failure"])
    if row["climbed_to"] is not None:
        yield Step(at=row["climbed_at"], what=What.CLIMBED_TO, other=row["climbed_to"])


def _kept(step: Mapping[str, Any]) -> Step:
    state = DeliveryState(step["state"])
    what = What.REPLAYED if step["replayed"] else _WHAT.get(state, What.ENDED)
    return Step(
        at=step["at"], what=what, state=state, attempt=step["attempt"], route=step["route"], word=step["reason"]
    )


def _reported(report: Mapping[str, Any]) -> Step:
    return Step(
        at=report["at"],
        what=What.REPORTED,
        state=DeliveryState(report["state"]),
        route=report["route"],
        word=report["provider_word"],
    )


# Of a message that was handed over these are said by a report, which is a step of its own.
_OF_REPORTS = frozenset({DeliveryState.DELIVERED, DeliveryState.FAILED})
_WHAT = {DeliveryState.QUEUED: What.NOT_TAKEN, DeliveryState.IN_DOUBT: What.IN_DOUBT}
_ORDER = {what: place for place, what in enumerate(What)}

STATEMENTS = (FIRST_SINCE, LIST, LIST_OF_DOSSIER, LIST_OF_CONTACT, LIST_BY_ID, STEPS, REPORTS)
