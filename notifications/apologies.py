"""Apologies with a new date: drafted when a dossier is late, given by an officer's word or by themselves.

The law asks the office that resolves a late dossier for an apology with a reason and a new date, once at most (NĐ
118/2025 Đ19.6). A draft is made when the overdue day is told (`notifications.apology_drafts`); the agency's policy
says what becomes of it. Given, it is an entry of ours in the dossier's history, the new date stands in the dossier's
row, and everybody entitled is told. How it lives beside what the sender goes on saying: docs/decisions/0014.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
import prometheus_client

from database.pool import DATABASE_AWAY, SET_TENANT, Connection, Database
from domain.civil_time import CIVIL_ZONE, civil_day, utc_now
from domain.errors import ChangedMeanwhile, Invalid, NotFound, Unavailable
from domain.language import Language
from domain.status import Status
from domain.vietnamese import clean
from lookup.changes import Announcement, Announcer, Forgetter, Journal, Standing, StoredChange, Tenant
from lookup.registry import Registry
from lookup.wording import Words, day, long_day

APOLOGIES = prometheus_client.Counter("motma_apologies", "What was done with apologies, and by whom.", ["act", "by"])

WORDS = Words("notifications")
FURTHEST = timedelta(days=366)
LONGEST_REASON = 500
LONGEST_PAGE = 500
BY_ITSELF = "automatic"  # who acts where the agency leaves it to us


class State(StrEnum):
    """What became of an apology. `LAPSED`: the dossier moved on before anybody decided."""

    DRAFTED = "drafted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apology:
    """One draft, or what became of it. `office` is the one that resolves; `new_due_at` stands once it was given."""

    apology_id: int
    dossier_id: int
    owner_agency: int
    office: int
    code: str
    procedure: str | None
    automatic: bool
    state: State
    due_at: datetime
    proposed_on: date
    new_due_at: datetime | None
    drafted_at: datetime
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One entry of the log. `actor`: an officer's account, an API key, or `automatic`."""

    act: str
    at: datetime
    due_on: date | None
    actor: str = field(repr=False)
    reason: str | None


_COLUMNS = """
    a.id, a.dossier_id, a.owner_agency, a.office, a.code,
    (SELECT p.name FROM procedure p WHERE p.id = a.procedure_id) AS procedure, a.automatic, a.state, a.due_at,
    a.proposed_on, a.new_due_at, a.drafted_at, a.decided_at, a.reason"""
# Of each agency in reach, by office and by owner, the oldest drafts; then the oldest of all. A dossier that the tenant
# does not see, because another agency owns it, is taken for as late as when the draft was made.
WAITING = f"""
    SELECT {_COLUMNS}
      FROM (SELECT DISTINCT q.id
              FROM agency_reach r
             CROSS JOIN LATERAL (
                   (SELECT o.id FROM apology o
                     WHERE o.office = r.agency_id AND o.state = 'drafted' AND o.id > $2 ORDER BY o.id LIMIT $3)
                    UNION ALL
                   (SELECT o.id FROM apology o
                     WHERE o.owner_agency = r.agency_id AND o.state = 'drafted' AND o.id > $2 ORDER BY o.id LIMIT $3)
                   ) q
             WHERE r.scope_id = $1 ORDER BY q.id LIMIT $3) w
     CROSS JOIN LATERAL (SELECT * FROM apology a WHERE a.id = w.id OFFSET 0) a
     WHERE coalesce((SELECT d.status IN (2, 4) AND d.due_at = a.due_at FROM dossier d WHERE d.id = a.dossier_id), true)
     ORDER BY a.id"""  # noqa: S608 - parts of ours
