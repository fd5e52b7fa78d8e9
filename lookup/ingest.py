"""Stores what agencies tell us: history, state and notices in one commit, the same in whatever order it comes."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import asyncpg
import structlog

from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.civil_time import utc_now
from domain.errors import Conflict, Invalid, NotYours, Unavailable
from lookup.changes import (
    MAX_BATCH,
    Announcement,
    Announcer,
    DossierFacts,
    EmailKeeper,
    Forgetter,
    ItemError,
    ItemResult,
    Journal,
    Outcome,
    Standing,
    StatedEmail,
    StatusEvent,
    StoredChange,
    Tenant,
)
from lookup.dossier_rows import (
    ADD_DOSSIERS,
    ADD_TO_HISTORY,
    ENROL,
    HISTORY,
    MOVE_ON,
    REPLACE,
    Change,
    Row,
    correction_id,
    course_columns,
    event_key,
    facts_columns,
    facts_digest,
    facts_id,
    facts_key,
    history_columns,
    known_from,
    no_facts,
    step_from,
    step_of_event,
    step_of_facts,
)
from lookup.newest import Arrival, Decision, Known, Step, all_newer, decide, entries
from lookup.registry import Registry
from lookup.sealing import Seal

log = structlog.get_logger()

FEED_TOUCH = 15.0  # seconds between two notes that an agency's system was heard
ATTEMPTS = 4  # of a batch whose rows other writers hold
PAUSE_AFTER_COLLISION = (0.02, 0.1)  # seconds

TOUCH_FEEDS = """
    INSERT INTO feed AS f (agency_id, heard_at)
    SELECT given.id, now() FROM unnest($1::int[]) AS given (id) ORDER BY given.id
        ON CONFLICT (agency_id) DO UPDATE SET heard_at = greatest(f.heard_at, excluded.heard_at)"""

# What the item is to blame for: text no column holds, JSON that is none, a value out of range (asyncpg: a ValueError).
_REFUSED_DATA = (
    asyncpg.DataError,
    asyncpg.CheckViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
)
_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)
# Two writers in each other's way. The lock limit is as short as PostgreSQL's deadlock check: either may end a circle.
_COLLISION = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)

_STORED = ItemResult(outcome=Outcome.STORED)
_DUPLICATE = ItemResult(outcome=Outcome.DUPLICATE)


def _rejected(code: str, message: str, field: str) -> ItemResult:
    return ItemResult(outcome=Outcome.REJECTED, error=ItemError(code=code, message=message, field=field))


_REUSED_ID = _rejected(Conflict.code, "An event with this id was sent before, with another status or time.", "id")
# The same words whoever the owner is, and for a code that is only taken by somebody else.
_NOT_YOURS = _rejected(NotYours.code, "This dossier is not yours.", "code")
_OUT_OF_REACH = _rejected(NotYours.code, "The receiving agency is outside the reach of your key.", "receiving_agency")
_BAD_PROCEDURE = _rejected(Invalid.code, "The procedure code cannot be stored.", "procedure")
_INVALID = ItemResult(
    outcome=Outcome.REJECTED,
    error=ItemError(code=Invalid.code, message="The item holds a value that cannot be stored."),
)
_RESULTS = {Outcome.STORED: _STORED, Outcome.DUPLICATE: _DUPLICATE, Outcome.REJECTED: _REUSED_ID}


class _Subject(NamedTuple):
    """One dossier of a batch: the locked row as it stands, what arrives for it, and what of that may be new."""

    code: str
    dossier_id: int
    owner: int
    version: int
    known: Known | None
    arrivals: list[Arrival]
    candidates: Sequence[Arrival]


class DossierWriter:
    """Writes batches for one tenant at a time. Holds no state but when each agency's feed was last noted."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        announcer: Announcer,
        forgetter: Forgetter,
        registry: Registry,
        *,
        journal: Journal | None = None,
        emails: EmailKeeper | None = None,
    ) -> None:
        self._database = database
        self._seal = seal
        self._announcer = announcer
        self._forgetter = forgetter
        self._registry = registry
        self._journal = journal
        self._emails = emails
        self._noted: dict[int, float] = {}

    async def store_facts(
        self, tenant: Tenant, items: Sequence[DossierFacts], *, connection: Connection | None = None
    ) -> list[ItemResult]:
        """As `store`."""
        return await self.store(tenant, items, connection=connection)

    async def store_events(
        self, tenant: Tenant, items: Sequence[StatusEvent], *, connection: Connection | None = None
    ) -> list[ItemResult]:
        """As `store`."""
        return await self.store(tenant, items, connection=connection)

    async def store(
        self, tenant: Tenant, items: Sequence[Change], *, connection: Connection | None = None
    ) -> list[ItemResult]:
        """Store any number of facts and events; their results, in order.

        A transaction per `MAX_BATCH` items, or all in the caller's `connection`, which works as motma_app with the
        tenant set. An item PostgreSQL refuses is rejected alone. Raises `Unavailable`: sending all again is safe.
        """
        await self._learn_procedures(items)
        results: list[ItemResult] = []
        for start in range(0, len(items), MAX_BATCH):
            results += await self._store_batch(tenant, items[start : start + MAX_BATCH], connection)
        await self._note_feeds(tenant, items)
        return results

    async def _store_batch(
        self, tenant: Tenant, items: Sequence[Change], connection: Connection | None, *, attempt: int = 1
    ) -> list[ItemResult]:
        try:
            if connection is not None:
                async with connection.transaction():
                    return await self._write(connection, tenant, items)
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as own:
                return await self._write(own, tenant, items)
        except _REFUSED_DATA as error:
            if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
                raise Unavailable("The store has no room for new dossiers at the moment.") from error  # no partition
            if len(items) == 1:
                log.info("item refused by the store", error=type(error).__qualname__, agency=tenant.agency_code)
                return [_INVALID]
            middle = len(items) // 2
            return [
                *await self._store_batch(tenant, items[:middle], connection),
                *await self._store_batch(tenant, items[middle:], connection),
            ]
        except _COLLISION as error:
            if connection is not None or attempt == ATTEMPTS:
                raise Unavailable("The store is busy. Please try again shortly.") from error
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error
        # PostgreSQL lets a newcomer take a freed row before the one that waits for it, which would close the same
        # circle again: the other side gets a moment to go first.
        await asyncio.sleep(random.uniform(*PAUSE_AFTER_COLLISION))  # noqa: S311  # spreads writers, guards nothing
        return await self._store_batch(tenant, items, None, attempt=attempt + 1)

    async def _write(self, connection: Connection, tenant: Tenant, items: Sequence[Change]) -> list[ItemResult]:
        """One batch in the open transaction."""
        results: list[ItemResult] = [_NOT_YOURS] * len(items)
        arrivals = self._arrivals(tenant, items, results)
        if not arrivals:
            return results
        subjects = await self._subjects(connection, tenant, arrivals)
        fresh, heard_of = await self._add_to_history(connection, tenant, items, subjects)
        histories = await _histories(connection, subjects, fresh)
        now = utc_now()
        decided = [
            (
                subject,
                decide(
                    subject.known,
                    subject.arrivals,
                    subject.candidates,
                    fresh=fresh,
                    history=histories.get(subject.dossier_id),
                    now=now,
                ),
            )
            for subject in subjects
        ]
        for _, decision in decided:
            for index, outcome in decision.outcomes.items():
                results[index] = _RESULTS[outcome]
        await self._write_rows(connection, tenant, items, decided)
        if heard_of and self._journal is not None:
            await self._journal.note(connection, tenant, [*_stored(decided)])
        if self._emails is not None and not tenant.test and (stated := [*_stated(items, decided)]):
            await self._emails.keep(connection, stated)
        if not tenant.test:
            news = [news for subject, decision in decided for news in _announcements(subject, decision)]
            if news:
                await self._announcer.announce(connection, news)
            versions = {subject.code: subject.version + 1 for subject, decision in decided if decision.changed}
            if versions:
                await self._forgetter.expect(versions)
        return results

    def _arrivals(self, tenant: Tenant, items: Sequence[Change], results: list[ItemResult]) -> dict[str, list[Arrival]]:
        """The items by dossier, without those that can be refused unseen."""
        reach = self._registry.reach(tenant.agency_id)
        sender = tenant.agency_code
        arrivals: dict[str, list[Arrival]] = {}
        for index, item in enumerate(items):
            if isinstance(item, StatusEvent):
                key = event_key(sender, item.code, item.event_id)
                arrival = Arrival(index, key, item.event_id, step_of_event(item), item.notify)
            elif item.receiving_agency not in reach:
                results[index] = _OUT_OF_REACH
                continue
            elif item.procedure_code and self._registry.procedure_id(item.procedure_code) is None:
                results[index] = _BAD_PROCEDURE
                continue
            else:
                event_id, digest = facts_id(item), facts_digest(self._seal, item)
                key = facts_key(sender, item.code, event_id)
                arrival = Arrival(index, key, event_id, step_of_facts(item), item.notify, digest)
            arrivals.setdefault(item.code, []).append(arrival)
        return arrivals

    async def _subjects(
        self, connection: Connection, tenant: Tenant, arrivals: dict[str, list[Arrival]]
    ) -> list[_Subject]:
        """The dossiers of the batch, known ones locked; codes of others are left out."""
        codes = sorted(arrivals)
        enrolled = await connection.fetch(ENROL, codes, tenant.test, tenant.agency_id)
        if len(enrolled) < len(codes):
            # Another transaction committed them while this one waited, so they are found now; or they are not ours.
            missed = sorted(set(codes) - {row["code"] for row in enrolled})
            enrolled += await connection.fetch(ENROL, missed, tenant.test, tenant.agency_id)
        subjects = []
        for row in enrolled:
            code, dossier_id, version, owner = row[0], row[1], row[2], row[3]
            known, own = known_from(row), arrivals[code]
            subjects.append(_Subject(code, dossier_id, owner, version, known, own, entries(known, own)))
        return subjects

    async def _add_to_history(
        self, connection: Connection, tenant: Tenant, items: Sequence[Change], subjects: list[_Subject]
    ) -> tuple[set[bytes], bool]:
        """Insert every candidate; the keys of those that were not there before, and whether somebody may hear of it."""
        rows = [
            history_columns(
                subject.dossier_id, subject.owner, candidate.key, candidate.event_id, items[candidate.position]
            )
            for subject in subjects
            for candidate in subject.candidates
        ]
        added = await connection.fetch(ADD_TO_HISTORY, tenant.agency_id, tenant.test, rows) if rows else []
        return {row[0].bytes for row in added}, not added or added[0][1]

    async def _write_rows(
        self,
        connection: Connection,
        tenant: Tenant,
        items: Sequence[Change],
        decided: list[tuple[_Subject, Decision]],
    ) -> None:
        created: list[Row] = []
        replaced: list[Row] = []
        moved: list[Row] = []
        corrections: list[Row] = []
        for subject, decision in decided:
            if not decision.changed:
                continue
            version = subject.version + 1
            course = course_columns(subject.dossier_id, version, decision.course)
            if decision.facts is None:
                if subject.known is None:
                    created.append((*course, *no_facts(tenant.agency_id, subject.code)))
                else:
                    moved.append(course)
                continue
            facts, digest = items[decision.facts.position], decision.facts.digest
            assert isinstance(facts, DossierFacts)  # noqa: S101  # an arrival with a digest is one
            assert digest is not None  # noqa: S101
            procedure_id = self._registry.procedure_id(facts.procedure_code) if facts.procedure_code else None
            columns = facts_columns(facts, digest, procedure_id, self._seal)
            (created if subject.known is None else replaced).append((*course, *columns))
            if decision.correction is not None:
                event_id = correction_id(digest, version)
                key = facts_key(tenant.agency_code, subject.code, event_id)
                corrections.append(history_columns(subject.dossier_id, subject.owner, key, event_id, facts))
        if corrections:
            await connection.execute(ADD_TO_HISTORY, tenant.agency_id, tenant.test, corrections)
        if created:
            await connection.execute(ADD_DOSSIERS, tenant.agency_id, tenant.test, created)
        if replaced:
            await connection.execute(REPLACE, replaced)
        if moved:
            await connection.execute(MOVE_ON, moved)

    async def _learn_procedures(self, items: Iterable[Change]) -> None:
        """Take up procedures not met before; one that cannot be stored stays unknown, and its items are rejected."""
        unknown = {
            item.procedure_code: item.procedure_name or ""
            for item in items
            if isinstance(item, DossierFacts)
            and item.procedure_code
            and self._registry.procedure_id(item.procedure_code) is None
        }
        if not unknown:
            return
        try:
            try:
                await self._registry.learn_procedures(unknown)
            except _REFUSED_DATA:
                for code, name in unknown.items():
                    await self._learn_alone(code, name)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error

    async def _learn_alone(self, code: str, name: str) -> None:
        try:
            await self._registry.learn_procedures({code: name})
        except _REFUSED_DATA as error:
            log.info("procedure refused by the store", error=type(error).__qualname__)

    async def _note_feeds(self, tenant: Tenant, items: Iterable[Change]) -> None:
        """Note that these agencies' systems are alive; what was stored is stored, whether or not this succeeds."""
        if tenant.test:
            return
        agencies = {tenant.agency_id} | {i.receiving_agency for i in items if isinstance(i, DossierFacts)}
        tick = time.monotonic()
        due = {a for a in agencies if tick - self._noted.get(a, float("-inf")) > FEED_TOUCH}
        due &= self._registry.reach(tenant.agency_id)
        if not due:
            return
        self._noted.update(dict.fromkeys(due, tick))
        self._registry.heard(due, utc_now())
        try:
            async with self._database.transaction(Role.APP) as connection:
                await connection.execute(TOUCH_FEEDS, sorted(due))
        except _AWAY as error:
            log.warning("feed not noted", error=type(error).__qualname__)


