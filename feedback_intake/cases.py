"""A case and its moves: each in one transaction with its log, its clocks, its answer, and word to those who filed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.errors import ChangedMeanwhile, Forbidden, Invalid, NotFound
from domain.vietnamese import clean
from feedback_intake.filing import LONGEST_TEXT
from feedback_intake.moves import MOVES, PROPOSALS, CaseState, Content, MoveName, Needs, RefusalReason, Who, after
from feedback_intake.register import Publication, Register, RemovalReason
from feedback_intake.telling import Telling, Told
from feedback_intake.terms import FeedbackTerm, term_of
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar

_COLUMNS = """c.id AS case_id, c.version, c.state, c.resumes, c.content, c.dossier_id, c.holder_agency, c.assignee,
              c.confidential, c.filed_at, c.held_since, c.holder_due_on, c.answer_due_on, c.answered_at,
              c.object_until, c.reopened, c.escalated, c.merged_into"""
FIND_CASE = f"SELECT {_COLUMNS} FROM feedback_case c WHERE c.id = $1"  # noqa: S608 - columns of ours
# FOR UPDATE asks for the right to change it: an office that has passed a case on sees it and can move it no more.
LOCK_CASE = f"SELECT {_COLUMNS} FROM feedback_case c WHERE c.id = $1 FOR UPDATE"  # noqa: S608
MOVE_CASE = """
    UPDATE feedback_case
       SET version = version + 1, state = $2, resumes = $3, content = coalesce($4, content), holder_agency = $5,
           parties = CASE WHEN $5 = ANY (parties) THEN parties ELSE parties || $5::int END,
           assignee = $6, held_since = CASE WHEN $7 THEN now() ELSE held_since END, holder_due_on = $8,
           answer_due_on = $9, answered_at = $10, object_until = $11, reopened = $12,
           escalated = CASE WHEN $7 THEN 0 ELSE escalated END
     WHERE id = $1"""
NOTE_STEP = """
    INSERT INTO feedback_step (case_id, move, state, by, account_id, from_agency, to_agency, reason, why_sealed, said,
                               feedback_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""
# What is no move: two cases made one, a case made confidential.
NOTE_ACT = "INSERT INTO feedback_step (case_id, move, state, by, account_id) VALUES ($1, $2, $3, $4, $5)"
CASE_OF_ENTRY = "SELECT case_id FROM register_entry WHERE n = $1"
NOTE_CORRECTION = """
    INSERT INTO feedback_step (case_id, move, state, by, account_id, reason, said)
    VALUES ($1, 'correct', $2, $3, $4, $5, true)"""
# Who reads it says that it names a way out: so it stands in the register and the figures, and its senders see it.
IS_PROPOSAL = """
    WITH changed AS (UPDATE feedback SET kind = 'proposal' WHERE case_id = $1 AND kind <> 'proposal' RETURNING id)
    INSERT INTO feedback_step (case_id, move, state, by, account_id, said, feedback_id)
    SELECT $1, 'as_proposal', $2, $3, $4, true, c.id FROM changed c"""
WRITE_ANSWER = "INSERT INTO feedback_answer (case_id, text_sealed, written_by) VALUES ($1, $2, $3)"
WAITING_ANSWER = """
    SELECT id, text_sealed, written_by FROM feedback_answer
     WHERE case_id = $1 AND approved_at IS NULL AND sent_back_at IS NULL"""
SEND_ANSWER_BACK = "UPDATE feedback_answer SET sent_back_at = now() WHERE id = $1"
APPROVE_ANSWER = "UPDATE feedback_answer SET approved_by = $2, approved_at = now() WHERE id = $1"
WRITE_NOTE = "INSERT INTO feedback_note (case_id, account_id, text_sealed) VALUES ($1, $2, $3)"
# What a transaction may see of confidential cases (migration 0027): all of them, or the one an officer has a right to.
SEE_CONFIDENTIAL = "SELECT set_config('motma.confidential', $1, true)"
SEES_CONFIDENTIAL = "SELECT coalesce(current_setting('motma.confidential', true), '')"
IN_HAND = "SELECT set_config('motma.case', $1::bigint::text, true)"
SET_CONFIDENTIAL = "UPDATE feedback_case SET version = version + 1, confidential = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who makes a move: the sender (of `feedback_id`), an officer with an account, or the clock."""

    roles: frozenset[Who]
    account_id: int | None = None
    feedback_id: int | None = None

    @property
    def by(self) -> str:
        """As the log names them: officers by their account, the others by what they are."""
        return "officer" if self.account_id is not None else next(iter(self.roles)).value


T = TypeVar("T")

SENDER = Actor(roles=frozenset({Who.SENDER}))
CLOCK = Actor(roles=frozenset({Who.CLOCK}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How a case stands. Days are civil; `version` grows with every change."""

    case_id: int
    version: int
    state: CaseState
    resumes: CaseState | None
    content: Content | None
    dossier_id: int | None
    holder_agency: int
    assignee: int | None
    confidential: bool
    filed_at: datetime
    held_since: datetime
    holder_due_on: date
    answer_due_on: date
    answered_at: datetime | None
    object_until: date | None
    reopened: int
    escalated: int
    merged_into: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a move brings with it; `feedback_intake.moves` says which of it each move needs."""

    move: MoveName
    why: str = field(default="", repr=False)
    reason: RefusalReason | None = None
    agency_id: int | None = None
    assignee: int | None = None
    content: Content | None = None
    answer: str = field(default="", repr=False)
    publication: Publication = field(default_factory=Publication, repr=False)


@asynccontextmanager
async def confidential_too(connection: Connection) -> AsyncIterator[None]:
    """Let the transaction see confidential cases: to count them, or to file one. Not for showing any.

    An exception leaves it seeing them: it must end the transaction.
    """
    before = await connection.fetchval(SEES_CONFIDENTIAL)
    await connection.execute(SEE_CONFIDENTIAL, "on")
    yield
    await connection.execute(SEE_CONFIDENTIAL, before)


class Cases:
    """Moves cases. Runs in the caller's transaction: as `motma_app` for officers, as `motma_worker` for the others."""

    def __init__(self, seal: Seal, calendar: Callable[[], WorkingCalendar], telling: Telling) -> None:
        """`calendar` gives the working days as they are known now."""
        self._seal = seal
        self._calendar = calendar
        self._telling = telling
        self._register = Register(seal)

    async def find(self, connection: Connection, case_id: int) -> Case:
        """The case. Raises `NotFound` where there is none, or none that may be seen."""
        return _case(await connection.fetchrow(FIND_CASE, case_id))

    async def move(
        self, connection: Connection, case_id: int, step: Step, actor: Actor, *, version: int | None = None
    ) -> Case:
        """Make a move; the case as it stands after it.

        `version` is what the officer saw: `ChangedMeanwhile` when somebody was quicker. Raises `NotFound`, `Invalid`
        (`field` says what is missing or why it leads nowhere), `Forbidden`.
        """
        case = await self._locked(connection, case_id, version)
        state = after(step.move, case.state, case.resumes, actor.roles)
        step = _complete(step)
        answer = await self._answer(connection, case, step, actor)
        today = civil_day(utc_now())
        if step.move is MoveName.REOPEN and case.object_until is not None and today > case.object_until:
            raise Invalid("The time to object to this answer is over.", field="move")
        if step.move is MoveName.FORWARD and step.agency_id == case.holder_agency:
            raise Invalid("The case is with this office already.", field="agency_id")
        holder = step.agency_id if step.move is MoveName.FORWARD and step.agency_id else case.holder_agency
        term = await term_of(connection, holder)
        await self._write(connection, case, step, state, holder, term, today)
        if step.content in PROPOSALS:
            await connection.execute(IS_PROPOSAL, case_id, state, actor.by, actor.account_id)
        await self._log(connection, case, step, state, actor, holder)
        if MOVES[step.move].tells:
            told = Told(
                move=step.move,
                why=step.why,
                reason=step.reason,
                answer=answer,
                holder=holder,
                by=case.holder_agency,
                named=step.move is MoveName.PUBLISH and step.publication.named,
            )
            await self._telling.tell(connection, case_id, told)
        if step.move is MoveName.PUBLISH:  # last: others who publish wait for it
            await self._register.publish(connection, case_id, step.publication, actor.account_id)
        return await self.find(connection, case_id)

    async def note(self, connection: Connection, case_id: int, account_id: int, text: str) -> None:
        """Keep a note among officers. Raises `NotFound`, `Invalid`."""
        await self.find(connection, case_id)
        await connection.execute(WRITE_NOTE, case_id, account_id, self._seal.seal(_words(text, "note")))

    async def correct(
        self, connection: Connection, n: int, publication: Publication, reason: RemovalReason, actor: Actor
    ) -> int:
        """Put right what is published as entry `n`, whether the case is over or not; the number of the new entry.

        The chain of the register keeps both, and its senders see that it was done. Raises `NotFound`, `Forbidden`, and
        as `Register.correct`.
        """
        case_id = await connection.fetchval(CASE_OF_ENTRY, n)
        if case_id is None:
            raise NotFound("There is no such entry.")
        case = await self._locked(connection, case_id, None)
        if not actor.roles & MOVES[MoveName.PUBLISH].by:
            raise Forbidden("Who may publish may correct what was published.")
        await connection.execute(NOTE_CORRECTION, case_id, case.state, actor.by, actor.account_id, reason)
        return await self._register.correct(connection, n, publication, reason, actor.account_id)

    async def keep_confidential(
        self, connection: Connection, case_id: int, actor: Actor, *, version: int, confidential: bool
    ) -> Case:
        """Whether only the assignee and heads may read the case. Raises as `move`."""
        case = await self._locked(connection, case_id, version)
        if not actor.roles & {Who.CLERK, Who.HEAD}:
            raise Forbidden("A clerk or a head decides who may read a case.")
        await connection.execute(SET_CONFIDENTIAL, case_id, confidential)
        name = "confidential" if confidential else "not_confidential"
        await connection.execute(NOTE_ACT, case_id, name, case.state, actor.by, actor.account_id)
        return await self.find(connection, case_id)

    async def _locked(self, connection: Connection, case_id: int, version: int | None) -> Case:
        row = await connection.fetchrow(LOCK_CASE, case_id)
        if row is None:
            await self.find(connection, case_id)
            raise Forbidden("Your office has passed this case on: the one that holds it now goes on with it.")
        case = _case(row)
        if version is not None and version != case.version:
            raise ChangedMeanwhile("Somebody else has changed this case since you opened it.", field="version")
        return case

    async def _answer(self, connection: Connection, case: Case, step: Step, actor: Actor) -> str:
        """What is written, approved or sent back. The approved text, else ''."""
        if step.move is MoveName.SUBMIT:
            sealed = self._seal.seal(step.answer)
            await connection.execute(WRITE_ANSWER, case.case_id, sealed, actor.account_id)
        elif step.move in {MoveName.APPROVE, MoveName.SEND_BACK}:
            waiting = await connection.fetchrow(WAITING_ANSWER, case.case_id)
            if waiting is None:
                raise Invalid("There is no answer to approve.", field="answer")
            if step.move is MoveName.SEND_BACK:
                await connection.execute(SEND_ANSWER_BACK, waiting["id"])
                return ""
            if waiting["written_by"] == actor.account_id:
                raise Forbidden("Somebody else must approve the answer you wrote.")
            await connection.execute(APPROVE_ANSWER, waiting["id"], actor.account_id)
            return self._seal.open(waiting["text_sealed"])
        return ""

    async def _write(
        self,
        connection: Connection,
        case: Case,
        step: Step,
        state: CaseState,
        holder: int,
        term: FeedbackTerm,
        today: date,
    ) -> None:
        move, calendar = step.move, self._calendar()
        new_clock = MOVES[move].new_clock
        answered = move is MoveName.APPROVE
        reopened = move is MoveName.REOPEN
        assignee = step.assignee if move is MoveName.ASSIGN else case.assignee
        object_until = term.object_until(today, calendar) if answered else None if reopened else case.object_until
        await connection.execute(
            MOVE_CASE,
            case.case_id,
            state,
            _resumes(case, move),
            step.content,
            holder,
            None if move is MoveName.FORWARD else assignee,
            new_clock,
            term.forward_by(today, calendar) if new_clock else case.holder_due_on,
            term.answer_by(today, calendar) if reopened else case.answer_due_on,
            utc_now() if answered else case.answered_at,
            object_until,
            case.reopened + reopened,
        )

    async def _log(
        self, connection: Connection, case: Case, step: Step, state: CaseState, actor: Actor, holder: int
    ) -> None:
        await connection.execute(
            NOTE_STEP,
            case.case_id,
            step.move,
            state,
            actor.by,
            actor.account_id,
            case.holder_agency,
            holder if holder != case.holder_agency else None,
            step.reason,
            self._seal.seal(step.why) if step.why else None,
            MOVES[step.move].tells or Who.SENDER in actor.roles,
            actor.feedback_id,
        )


def _resumes(case: Case, move: MoveName) -> CaseState | None:
    """Where a case that waits for its sender goes on: at a desk that has not begun yet, where it was."""
    if move is not MoveName.ASK:
        return None
    return case.state


def _complete(step: Step) -> Step:
    """`step` with clean words. Raises `Invalid` for what its move cannot do without."""
    needs = MOVES[step.move].needs
    if step.move is MoveName.REFUSE and step.reason is None:
        raise Invalid("Say why this is not taken.", field="reason")
    return Step(
        move=step.move,
        why=_words(step.why, "why") if Needs.WHY in needs else clean(step.why),
        reason=step.reason,
        agency_id=_given(step.agency_id, "agency_id", needed=Needs.AGENCY in needs),
        assignee=_given(step.assignee, "assignee", needed=Needs.ASSIGNEE in needs),
        content=_given(step.content, "content", needed=Needs.CONTENT in needs),
        answer=_words(step.answer, "answer") if Needs.ANSWER in needs else "",
        publication=step.publication,
    )


def _given(value: T | None, name: str, *, needed: bool) -> T | None:
    if needed and value is None:
        raise Invalid("This is needed.", field=name)
    return value


def _words(text: str, name: str) -> str:
    text = clean(text)
    if not text:
        raise Invalid("This needs words.", field=name)
    if len(text) > LONGEST_TEXT:
        raise Invalid(f"This may have {LONGEST_TEXT} characters at most.", field=name)
    return text


def _case(row: Connection) -> Case:
    if row is None:
        raise NotFound("There is no such case.")
    known = dict(row)
    known["state"] = CaseState(known["state"])
    known["resumes"] = CaseState(known["resumes"]) if known["resumes"] else None
    known["content"] = Content(known["content"]) if known["content"] else None
    return Case(**known)


STATEMENTS = (
    FIND_CASE,
    LOCK_CASE,
    MOVE_CASE,
    NOTE_STEP,
    NOTE_ACT,
    CASE_OF_ENTRY,
    NOTE_CORRECTION,
    IS_PROPOSAL,
    WRITE_ANSWER,
    WAITING_ANSWER,
    SEND_ANSWER_BACK,
    APPROVE_ANSWER,
    WRITE_NOTE,
    SEE_CONFIDENTIAL,
    SEES_CONFIDENTIAL,
    IN_HAND,
    SET_CONFIDENTIAL,
)
