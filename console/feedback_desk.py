"""What the pages of cases work with."""

from dataclasses import dataclass

from feedback_intake.attachments import Scan
from feedback_intake.cases import Cases
from feedback_intake.choosing import Choosing
from feedback_intake.filing import Filing
from feedback_intake.hearing import SenderActs
from feedback_intake.telling import Telling
from notifications.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackDesk:
    """`scan` None: nothing looks for malware."""

    cases: Cases
    filing: Filing
    choosing: Choosing
    acts: SenderActs
    telling: Telling
    outbox: Outbox
    scan: Scan | None = None
