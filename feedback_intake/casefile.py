"""All of one case as officers read it: who said what, its dossier then and now, its way, answers, files, messages."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from database.pool import Connection
from domain.errors import NotFound
from domain.language import Language
from domain.status import Status
from feedback_intake.cases import Case, Cases
from feedback_intake.filing import FeedbackKind, MayPublish
from feedback_intake.moves import CaseState
from lookup.sealing import Seal, Unsealable

MOST_STEPS = 500

SECTOR_OF = """
    SELECT p.sector FROM feedback_case c JOIN dossier d ON d.id = c.dossier_id JOIN procedure p ON p.id = d.procedure_id
     WHERE c.id = $1"""
SENDERS_OF = """
    SELECT f.id, f.number, f.kind, f.resembles, f.filed_at, f.received_on, f.channel, f.language, f.proven,
           f.reply_proven, f.days_late, f.status, f.text_sealed, f.about_sealed, f.name_sealed,
           f.postal_address_sealed, f.address_sealed, f.reply_channel, f.may_publish, f.typed_by, f.read_back_at,
           f.withdrawn_at, a.name AS typist, a.email AS typist_email
      FROM feedback f LEFT JOIN account a ON a.id = f.typed_by WHERE f.case_id = $1 ORDER BY f.id LIMIT 200"""
DOSSIER_OF = """
    SELECT d.code, d.status, d.status_at, d.due_at, d.finished_at, d.asked, p.name AS procedure, p.sector,
           coalesce(d.resolving_agency, d.receiving_agency) AS agency_id
      FROM feedback_case c JOIN dossier d ON d.id = c.dossier_id LEFT JOIN procedure p ON p.id = d.procedure_id
     WHERE c.id = $1"""
STEPS_OF = f"""
    SELECT s.id, s.at, s.move, s.state, s.by, s.account_id, s.from_agency, s.to_agency, s.reason, s.why_sealed, s.said,
           a.name, a.email
      FROM feedback_step s LEFT JOIN account a ON a.id = s.account_id
     WHERE s.case_id = $1 ORDER BY s.id DESC LIMIT {MOST_STEPS}"""  # noqa: S608
ANSWERS_OF = """
    SELECT w.id, w.text_sealed, w.written_by, w.written_at, w.approved_at, w.sent_back_at, a.name, a.email,
           b.name AS approver, b.email AS approver_email
      FROM feedback_answer w LEFT JOIN account a ON a.id = w.written_by LEFT JOIN account b ON b.id = w.approved_by
     WHERE w.case_id = $1 ORDER BY w.id DESC LIMIT 50"""
NOTES_OF = """
    SELECT n.id, n.at, n.text_sealed, a.name, a.email
      FROM feedback_note n LEFT JOIN account a ON a.id = n.account_id
     WHERE n.case_id = $1 ORDER BY n.id DESC LIMIT 200"""
FILES_OF_CASE = """
    SELECT id, feedback_id, name_sealed, content_type, size FROM feedback_attachment
     WHERE case_id = $1 ORDER BY id LIMIT 200"""
FILE_OF_CASE = """
    SELECT name_sealed, content_type, content_sealed FROM feedback_attachment WHERE case_id = $1 AND id = $2"""
# Told in the commit of the move: the same moment, to somebody who filed.
MESSAGES_OF = """
    SELECT m.created_at, m.channel, m.state, m.handed_over_at, m.settled_at, m.failure, m.text_sealed
      FROM feedback f JOIN message m ON m.contact_digest = f.contact_digest
     WHERE f.case_id = $1 AND m.kind = 'feedback' AND m.created_at >= f.filed_at
       AND m.created_at IN (SELECT s.at FROM feedback_step s WHERE s.case_id = $1)
     ORDER BY m.id DESC LIMIT 200"""
NUMBER_OF = "SELECT number FROM feedback WHERE case_id = $1 ORDER BY id LIMIT 1"
MERGED_HERE = "SELECT id FROM feedback_case WHERE merged_into = $1 ORDER BY id"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderSaid:
    """What one person filed, as it stood at that moment. `days_late`, `status`: the dossier's then."""

    feedback_id: int
    number: str
    kind: FeedbackKind
    resembles: str | None
    filed_at: datetime
    received_on: date
    channel: str
    reply_channel: str
    language: Language
    proven: bool
    reply_proven: bool
    days_late: int | None
    status: Status | None
    may_publish: MayPublish
    typist: str
    typed: bool
    read_back_at: datetime | None
    withdrawn: bool
    text: str = field(repr=False)
    about: str = field(repr=False)  # the code that was typed, where no dossier of ours is meant
    name: str = field(repr=False)
    postal_address: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierNow:
    """The dossier the case is about, as it is now; only where it is the reader's office's."""

    code: str
    status: Status
    status_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    asked: str | None
    procedure: str
    sector: str
    agency_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """A move, or what is none (`note` of two cases made one, a warning). `officer` is '' for one of another office."""

    step_id: int
    at: datetime
    move: str
    state: CaseState
    by: str
    officer: str
    from_agency: int | None
    to_agency: int | None
    reason: str | None
    said: bool
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWritten:
    """An answer: waiting, sent back or approved."""

    answer_id: int
    written_by: int
    writer: str
    written_at: datetime
    approver: str
    approved_at: datetime | None
    sent_back_at: datetime | None
    text: str = field(repr=False)

    @property
    def waits(self) -> bool:
        """Whether somebody is to approve it."""
        return self.approved_at is None and self.sent_back_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKept:
    """What officers wrote for each other."""

    at: datetime
    officer: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKept:
    """A file that came with what somebody filed. `size` in bytes."""

    file_id: int
    feedback_id: int
    name: str = field(repr=False)
    content_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTold:
    """A message to somebody who filed; `state` as in `domain.message.DeliveryState`."""

    at: datetime
    channel: str
    state: int
    handed_over_at: datetime | None
    failure: str | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """All of a case; lists newest first, senders oldest first."""

    case: Case
    senders: tuple[SenderSaid, ...]
    dossier: DossierNow | None
    steps: tuple[StepTaken, ...]
    answers: tuple[AnswerWritten, ...]
    notes: tuple[NoteKept, ...]
    files: tuple[FileKept, ...]
    messages: tuple[MessageTold, ...]
    merged_here: tuple[int, ...]

    @property
    def number(self) -> str:
        """The first number."""
        return self.senders[0].number if self.senders else ""

    @property
    def waiting(self) -> AnswerWritten | None:
        """The answer that waits for approval."""
        return next((answer for answer in self.answers if answer.waits), None)