async def _histories(
    connection: Connection, subjects: Iterable[_Subject], fresh: set[bytes]
) -> dict[int, list[tuple[bytes, Step]]]:
    """The whole histories of the dossiers for which something came late, twice or at the same instant."""
    needed: dict[int, list[tuple[bytes, Step]]] = {}
    for subject in subjects:
        known, candidates = subject.known, subject.candidates
        if known is not None and not (all_newer(known, candidates) and fresh.issuperset(c.key for c in candidates)):
            needed[subject.dossier_id] = []
    if needed:
        for row in await connection.fetch(HISTORY, [*needed]):
            needed[row["dossier_id"]].append((row["event_key"].bytes, step_from(row)))
    return needed


def _stored(decided: Iterable[tuple[_Subject, Decision]]) -> Iterable[StoredChange]:
    for subject, decision in decided:
        if decision.changed:
            course = decision.course
            yield StoredChange(
                dossier_id=subject.dossier_id,
                owner_agency=subject.owner,
                code=subject.code,
                version=subject.version + 1,
                status=course.status,
                status_before=None if subject.known is None else subject.known.course.status,
                status_at=course.status_at,
                due_at=course.due_at,
                finished_at=course.finished_at,
                delivered_at=course.delivered_at,
            )


def _stated(items: Sequence[Change], decided: Iterable[tuple[_Subject, Decision]]) -> Iterable[StatedEmail]:
    for subject, decision in decided:
        if decision.changed and decision.facts is not None:
            facts = items[decision.facts.position]
            email = facts.email if isinstance(facts, DossierFacts) else None
            yield StatedEmail(dossier_id=subject.dossier_id, owner_agency=subject.owner, email=email)


def _announcements(subject: _Subject, decision: Decision) -> Iterable[Announcement]:
    """One for each piece of news: what it changed is told against what came before it, known or of the same batch."""
    known, course = subject.known, decision.course
    before = None if known is None else Standing(known.course.status, known.course.due_at, known.course.asked)
    for arrival in decision.told:
        step = arrival.step
        newest = step.at == course.status_at and step.status == course.status
        if newest:
            after = Standing(course.status, course.due_at, course.asked)
        else:
            after = Standing(step.status, step.due_at or (before.due_at if before else None), step.asked)
        yield Announcement(
            dossier_id=subject.dossier_id,
            event_key=arrival.key,
            owner_agency=subject.owner,
            at=step.at,
            newest=newest,
            before=before,
            after=after,
        )
        before = after


STATEMENTS = (TOUCH_FEEDS,)
