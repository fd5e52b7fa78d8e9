"""What became of feedback, by its number: how it stands for who has the number; its words and answer with proof.

The same levels as with dossiers: the number alone shows the state, the office and whether it is on time. Proof is the
contact it was filed from, or the last four digits of the phone that was given.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.contact import Contact
from domain.errors import NotFound
from feedback_intake.filing import FeedbackKind, MayPublish
from feedback_intake.moves import ENDED, MOVES, CaseState, MoveName, Who
from lookup.sealing import Seal

# The way of a case as its sender may read it: moves that are told, with their words where they were meant for them.
BY_NUMBER = """
    SELECT f.id AS feedback_id, f.case_id, f.number, f.kind, f.filed_at, f.text_sealed, f.contact_digest,
           f.tail_digest, f.phone_digest, f.may_publish, c.state, c.holder_agency, c.answer_due_on, c.answered_at,
           c.object_until
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.number = $1"""
STEPS_SAID = """
    SELECT at, move, state, to_agency, reason, why_sealed FROM feedback_step WHERE case_id = $1 AND said ORDER BY id"""
ANSWERS_GIVEN = """
    SELECT approved_at AS at, text_sealed FROM feedback_answer
     WHERE case_id = $1 AND approved_at IS NOT NULL ORDER BY approved_at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSaid:
    """A move the sender was told of. `to_agency` where it was passed on."""

    at: datetime
    move: str
    state: CaseState
    to_agency: int | None
    reason: str | None
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGiven:
    """An answer that was approved and sent."""

    at: datetime
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenProgress:
    """What only the sender may read."""

    feedback_id: int
    case_id: int
    text: str = field(repr=False)
    may_publish: MayPublish
    steps: tuple[StepSaid, ...]
    answers: tuple[AnswerGiven, ...]
    moves: tuple[MoveName, ...]  # what the sender may do now


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How feedback stands. `late`: an open case past the day its sender was to be answered by."""

    number: str
    kind: FeedbackKind
    state: CaseState
    filed_at: datetime
    holder_agency: int
    answer_by: date
    late: bool
    object_until: date | None
    proven: ProvenProgress | None = None


class FeedbackReader:
    """Reads progress. Runs as `motma_worker`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def by_number(
        self, connection: Connection, number: str, *, asker: Contact | None = None, tail: str | None = None
    ) -> Progress:
        """The progress of `number` (`feedback_intake.numbers` reads it), with its words where the asker proves a right.

        Raises `NotFound` in the same words for a number nobody was given and for a wrong `tail`.
        """
        row = await connection.fetchrow(BY_NUMBER, number)
        if row is None:
            raise NotFound("There is no feedback that matches this.")
        digest = self._seal.contact(asker) if asker is not None else None
        proven = digest is not None and digest in {row["contact_digest"], row["phone_digest"]}
        if tail is not None and not proven:
            if row["tail_digest"] is None or row["tail_digest"] != self._seal.proof_tail(number, tail):
                raise NotFound("There is no feedback that matches this.")
            proven = True
        state = CaseState(row["state"])
        return Progress(
            number=row["number"],
            kind=FeedbackKind(row["kind"]),
            state=state,
            filed_at=row["filed_at"],
            holder_agency=row["holder_agency"],
            answer_by=row["answer_due_on"],
            late=state not in ENDED and civil_day(utc_now()) > row["answer_due_on"],
            object_until=row["object_until"],
            proven=await self._proven(connection, row, state) if proven else None,
        )

    async def _proven(self, connection: Connection, row: Connection, state: CaseState) -> ProvenProgress:
        steps = await connection.fetch(STEPS_SAID, row["case_id"])
        answers = await connection.fetch(ANSWERS_GIVEN, row["case_id"])
        over = row["object_until"] is not None and civil_day(utc_now()) > row["object_until"]
        return ProvenProgress(
            feedback_id=row["feedback_id"],
            case_id=row["case_id"],
            text=self._seal.open(row["text_sealed"]),
            may_publish=MayPublish(row["may_publish"]),
            steps=tuple(
                StepSaid(
                    at=step["at"],
                    move=step["move"],
                    state=CaseState(step["state"]),
                    to_agency=step["to_agency"],
                    reason=step["reason"],
                    words=self._seal.open(step["why_sealed"]) if step["why_sealed"] else "",
                )
                for step in steps
            ),
            answers=tuple(AnswerGiven(at=a["at"], text=self._seal.open(a["text_sealed"])) for a in answers),
            moves=tuple(
                name
                for name, move in MOVES.items()
                if Who.SENDER in move.by and state in move.starts and not (name is MoveName.REOPEN and over)
            ),
        )


STATEMENTS = (BY_NUMBER, STEPS_SAID, ANSWERS_GIVEN)
