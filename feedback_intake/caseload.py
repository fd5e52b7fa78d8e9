"""What an office did with its cases in a time: received, answered, on time, late, reopened; whose hands; day by day."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from database.pool import Connection
from domain.civil_time import start_of_day
from feedback_intake.rates import CONTENT, Share, rated_share

MOST_DAYS = 92
MOST_OFFICERS = 500
_AT_ONCE = 500

# $1 the offices, $2 and $3 the time, $4 today.
TOTALS = """
    WITH came AS (
        SELECT count(*) AS received, count(*) FILTER (WHERE c.reopened > 0) AS reopened
          FROM feedback_case c WHERE c.holder_agency = ANY ($1::int[]) AND c.filed_at >= $2 AND c.filed_at < $3),
    went AS (
        SELECT count(*) AS answered,
               count(*) FILTER (WHERE (c.answered_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date <= c.answer_due_on)
                   AS on_time,
               avg(extract(epoch FROM c.answered_at - c.filed_at) / 86400)::float8 AS average_days
          FROM feedback_case c WHERE c.holder_agency = ANY ($1::int[]) AND c.answered_at >= $2 AND c.answered_at < $3),
    wait AS (
        SELECT count(*) AS open_late FROM feedback_case c
         WHERE c.holder_agency = ANY ($1::int[]) AND c.is_open AND c.answer_due_on < $4)
    SELECT came.received, came.reopened, went.answered, went.on_time, went.average_days, wait.open_late
      FROM came, went, wait"""
DAYS = """
    SELECT day, sum(received)::bigint AS received, sum(answered)::bigint AS answered
      FROM (SELECT (c.filed_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS day, 1 AS received, 0 AS answered
              FROM feedback_case c WHERE c.holder_agency = ANY ($1::int[]) AND c.filed_at >= $2 AND c.filed_at < $3
             UNION ALL
            SELECT (c.answered_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, 0, 1
              FROM feedback_case c
             WHERE c.holder_agency = ANY ($1::int[]) AND c.answered_at >= $2 AND c.answered_at < $3) d
     GROUP BY day ORDER BY day DESC"""
OFFICERS = f"""
    SELECT coalesce(nullif(a.name, ''), a.email) AS name, w.open, w.late, d.answered
      FROM account a
     CROSS JOIN LATERAL (SELECT count(*) AS open, count(*) FILTER (WHERE c.answer_due_on < $4) AS late
                           FROM feedback_case c
                          WHERE c.assignee = a.id AND c.is_open AND c.holder_agency = ANY ($1::int[])) w
     CROSS JOIN LATERAL (SELECT count(DISTINCT s.case_id) AS answered
                           FROM feedback_answer s JOIN feedback_case c ON c.id = s.case_id
                          WHERE s.written_by = a.id AND s.approved_at >= $2 AND s.approved_at < $3
                            AND c.holder_agency = ANY ($1::int[])) d
     WHERE a.agency_id = ANY ($1::int[]) AND (w.open > 0 OR d.answered > 0)
     ORDER BY w.late DESC, w.open DESC, name LIMIT {MOST_OFFICERS}"""  # noqa: S608
ROWS = """
    SELECT f.number, f.kind, f.channel, f.received_on, c.content, c.state, c.filed_at, c.answer_due_on, c.answered_at,
           c.reopened, c.holder_agency, coalesce(nullif(a.name, ''), a.email, '') AS assignee
      FROM feedback_case c
     CROSS JOIN LATERAL (SELECT f.number, f.kind, f.channel, f.received_on FROM feedback f
                          WHERE f.case_id = c.id ORDER BY f.id LIMIT 1) f
      LEFT JOIN account a ON a.id = c.assignee
     WHERE c.holder_agency = ANY ($1::int[]) AND c.filed_at >= $2 AND c.filed_at < $3"""

# By the day somebody rated; the controlling body's apart.
CONTENTMENT = f"""
    SELECT (SELECT count(*) FROM case_rating r
             WHERE r.agency_id = ANY ($1::int[]) AND r.rated_at >= $2 AND r.rated_at < $3) AS rated,
           (SELECT count(*) FROM case_rating r
             WHERE r.agency_id = ANY ($1::int[]) AND r.rated_at >= $2 AND r.rated_at < $3
               AND r.score >= {CONTENT}) AS content,
           (SELECT count(*) FROM control_rating r
             WHERE r.agency_id = ANY ($1::int[]) AND r.rated_at >= $2 AND r.rated_at < $3
               AND r.replaced_at IS NULL) AS controlled,
           (SELECT count(*) FROM control_rating r
             WHERE r.agency_id = ANY ($1::int[]) AND r.rated_at >= $2 AND r.rated_at < $3
               AND r.replaced_at IS NULL AND r.score >= {CONTENT}) AS control_content"""  # noqa: S608 - a number of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From the beginning of one civil day to the end of another, `MOST_DAYS` at most."""

    first: date
    last: date

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The moment it begins, and the one after its end."""
        return start_of_day(self.first), start_of_day(date.fromordinal(self.last.toordinal() + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`open_late`: open now and past the day its sender was to be answered by. `average_days` of what was answered."""

    received: int
    answered: int
    on_time: int
    answered_late: int
    open_late: int
    reopened: int
    average_days: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerLoad:
    """One officer: open cases now, those late, and those answered in the time."""

    name: str
    open: int
    late: int
    answered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """One day."""

    day: date
    received: int
    answered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case in an export: nothing of what was said, nor by whom."""

    number: str
    kind: str
    channel: str
    received_on: date
    content: str
    state: str
    filed_at: datetime
    answer_due_on: date
    answered_at: datetime | None
    reopened: int
    holder_agency: int
    assignee: str


async def totals(connection: Connection, offices: Sequence[int], period: Period, today: date) -> Totals:
    """Runs as `motma_console` with the tenant set, as all here."""
    row: Any = await connection.fetchrow(TOTALS, [*offices], *period.bounds, today)
    return Totals(
        received=row["received"],
        answered=row["answered"],
        on_time=row["on_time"],
        answered_late=row["answered"] - row["on_time"],
        open_late=row["open_late"],
        reopened=row["reopened"],
        average_days=row["average_days"],
    )


async def contentment(connection: Connection, offices: Sequence[int], period: Period) -> tuple[Share, Share]:
    """How many who rated in the time were content: people who filed, and the body that controls the offices."""
    row: Any = await connection.fetchrow(CONTENTMENT, [*offices], *period.bounds)
    return rated_share(row["content"], row["rated"]), rated_share(row["control_content"], row["controlled"])


async def officer_loads(
    connection: Connection, offices: Sequence[int], period: Period, today: date
) -> list[OfficerLoad]:
    """Officers with open cases, or who answered some; who has late ones first."""
    rows = await connection.fetch(OFFICERS, [*offices], *period.bounds, today)
    return [OfficerLoad(name=r["name"], open=r["open"], late=r["late"], answered=r["answered"]) for r in rows]


async def daily_totals(connection: Connection, offices: Sequence[int], period: Period) -> list[DayTotal]:
    """Days on which something happened, the newest first."""
    rows = await connection.fetch(DAYS, [*offices], *period.bounds)
    return [DayTotal(day=r["day"], received=r["received"], answered=r["answered"]) for r in rows]


async def case_rows(connection: Connection, offices: Sequence[int], period: Period) -> AsyncIterator[CaseRow]:
    """The cases filed in the time, as they are read: however many, few are in memory."""
    async for row in connection.cursor(ROWS, [*offices], *period.bounds, prefetch=_AT_ONCE):
        yield CaseRow(**{**row, "content": row["content"] or ""})


STATEMENTS = (TOTALS, DAYS, OFFICERS, CONTENTMENT, ROWS)
