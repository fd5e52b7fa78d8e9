"""Filing feedback: what a person says about a dossier or the service, kept with the dossier's state of that moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from database.pool import Connection
from domain.contact import Contact
from domain.language import Language
from feedback_intake.subjects import find_subject
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar

FILE = """
    INSERT INTO feedback (number, kind, resembles, dossier_id, inbound_id, owner_agency, agency_id, days_late, status,
                          stage, proven, channel, language, contact_digest, address_sealed, text_sealed, about_sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"""


class FeedbackKind(StrEnum):
    """What the law knows of (NĐ 20/2008 Đ5): what went wrong, or how it could be better."""

    FEEDBACK = "feedback"  # phản ánh
    PROPOSAL = "proposal"  # kiến nghị, góp ý


class Formal(StrEnum):
    """What feedback is not, though its words sound like it: each has a law and a way of its own."""

    COMPLAINT = "complaint"  # khiếu nại
    DENUNCIATION = "denunciation"  # tố cáo


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What is filed. `code` (canonical) may be no dossier's; `proven` says that the sender proved a right to it."""

    number: str
    kind: FeedbackKind
    text: str = field(repr=False)
    code: str | None = None
    proven: bool = False
    language: Language = Language.VIETNAMESE
    resembles: Formal | None = None


class Filing:
    """Keeps feedback. Runs as `motma_worker`, in the transaction of the connection it is given."""

    def __init__(self, seal: Seal, calendar: Callable[[], WorkingCalendar]) -> None:
        """`calendar` gives the working days as they are known now."""
        self._seal = seal
        self._calendar = calendar

    async def file(
        self, connection: Connection, sender: Contact, feedback: Feedback, *, inbound_id: int | None = None
    ) -> None:
        """Keep `feedback`. One message files once: its `inbound_id` is unique.

        A number that is taken raises asyncpg's UniqueViolationError: then all is tried again with another.
        """
        subject = await find_subject(connection, feedback.code, self._calendar())
        about = feedback.code if subject is None else None
        await connection.execute(
            FILE,
            feedback.number,
            feedback.kind,
            feedback.resembles,
            subject and subject.dossier_id,
            inbound_id,
            subject and subject.owner_agency,
            subject and subject.agency_id,
            subject and subject.days_late,
            subject and int(subject.status),
            subject and subject.stage,
            feedback.proven and subject is not None,
            sender.channel,
            feedback.language,
            self._seal.contact(sender),
            self._seal.seal(sender.address),
            self._seal.seal(feedback.text),
            self._seal.seal(about) if about else None,
        )


STATEMENTS = (FILE,)