GET = f"SELECT {_COLUMNS} FROM apology a WHERE a.id = $1"  # noqa: S608 - parts of ours
ACTS = "SELECT act, at, due_on, actor, reason FROM apology_act WHERE apology_id = $1 ORDER BY id"
LOCK = "SELECT FROM apology WHERE id = $1 FOR UPDATE"
CHANGE = "UPDATE apology SET proposed_on = $2 WHERE id = $1"
DECIDE = """
    UPDATE apology SET state = $2, new_due_at = $3, reason = $4, decided_at = now() WHERE id = $1"""
NOTE_ACT = "INSERT INTO apology_act (apology_id, act, due_on, actor, reason) VALUES ($1, $2, $3, $4, $5)"

LOCK_DOSSIER = """
    SELECT version, status, status_at, due_at, finished_at, delivered_at, asked
      FROM dossier WHERE id = $1 FOR NO KEY UPDATE"""
PUT_OFF = """
    UPDATE dossier SET version = version + 1, recorded_at = clock_timestamp(), due_at = $3, put_off_from = $2,
                       put_off_to = $3
     WHERE id = $1"""
# At the instant of the status that stands, of which it says nothing new.
NOTE_EVENT = """
    INSERT INTO dossier_event
           (dossier_id, event_key, at, recorded_at, owner_agency, sender_agency, status, test, from_facts, due_at,
            put_off_from, event_id, note)
    VALUES ($1, $2, $3, clock_timestamp(), $4, $4, $5, false, false, $6, $7, $8, $9)"""


