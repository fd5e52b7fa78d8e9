"""What became of feedback, by its number: how it stands for who has the number; its words and answer with proof.

The same levels as with dossiers: the number alone shows the state, the office and whether it is on time. Proof is the
contact it was filed from, the last four digits of the phone that was given, or the link of the confirmation, whose
128-bit key is made of the number (`link_of`).
"""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.contact import Contact
from domain.errors import NotFound
from feedback_intake.filing import FeedbackKind, MayPublish
from feedback_intake.hearing import SenderAct, acts_in
from feedback_intake.moves import ENDED, CaseState
from lookup.sealing import Seal

# The way of a case as its sender may read it: moves that are told, with their words where they were meant for them.
BY_NUMBER = """
    SELECT f.id AS feedback_id, f.case_id, f.number, f.kind, f.filed_at, f.text_sealed, f.contact_digest,
           f.tail_digest, f.phone_digest, f.may_publish, c.state, c.holder_agency, c.answer_due_on, c.answered_at,
           c.object_until, f.withdrawn_at, f.language, f.case_since, f.case_before, f.read_back_at, f.typed_by,
           f.name_sealed IS NOT NULL AS named,
           (SELECT r.score FROM case_rating r WHERE r.feedback_id = f.id) AS score
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.number = $1"""
# Who shares a case reads what was said to all since then, and what is their own; before it, of the case they came from.
STEPS_SAID = """
    SELECT s.at, s.move, s.state, s.to_agency, s.reason, s.why_sealed FROM feedback_step s
     WHERE s.said AND coalesce(s.feedback_id, $1) = $1
       AND (s.case_id = $2 AND ($3::timestamptz IS NULL OR s.at >= $3 OR s.feedback_id = $1)
            OR s.case_id = $4 AND s.at < $3)
     ORDER BY s.at, s.id"""
ANSWERS_GIVEN = """
    SELECT w.approved_at AS at, w.text_sealed FROM feedback_answer w
     WHERE w.approved_at IS NOT NULL
       AND (w.case_id = $1 AND ($2::timestamptz IS NULL OR w.approved_at >= $2)
            OR w.case_id = $3 AND w.approved_at < $2)
     ORDER BY w.approved_at"""


FILES_OF = "SELECT id, name_sealed, content_type, size FROM feedback_attachment WHERE feedback_id = $1 ORDER BY id"
READ_FILE = """
    SELECT a.name_sealed, a.content_type, a.content_sealed FROM feedback_attachment a
      JOIN feedback f ON f.id = a.feedback_id WHERE f.number = $1 AND a.id = $2"""

_KEY_BYTES = 16
_LINK = re.compile(r"PA-[0-9]{6}-[0-9]{6}\.[A-Za-z0-9_-]{22}")


def link_of(seal: Seal, number: str) -> str:
    """What proves a right to `number`: the number and its key, for the address a confirmation opens."""
    key = base64.urlsafe_b64encode(seal.digest("feedback link", number)[:_KEY_BYTES]).decode().rstrip("=")
    return f"{number}.{key}"


def number_of_link(seal: Seal, link: str) -> str | None:
    """The number that `link` proves a right to; None for any other text."""
    if not _LINK.fullmatch(link):
        return None
    number = link.partition(".")[0]
    return number if hmac.compare_digest(link_of(seal, number).encode(), link.encode()) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHeld:
    """A file that came with it. `size` in bytes."""

    file_id: int
    name: str = field(repr=False)
    content_type: str
    size: int


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
    acts: tuple[SenderAct, ...]  # what the sender may do now
    files: tuple[FileHeld, ...] = ()
    score: int | None = None  # the sender's rating of the handling
    may_rate: bool = False
    to_read_back: bool = False  # somebody typed it from a letter or a call, and the sender has not confirmed it yet
    named: bool = False  # the sender's name is known


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

    @property
    def code(self) -> str:
        """The number, which works on every channel as a dossier code does."""
        return self.number


class FeedbackReader:
    """Reads progress. Runs as `motma_worker`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def by_number(
        self,
        connection: Connection,
        number: str,
        *,
        askers: Sequence[Contact] = (),
        tail: str | None = None,
        trusted: bool = False,
    ) -> Progress:
        """The progress of `number` (`feedback_intake.numbers` reads it), with its words where the asker proves a right.

        `askers` are contacts known to be the asker's own; `trusted`: the link of its confirmation was opened. Raises
        `NotFound` in the same words for a number nobody was given and for a wrong `tail`.
        """
        row = await connection.fetchrow(BY_NUMBER, number)
        if row is None:
            raise NotFound("There is no feedback that matches this.")
        digests = {self._seal.contact(asker) for asker in askers}
        proven = trusted or bool(digests & {row["contact_digest"], row["phone_digest"]})
        if tail is not None and not proven:
            if not hmac.compare_digest(row["tail_digest"] or b"", self._seal.proof_tail(number, tail)):
                raise NotFound("There is no feedback that matches this.")
            proven = True
        state = CaseState.WITHDRAWN if row["withdrawn_at"] else CaseState(row["state"])
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
        shared = row["case_id"], row["case_since"], row["case_before"]
        steps = await connection.fetch(STEPS_SAID, row["feedback_id"], *shared)
        answers = await connection.fetch(ANSWERS_GIVEN, *shared)
        files = await connection.fetch(FILES_OF, row["feedback_id"])
        over = row["object_until"] is not None and civil_day(utc_now()) > row["object_until"]
        return ProvenProgress(
            feedback_id=row["feedback_id"],
            case_id=row["case_id"],
            text=self._words(row["text_sealed"]),
            may_publish=MayPublish(row["may_publish"]),
            steps=tuple(
                StepSaid(
                    at=step["at"],
                    move=step["move"],
                    state=CaseState(step["state"]),
                    to_agency=step["to_agency"],
                    reason=step["reason"],
                    words=self._words(step["why_sealed"]),
                )
                for step in steps
            ),
            answers=tuple(AnswerGiven(at=a["at"], text=self._words(a["text_sealed"])) for a in answers),
            acts=() if row["withdrawn_at"] else acts_in(state, may_object=not over),
            files=tuple(
                FileHeld(
                    file_id=file["id"],
                    name=self._seal.open(file["name_sealed"]),
                    content_type=file["content_type"],
                    size=file["size"],
                )
                for file in files
            ),
            score=row["score"],
            may_rate=row["answered_at"] is not None,
            to_read_back=row["typed_by"] is not None and row["read_back_at"] is None,
            named=row["named"],
        )

    def _words(self, sealed: bytes | None) -> str:
        """Words as they were; '' once they are kept no longer."""
        return self._seal.open(sealed) if sealed else ""


async def file_of(connection: Connection, seal: Seal, number: str, file_id: int) -> tuple[str, str, bytes] | None:
    """The name, content type and content of a file that came with `number`, for who has proven a right to it."""
    row = await connection.fetchrow(READ_FILE, number, file_id)
    if row is None:
        return None
    return seal.open(row["name_sealed"]), row["content_type"], seal.open_bytes(row["content_sealed"])


STATEMENTS = (BY_NUMBER, STEPS_SAID, ANSWERS_GIVEN, FILES_OF, READ_FILE)
