"""The rows that ingest reads and writes: its statements, and how facts, courses and history entries become columns."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
from asyncpg.pgproto.pgproto import UUID

from database.pool import Connection
from domain.contact import ChannelName, Contact
from domain.status import Status
from lookup.changes import DossierFacts, StatusEvent
from lookup.newest import Course, Known, Step
from lookup.sealing import Seal

Change: TypeAlias = DossierFacts | StatusEvent
Row: TypeAlias = tuple[Any, ...]

# Only codes never met before take a number, so that numbers stay dense. Everybody inserts codes in one order and locks
# rows in one order after that: two batches may wait for each other, never in a circle.
ENROL = """
    WITH known AS (
        SELECT code, dossier_id FROM dossier_code WHERE code = ANY ($1::text[]) AND test = $2),
    added AS (
        INSERT INTO dossier_code (code, test, dossier_id, owner_agency)
        SELECT code, $2, nextval('dossier_id'), $3
          FROM (SELECT given.code FROM unnest($1::text[]) AS given (code)
                 WHERE NOT EXISTS (SELECT FROM known WHERE known.code = given.code) ORDER BY given.code) AS missing
            ON CONFLICT DO NOTHING RETURNING code, dossier_id)
    SELECT code, dossier_id, false AS added FROM known UNION ALL SELECT code, dossier_id, true FROM added"""
# Codes that ENROL could not insert: another transaction has just committed them, or they belong to somebody else.
FIND_ENROLLED = "SELECT code, dossier_id FROM dossier_code WHERE code = ANY ($1::text[]) AND test = $2"
LOCK = """
    SELECT id, version, owner_agency, facts_at, facts_digest,
           status, status_at, due_at, finished_at, delivered_at, asked
      FROM dossier WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"""
# clock_timestamp, not now(): whoever waited for the row records later than the one it waited for.
ADD_TO_HISTORY = """
    INSERT INTO dossier_event
           (recorded_at, sender_agency, test,
            dossier_id, event_key, owner_agency, at, status, from_facts, due_at, finished_at, delivered_at,
            event_id, raw_status, office, officer, note, asked)
    SELECT clock_timestamp(), $1, $2, given.*
      FROM unnest($3::bigint[], $4::uuid[], $5::int[], $6::timestamptz[], $7::smallint[], $8::bool[],
                  $9::timestamptz[], $10::timestamptz[], $11::timestamptz[],
                  $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[]) AS given
        ON CONFLICT DO NOTHING RETURNING event_key"""
HISTORY = """
    SELECT dossier_id, event_key, at, status, from_facts, due_at, finished_at, delivered_at, asked
      FROM dossier_event WHERE dossier_id = ANY ($1::bigint[]) ORDER BY recorded_at"""
MOVE_ON = """
    UPDATE dossier AS d
       SET recorded_at = clock_timestamp(),
           (version, status, status_at, due_at, finished_at, delivered_at, asked)
         = (given.version, given.status, given.status_at, given.due_at, given.finished_at, given.delivered_at,
            given.asked)
      FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::timestamptz[],
                  $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::text[])
           AS given (id, version, status, status_at, due_at, finished_at, delivered_at, asked)
     WHERE d.id = given.id"""
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
      FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::timestamptz[],
                  $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::text[],
                  $9::int[], $10::int[], $11::int[], $12::smallint[], $13::timestamptz[], $14::bigint[],
                  $15::timestamptz[], $16::text[], $17::text[], $18::text[], $19::bytea[], $20::bytea[],
                  $21::bytea[], $22::bytea[], $23::bytea[], $24::text[], $25::jsonb[])
           AS given (id, version, status, status_at, due_at, finished_at, delivered_at, asked,
                     receiving_agency, resolving_agency, procedure_id, filing_channel, facts_at, facts_digest,
                     received_at, reference, applicant_name, applicant_kind, phone_digest, phone_tail_digest,
                     secret_digest, phone_sealed, email_sealed, note, extra)
     WHERE d.id = given.id"""