class Apologies:
    """What officers, agencies' systems and agencies' policies make of drafts (`notifications.apology_drafts`).

    Every act is logged with who and when. Another agency's apology is not found, in the words for one that does not
    exist. What is decided runs in `connection`, where one is given: a transaction of the tenant.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        announcer: Announcer,
        forgetter: Forgetter,
        journal: Journal | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._registry = registry
        self._announcer = announcer
        self._forgetter = forgetter
        self._journal = journal
        self._clock = clock

    # --- what an officer or an agency's system does ---

    async def waiting(self, tenant: Tenant, *, after: int = 0, limit: int = 100) -> list[Apology]:
        """Drafts that wait for a decision of the tenant or of agencies below, oldest first, from number `after` on.

        Raises `Unavailable`.
        """
        async with self._as(tenant, None) as connection:
            rows = await connection.fetch(WAITING, tenant.agency_id, after, min(limit, LONGEST_PAGE))
        return [_apology(row) for row in rows]

    async def get(self, tenant: Tenant, apology_id: int) -> Apology:
        """One apology. Raises `NotFound`, `Unavailable`."""
        async with self._as(tenant, None) as connection:
            return await _get(connection, apology_id)

    async def acts(self, tenant: Tenant, apology_id: int) -> list[Act]:
        """Who did what with it, oldest first. Raises `NotFound`, `Unavailable`."""
        async with self._as(tenant, None) as connection:
            await _get(connection, apology_id)
            return [Act(**row) for row in await connection.fetch(ACTS, apology_id)]

    async def change(
        self, tenant: Tenant, apology_id: int, new_due_on: date, *, actor: str, connection: Connection | None = None
    ) -> Apology:
        """Propose another date; the draft goes on waiting. Raises as `confirm`."""
        async with self._as(tenant, connection) as own:
            drafted = await self._drafted(own, apology_id)
            self._check(new_due_on)
            if new_due_on != drafted.proposed_on:
                await own.execute(CHANGE, apology_id, new_due_on)
                await own.execute(NOTE_ACT, apology_id, "changed", new_due_on, actor, None)
                count_act("changed", actor)
            return await _get(own, apology_id)

    async def refuse(
        self, tenant: Tenant, apology_id: int, *, actor: str, reason: str, connection: Connection | None = None
    ) -> Apology:
        """Do not apologise: `reason` is kept. Again, nothing more is done. Raises as `confirm`."""
        said = _reason(reason)
        async with self._as(tenant, connection) as own:
            found = await self._locked(own, apology_id)
            if said is None:
                raise Invalid("Say why.", field="reason")
            if found.state is not State.REFUSED:
                _must_wait(found)
                await own.execute(DECIDE, apology_id, State.REFUSED, None, said)
                await own.execute(NOTE_ACT, apology_id, "refused", None, actor, said)
                count_act("refused", actor)
            return await _get(own, apology_id)

    async def confirm(
        self,
        tenant: Tenant,
        apology_id: int,
        *,
        actor: str,
        new_due_on: date | None = None,
        reason: str | None = None,
        connection: Connection | None = None,
    ) -> Apology:
        """Apologise: the dossier is due on `new_due_on`, or on the day that was proposed, and its people are told.

        The same again does nothing more. Raises `NotFound`, `Invalid` for a day that is past, far ahead or off,
        `ChangedMeanwhile` where it was decided otherwise or the dossier is not late by that date any more, and
        `Unavailable`.
        """
        reason = _reason(reason)
        async with self._as(tenant, connection) as own:
            found = await self._locked(own, apology_id)
            if found.state is State.CONFIRMED and new_due_on in {None, civil_day(found.new_due_at or found.due_at)}:
                return found
            _must_wait(found)
            due_on = self._check(new_due_on or found.proposed_on)
            await self._give(own, found, due_on, reason)
            await own.execute(SET_TENANT, str(tenant.agency_id), "off")
            await own.execute(NOTE_ACT, apology_id, "confirmed", due_on, actor, reason)
            count_act("confirmed", actor)
            return await _get(own, apology_id)

    def letter(self, apology: Apology, language: Language) -> str:
        """The apology as the office gives it: the office, the dossier, the dates and the reason; no names."""
        office = self._registry.agency(apology.office)
        name, phone = (office.name, office.phone) if office else (apology.code, "")
        if office and language is not Language.VIETNAMESE and office.name_en:
            name = office.name_en
        return WORDS.say(
            language,
            "apology.letter",
            office=name,
            code=apology.code,
            was=long_day(apology.due_at, language),
            due=long_day(apology.new_due_at or apology.proposed_on, language),
            reason=apology.reason or WORDS.say(language, "apology.reason"),
            ask=", ".join(part for part in (name, phone) if part),
        )

    # --- parts ---

    @asynccontextmanager
    async def _as(self, tenant: Tenant, connection: Connection | None) -> AsyncIterator[Connection]:
        """The caller's transaction, or one of the tenant's own."""
        try:
            if connection is not None:
                yield connection
            else:
                async with self._database.tenant(tenant.agency_id, test=tenant.test) as own:
                    yield own
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error

    async def _locked(self, connection: Connection, apology_id: int) -> Apology:
        await connection.execute(LOCK, apology_id)
        return await _get(connection, apology_id)

    async def _drafted(self, connection: Connection, apology_id: int) -> Apology:
        found = await self._locked(connection, apology_id)
        _must_wait(found)
        return found

    def _check(self, due_on: date) -> date:
        """A day on which a result can be given. Raises `Invalid`."""
        today = civil_day(self._clock())
        if not today < due_on <= today + FURTHEST:
            raise Invalid("The new date lies after today, and within a year.", field="new_due_on")
        if not self._registry.calendar.is_working_day(due_on):
            raise Invalid("The office is closed on that day.", field="new_due_on")
        return due_on

    async def _give(self, connection: Connection, apology: Apology, due_on: date, reason: str | None) -> None:
        """Put the date off in the dossier, its history, the journal and the queue, in the tenant of its owner."""
        owner = Tenant(agency_id=apology.owner_agency, agency_code="", test=False, api_key_id=BY_ITSELF)
        await connection.execute(SET_TENANT, str(owner.agency_id), "off")
        row = await connection.fetchrow(LOCK_DOSSIER, apology.dossier_id)
        if row is None or row["status"] not in _RUNNING or row["due_at"] != apology.due_at:
            raise ChangedMeanwhile("The dossier is not late by this date any more.")
        new_due_at = datetime.combine(due_on, apology.due_at.astimezone(CIVIL_ZONE).timetz())
        status, key = Status(row["status"]), _key(apology.apology_id)
        said = WORDS.say(
            Language.VIETNAMESE,
            "apology.history",
            was=day(apology.due_at),
            due=day(due_on),
            reason=reason or WORDS.say(Language.VIETNAMESE, "apology.reason"),
        )
        try:
            await connection.execute(DECIDE, apology.apology_id, State.CONFIRMED, new_due_at, reason)
        except asyncpg.UniqueViolationError:
            raise ChangedMeanwhile("The dossier has had its one new date.") from None
        await connection.execute(
            NOTE_EVENT,
            apology.dossier_id,
            UUID(bytes=key),
            row["status_at"],
            apology.owner_agency,
            status,
            new_due_at,
            apology.due_at,
            f"apology:{apology.apology_id}",
            said,
        )
        await connection.execute(PUT_OFF, apology.dossier_id, apology.due_at, new_due_at)
        if self._journal is not None:
            await self._journal.note(connection, owner, [_stored(apology, row, new_due_at)])
        await self._announcer.announce(
            connection,
            [
                Announcement(
                    dossier_id=apology.dossier_id,
                    event_key=key,
                    owner_agency=apology.owner_agency,
                    at=self._clock(),
                    newest=True,
                    before=Standing(status, apology.due_at, row["asked"]),
                    after=Standing(status, new_due_at, row["asked"]),
                )
            ],
        )
        await self._forgetter.expect({apology.code: row["version"] + 1})


_RUNNING = frozenset({Status.ACCEPTED, Status.PROCESSING})


def _must_wait(apology: Apology) -> None:
    """Raises `ChangedMeanwhile` for what has been decided."""
    if apology.state is not State.DRAFTED:
        raise ChangedMeanwhile(f"This apology is {apology.state} already.")


def _reason(given: str | None) -> str | None:
    reason = clean(given or "").rstrip(".")
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"A reason has at most {LONGEST_REASON} characters.", field="reason")
    return reason or None


def count_act(act: str, actor: str, times: int = 1) -> None:
    """Count what `actor` did with an apology."""
    APOLOGIES.labels(act, BY_ITSELF if actor == BY_ITSELF else "agency").inc(times)


def _key(apology_id: int) -> bytes:
    return hashlib.blake2b(str(apology_id).encode(), digest_size=16, person=b"apology").digest()


async def _get(connection: Connection, apology_id: int) -> Apology:
    row = await connection.fetchrow(GET, apology_id)
    if row is None:
        raise NotFound("There is no such apology of yours.", field="id")
    return _apology(row)


def _apology(row: Mapping[str, Any]) -> Apology:
    number, *others = row.values()
    names = ("dossier_id", "owner_agency", "office", "code", "procedure", "automatic", "state", "due_at", "proposed_on")
    named = dict(zip((*names, "new_due_at", "drafted_at", "decided_at", "reason"), others, strict=True))
    return Apology(apology_id=number, **{**named, "state": State(named["state"])})


def _stored(apology: Apology, row: Mapping[str, Any], new_due_at: datetime) -> StoredChange:
    return StoredChange(
        dossier_id=apology.dossier_id,
        owner_agency=apology.owner_agency,
        code=apology.code,
        version=row["version"] + 1,
        status=Status(row["status"]),
        status_before=Status(row["status"]),
        status_at=row["status_at"],
        due_at=new_due_at,
        finished_at=row["finished_at"],
        delivered_at=row["delivered_at"],
    )


STATEMENTS = (
    WAITING,
    GET,
    ACTS,
    LOCK,
    CHANGE,
    DECIDE,
    NOTE_ACT,
    LOCK_DOSSIER,
    PUT_OFF,
    NOTE_EVENT,
)
