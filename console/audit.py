"""The record of what officers did and saw: a chain in which a changed, missing or moved row is found and named (G55).

Each row carries the digest of the row before it and its own, an HMAC over both and all it says. The key is derived from
the installation's secret, so that whoever can write to the database still cannot write history. The row is written in
the transaction of what it tells of: where it cannot be written, nothing is done.
"""

import hmac
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from database.pool import Connection
from lookup.sealing import Seal

AT_ONCE = 5_000  # rows read in one statement
MOST_FINDINGS = 100

# Whoever acts waits here for the one before, until that transaction ends: the record has one order.
ADVANCE = "UPDATE audit_head SET number = number + 1 RETURNING number, digest, clock_timestamp() AS at"
WRITE = """
    WITH head AS (UPDATE audit_head SET digest = $10)
    INSERT INTO audit (number, at, account_id, agency_id, action, subject, facts, key_id, previous, digest)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""
HEAD = "SELECT number, digest FROM audit_head"
READ = """
    SELECT number, at, account_id, agency_id, action, subject, facts, key_id, previous, digest
      FROM audit WHERE number > $1 ORDER BY number LIMIT $2"""
LIST = """
    SELECT u.number, u.at, u.account_id, u.action, u.subject, u.facts, a.email, a.name, o.code AS agency
      FROM audit u LEFT JOIN account a ON a.id = u.account_id LEFT JOIN agency o ON o.id = u.agency_id
     WHERE ($1::bigint IS NULL OR u.number < $1) AND ($2::text IS NULL OR u.subject = $2)
       AND ($3::bigint IS NULL OR u.account_id = $3)
     ORDER BY u.number DESC LIMIT $4"""


EXPORT = """
    SELECT u.number, u.at, u.account_id, u.action, u.subject, u.facts, a.email, a.name, o.code AS agency
      FROM audit u LEFT JOIN account a ON a.id = u.account_id LEFT JOIN agency o ON o.id = u.agency_id
     WHERE u.at >= $1 AND u.at < $2 ORDER BY u.number"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did or saw. `subject` is what it was done to: a dossier's code, an account's id.

    `facts` are few and never hold what the subject's page shows: the record is no second copy of personal data.
    """

    action: str
    account_id: int | None
    agency_id: int | None
    subject: str | None = None
    facts: Mapping[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as a page shows it."""

    number: int
    at: datetime
    account_id: int | None
    email: str | None
    name: str | None
    agency: str | None
    action: str
    subject: str | None
    facts: Mapping[str, str | int | None]


