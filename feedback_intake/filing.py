"""Filing feedback: what a person says about a dossier or the service opens a case, whatever the channel.

The law asks for clear words in Vietnamese and the sender's name, address and phone (NĐ 20/2008 Đ9). What is missing is
asked for afterwards; it never keeps what was said from being kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Invalid
from domain.language import Language
from domain.vietnamese import clean
from feedback_intake.filing_caps import within_caps
from feedback_intake.subjects import Subject, find_subject
from feedback_intake.terms import term_of
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar

LONGEST_TEXT = 10_000  # characters
LONGEST_NAME = 200
LONGEST_ADDRESS = 500
TAIL = 4  # digits of the phone that prove a right to the answer, as with dossiers

OPEN_CASE = """
    INSERT INTO feedback_case (dossier_id, holder_agency, parties, holder_due_on, answer_due_on, confidential)
    VALUES ($1, $2, ARRAY[$2::int], $3, $4, $5) RETURNING id"""
FILE = """
    INSERT INTO feedback (case_id, number, kind, resembles, dossier_id, inbound_id, owner_agency, agency_id, days_late,
                          status, stage, proven, channel, language, contact_digest, address_sealed, text_sealed,
                          about_sealed, name_sealed, postal_address_sealed, phone_digest, tail_digest, may_publish,
                          may_publish_since, received_on, typed_by, claim, reply_channel, reply_proven)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23::text, CASE WHEN $23::text <> 'no' THEN now() END, $24, $25, $26, $27, $28)
    RETURNING id"""
INTAKE_DESK = """
    SELECT id FROM agency WHERE code = $1::text OR parent_id IS NULL
     ORDER BY code <> $1::text, valid_to IS NOT NULL, id LIMIT 1"""


class FeedbackKind(StrEnum):
    """What the law knows of (NĐ 20/2008 Đ5): what went wrong, or how it could be better."""

    FEEDBACK = "feedback"  # phản ánh
    PROPOSAL = "proposal"  # kiến nghị, góp ý


class Formal(StrEnum):
    """What feedback is not, though its words sound like it: each has an address, and most a law, of its own."""

    COMPLAINT = "complaint"  # khiếu nại
    DENUNCIATION = "denunciation"  # tố cáo
    EMERGENCY = "emergency"  # 113, 114, 115
    SPAM = "spam"


class MayPublish(StrEnum):
    """What the sender allows to be published: consent is given for this alone, and may be taken back."""

    NO = "no"
    ANONYMOUS = "anonymous"
    NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What is filed. `code` (canonical) may be no dossier's; `proven` says that the sender proved a right to it.

    `agency_id`: the office the sender chose. `received_on` and `typed_by`: of a letter, when it came and who typed it.
    """

    number: str
    kind: FeedbackKind
    text: str = field(repr=False)
    code: str | None = None
    proven: bool = False
    language: Language = Language.VIETNAMESE
    resembles: Formal | None = None
    agency_id: int | None = None
    name: str = field(default="", repr=False)
    postal_address: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)  # E.164
    may_publish: MayPublish = MayPublish.NO
    confidential: bool = False
    received_on: date | None = None
    typed_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """What became of it."""

    feedback_id: int
    case_id: int
    number: str
    holder_agency: int
    answer_by: date


