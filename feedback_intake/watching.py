"""What the calendar does to cases: warnings up a ladder while they wait, and the end when nobody may object any more.

1: the assignee (or the desk), a working day before the holder's time is over; 2: the head, when it is over; 3: the
office above, three working days later or when the sender's time is over. Each step once per holder; the lists of the
console show it, and it is logged.
"""

from collections.abc import Callable
from datetime import date

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from feedback_intake.cases import CLOCK
from feedback_intake.moves import MoveName
from lookup.working_time import WorkingCalendar

STEP_ABOVE = 3  # working days
MOST_AT_ONCE = 500

ESCALATE = """
    WITH due AS (
        SELECT c.id, CASE WHEN c.holder_due_on < $2 OR c.answer_due_on < $1 THEN 3
                          WHEN c.holder_due_on < $1 THEN 2 ELSE 1 END AS level
          FROM feedback_case c
         WHERE c.is_open AND c.state <> 'needs_info' AND c.escalated < 3
           AND (c.holder_due_on <= $3 OR c.answer_due_on < $1)),
    warned AS (
        UPDATE feedback_case c SET escalated = d.level
          FROM (SELECT w.id, d.level FROM due d JOIN feedback_case w ON w.id = d.id
                 WHERE w.escalated < d.level ORDER BY w.id LIMIT $4 FOR UPDATE OF w SKIP LOCKED) d
         WHERE c.id = d.id
        RETURNING c.id, c.state, c.escalated, c.holder_agency)
    INSERT INTO feedback_step (case_id, move, state, by, from_agency, reason)
    SELECT w.id, 'warn', w.state, 'clock', w.holder_agency, w.escalated::text FROM warned w
    RETURNING case_id"""
CLOSE = """
    WITH over AS (
        UPDATE feedback_case c SET version = c.version + 1, state = 'closed'
         WHERE c.id IN (SELECT o.id FROM feedback_case o
                         WHERE o.state IN ('answered', 'published') AND o.object_until < $1
                         ORDER BY o.object_until LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING c.id, c.holder_agency)
    INSERT INTO feedback_step (case_id, move, state, by, from_agency)
    SELECT o.id, $3, 'closed', $4, o.holder_agency FROM over o
    RETURNING case_id"""


class Watching:
    """Runs as `motma_worker`; whoever runs it beside another does the rest."""

    def __init__(self, calendar: Callable[[], WorkingCalendar]) -> None:
        """`calendar` gives the working days as they are known now."""
        self._calendar = calendar

    async def turn(self, connection: Connection, *, today: date | None = None) -> tuple[int, int]:
        """Warn and close what is due, `MOST_AT_ONCE` of each; how many of each."""
        day, calendar = today or civil_day(utc_now()), self._calendar()
        above = day
        for _ in range(STEP_ABOVE):
            above = calendar.previous_working_day(above)
        soon = calendar.next_working_day(day)
        warned = await connection.fetch(ESCALATE, day, above, soon, MOST_AT_ONCE)
        closed = await connection.fetch(CLOSE, day, MOST_AT_ONCE, MoveName.CLOSE, CLOCK.by)
        return len(warned), len(closed)


STATEMENTS = (ESCALATE, CLOSE)
