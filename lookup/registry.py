"""The small tables everybody needs, in memory: offices, procedures, status words, feeds, the working calendar."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog

from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.agency import Agency, AgencyLevel, DisclosurePolicy
from domain.dossier import PublicDossier
from domain.errors import Unavailable
from domain.status import Status
from lookup.disclosure import Freshness
from lookup.reference_data import day_overrides
from lookup.working_time import DayKind, DayOverride, WorkingCalendar

log = structlog.get_logger()

# An office that sends nothing for a whole working day is thought cut off; nights and days off do not count.
SILENCE = timedelta(hours=8)
# Longer than any cache keeps an answer while the store can be asked: an older copy could not be checked.
UNCHECKED = timedelta(seconds=60)
# Beyond this no run of days off explains a silence, and counting the hours of years would be work for nothing.
_BEYOND_DOUBT = timedelta(days=30)
# How far back feeds are read again, for transactions that commit late.
_OVERLAP = timedelta(seconds=60)

_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)

OFFICES_MARK = "SELECT count(*) || ':' || coalesce(sum(hashtextextended(a::text, 0)), 0) FROM agency a"
AGENCIES = """
    SELECT id, code, name, name_en, level, parent_id, phone, address, disclosure, valid_from, valid_to
      FROM agency ORDER BY code, valid_from"""
SUCCESSORS = """
    SELECT predecessor_id, array_agg(successor_id ORDER BY successor_id) AS successors
      FROM agency_successor GROUP BY predecessor_id"""
REACH = "SELECT scope_id, array_agg(agency_id) AS agencies FROM agency_reach GROUP BY scope_id"
NEW_PROCEDURES = "SELECT id, code FROM procedure WHERE id > $1 ORDER BY id"
STATUS_WORDS = "SELECT sender_agency, raw, status FROM status_mapping"
LATE_FEEDS = "SELECT agency_id, heard_at FROM feed WHERE heard_at >= $1"
DAYS = "SELECT day, kind, reason, source FROM day_override ORDER BY day"
LEARN_PROCEDURES = """
    INSERT INTO procedure (code, name)
    SELECT given.code, given.name FROM unnest($1::text[], $2::text[]) AS given (code, name) ORDER BY given.code
        ON CONFLICT (code) DO NOTHING"""
FIND_PROCEDURES = "SELECT id, code FROM procedure WHERE code = ANY ($1::text[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offices:
    """The tree as read at one moment; `mark` changes whenever any office does."""

    mark: str
    agencies: dict[int, Agency]
    periods: dict[str, tuple[Agency, ...]]  # by code, oldest first
    successors: dict[int, tuple[int, ...]]
    reach: dict[int, frozenset[int]]
    lines: dict[int, tuple[int, ...]] = field(default_factory=dict)  # each office and those above it, once asked for


class Registry:
    """A picture of the small tables that answers without waiting. Call `refresh` before use, then every few seconds.

    Thousands of rows: what did not change is not read again, so that a refresh never holds up an answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offices: _Offices | None = None
        self._procedures: dict[str, int] = {}
        self._newest_procedure = 0
        self._status_words: dict[tuple[int, str], Status] = {}
        self._feeds: dict[int, datetime] = {}
        self._feeds_from = datetime.min.replace(tzinfo=UTC)
        self._shipped_days = day_overrides()
        self._calendar = WorkingCalendar(overrides=self._shipped_days)

    async def refresh(self) -> None:
        """Read what changed. With PostgreSQL away the old picture stays; raises `Unavailable` when there is none."""
        try:
            async with (
                self._database.connection(Role.PUBLIC) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),  # one moment for all tables
            ):
                await self._refresh_offices(connection)
                await self._refresh_procedures(connection)
                await self._refresh_feeds(connection)
                words = await connection.fetch(STATUS_WORDS)
                self._status_words = {(row["sender_agency"], row["raw"]): Status(row["status"]) for row in words}
                self._refresh_calendar(await connection.fetch(DAYS))
        except _AWAY as error:
            if self._offices is None:
                raise Unavailable("The store cannot be reached at the moment.") from error
            log.warning("registry not refreshed", error=type(error).__qualname__)

    def agency(self, agency_id: int) -> Agency | None:
        """The office in one period, by our id."""
        return self._tree.agencies.get(agency_id)

    def agencies(self) -> Iterable[Agency]:
        """Every office as last known, closed ones too."""
        return (periods[-1] for periods in self._tree.periods.values())

    def periods(self) -> Mapping[str, tuple[Agency, ...]]:
        """Every office in every period, oldest first, by code; the same object while nothing changed."""
        return self._tree.periods

    def agency_by_code(self, code: str, on_day: date | None = None) -> Agency | None:
        """The office of `code` as it was on a day; without one, as last known, closed or not."""
        periods = self._tree.periods.get(code, ())
        if on_day is None:
            return periods[-1] if periods else None
        begun = bisect_right(periods, on_day, key=lambda agency: agency.valid_from)
        last = periods[begun - 1] if begun else None
        return last if last and (last.valid_to is None or on_day <= last.valid_to) else None

    def ancestors(self, agency_id: int) -> tuple[Agency, ...]:
        """The offices above, nearest first."""
        above: list[Agency] = []
        agency = self.agency(agency_id)
        while agency and agency.parent_id is not None and (agency := self.agency(agency.parent_id)):
            above.append(agency)
        return tuple(above)

    def successors(self, agency_id: int) -> tuple[Agency, ...]:
        """The offices that took over directly from this one."""
        found = (self.agency(successor) for successor in self._tree.successors.get(agency_id, ()))
        return tuple(agency for agency in found if agency)

    def reach(self, scope_id: int) -> frozenset[int]:
        """The ids of all offices whose dossiers `scope_id` may see and write: itself and all below, closed ones too."""
        return self._tree.reach.get(scope_id, frozenset())

    def procedure_id(self, code: str) -> int | None:
        """Our id of a procedure by its full code."""
        return self._procedures.get(code)

    async def learn_procedures(self, names: Mapping[str, str]) -> None:
        """Take up procedures (code to name) that a sender uses and we do not know yet.

        In a transaction of its own, so that nobody's dossier waits for somebody else's procedure. Database errors pass.
        """
        codes = sorted(names)
        async with self._database.transaction(Role.APP) as connection:
            await connection.execute(LEARN_PROCEDURES, codes, [names[code] for code in codes])
            found = await connection.fetch(FIND_PROCEDURES, codes)
        self._procedures.update((row["code"], row["id"]) for row in found)

    def status_for(self, sender_id: int, word: str) -> Status | None:
        """The status a sender means by a word of its own, as mapped for the sender or else for an office above it."""
        if not self._status_words:
            return None
        senders = (sender_id, *(agency.agency_id for agency in self.ancestors(sender_id)))
        mapped = (self._status_words.get((sender, word)) for sender in senders)
        return next((status for status in mapped if status is not None), None)

    @property
    def calendar(self) -> WorkingCalendar:
        """Working days and hours, operators' corrections included."""
        return self._calendar

    def heard(self, agency_ids: set[int], at: datetime) -> None:
        """Note that the systems of these offices spoke to us; other processes learn it with their next refresh."""
        self._feeds.update(dict.fromkeys(agency_ids, at))

    def freshness(self, public: PublicDossier, now: datetime) -> Freshness:
        """How current our knowledge of a dossier is at `now`.

        As of the later of what we last stored about it and the last word of the office's system, or of an office above
        it, whose system sends for those below. Not fresh after a working day's silence, nor as a copy gone unchecked.
        """
        if now - public.read_at > UNCHECKED:
            return Freshness(as_of=public.read_at, fresh=False)
        as_of, feeds = public.recorded_at, self._feeds
        for agency_id in self._tree.lines.get(public.agency_id) or self._line(public.agency_id):
            heard = feeds.get(agency_id)
            if heard is not None and heard > as_of:
                as_of = heard
        return Freshness(as_of=as_of, fresh=not self._silent(as_of, now))

    def _line(self, agency_id: int) -> tuple[int, ...]:
        line = (agency_id, *(agency.agency_id for agency in self.ancestors(agency_id)))
        self._tree.lines[agency_id] = line
        return line

    def _silent(self, since: datetime, now: datetime) -> bool:
        if now - since <= SILENCE:
            return False
        hours = self._calendar.working_hours_between(since, now) if now - since < _BEYOND_DOUBT else float("inf")
        return hours > SILENCE / timedelta(hours=1)

    @property
    def _tree(self) -> _Offices:
        if self._offices is None:
            raise Unavailable("The service is still starting.")
        return self._offices

    async def _refresh_offices(self, connection: Connection) -> None:
        mark = await connection.fetchval(OFFICES_MARK)
        if self._offices is not None and self._offices.mark == mark:
            return
        agencies = [_agency(row) for row in await connection.fetch(AGENCIES)]
        periods: dict[str, tuple[Agency, ...]] = {}
        for agency in agencies:
            periods[agency.code] = (*periods.get(agency.code, ()), agency)
        self._offices = _Offices(
            mark=mark,
            agencies={agency.agency_id: agency for agency in agencies},
            periods=periods,
            successors={row["predecessor_id"]: tuple(row["successors"]) for row in await connection.fetch(SUCCESSORS)},
            reach={row["scope_id"]: frozenset(row["agencies"]) for row in await connection.fetch(REACH)},
        )

    async def _refresh_procedures(self, connection: Connection) -> None:
        rows = await connection.fetch(NEW_PROCEDURES, self._newest_procedure)
        self._procedures.update((row["code"], row["id"]) for row in rows)
        if rows:
            self._newest_procedure = rows[-1]["id"]

    async def _refresh_feeds(self, connection: Connection) -> None:
        for row in await connection.fetch(LATE_FEEDS, self._feeds_from):
            known = self._feeds.get(row["agency_id"], row["heard_at"])
            self._feeds[row["agency_id"]] = max(known, row["heard_at"])
            self._feeds_from = max(self._feeds_from, row["heard_at"] - _OVERLAP)

    def _refresh_calendar(self, rows: list[Mapping[str, Any]]) -> None:
        """The shipped days first, the operators' after them: of two for one day the later wins."""
        added = (
            DayOverride(day=row["day"], kind=DayKind(row["kind"]), reason=row["reason"], source=row["source"])
            for row in rows
        )
        overrides = (*self._shipped_days, *added)
        if overrides != self._calendar.overrides:
            self._calendar = WorkingCalendar(overrides=overrides)


def _agency(row: Mapping[str, Any]) -> Agency:
    return Agency(
        agency_id=row["id"],
        code=row["code"],
        name=row["name"],
        name_en=row["name_en"],
        level=AgencyLevel(row["level"]),
        parent_id=row["parent_id"],
        phone=row["phone"],
        address=row["address"],
        disclosure=DisclosurePolicy(row["disclosure"]),
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
    )


STATEMENTS = (
    OFFICES_MARK,
    AGENCIES,
    SUCCESSORS,
    REACH,
    NEW_PROCEDURES,
    STATUS_WORDS,
    LATE_FEEDS,
    DAYS,
    LEARN_PROCEDURES,
    FIND_PROCEDURES,
)
