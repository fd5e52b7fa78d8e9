"""How long an office may take, in working days: data for one agency and all below it, with a default for everybody.

NĐ 20/2008 Đ12 gives five working days to pass on what is not one's own; no law found gives a time for the answer, so
ministries set their own (3 to 10 days): the default of the store is our rule.
"""

from dataclasses import dataclass
from datetime import date

from database.pool import Connection
from domain.errors import Invalid
from lookup.working_time import WorkingCalendar

MOST_DAYS = 250

TERM_OF = """
    SELECT t.forward_days, t.answer_days, t.objection_days FROM feedback_term t
     WHERE t.agency_id IS NULL
        OR EXISTS (SELECT FROM agency_reach w WHERE w.scope_id = t.agency_id AND w.agency_id = $1)
     ORDER BY t.agency_id IS NULL, (SELECT count(*) FROM agency_reach u WHERE u.agency_id = t.agency_id) DESC LIMIT 1"""
SET_TERM = """
    INSERT INTO feedback_term (agency_id, forward_days, answer_days, objection_days) VALUES ($1, $2, $3, $4)
        ON CONFLICT (agency_id) DO UPDATE SET forward_days = excluded.forward_days, answer_days = excluded.answer_days,
           objection_days = excluded.objection_days, changed_at = now()"""

DEFAULT_TERM = "SELECT t.forward_days, t.answer_days, t.objection_days FROM feedback_term t WHERE t.agency_id IS NULL"
TERMS_WITHIN = """
    SELECT t.agency_id, t.forward_days, t.answer_days, t.objection_days
      FROM agency_reach r JOIN feedback_term t ON t.agency_id = r.agency_id
     WHERE r.scope_id = $1 ORDER BY t.agency_id"""
DROP_TERM = "DELETE FROM feedback_term WHERE agency_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackTerm:
    """Working days to pass a case on, to answer it, and for the sender to object to the answer."""

    forward_days: int
    answer_days: int
    objection_days: int

    def forward_by(self, day: date, calendar: WorkingCalendar) -> date:
        """The last day to pass on what came on `day`."""
        return calendar.add_working_days(day, self.forward_days)

    def answer_by(self, day: date, calendar: WorkingCalendar) -> date:
        """The last day to answer what came on `day`."""
        return calendar.add_working_days(day, self.answer_days)

    def object_until(self, day: date, calendar: WorkingCalendar) -> date:
        """The last day on which the sender may object to an answer of `day`."""
        return calendar.add_working_days(day, self.objection_days)


async def term_of(connection: Connection, agency_id: int) -> FeedbackTerm:
    """The term of the nearest agency above that has one, else the default."""
    return FeedbackTerm(**await connection.fetchrow(TERM_OF, agency_id))


async def set_term(connection: Connection, agency_id: int | None, term: FeedbackTerm) -> None:
    """From now on new clocks of the agency and all below it run so. Raises `Invalid`."""
    for name in ("forward_days", "answer_days", "objection_days"):
        if not 1 <= getattr(term, name) <= MOST_DAYS:
            raise Invalid(f"A term has 1 to {MOST_DAYS} working days.", field=name)
    await connection.execute(SET_TERM, agency_id, term.forward_days, term.answer_days, term.objection_days)


async def terms_within(connection: Connection, agency_id: int) -> tuple[FeedbackTerm, list[tuple[int, FeedbackTerm]]]:
    """The default, and what the agency and those below it have of their own, by our id."""
    default = FeedbackTerm(**await connection.fetchrow(DEFAULT_TERM))
    rows = [dict(row) for row in await connection.fetch(TERMS_WITHIN, agency_id)]
    return default, [(row.pop("agency_id"), FeedbackTerm(**row)) for row in rows]


async def drop_term(connection: Connection, agency_id: int) -> None:
    """From now on the agency has the term of the nearest above."""
    await connection.execute(DROP_TERM, agency_id)


STATEMENTS = (TERM_OF, SET_TERM, DEFAULT_TERM, TERMS_WITHIN, DROP_TERM)
