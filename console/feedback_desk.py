"""What the pages of cases work with."""

from dataclasses import dataclass

from feedback_intake.attachments import Scan
from feedback_intake.cases import Cases
from feedback_intake.choosing import Choosing
from feedback_intake.paper import PaperIntake
from feedback_intake.ratings import Ratings


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackDesk:
    """`scan` None: nothing looks for malware."""

    cases: Cases
    paper: PaperIntake
    choosing: Choosing
    ratings: Ratings
    scan: Scan | None = None