class CaseFiles:
    """Reads cases. Runs as `motma_console` with the tenant set. Who may read what is confidential, the caller asks."""

    def __init__(self, seal: Seal, cases: Cases) -> None:
        self._seal = seal
        self._cases = cases

    async def sector(self, connection: Connection, case_id: int) -> str:
        """The sector of the procedure the case is about; '' where none is known."""
        return await connection.fetchval(SECTOR_OF, case_id) or ""

    async def number(self, connection: Connection, case_id: int) -> str:
        """The number of what was filed first; '' for a case that was merged into another."""
        return await connection.fetchval(NUMBER_OF, case_id) or ""

    async def open(self, connection: Connection, case_id: int) -> CaseFile:
        """Everything. Raises `NotFound`."""
        case = await self._cases.find(connection, case_id)
        dossier = await connection.fetchrow(DOSSIER_OF, case_id)
        return CaseFile(
            case=case,
            senders=tuple(self._sender(row) for row in await connection.fetch(SENDERS_OF, case_id)),
            dossier=_dossier(dossier) if dossier else None,
            steps=tuple(self._step(row) for row in await connection.fetch(STEPS_OF, case_id)),
            answers=tuple(self._answer(row) for row in await connection.fetch(ANSWERS_OF, case_id)),
            notes=tuple(
                NoteKept(
                    at=row["at"], officer=_named(row["name"], row["email"]), text=self._seal.open(row["text_sealed"])
                )
                for row in await connection.fetch(NOTES_OF, case_id)
            ),
            files=tuple(
                FileKept(
                    file_id=row["id"],
                    feedback_id=row["feedback_id"],
                    name=self._seal.open(row["name_sealed"]),
                    content_type=row["content_type"],
                    size=row["size"],
                )
                for row in await connection.fetch(FILES_OF_CASE, case_id)
            ),
            messages=tuple(self._message(row) for row in await connection.fetch(MESSAGES_OF, case_id)),
            merged_here=tuple(row["id"] for row in await connection.fetch(MERGED_HERE, case_id)),
        )

    async def file(self, connection: Connection, case_id: int, file_id: int) -> tuple[str, str, bytes]:
        """The name, content type and content of a file. Raises `NotFound`."""
        row = await connection.fetchrow(FILE_OF_CASE, case_id, file_id)
        if row is None:
            raise NotFound("There is no such file.")
        return self._seal.open(row["name_sealed"]), row["content_type"], self._seal.open_bytes(row["content_sealed"])

    def _sender(self, row: Any) -> SenderSaid:  # noqa: ANN401 - a row of asyncpg
        return SenderSaid(
            feedback_id=row["id"],
            number=row["number"],
            kind=FeedbackKind(row["kind"]),
            resembles=row["resembles"],
            filed_at=row["filed_at"],
            received_on=row["received_on"],
            channel=row["channel"],
            reply_channel=row["reply_channel"] or (row["channel"] if row["address_sealed"] else ""),
            language=Language(row["language"]),
            proven=row["proven"],
            reply_proven=row["reply_proven"],
            days_late=row["days_late"],
            status=Status(row["status"]) if row["status"] else None,
            may_publish=MayPublish(row["may_publish"]),
            typist=_named(row["typist"], row["typist_email"]),
            typed=row["typed_by"] is not None,
            read_back_at=row["read_back_at"],
            withdrawn=row["withdrawn_at"] is not None,
            text=self._opened(row["text_sealed"]),
            about=self._opened(row["about_sealed"]),
            name=self._opened(row["name_sealed"]),
            postal_address=self._opened(row["postal_address_sealed"]),
            address=self._opened(row["address_sealed"]),
        )

    def _step(self, row: Any) -> StepTaken:  # noqa: ANN401
        return StepTaken(
            step_id=row["id"],
            at=row["at"],
            move=row["move"],
            state=CaseState(row["state"]),
            by=row["by"],
            officer=_named(row["name"], row["email"]),
            from_agency=row["from_agency"],
            to_agency=row["to_agency"],
            reason=row["reason"],
            said=row["said"],
            words=self._opened(row["why_sealed"]),
        )

    def _answer(self, row: Any) -> AnswerWritten:  # noqa: ANN401
        return AnswerWritten(
            answer_id=row["id"],
            written_by=row["written_by"],
            writer=_named(row["name"], row["email"]),
            written_at=row["written_at"],
            approver=_named(row["approver"], row["approver_email"]),
            approved_at=row["approved_at"],
            sent_back_at=row["sent_back_at"],
            text=self._opened(row["text_sealed"]),
        )

    def _message(self, row: Any) -> MessageTold:  # noqa: ANN401
        return MessageTold(
            at=row["created_at"],
            channel=row["channel"],
            state=row["state"],
            handed_over_at=row["handed_over_at"],
            failure=row["failure"],
            text=self._opened(row["text_sealed"]),
        )

    def _opened(self, sealed: bytes | None) -> str:
        """A text; one under a key that is gone hides nothing else of the case."""
        try:
            return self._seal.open(sealed) if sealed else ""
        except Unsealable:
            return "—"


def _named(name: str | None, email: str | None) -> str:
    return name or email or ""


def _dossier(row: Any) -> DossierNow:  # noqa: ANN401 - a row of asyncpg
    return DossierNow(
        code=row["code"],
        status=Status(row["status"]),
        status_at=row["status_at"],
        due_at=row["due_at"],
        finished_at=row["finished_at"],
        asked=row["asked"],
        procedure=row["procedure"] or "",
        sector=row["sector"] or "",
        agency_id=row["agency_id"],
    )


STATEMENTS = (
    SECTOR_OF,
    SENDERS_OF,
    DOSSIER_OF,
    STEPS_OF,
    ANSWERS_OF,
    NOTES_OF,
    FILES_OF_CASE,
    FILE_OF_CASE,
    MESSAGES_OF,
    NUMBER_OF,
    MERGED_HERE,
)
