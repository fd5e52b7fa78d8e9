"""The rows that ingest reads and writes: its statements, and how facts, courses and history entries become columns."""

from collections.abc import Mapping
from datetime import UTC
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
from asyncpg.pgproto.pgproto import UUID

from domain.contact import ChannelName, Contact
from domain.status import Status
from lookup.changes import DossierFacts, StatusEvent
from lookup.newest import Course, Known, PutOff, Step
from lookup.sealing import Seal

Change: TypeAlias = DossierFacts | StatusEvent
Row: TypeAlias = tuple[Any, ...]

# Known dossiers are locked in one order by everybody, and new codes inserted in one order after that. Only a code never
# met before takes a number, so that numbers stay dense.
ENROL = """
    WITH known AS (
        SELECT code, id, version, owner_agency, facts_at, facts_digest,
               status, status_at, due_at, finished_at, delivered_at, asked, put_off_from, put_off_to
          FROM dossier
         WHERE id = ANY (ARRAY (SELECT dossier_id FROM dossier_code WHERE code = ANY ($1::text[]) AND test = $2))
         ORDER BY id FOR NO KEY UPDATE),
    added AS (
        INSERT INTO dossier_code (code, test, dossier_id, owner_agency)
        SELECT code, $2, nextval('dossier_id'), $3
          FROM (SELECT given.code FROM unnest($1::text[]) AS given (code)
                 WHERE NOT EXISTS (SELECT FROM known WHERE known.code = given.code) ORDER BY given.code) AS missing
            ON CONFLICT DO NOTHING RETURNING code, dossier_id)
    SELECT * FROM known UNION ALL
    SELECT code, dossier_id, 0, $3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM added"""
# clock_timestamp, not now(): whoever waited for the row records later than the one it waited for. Whether anybody is
# called back about changes is asked along with it, so that where nobody is the journal costs nothing.
ADD_TO_HISTORY = """
    INSERT INTO dossier_event
           (recorded_at, sender_agency, test,
            dossier_id, event_key, owner_agency, at, status, from_facts, due_at, finished_at, delivered_at,
            event_id, raw_status, office, officer, note, asked)
    SELECT clock_timestamp(), $1, $2, given.* FROM unnest($3::history_entry[]) AS given
        ON CONFLICT DO NOTHING RETURNING event_key, (SELECT EXISTS (SELECT FROM callback_listener))"""
# Without the entries of apologies: what those say of the due date stands in the dossier's row (`newest.kept_off`).
HISTORY = """
    SELECT dossier_id, event_key, at, status, from_facts, due_at, finished_at, delivered_at, asked
      FROM dossier_event WHERE dossier_id = ANY ($1::bigint[]) AND put_off_from IS NULL ORDER BY recorded_at"""
# The ids stand there twice: the second time lets the planner find the rows by index and in their partitions only.
MOVE_ON = """
    UPDATE dossier AS d
       SET recorded_at = clock_timestamp(),
           (version, status, status_at, due_at, finished_at, delivered_at, asked)
         = (given.version, given.status, given.status_at, given.due_at, given.finished_at, given.delivered_at,
            given.asked)
      FROM unnest($1::dossier_course[]) AS given
     WHERE d.id = given.id AND d.id = ANY (ARRAY (SELECT id FROM unnest($1::dossier_course[])))"""
REPLACE = """
    UPDATE dossier AS d
       SET recorded_at = clock_timestamp(),
           (version, status, status_at, due_at, finished_at, delivered_at, asked,
            receiving_agency, resolving_agency, procedure_id, filing_channel, facts_at, facts_digest,
            received_at, reference, applicant_name, applicant_kind, phone_digest, phone_tail_digest,
            secret_digest, phone_sealed, email_sealed, note, extra)
         = (given.version, given.status, given.status_at, given.due_at, given.finished_at, given.delivered_at,
            given.asked, given.receiving_agency, given.resolving_agency, given.procedure_id, given.filing_channel,
            given.facts_at, given.facts_digest, given.received_at, given.reference, given.applicant_name,
            given.applicant_kind, given.phone_digest, given.phone_tail_digest, given.secret_digest,
            given.phone_sealed, given.email_sealed, given.note, given.extra)
      FROM unnest($1::dossier_facts[]) AS given
     WHERE d.id = given.id AND d.id = ANY (ARRAY (SELECT id FROM unnest($1::dossier_facts[])))"""
ADD_DOSSIERS = """
    INSERT INTO dossier
           (recorded_at, owner_agency, test,
            id, version, status, status_at, due_at, finished_at, delivered_at, asked,
            receiving_agency, resolving_agency, procedure_id, filing_channel, facts_at, facts_digest,
            received_at, reference, applicant_name, applicant_kind, phone_digest, phone_tail_digest,
            secret_digest, phone_sealed, email_sealed, note, extra, code)
    SELECT clock_timestamp(), $1, $2, given.* FROM unnest($3::dossier_facts[]) AS given"""

# By number: calling the enum costs ten times as much.
STATUSES = (Status.SUBMITTED, *Status)

