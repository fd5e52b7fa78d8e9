"""What the public reads of the register: the newest entries, found by words and filters; one entry; the whole chain."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from time import monotonic
from typing import Any

import msgspec

from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.civil_time import civil_day, start_of_day
from domain.errors import Unavailable
from feedback_intake.chain import PARTS, Record, line, stamp
from feedback_intake.checkpoints import Checkpoint, checkpoints
from feedback_intake.filed_by_systems import Asked, published_numbers
from feedback_intake.filing import FeedbackKind
from feedback_intake.moves import CaseState
from feedback_intake.rates import OfficeFigures, figures_of
from feedback_intake.register import words_of

PAGE = 20
MOST = 1_000  # entries in one answer
AT_ONCE = 500  # records read in one statement
MOST_WORDS = 12  # that are searched
AT_A_TIME = 1  # questions of one process: a flood of them must leave connections to who looks up a dossier
PATIENCE = 2.0  # seconds a question waits for its turn
WINDOW = 1_000  # of the newest entries are looked through one by one before the index of words is asked
SEARCHED_FOR = 0.1  # seconds; then what was found is shown, and the reader asked whether to go on
BLOCKS = (14, 17)  # powers of two: how many entries stand in a block, as their words say (migration 0033)
_ALWAYS = 1 << 62

# Each (office, kind, on time or late) has its newest at hand in an index: of those the newest are taken.
NEWEST = """
    SELECT e.n FROM unnest($1::text[]) AS k (kind) CROSS JOIN unnest($2::boolean[]) AS o (on_time)
     CROSS JOIN LATERAL (SELECT x.n FROM register_entry x
                          WHERE x.listed AND x.kind = k.kind AND x.on_time = o.on_time AND x.n < $3 AND x.n >= $4
                          ORDER BY x.n DESC LIMIT $5) e
     ORDER BY e.n DESC LIMIT $5"""
NEWEST_OF = """
    SELECT e.n FROM agency_reach a CROSS JOIN unnest($1::text[]) AS k (kind)
     CROSS JOIN unnest($2::boolean[]) AS o (on_time)
     CROSS JOIN LATERAL (SELECT x.n FROM register_entry x
                          WHERE x.listed AND x.agency_id = a.agency_id AND x.kind = k.kind AND x.on_time = o.on_time
                            AND x.n < $3 AND x.n >= $4
                          ORDER BY x.n DESC LIMIT $5) e
     WHERE a.scope_id = $6 ORDER BY e.n DESC LIMIT $5"""
# A word that many entries have is soon found among the newest; one that few have, by the index, a block of entries
# after the other: an index of words has no order, and would list half the register for words that are common.
AMONG = """
    SELECT e.n FROM register_entry e
     WHERE e.n = ANY ($1::bigint[]) AND e.words @@ $2::text::tsquery ORDER BY e.n DESC LIMIT $3"""
BY_WORDS = """
    WITH found AS MATERIALIZED (SELECT e.n FROM register_entry e WHERE e.listed AND e.words @@ $1::text::tsquery)
    SELECT f.n FROM found f WHERE f.n < $2 AND f.n >= $3 ORDER BY f.n DESC LIMIT $4"""
_SHOWN = """
    SELECT e.n, e.agency_id, e.kind, e.content, e.filed_on, e.answered_on, e.on_time, e.published_at, e.replaced_by,
           e.removed_at, e.facts, e.question, e.answer, e.name, c.state
      FROM register_entry e JOIN feedback_case c ON c.id = e.case_id"""
SHOWN = _SHOWN + " WHERE e.n = ANY ($1::bigint[]) ORDER BY e.n DESC"
WHY_REMOVED = "SELECT content FROM register_record WHERE kind = 'removal' AND entry = $1 ORDER BY n DESC LIMIT 1"
FIRST_SINCE = "SELECT n FROM register_entry WHERE published_at >= $1 ORDER BY published_at, n LIMIT 1"
ENDS = "SELECT min(published_at) AS oldest, max(published_at) AS newest, max(n) AS last FROM register_entry"
CHAIN = """
    SELECT r.n, r.at, r.kind, r.entry, r.content, r.previous, r.digest, e.facts, e.facts_salt, e.question,
           e.question_salt, e.answer, e.answer_salt, e.name, e.name_salt, e.digests
      FROM register_record r LEFT JOIN register_entry e ON e.n = r.n WHERE r.n > $1 ORDER BY r.n LIMIT $2"""
LISTED = "SELECT n, published_at FROM register_entry WHERE listed AND n >= $1 AND n < $2 ORDER BY n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries. `office`: with all below it, None for all. `year`: of publication. `before`: only older ones."""

    text: str = ""
    office: int | None = None
    kind: FeedbackKind | None = None
    on_time: bool | None = None
    year: int | None = None
    before: int | None = None
    since: int = 0  # the oldest number wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One entry as the public sees it. Texts are None once they were removed; `name` is '' where none was published.

    `state` is that of its case now: whether its sender objected since, or can object no more.
    """

    n: int
    agency_id: int
    agency_code: str
    agency_name: str
    kind: FeedbackKind
    content: str | None
    filed_on: date
    answered_on: date
    on_time: bool
    published_at: datetime
    reopened: int
    replaced_by: int | None
    replaces: int | None
    removal: str | None = None  # why a part was removed
    question: str | None = field(repr=False)
    answer: str | None = field(repr=False)
    name: str | None = field(repr=False)
    state: CaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The newest entries that fit; `before` asks for those after them, None at the end.

    `unsearched`: the search was long and ended early; there may be more among those after `before`.
    """

    entries: list[Published]
    before: int | None
    unsearched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The first and last years of the register, and its newest entry; None while it is empty."""

    years: range
    last: int


class Reading:
    """Reads as `motma_public`. Raises `Unavailable` when the store is away or a question costs it too much."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def newest(self, wanted: Wanted | None = None, *, most: int = PAGE) -> Found:
        """The newest entries that fit, `most` of them."""
        wanted = wanted or Wanted()
        most = min(most, MOST)
        async with self._connection() as connection:
            low, high = await _bounds(connection, wanted)
            numbers, searched_to = await _numbers(connection, wanted, low, high, most + 1)
            rows = await connection.fetch(SHOWN, numbers[:most])
        entries = [_published(row) for row in rows]
        if len(numbers) > most:
            return Found(entries=entries, before=numbers[most - 1])
        return Found(entries=entries, before=searched_to, unsearched=searched_to is not None)

    async def filed(self, asked: Asked, *, since: date, until: date) -> list[Published]:
        """Entries by the day they were filed, the newest first: as Open311 asks for them."""
        async with self._connection() as connection:
            numbers = await published_numbers(connection, asked, since=since, until=until)
            rows = {row["n"]: _published(row) for row in await connection.fetch(SHOWN, numbers)}
        return [rows[n] for n in numbers]

    async def ones(self, numbers: Sequence[int]) -> list[Published]:
        """These entries, as far as they are there; the newest first."""
        async with self._connection() as connection:
            return [_published(row) for row in await connection.fetch(SHOWN, numbers)]

    async def entry(self, n: int) -> Published | None:
        """One entry, also one that was replaced or removed."""
        async with self._connection() as connection:
            rows = await connection.fetch(SHOWN, [n])
            if not rows:
                return None
            why = await connection.fetchval(WHY_REMOVED, n)
        return _published(rows[0], removal=why.partition(" ")[2] if why else None)

    async def ends(self) -> Ends | None:
        """From when to when the register goes."""
        async with self._connection() as connection:
            row = await connection.fetchrow(ENDS)
        if row["last"] is None:
            return None
        first, last = civil_day(row["oldest"]).year, civil_day(row["newest"]).year
        return Ends(years=range(first, last + 1), last=row["last"])

    async def chain(self, after: int = 0) -> AsyncIterator[bytes]:
        """The lines of `chain.ndjson` after record `after`, the oldest first, to its end."""
        while True:
            async with self._connection() as connection:
                rows = await connection.fetch(CHAIN, after, AT_ONCE)
            if not rows:
                return
            for row in rows:
                yield _line(row)
            after = rows[-1]["n"]

    async def checkpoints(self) -> list[Checkpoint]:
        """The newest first."""
        async with self._connection() as connection:
            return await checkpoints(connection)

    async def figures(self, agency_ids: Iterable[int]) -> Mapping[int, OfficeFigures]:
        """By agency; one without anything to count is absent."""
        async with self._connection() as connection:
            return await figures_of(connection, agency_ids)

    async def listed(self, first: int, end: int) -> list[tuple[int, datetime]]:
        """Numbers and times of the entries from `first` to before `end` that lists show."""
        async with self._connection() as connection:
            return [(row["n"], row["published_at"]) for row in await connection.fetch(LISTED, first, end)]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable("Too many are reading the register at the moment. Please try again shortly.") from None
        try:
            async with self._database.connection(Role.PUBLIC) as connection:
                yield connection
        except DATABASE_AWAY as error:
            raise Unavailable("The register cannot answer this at the moment. Please try again shortly.") from error
        finally:
            self._turns.release()