ADD_DOSSIERS = """
    INSERT INTO dossier
           (recorded_at, owner_agency, test,
            id, version, status, status_at, due_at, finished_at, delivered_at, asked,
            receiving_agency, resolving_agency, procedure_id, filing_channel, facts_at, facts_digest,
            received_at, reference, applicant_name, applicant_kind, phone_digest, phone_tail_digest,
            secret_digest, phone_sealed, email_sealed, note, extra, code)
    SELECT clock_timestamp(), $1, $2, given.*
      FROM unnest($3::bigint[], $4::int[], $5::smallint[], $6::timestamptz[],
                  $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[],
                  $11::int[], $12::int[], $13::int[], $14::smallint[], $15::timestamptz[], $16::bigint[],
                  $17::timestamptz[], $18::text[], $19::text[], $20::text[], $21::bytea[], $22::bytea[],
                  $23::bytea[], $24::bytea[], $25::bytea[], $26::text[], $27::jsonb[], $28::text[]) AS given"""

# By number: calling the enum costs ten times as much.
STATUSES = (Status.SUBMITTED, *Status)

_ALL_FACTS = attrgetter(
    "code", "status", "status_at", "receiving_agency", "resolving_agency", "procedure_code", "reference",
    "filing_channel", "applicant_name", "applicant_kind", "phone", "email", "secret", "received_at", "due_at",
    "finished_at", "delivered_at", "asked_of_applicant", "note", "extra", "raw_status",
)  # fmt: skip
_pack = msgspec.msgpack.Encoder().encode


async def write_rows(connection: Connection, statement: str, rows: Sequence[Row], *scalars: object) -> list[Any]:
    """Run a statement that takes its rows as one array per column, after `scalars`."""
    return list(await connection.fetch(statement, *scalars, *zip(*rows, strict=True))) if rows else []


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


def step_of(change: Change) -> Step:
    """What an item says for the history."""
    if isinstance(change, StatusEvent):
        return Step(at=change.at, status=change.status, due_at=change.due_at, asked=change.asked_of_applicant)
    return Step(
        at=change.status_at,
        status=change.status,
        from_facts=True,
        due_at=change.due_at,
        finished_at=change.finished_at,
        delivered_at=change.delivered_at,
        asked=change.asked_of_applicant,
    )


def known_from(row: Mapping[str, Any]) -> Known:
    """A dossier as a row of LOCK shows it."""
    return Known(
        course=Course(
            status=STATUSES[row["status"]],
            status_at=row["status_at"],
            due_at=row["due_at"],
            finished_at=row["finished_at"],
            delivered_at=row["delivered_at"],
            asked=row["asked"],
        ),
        facts_at=row["facts_at"],
        facts_digest=row["facts_digest"],
    )


def step_from(row: Mapping[str, Any]) -> Step:
    """An entry as a row of HISTORY shows it."""
    return Step(
        at=row["at"],
        status=STATUSES[row["status"]],
        from_facts=row["from_facts"],
        due_at=row["due_at"],
        finished_at=row["finished_at"],
        delivered_at=row["delivered_at"],
        asked=row["asked"],
    )


def history_columns(dossier_id: int, owner: int, key: bytes, event_id: str, change: Change) -> Row:
    """One row of ADD_TO_HISTORY."""
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
    """One row of MOVE_ON, and the first part of one of REPLACE and ADD_DOSSIERS."""
    return (
        dossier_id, version, course.status, course.status_at, course.due_at, course.finished_at, course.delivered_at,
        course.asked,
    )  # fmt: skip


def facts_columns(facts: DossierFacts, digest: int, procedure_id: int | None, seal: Seal) -> Row:
    """The second part of a row of REPLACE and ADD_DOSSIERS. Contacts are sealed, and found again by digests."""
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
        facts.extra.decode() if facts.extra is not None else None,
    )  # fmt: skip


def no_facts(receiving_agency: int) -> Row:
    """The same for a dossier of which only events are known: its sender stands in as the receiving office."""
    return (receiving_agency, *(None,) * 16)


STATEMENTS = (ENROL, FIND_ENROLLED, LOCK, ADD_TO_HISTORY, HISTORY, MOVE_ON, REPLACE, ADD_DOSSIERS)