_ALL_FACTS = attrgetter(
    "code", "status", "status_at", "receiving_agency", "resolving_agency", "procedure_code", "reference",
    "filing_channel", "applicant_name", "applicant_kind", "phone", "email", "secret", "received_at", "due_at",
    "finished_at", "delivered_at", "asked_of_applicant", "note", "extra", "raw_status",
)  # fmt: skip
_pack = msgspec.msgpack.Encoder().encode


def event_key(sender: str, code: str, event_id: str) -> bytes:
    """The 16 bytes under which the history keeps an event of the agency `sender` about a dossier."""
    return _key(b"event", sender, code, event_id)


def facts_key(sender: str, code: str, event_id: str) -> bytes:
    """The same for a statement of facts, whose id is ours: no event can take its place."""
    return _key(b"facts", sender, code, event_id)


def _key(kind: bytes, *parts: str) -> bytes:
    return blake2b("\x1f".join(parts).encode(), digest_size=16, person=kind).digest()


def facts_id(facts: DossierFacts) -> str:
    """The id of the history entry of facts: one per instant and status."""
    return f"facts:{facts.status:d}:{facts.status_at.astimezone(UTC).isoformat()}"


def correction_id(digest: int, version: int) -> str:
    """The id of the entry of facts that correct others of the same instant and status."""
    return f"facts:{digest & 0xFFFFFFFFFFFFFFFF:016x}:{version}"


def facts_digest(seal: Seal, facts: DossierFacts) -> int:
    """What tells facts from others: 8 bytes over all of them, keyed because a short list of phones is soon tried."""
    packed = _pack(_ALL_FACTS(facts)).decode("latin-1")
    return int.from_bytes(seal.digest("facts", packed)[:8], "big", signed=True)


def step_of_event(event: StatusEvent) -> Step:
    """What an event says for the history."""
    return Step(event.at, event.status, False, event.due_at, None, None, event.asked_of_applicant)  # noqa: FBT003  # a row


def step_of_facts(facts: DossierFacts) -> Step:
    """What a statement of facts says for the history."""
    return Step(
        at=facts.status_at,
        status=facts.status,
        from_facts=True,
        due_at=facts.due_at,
        finished_at=facts.finished_at,
        delivered_at=facts.delivered_at,
        asked=facts.asked_of_applicant,
    )


def known_from(row: Mapping[str, Any]) -> Known | None:
    """A dossier as a row of ENROL shows it; None for one just enrolled."""
    *_, facts_at, facts_digest, status, status_at, due_at, finished_at, delivered_at, asked, since, to = row.values()
    if status is None:
        return None
    course = Course(STATUSES[status], status_at, due_at, finished_at, delivered_at, asked)
    return Known(course, facts_at, facts_digest, PutOff(since, to) if since is not None else None)


def step_from(row: Mapping[str, Any]) -> Step:
    """An entry as a row of HISTORY shows it."""
    _, _, at, status, from_facts, due_at, finished_at, delivered_at, asked = row.values()
    return Step(at, STATUSES[status], from_facts, due_at, finished_at, delivered_at, asked)


def history_columns(dossier_id: int, owner: int, key: bytes, event_id: str, change: Change) -> Row:
    """A `history_entry`."""
    if isinstance(change, StatusEvent):
        return (
            dossier_id, UUID(key), owner, change.at, change.status, False, change.due_at, None, None, event_id,
            change.raw_status, change.office, change.officer, change.note, change.asked_of_applicant,
        )  # fmt: skip
    return (
        dossier_id, UUID(key), owner, change.status_at, change.status, True, change.due_at, change.finished_at,
        change.delivered_at, event_id, change.raw_status, None, None, None, change.asked_of_applicant,
    )  # fmt: skip


def course_columns(dossier_id: int, version: int, course: Course) -> Row:
    """A `dossier_course`, and the first part of a `dossier_facts`."""
    return (
        dossier_id, version, course.status, course.status_at, course.due_at, course.finished_at, course.delivered_at,
        course.asked,
    )  # fmt: skip


def facts_columns(facts: DossierFacts, digest: int, procedure_id: int | None, seal: Seal) -> Row:
    """The second part of a `dossier_facts`. Contacts are sealed, and found again by digests."""
    phone_digest = tail_digest = phone_sealed = None
    if facts.phone:
        phone_digest = seal.contact(Contact(channel=ChannelName.SMS, address=facts.phone))
        tail_digest = seal.proof_tail(facts.code, facts.phone[-4:])
        phone_sealed = seal.seal(facts.phone)
    return (
        facts.receiving_agency, facts.resolving_agency, procedure_id, facts.filing_channel, facts.status_at, digest,
        facts.received_at, facts.reference, facts.applicant_name, facts.applicant_kind, phone_digest, tail_digest,
        seal.proof_secret(facts.code, facts.secret) if facts.secret else None, phone_sealed,
        seal.seal(facts.email) if facts.email else None, facts.note,
        facts.extra.decode() if facts.extra is not None else None, facts.code,
    )  # fmt: skip


def no_facts(receiving_agency: int, code: str) -> Row:
    """The same for a dossier of which only events are known: its sender stands in as the receiving office."""
    return (receiving_agency, *(None,) * 16, code)


STATEMENTS = (ENROL, ADD_TO_HISTORY, HISTORY, MOVE_ON, REPLACE, ADD_DOSSIERS)