class Filing:
    """Keeps feedback. Runs as `motma_worker`, or for a letter as `motma_app`, in the transaction it is given."""

    def __init__(
        self,
        seal: Seal,
        calendar: Callable[[], WorkingCalendar],
        *,
        desk: str = "",
        heir: Callable[[int], int | None] = lambda agency_id: agency_id,
    ) -> None:
        """`calendar` gives the working days as they are known now; `desk` is the code of the agency that sorts what
        names no office, by default the root of the tree; `heir` the office that works in another's place today."""
        self._seal = seal
        self._calendar = calendar
        self._desk = desk
        self._heir = heir

    async def file(
        self,
        connection: Connection,
        sender: Contact | None,
        feedback: Feedback,
        *,
        inbound_id: int | None = None,
        channel: ChannelName | None = None,
        holder: int | None = None,
        claim: bytes | None = None,
        reply_proven: bool = True,
    ) -> Filed:
        """Keep `feedback` and open its case. One message files once: its `inbound_id` is unique.

        `sender` None: nobody who can be answered but by post; `channel` then says how it came. The case goes to
        `holder`; else to the office of the dossier, the one chosen, or the intake desk: it is never without an owner,
        for in place of an office that ended, its heir of today counts.
        `claim` names the form it came by, which files once; `reply_proven`: the sender's address is known to be
        theirs. Raises `Invalid`, and `TooManyFiled` but for what officers type; a number or a claim that is taken
        raises asyncpg's UniqueViolationError: then all is tried again with another number.
        """
        text = _within(clean(feedback.text), LONGEST_TEXT, "text")
        if not text:
            raise Invalid("Feedback needs words.", field="text")
        subject = await find_subject(connection, feedback.code, self._calendar())
        dossier_id = subject.dossier_id if subject else None
        known = _phone_of(sender, feedback)
        if feedback.typed_by is None:
            people = [self._seal.contact(contact) for contact in (sender, known) if contact]
            await within_caps(connection, self._seal, people=people, dossier_id=dossier_id)
        holder = await self._holder(connection, holder, subject, feedback)
        received_on = feedback.received_on or civil_day(utc_now())
        case_id, answer_by = await self._open(connection, holder, dossier_id, received_on, feedback)
        feedback_id = await connection.fetchval(
            FILE,
            case_id,
            feedback.number,
            feedback.kind,
            feedback.resembles,
            dossier_id,
            inbound_id,
            *_as_it_stands(subject),
            feedback.proven and subject is not None,
            channel or (sender.channel if sender else ChannelName.WEB),
            feedback.language,
            self._seal.contact(sender) if sender else None,
            self._sealed(sender.address if sender else ""),
            self._seal.seal(text),
            self._sealed((subject is None and feedback.code) or ""),
            self._sealed(_within(clean(feedback.name), LONGEST_NAME, "name")),
            self._sealed(_within(clean(feedback.postal_address), LONGEST_ADDRESS, "postal_address")),
            self._seal.contact(known) if known else None,
            self._seal.proof_tail(feedback.number, known.address[-TAIL:]) if known else None,
            feedback.may_publish,
            received_on,
            feedback.typed_by,
            claim,
            sender.channel if sender and channel and sender.channel != channel else None,
            reply_proven,
        )
        number = feedback.number
        return Filed(feedback_id=feedback_id, case_id=case_id, number=number, holder_agency=holder, answer_by=answer_by)

    async def _holder(
        self, connection: Connection, holder: int | None, subject: Subject | None, feedback: Feedback
    ) -> int:
        wanted = holder or (subject and subject.agency_id) or feedback.agency_id
        return (self._heir(wanted) if wanted else None) or int(await connection.fetchval(INTAKE_DESK, self._desk))

    async def _open(
        self, connection: Connection, holder: int, dossier_id: int | None, received_on: date, feedback: Feedback
    ) -> tuple[int, date]:
        """The new case, and the day by which its sender is to be answered."""
        calendar, term = self._calendar(), await term_of(connection, holder)
        answer_by = term.answer_by(calendar.working_day_from(received_on), calendar)
        # A letter may have lain a while: the sender's clock ran, the desk's begins when it is typed in.
        forward_by = term.forward_by(calendar.working_day_from(civil_day(utc_now())), calendar)
        case_id = await connection.fetchval(OPEN_CASE, dossier_id, holder, forward_by, answer_by, feedback.confidential)
        return int(case_id), answer_by

    def _sealed(self, text: str) -> bytes | None:
        return self._seal.seal(text) if text else None


def _as_it_stands(subject: Subject | None) -> tuple[int | str | None, ...]:
    """Whose the dossier is, where it is, how late, its status and stage: at this moment."""
    if subject is None:
        return (None,) * 5
    return (subject.owner_agency, subject.agency_id, subject.days_late, int(subject.status), subject.stage)


def _phone_of(sender: Contact | None, feedback: Feedback) -> Contact | None:
    """The phone whose last digits prove a right to the answer: the one given, else the one that texted."""
    if feedback.phone:
        return Contact(channel=ChannelName.SMS, address=feedback.phone)
    return sender if sender is not None and sender.channel == ChannelName.SMS else None


def _within(text: str, longest: int, name: str) -> str:
    if len(text) > longest:
        raise Invalid(f"This may have {longest} characters at most.", field=name)
    return text


STATEMENTS = (OPEN_CASE, FILE, INTAKE_DESK)