async def _bounds(connection: Connection, wanted: Wanted) -> tuple[int, int]:
    """From which number to before which: the year that is wanted, and what is older than the last page."""
    low, high = wanted.since, _ALWAYS if wanted.before is None else wanted.before
    if wanted.year is not None:
        begins, ends = (start_of_day(date(year, 1, 1)) for year in (wanted.year, wanted.year + 1))
        first = await connection.fetchval(FIRST_SINCE, begins)
        after = await connection.fetchval(FIRST_SINCE, ends)
        low = max(low, _ALWAYS if first is None else first)
        high = min(high, _ALWAYS if after is None else after)
    return low, high


async def _numbers(
    connection: Connection, wanted: Wanted, low: int, high: int, most: int
) -> tuple[list[int], int | None]:
    """The newest that fit; and, where the search ended early, the number down to which it came."""
    words = words_of(wanted.text)[:MOST_WORDS]
    if not words:
        return (await _newest(connection, wanted, low, high, most) if not wanted.text.strip() else []), None
    query, until = _query(words, wanted), monotonic() + SEARCHED_FOR
    # The words of the query say the filters too, so the window need not: the newest of all are one short read.
    window = await _newest(connection, Wanted(), low, high, WINDOW)
    found = [row["n"] for row in await connection.fetch(AMONG, window, query, most)]
    if len(window) < WINDOW:
        return found, None
    high = window[-1]
    while len(found) < most and high > low:
        if monotonic() > until:
            return found, high
        size, block = _block_below(high)
        older = await connection.fetch(BY_WORDS, f"{query} & 'b{size}:{block}'", high, low, most - len(found))
        found += [row["n"] for row in older]
        high = block << size
    return found, None


