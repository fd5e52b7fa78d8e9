"""Dossiers of the officer's offices, found by what officers know: what changed last, a reference, a phone, a name."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from database.pool import SET_TENANT, Connection, Database, Role
from domain.contact import ChannelName, Contact
from domain.status import Status
from domain.vietnamese import clean
from lookup.deadlines import Punctuality, punctuality
from lookup.sealing import Seal

# One short walk back along the journal of each office in reach, then the latest of them all.
LATEST = """
    SELECT e.recorded_at, e.dossier_id
      FROM agency_reach r
     CROSS JOIN LATERAL (
           SELECT recorded_at, dossier_id FROM dossier_event
            WHERE owner_agency = r.agency_id
              AND (recorded_at, dossier_id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::bigint, 0))
            ORDER BY recorded_at DESC, dossier_id DESC LIMIT $4) AS e
     WHERE r.scope_id = $1
     ORDER BY e.recorded_at DESC, e.dossier_id DESC LIMIT $4"""
# An office whose dossiers somebody else's system sends has no journal: its newest ones, among the newest of all.
NEWEST = """
    SELECT d.id FROM dossier d WHERE d.id < $1::bigint AND d.id >= $1::bigint - $2::bigint
     ORDER BY d.id DESC LIMIT $3"""
# By whichever system sends for the office: its own, that of one below, or that of one above.
BY_REFERENCE = """
    SELECT d.id
      FROM (SELECT r.agency_id FROM agency_reach r WHERE r.scope_id = $1
             UNION
            SELECT r.scope_id FROM agency_reach r WHERE r.agency_id = $1) owner
     CROSS JOIN LATERAL (
           SELECT id FROM dossier
            WHERE owner_agency = owner.agency_id AND reference = $2 ORDER BY id DESC LIMIT $3) AS d
     ORDER BY d.id DESC LIMIT $3"""
# In two steps: a plan that looks for the newest first would read every dossier for a phone that nobody has.
BY_PHONE = """
    WITH found AS MATERIALIZED (SELECT d.id FROM dossier d WHERE d.phone_digest = $1 AND NOT d.test)
    SELECT id FROM found ORDER BY id DESC LIMIT $2"""
# A stretch of numbers at a time, the newest first: the index has a filter for each few pages, a common name is in many.
BY_NAME = """
    SELECT d.id FROM dossier d
     WHERE d.name_key = name_key($1::text) AND d.id > $2::bigint AND d.id <= $3::bigint AND NOT d.test
     ORDER BY d.id DESC LIMIT $4"""
# A plan for any stretch would read the stretch, not the filters.
PLANNED_ANEW = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"
LAST = "SELECT coalesce(pg_sequence_last_value('dossier_id'::regclass), 0)"
LINES = """
    SELECT d.id, d.code, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.applicant_name, d.reference,
           o.name AS office, p.name AS procedure, p.sector
      FROM dossier d
      LEFT JOIN agency o ON o.id = coalesce(d.resolving_agency, d.receiving_agency)
      LEFT JOIN procedure p ON p.id = d.procedure_id
     WHERE d.id = ANY ($1::bigint[])"""
# What changed in a time, by whichever system sends for the office; without who the applicants are.
CHANGED = """
    SELECT d.code, d.reference, p.code AS procedure_code, p.name AS procedure, p.sector, d.filing_channel, d.status,
           d.received_at, d.due_at, d.finished_at, d.delivered_at, d.receiving_agency,
           coalesce(d.resolving_agency, d.receiving_agency) AS resolving_agency
      FROM (SELECT DISTINCT e.dossier_id
              FROM (SELECT r.agency_id FROM agency_reach r WHERE r.scope_id = $1
                     UNION
                    SELECT r.scope_id FROM agency_reach r WHERE r.agency_id = $1) owner
              JOIN dossier_event e ON e.owner_agency = owner.agency_id
             WHERE e.recorded_at >= $2 AND e.recorded_at < $3) c
      JOIN dossier d ON d.id = c.dossier_id
      LEFT JOIN procedure p ON p.id = d.procedure_id
     WHERE NOT d.test AND ($4::text[] IS NULL OR p.sector = ANY ($4))"""
WALKED = 200_000  # ids
STRETCH = 250_000  # ids looked through at a time for a name
PATIENCE = 2.0  # seconds for all stretches
SECTOR = "SELECT p.sector FROM procedure p WHERE p.code = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One dossier in a list. The applicant's name is shown only where the view is noted in the record."""

    code: str
    status: Status
    status_at: datetime
    due_at: datetime | None
    punctuality: Punctuality
    applicant: str | None
    reference: str | None
    office: str | None
    procedure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a list, and where the rest begins. `cut`: older ones were not looked at."""

    lines: tuple[Line, ...]
    onward: tuple[datetime, int] | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficersDatabase(Database):
    """The store for what reads as a tenant: an officer also sees what others own and the own office works on."""

    @classmethod
    def of(cls, database: Database) -> "OfficersDatabase":
        """The same pools."""
        return cls(url=database.url, pools=database.pools)

    @asynccontextmanager
    async def tenant(self, agency_id: int, *, test: bool) -> AsyncIterator[Connection]:
        """One transaction of an officer of `agency_id`."""
        async with self.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_TENANT, str(agency_id), "on" if test else "off")
            yield connection


class DossierLists:
    """All functions run as `motma_console` with the officer's office set. `sectors` is None for all."""

    def __init__(self, connection: Connection, agency_id: int, sectors: frozenset[str] | None, now: datetime) -> None:
        self._connection = connection
        self._agency_id = agency_id
        self._sectors = sectors
        self._now = now

    async def latest(self, *, before: tuple[datetime, int] | None = None, most: int = 50) -> Part:
        """What changed last; each dossier once in a part."""
        at, number = before or (None, None)
        rows = await self._connection.fetch(LATEST, self._agency_id, at, number, most)
        lines = await self._lines([*dict.fromkeys(row["dossier_id"] for row in rows)])
        onward = (rows[-1]["recorded_at"], rows[-1]["dossier_id"]) if len(rows) == most else None
        return Part(lines=lines, onward=onward)

    async def newest(self, *, before: int | None = None, most: int = 50) -> tuple[Part, int | None]:
        """The newest ones among the last `WALKED`, and the number before which the next part begins."""
        end = before if before is not None else await self._connection.fetchval(LAST) + 1
        rows = await self._connection.fetch(NEWEST, end, WALKED, most)
        part = Part(lines=await self._lines([row["id"] for row in rows]))
        return part, rows[-1]["id"] if len(rows) == most else None

    async def by_reference(self, reference: str, *, most: int = 50) -> Part:
        """Those with the agency's own reference, newest first."""
        rows = await self._connection.fetch(BY_REFERENCE, self._agency_id, reference, most)
        return Part(lines=await self._lines([row["id"] for row in rows]))

    async def by_phone(self, phone: str, seal: Seal, *, most: int = 50) -> Part:
        """Those registered to a phone (E.164), newest first."""
        digest = seal.contact(Contact(channel=ChannelName.SMS, address=phone))
        rows = await self._connection.fetch(BY_PHONE, digest, most)
        return Part(lines=await self._lines([row["id"] for row in rows]))

    async def by_name(self, name: str, *, most: int = 50) -> Part:
        """Those of an applicant by the whole name, accents or not; as it was typed first, then newest first."""
        last: int = await self._connection.fetchval(LAST)
        await self._connection.execute(PLANNED_ANEW)
        until, found = monotonic() + PATIENCE, list[int]()
        while last > 0 and len(found) < most and monotonic() < until:
            rows = await self._connection.fetch(BY_NAME, name, last - STRETCH, last, most - len(found))
            found += [row["id"] for row in rows]
            last -= STRETCH
        wanted = clean(name).casefold()
        lines = sorted(await self._lines(found), key=lambda line: (line.applicant or "").casefold() != wanted)
        return Part(lines=tuple(lines), cut=last > 0)

    async def changed(self, first: datetime, end: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """Rows of `CHANGED` from `first` to before `end`, as they are read."""
        sectors = None if self._sectors is None else [*self._sectors]
        async for row in self._connection.cursor(CHANGED, self._agency_id, first, end, sectors, prefetch=500):
            yield row

    async def within(self, procedure_code: str | None) -> bool:
        """Whether a dossier of this procedure is within the officer's sectors."""
        if self._sectors is None:
            return True
        sector = await self._connection.fetchval(SECTOR, procedure_code) if procedure_code else None
        return sector in self._sectors

    async def _lines(self, ids: list[int]) -> tuple[Line, ...]:
        if not ids:
            return ()
        rows = {row["id"]: row for row in await self._connection.fetch(LINES, ids)}
        shown = (rows[number] for number in ids if number in rows)
        return tuple(self._line(row) for row in shown if self._sectors is None or row["sector"] in self._sectors)

    def _line(self, row: Mapping[str, Any]) -> Line:
        status = Status(row["status"])
        return Line(
            code=row["code"],
            status=status,
            status_at=row["status_at"],
            due_at=row["due_at"],
            punctuality=punctuality(status, due_at=row["due_at"], finished_at=row["finished_at"], now=self._now),
            applicant=row["applicant_name"],
            reference=row["reference"],
            office=row["office"],
            procedure=row["procedure"],
        )


STATEMENTS = (LATEST, NEWEST, BY_REFERENCE, BY_PHONE, BY_NAME, PLANNED_ANEW, LAST, CHANGED, LINES, SECTOR)