class Fault(StrEnum):
    """What is wrong with a row."""

    CHANGED = "changed"
    MISSING = "missing"
    MOVED = "moved"
    UNLINKED = "does not follow the row before it"
    CUT = "newer rows are gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row that is not as it was written. `until`: the last of several missing; `was`: where a moved row stood."""

    fault: Fault
    number: int
    until: int | None = None
    was: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the verifier read and found. `head` is for keeping elsewhere, and giving to it the next time."""

    rows: int
    head: str
    findings: tuple[Finding, ...]


class Audit:
    """Writes the record and verifies it."""

    def __init__(self, seal: Seal) -> None:
        newest_first = seal.derived("motma audit")
        self._keys = {seal.key_id - n: key for n, key in enumerate(newest_first)}
        self._key_id = seal.key_id

    async def note(self, connection: Connection, act: Act) -> int:
        """Write `act` in the caller's transaction; its number. Runs as any role that acts. Database errors pass.

        To be called last in the transaction: until it ends everybody else who acts waits.
        """
        head = await connection.fetchrow(ADVANCE)
        row = {
            "number": head["number"],
            "at": head["at"],
            "account_id": act.account_id,
            "agency_id": act.agency_id,
            "action": act.action,
            "subject": act.subject,
            "facts": msgspec.json.encode(dict(act.facts)).decode(),
            "key_id": self._key_id,
            "previous": head["digest"],
        }
        await connection.execute(WRITE, *row.values(), self._digest(row))
        return int(head["number"])

    async def verify(self, connection: Connection, *, kept_head: str | None = None) -> Verdict:
        """Read the whole record. `kept_head` is the `head` of an earlier verdict. Runs as `motma_operator`."""
        findings: list[Finding] = []
        suspects: dict[int, dict[str, Any]] = {}
        rows, last, digest = 0, 0, b""
        kept_number, _, kept_digest = (kept_head or "").partition(":")
        while part := [dict(row) for row in await connection.fetch(READ, last, AT_ONCE)]:
            for row in part:
                rows += 1
                number = row["number"]
                if number > last + 1:
                    findings.append(Finding(fault=Fault.MISSING, number=last + 1, until=number - 1))
                if not self._intact(row, number):
                    suspects[number] = row
                elif row["previous"] != digest and number == last + 1 and last not in suspects:
                    findings.append(Finding(fault=Fault.UNLINKED, number=number))
                if kept_number == str(number) and kept_digest != row["digest"].hex():
                    findings.append(Finding(fault=Fault.CHANGED, number=number))
                last, digest = number, row["digest"]
        findings += [self._named(number, row, suspects) for number, row in suspects.items()]
        head = await connection.fetchrow(HEAD)
        if head["number"] != last or (head["digest"] != digest and last not in suspects):
            findings.append(Finding(fault=Fault.CUT, number=last + 1, until=head["number"]))
        if kept_number.isdecimal() and int(kept_number) > last:
            findings.append(Finding(fault=Fault.CUT, number=last + 1, until=int(kept_number)))
        named = sorted(set(findings), key=lambda finding: (finding.number, finding.fault))
        return Verdict(rows=rows, head=f"{last}:{digest.hex()}", findings=tuple(named[:MOST_FINDINGS]))

    def _named(self, number: int, row: Mapping[str, Any], suspects: Mapping[int, Mapping[str, Any]]) -> Finding:
        """A row that does not fit its own number: it may fit that of another, and was moved then."""
        was = next((other for other in suspects if other != number and self._intact(row, other)), None)
        if was is not None:
            return Finding(fault=Fault.MOVED, number=number, was=was)
        return Finding(fault=Fault.CHANGED, number=number)

    def _intact(self, row: Mapping[str, Any], number: int) -> bool:
        if row["key_id"] not in self._keys:
            return False
        return hmac.compare_digest(self._digest({**row, "number": number}), row["digest"])

    def _digest(self, row: Mapping[str, Any]) -> bytes:
        said = [row["number"], row["at"].isoformat(), row["account_id"], row["agency_id"], row["action"]]
        said += [row["subject"], row["facts"], row["key_id"], row["previous"].hex()]
        return hmac.digest(self._keys[row["key_id"]], msgspec.json.encode(said), "sha256")


async def entries(
    connection: Connection,
    *,
    before: int | None = None,
    subject: str | None = None,
    account_id: int | None = None,
    most: int = 50,
) -> list[Entry]:
    """The newest rows of the officer's offices. Runs as `motma_console` with the tenant set."""
    return [_entry(row) for row in await connection.fetch(LIST, before, subject, account_id, most)]


async def entries_between(connection: Connection, first: datetime, end: datetime) -> AsyncIterator[Entry]:
    """The rows of the officer's offices from `first` to before `end`, the oldest first, as they are read."""
    async for row in connection.cursor(EXPORT, first, end, prefetch=500):
        yield _entry(row)


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        number=row["number"],
        at=row["at"],
        account_id=row["account_id"],
        email=row["email"],
        name=row["name"],
        agency=row["agency"],
        action=row["action"],
        subject=row["subject"],
        facts=msgspec.json.decode(row["facts"]),
    )


STATEMENTS = (ADVANCE, WRITE, HEAD, READ, LIST, EXPORT)
