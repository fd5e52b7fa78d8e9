"""No case without an owner: what an office that ended still holds goes to the one that works in its place."""

from collections.abc import Callable

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from feedback_intake.cases import CLOCK
from feedback_intake.choosing import Choosing
from feedback_intake.filing import INTAKE_DESK
from feedback_intake.moves import CaseState, MoveName
from feedback_intake.telling import Telling, Told
from feedback_intake.terms import term_of
from lookup.working_time import WorkingCalendar

MOST_AT_ONCE = 200

ORPHANS = """
    SELECT c.id, c.holder_agency FROM feedback_case c
     WHERE c.is_open AND c.holder_agency = ANY ($1::int[]) ORDER BY c.id LIMIT $2 FOR UPDATE SKIP LOCKED"""
# As a forward does it: a new desk, which begins anew; a sender who was asked is still waited for.
HAND_ON = """
    UPDATE feedback_case
       SET version = version + 1, holder_agency = $2, assignee = NULL, held_since = now(), holder_due_on = $3,
           escalated = 0, parties = CASE WHEN $2 = ANY (parties) THEN parties ELSE parties || $2::int END,
           resumes = CASE WHEN state = 'needs_info' THEN 'forwarded' END,
           state = CASE WHEN state = 'needs_info' THEN state ELSE 'forwarded' END
     WHERE id = $1 RETURNING state"""
# Nobody there may approve it any more; its words stay to be read.
SEND_BACK = """
    UPDATE feedback_answer SET sent_back_at = now()
     WHERE case_id = $1 AND approved_at IS NULL AND sent_back_at IS NULL"""
NOTE = """
    INSERT INTO feedback_step (case_id, move, state, by, from_agency, to_agency, said)
    VALUES ($1, 'forward', $2, $3, $4, $5, true)"""


class Inheriting:
    """Runs as `motma_worker`, in the caller's transaction; whoever runs it beside another does the rest."""

    def __init__(
        self, choosing: Choosing, telling: Telling, calendar: Callable[[], WorkingCalendar], *, desk: str
    ) -> None:
        """`desk` is the code of the agency that sorts what is nobody's."""
        self._choosing = choosing
        self._telling = telling
        self._calendar = calendar
        self._desk = desk

    async def turn(self, connection: Connection) -> int:
        """Hand on up to `MOST_AT_ONCE` cases, and tell who filed them; how many."""
        orphans = await connection.fetch(ORPHANS, self._choosing.ended(), MOST_AT_ONCE)
        for orphan in orphans:
            heir = self._choosing.heir(orphan["holder_agency"])
            if heir is None:
                heir = int(await connection.fetchval(INTAKE_DESK, self._desk))
            if heir != orphan["holder_agency"]:
                await self._hand_on(connection, orphan["id"], orphan["holder_agency"], heir)
        return len(orphans)

    async def _hand_on(self, connection: Connection, case_id: int, old: int, heir: int) -> None:
        term = await term_of(connection, heir)
        due = term.forward_by(civil_day(utc_now()), self._calendar())
        await connection.execute(SEND_BACK, case_id)
        state = CaseState(await connection.fetchval(HAND_ON, case_id, heir, due))
        await connection.execute(NOTE, case_id, state, CLOCK.by, old, heir)
        await self._telling.tell(connection, case_id, Told(move=MoveName.FORWARD, holder=heir, by=old))


STATEMENTS = (ORPHANS, HAND_ON, SEND_BACK, NOTE)
