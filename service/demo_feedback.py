"""Demo feedback: filed, worked on, answered, published and rated through the very moves officers and citizens make."""

from dataclasses import replace
from datetime import timedelta

from database.pool import SET_TENANT, Connection, Role
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName
from feedback_intake.cases import CLOCK, SENDER, Actor, Step, confidential_too
from feedback_intake.filing import Feedback, Filed
from feedback_intake.moves import MoveName, Who
from feedback_intake.numbers import new_number
from feedback_intake.ratings import HandlingRating
from service.demo import AGENCY, NEIGHBOUR, PROVINCE
from service.demo_stories import STORIES, Story
from service.feedback import FeedbackService
from service.wiring import Core

FORWARD_DAYS = 5  # an office's own clock, where nothing else was set
ACCOUNTS = "SELECT email, id FROM account WHERE email = ANY ($1::text[])"
# What happened today in the store happened in the days since it was filed: as far apart as the steps are many.
FILED_EARLIER = "UPDATE feedback SET filed_at = filed_at - make_interval(days => $2) WHERE case_id = $1"
OPENED_EARLIER = """
    UPDATE feedback_case SET filed_at = filed_at - make_interval(days => $2),
                             held_since = held_since - make_interval(days => $2),
                             answered_at = (SELECT max(at) FROM feedback_step WHERE case_id = $1 AND move = 'approve'),
                             holder_due_on = $3
     WHERE id = $1"""
DONE_EARLIER = """
    UPDATE feedback_step s SET at = s.at - make_interval(hours => (24 * $2 * o.ahead / (o.steps + 1))::int)
      FROM (SELECT id, count(*) OVER () AS steps, row_number() OVER (ORDER BY id DESC) AS ahead
              FROM feedback_step WHERE case_id = $1) o
     WHERE s.id = o.id"""

WRITTEN_EARLIER = """
    UPDATE feedback_answer a SET written_at = s.submitted, approved_at = s.approved
      FROM (SELECT max(at) FILTER (WHERE move = 'submit') AS submitted,
                   max(at) FILTER (WHERE move = 'approve') AS approved
              FROM feedback_step WHERE case_id = $1) s
     WHERE a.case_id = $1"""


class DemoFeedback:
    """Seeds it, for an office whose demo officers are there already."""

    def __init__(self, core: Core, feedback: FeedbackService) -> None:
        self._core = core
        self._feedback = feedback
        self._officers: dict[Who, Actor] = {}
        self._offices: dict[str, int] = {}
        self._controller = 0

    async def seed(self) -> int:
        """All of `STORIES`; how many cases."""
        found = [self._core.registry.agency_by_code(code) for code in (AGENCY, NEIGHBOUR, PROVINCE)]
        self._offices = {office.code: office.agency_id for office in found if office is not None}
        if len(self._offices) < len(found):
            return 0
        roles = {f"{who}@demo.example": who for who in (Who.CLERK, Who.HANDLER, Who.APPROVER)}
        async with self._core.database.transaction(Role.OPERATOR) as connection:
            rows = await connection.fetch(ACCOUNTS, [*roles, "controller@demo.example"])
        ids = {row["email"]: row["id"] for row in rows}
        self._controller = ids["controller@demo.example"]
        self._officers = {who: Actor(roles=frozenset({who}), account_id=ids[email]) for email, who in roles.items()}
        for story in STORIES:
            await self._tell(story)
        return len(STORIES)

    async def _tell(self, story: Story) -> None:
        filed = await self._file(story)
        published = [turn for turn in story.way if turn[1].move is MoveName.PUBLISH]
        for who, step in story.way[: len(story.way) - len(published)]:
            await self._move(filed, who, step)
        if story.note:
            async with self._core.database.transaction(Role.CONSOLE) as connection:
                await self._see(connection, AGENCY)
                handler = self._officers[Who.HANDLER].account_id or 0
                await self._feedback.cases.note(connection, filed.case_id, handler, story.note)
        await self._date_back(filed, story.days_ago)
        for who, step in published:  # the register has its own time
            await self._move(filed, who, step)
        async with self._core.database.transaction(Role.WORKER) as connection:
            if story.score:
                rating = HandlingRating(number=filed.number, score=story.score)
                await self._feedback.ratings.rate_handling(connection, rating)
            if story.objection:
                step = Step(move=MoveName.REOPEN, why=story.objection)
                await self._feedback.cases.move(connection, filed.case_id, step, SENDER)
        if story.control:
            async with self._core.database.transaction(Role.CONSOLE) as connection:
                await self._see(connection, PROVINCE)
                await self._feedback.ratings.rate_control(
                    connection, filed.case_id, self._controller, story.control, reason="Đã xem hồ sơ.", replaces=None
                )

    async def _date_back(self, filed: Filed, days: int) -> None:
        calendar = self._core.registry.calendar
        begun = calendar.working_day_from(civil_day(utc_now()) - timedelta(days=days))
        async with self._core.database.transaction(Role.WORKER) as connection:
            await connection.execute(FILED_EARLIER, filed.case_id, days)
            await connection.execute(DONE_EARLIER, filed.case_id, days)
            await connection.execute(WRITTEN_EARLIER, filed.case_id)
            await connection.execute(
                OPENED_EARLIER, filed.case_id, days, calendar.add_working_days(begun, FORWARD_DAYS)
            )

    async def _file(self, story: Story) -> Filed:
        received = civil_day(utc_now()) - timedelta(days=story.days_ago)
        feedback = Feedback(
            number=new_number(received),
            kind=story.kind,
            text=story.said,
            agency_id=self._offices[AGENCY],
            may_publish=story.consent,
            received_on=received,
            name=story.name,
            phone=story.phone,
            confidential=story.confidential,
        )
        async with self._core.database.transaction(Role.WORKER) as connection:
            return await self._feedback.filing.file(connection, None, feedback, channel=ChannelName(story.channel))

    async def _move(self, filed: Filed, who: Who, step: Step) -> None:
        """As an officer with the office in sight; as the sender or the clock past all."""
        if who not in self._officers:
            async with self._core.database.transaction(Role.WORKER) as connection:
                actor = SENDER if who is Who.SENDER else CLOCK
                await self._feedback.cases.move(connection, filed.case_id, step, actor)
            return
        if step.move is MoveName.ASSIGN:
            step = replace(step, assignee=self._officers[Who.HANDLER].account_id)
        if step.move is MoveName.FORWARD:
            step = replace(step, agency_id=self._offices[NEIGHBOUR])
        async with self._core.database.transaction(Role.CONSOLE) as connection, confidential_too(connection):
            await self._see(connection, AGENCY)
            await self._feedback.cases.move(connection, filed.case_id, step, self._officers[who])

    async def _see(self, connection: Connection, code: str) -> None:
        await connection.execute(SET_TENANT, str(self._offices[code]), "off")


STATEMENTS = (ACCOUNTS, FILED_EARLIER, OPENED_EARLIER, DONE_EARLIER, WRITTEN_EARLIER)
