"""The cases of an office and those below it, as officers work through them: late ones first, a page at a time.

However many cases there are, a page costs the same: the first case of each office, then the first cases of the offices
that can be on the page. Words are opened only for the cases shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.contact import Contact
from feedback_intake.filing import FeedbackKind
from feedback_intake.moves import OPEN, CaseState
from lookup.sealing import Seal

PAGE_SIZE = 50
MOST_COUNTED = 1_000  # a tab says "1.000+" beyond
# Cases looked through for what no index knows; then the reader is asked whether to go on. Each of them may be of any of
# the offices: what is read is their product.
SEARCHED_AT_ONCE = 1_000
READ_AT_ONCE = 40_000
LONGEST_EXCERPT = 160


class Tab(StrEnum):
    """What the list shows."""

    MINE = "mine"
    UNIT = "unit"
    UNASSIGNED = "unassigned"
    APPROVAL = "approval"
    ENDED = "ended"


# What a tab's index holds; `o` is the office, $1 the offices, $2 and $3 the key to go on after, $4 how many, $5 the
# officer, $6 whether the officer reads what is confidential, $7 the sectors (null for all), $8 a state, $9 the day
# before which a case is late, $10 a kind, $11 a channel.
_OF_TAB = {
    Tab.MINE: "c.assignee = $5 AND c.is_open AND $1::int[] IS NOT NULL",  # wherever they are held
    Tab.UNIT: "c.holder_agency = o.id AND c.is_open",
    Tab.UNASSIGNED: "c.holder_agency = o.id AND c.is_open AND c.assignee IS NULL",
    Tab.APPROVAL: "c.holder_agency = o.id AND c.state = 'awaiting_approval'",
    Tab.ENDED: "c.holder_agency = o.id AND NOT c.is_open",
}
_READABLE = "(NOT c.confidential OR c.assignee = $5 OR $6)"
_FITS = """
       (c.assignee = $5 OR $7::text[] IS NULL OR EXISTS (
            SELECT FROM dossier d JOIN procedure p ON p.id = d.procedure_id
             WHERE d.id = c.dossier_id AND p.sector = ANY ($7)))
   AND ($8::text IS NULL OR c.state = $8) AND ($9::date IS NULL OR c.answer_due_on < $9)
   AND (($10::text IS NULL AND $11::text IS NULL) OR EXISTS (
            SELECT FROM feedback f WHERE f.case_id = c.id
               AND ($10::text IS NULL OR f.kind = $10) AND ($11::text IS NULL OR f.channel = $11)))"""
_SHOWN = """c.id AS case_id, c.state, c.holder_agency, c.assignee, a.name AS assignee_name, a.email AS assignee_email,
           c.confidential, c.filed_at, c.holder_due_on, c.answer_due_on, c.escalated, c.reopened, c.content,
           f.number, f.kind, f.channel, f.text_sealed, f.resembles,
           (SELECT count(*) FROM feedback n WHERE n.case_id = c.id) AS senders"""
_FIRST_FILED = """
      CROSS JOIN LATERAL (SELECT f.number, f.kind, f.channel, f.text_sealed, f.resembles FROM feedback f
                           WHERE f.case_id = c.id ORDER BY f.id LIMIT 1) f
      LEFT JOIN account a ON a.id = c.assignee"""


def _list(tab: Tab, *, state: bool = False) -> str:
    """A page of a tab: of each office its first case, of the offices with the earliest of them the first ones."""
    key, after, order = "c.answer_due_on, c.id", "(c.answer_due_on, c.id) > ($2::date, $3::bigint)", "due, id"
    if tab is Tab.ENDED:
        key, after, order = "c.id DESC", "c.id < $3::bigint AND $2::date IS NOT NULL", "id DESC"
    where = f"{_OF_TAB[tab]} AND {after} AND {_READABLE}" + (" AND c.state = $8" if state else "")
    if tab is Tab.MINE:  # one range of one index already
        found = f"""
            SELECT c.id, c.answer_due_on AS due FROM feedback_case c WHERE {where} ORDER BY {key} LIMIT $4"""  # noqa: S608
    else:
        found = f"""
            SELECT t.id, t.due
              FROM (SELECT o.id, h.due, h.id AS first FROM unnest($1::int[]) o(id) CROSS JOIN LATERAL (
                        SELECT c.id, c.answer_due_on AS due FROM feedback_case c WHERE {where}
                         ORDER BY {key} LIMIT 1) h
                     ORDER BY {order.replace("id", "h.id")} LIMIT $4) o
             CROSS JOIN LATERAL (
                   SELECT c.id, c.answer_due_on AS due FROM feedback_case c WHERE {where} ORDER BY {key} LIMIT $4) t
             ORDER BY {order.replace("id", "t.id")} LIMIT $4"""  # noqa: S608
    return f"""
    WITH found AS MATERIALIZED ({found}),
    rest AS (SELECT count(*) AS looked_at,
                    (SELECT l.due FROM found l ORDER BY l.due DESC, l.id DESC LIMIT 1) AS last_due,
                    (SELECT l.id FROM found l ORDER BY {_backwards(order)} LIMIT 1) AS last_id FROM found)
    SELECT r.looked_at, r.last_due, r.last_id, s.*
      FROM rest r LEFT JOIN LATERAL (
           SELECT {_SHOWN}
             FROM found l JOIN feedback_case c ON c.id = l.id {_FIRST_FILED}
            WHERE {_FITS}
            ORDER BY {key} LIMIT {PAGE_SIZE + 1}) s ON true"""  # noqa: S608 - parts of ours


def _backwards(order: str) -> str:
    return "l.due DESC, l.id DESC" if order == "due, id" else "l.id"


MINE = _list(Tab.MINE)
UNIT = _list(Tab.UNIT)
UNIT_IN_STATE = _list(Tab.UNIT, state=True)
UNASSIGNED = _list(Tab.UNASSIGNED)
APPROVAL = _list(Tab.APPROVAL)
ENDED = _list(Tab.ENDED)
ENDED_IN_STATE = _list(Tab.ENDED, state=True)
_LISTS = {
    Tab.MINE: MINE,
    Tab.UNIT: UNIT,
    Tab.UNASSIGNED: UNASSIGNED,
    Tab.APPROVAL: APPROVAL,
    Tab.ENDED: ENDED,
}
_IN_STATE = {Tab.UNIT: UNIT_IN_STATE, Tab.ENDED: ENDED_IN_STATE}

# What row security shows: confidential cases count for their assignees and heads.
_COUNTED = "(SELECT count(*) FROM (SELECT FROM unnest($1::int[]) o(id) JOIN LATERAL (SELECT FROM feedback_case c"
COUNTS = f"""
    SELECT (SELECT count(*) FROM (SELECT FROM feedback_case c WHERE c.assignee = $2 AND c.is_open LIMIT $3) m) AS mine,
           {_COUNTED} WHERE {_OF_TAB[Tab.UNIT]} LIMIT $3) c ON true LIMIT $3) n) AS unit,
           {_COUNTED} WHERE {_OF_TAB[Tab.UNASSIGNED]} LIMIT $3) c ON true LIMIT $3) n) AS unassigned,
           {_COUNTED} WHERE {_OF_TAB[Tab.APPROVAL]} LIMIT $3) c ON true LIMIT $3) n) AS approval"""  # noqa: S608
# By something that is known of it: exact, whatever its state.
_FOUND = f"""
    SELECT {_SHOWN} FROM feedback_case c {_FIRST_FILED}
     WHERE {{by}} AND (NOT c.confidential OR c.assignee = $2 OR $3)
       AND (c.assignee = $2 OR $4::text[] IS NULL OR EXISTS (
            SELECT FROM dossier d JOIN procedure p ON p.id = d.procedure_id
             WHERE d.id = c.dossier_id AND p.sector = ANY ($4)))
     ORDER BY c.id DESC LIMIT {PAGE_SIZE}"""  # noqa: S608
BY_NUMBER = _FOUND.format(by="c.id IN (SELECT n.case_id FROM feedback n WHERE n.number = $1::text)")
BY_CODE = _FOUND.format(
    by="c.dossier_id IN (SELECT k.dossier_id FROM dossier_code k WHERE k.code = ANY ($1::text[]) AND NOT k.test)"
)
BY_PHONE = _FOUND.format(
    by="c.id IN (SELECT n.case_id FROM feedback n WHERE n.phone_digest = $1::bytea OR n.contact_digest = $1::bytea)"
)


class Cursor(NamedTuple):
    """Where a page ends."""

    due: date
    case_id: int

    def __str__(self) -> str:
        return f"{self.due:%Y%m%d}-{self.case_id}"


_BEGIN = Cursor(date.min, 0)
_NEWEST = Cursor(date.min, 1 << 62)


def cursor_of(text: str) -> Cursor | None:
    """The cursor that was written as `text`; None for anything else."""
    day, _, number = text.partition("-")
    if not (day.isascii() and day.isdigit() and len(day) == 8 and number.isascii() and number.isdigit()):
        return None
    if len(number) > 18:
        return None
    try:
        return Cursor(date(int(day[:4]), int(day[4:6]), int(day[6:])), int(number))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose list it is. `sectors` None: all. `reads_confidential`: a head's."""

    account_id: int
    offices: tuple[int, ...]
    sectors: tuple[str, ...] | None = None
    reads_confidential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What narrows a list; None for what does not."""

    state: CaseState | None = None
    late: bool = False
    kind: FeedbackKind | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLine:
    """One case in a list. `escalated`: 0, or who was warned (`feedback_intake.watching`). `late`: its sender waits."""

    case_id: int
    number: str
    kind: FeedbackKind
    channel: str
    senders: int
    state: CaseState
    holder_agency: int
    assignee: int | None
    assignee_name: str
    confidential: bool
    filed_at: datetime
    holder_due_on: date
    answer_due_on: date
    late: bool
    escalated: int
    reopened: int
    resembles: str | None
    excerpt: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """A page of a list. `onward`: where the next begins, None at the end. `cut`: further on there may be more that
    fits, which was not looked at yet."""

    lines: tuple[CaseLine, ...]
    onward: Cursor | None = None
    cut: bool = False


class WorkList:
    """Reads lists. Runs as `motma_console` with the tenant set, in the caller's transaction."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def page(
        self,
        connection: Connection,
        reader: Reader,
        tab: Tab,
        filters: Filters | None = None,
        *,
        after: Cursor | None = None,
        today: date | None = None,
    ) -> CasePage:
        """A page of `tab`: what its sender waits for longest first; what has ended, newest first."""
        filters = filters or Filters()
        day = today or civil_day(utc_now())
        late = filters.late and tab is not Tab.ENDED
        known_to_index = filters.state is None or tab in _IN_STATE
        simple = known_to_index and filters.kind is None and filters.channel is None and reader.sectors is None
        most = PAGE_SIZE + 1
        if not simple:
            most = max(most, min(SEARCHED_AT_ONCE, READ_AT_ONCE // max(1, len(reader.offices))))
        begin = after or (_NEWEST if tab is Tab.ENDED else _BEGIN)
        statement = _IN_STATE.get(tab, _LISTS[tab]) if filters.state is not None else _LISTS[tab]
        rows = await connection.fetch(
            statement,
            [*reader.offices],
            begin.due,
            begin.case_id,
            most,
            reader.account_id,
            reader.reads_confidential,
            None if reader.sectors is None else [*reader.sectors],
            filters.state,
            day if late else None,
            filters.kind,
            filters.channel,
        )
        lines = [self._line(row, day) for row in rows if row["case_id"] is not None]
        if len(lines) > PAGE_SIZE:
            last = lines[PAGE_SIZE - 1]
            return CasePage(lines=tuple(lines[:PAGE_SIZE]), onward=Cursor(last.answer_due_on, last.case_id))
        rest = rows[0]
        over = rest["looked_at"] < most or (late and rest["last_due"] >= day)  # whatever follows is on time
        onward = None if over else Cursor(rest["last_due"], rest["last_id"])
        return CasePage(lines=tuple(lines), onward=onward, cut=onward is not None)

    async def counts(self, connection: Connection, reader: Reader) -> dict[Tab, int]:
        """How many open cases the tabs have, `MOST_COUNTED` at most."""
        row = await connection.fetchrow(COUNTS, [*reader.offices], reader.account_id, MOST_COUNTED)
        return {Tab(name): number for name, number in row.items()}

    async def by_number(self, connection: Connection, reader: Reader, number: str) -> list[CaseLine]:
        """The case of a number."""
        return await self._found(connection, BY_NUMBER, number, reader)

    async def by_code(self, connection: Connection, reader: Reader, codes: Sequence[str]) -> list[CaseLine]:
        """The cases about a dossier of the reader's offices, by any spelling of its code."""
        return await self._found(connection, BY_CODE, [*codes], reader)

    async def by_sender(self, connection: Connection, reader: Reader, sender: Contact) -> list[CaseLine]:
        """The cases somebody filed."""
        return await self._found(connection, BY_PHONE, self._seal.contact(sender), reader)

    async def _found(self, connection: Connection, statement: str, wanted: object, reader: Reader) -> list[CaseLine]:
        sectors = None if reader.sectors is None else [*reader.sectors]
        rows = await connection.fetch(statement, wanted, reader.account_id, reader.reads_confidential, sectors)
        day = civil_day(utc_now())
        return [self._line(row, day) for row in rows]

    def _line(self, row: Any, day: date) -> CaseLine:  # noqa: ANN401 - a row of asyncpg
        state = CaseState(row["state"])
        words = " ".join(self._seal.open(row["text_sealed"]).split())
        return CaseLine(
            case_id=row["case_id"],
            number=row["number"],
            kind=FeedbackKind(row["kind"]),
            channel=row["channel"],
            senders=row["senders"],
            state=state,
            holder_agency=row["holder_agency"],
            assignee=row["assignee"],
            assignee_name=row["assignee_name"] or row["assignee_email"] or "",
            confidential=row["confidential"],
            filed_at=row["filed_at"],
            holder_due_on=row["holder_due_on"],
            answer_due_on=row["answer_due_on"],
            late=state in OPEN and row["answer_due_on"] < day,
            escalated=row["escalated"],
            reopened=row["reopened"],
            resembles=row["resembles"],
            excerpt=words if len(words) <= LONGEST_EXCERPT else words[: LONGEST_EXCERPT - 1].rstrip() + "…",
        )


STATEMENTS = (
    MINE,
    UNIT,
    UNIT_IN_STATE,
    UNASSIGNED,
    APPROVAL,
    ENDED,
    ENDED_IN_STATE,
    COUNTS,
    BY_NUMBER,
    BY_CODE,
    BY_PHONE,
)