def _block_below(high: int) -> tuple[int, int]:
    """The largest block that ends with the number before `high`, else the smallest that holds it: size and number."""
    for size in reversed(BLOCKS):
        if high % (1 << size) == 0:
            return size, (high >> size) - 1
    return BLOCKS[0], (high - 1) >> BLOCKS[0]


async def _newest(connection: Connection, wanted: Wanted, low: int, high: int, most: int) -> list[int]:
    kinds = [wanted.kind] if wanted.kind else list(FeedbackKind)
    times = [True, False] if wanted.on_time is None else [wanted.on_time]
    if wanted.office is None:
        rows = await connection.fetch(NEWEST, kinds, times, high, low, most)
    else:
        rows = await connection.fetch(NEWEST_OF, kinds, times, high, low, most, wanted.office)
    return [row["n"] for row in rows]


def _query(words: Sequence[str], wanted: Wanted) -> str:
    """The words, and the filters as the words that entries carry for them, as a tsquery."""
    terms = [f"'{word}'" for word in words]
    if wanted.kind is not None:
        terms.append(f"'k:{wanted.kind}'")
    if wanted.on_time is not None:
        terms.append(f"'o:{int(wanted.on_time)}'")
    if wanted.office is not None:
        terms.append(f"'u:{wanted.office}'")
    return " & ".join(terms)


class _Facts(msgspec.Struct):
    agency: str
    agency_name: str
    reopened: int
    replaces: int | None


def _published(row: Mapping[str, Any], *, removal: str | None = None) -> Published:
    facts = msgspec.json.decode(row["facts"], type=_Facts)
    return Published(
        n=row["n"],
        agency_id=row["agency_id"],
        agency_code=facts.agency,
        agency_name=facts.agency_name,
        kind=FeedbackKind(row["kind"]),
        content=row["content"],
        filed_on=row["filed_on"],
        answered_on=row["answered_on"],
        on_time=row["on_time"],
        published_at=row["published_at"],
        reopened=facts.reopened,
        replaced_by=row["replaced_by"],
        replaces=facts.replaces,
        removal=removal,
        question=row["question"],
        answer=row["answer"],
        name=row["name"],
        state=CaseState(row["state"]),
    )


def _line(row: Mapping[str, Any]) -> bytes:
    record = Record(
        n=row["n"],
        at=stamp(row["at"]),
        kind=row["kind"],
        entry=row["entry"],
        content=row["content"],
        previous=row["previous"].hex(),
        digest=row["digest"].hex(),
    )
    if row["kind"] != "entry":
        return line(record, None)
    parts = {}
    for place, part in enumerate(PARTS):
        if row[f"{part}_salt"] is None:
            parts[part] = {"digest": row["digests"][32 * place : 32 * place + 32].hex()}
        else:
            parts[part] = {"salt": row[f"{part}_salt"].hex(), "text": row[part]}
    return line(record, parts)


STATEMENTS = (NEWEST, NEWEST_OF, AMONG, BY_WORDS, SHOWN, WHY_REMOVED, FIRST_SINCE, ENDS, CHAIN, LISTED)
