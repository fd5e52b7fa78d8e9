"""What both peers say, so that every contestant gives the same answer: labels by status, and the rule for lateness."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.language import Language
from domain.status import STAGE_OF, Status
from lookup.wording import next_step, stage_label

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
STAGES = {int(status): STAGE_OF[status].value for status in Status}
LABELS = {int(status): stage_label(STAGE_OF[status], Language.VIETNAMESE) for status in Status}
NEXT = {int(status): next_step(STAGE_OF[status], Language.VIETNAMESE) for status in Status}
RUNNING, FINISHED = {2, 4}, {9, 10}
SILENCE = timedelta(hours=8)
CACHED_SECONDS = 600  # longer than any round: the peers' caches are warm all the time


def on_time(status: int, due_at: datetime | None, finished_at: datetime | None, now: datetime) -> bool:
    """Whether the due day has not passed, by the end of processing or now."""
    if due_at is None:
        return True
    if status in RUNNING:
        return now.astimezone(ZONE).date() <= due_at.astimezone(ZONE).date()
    if status in FINISHED and finished_at is not None:
        return finished_at.astimezone(ZONE).date() <= due_at.astimezone(ZONE).date()
    return True


def as_of(recorded_at: datetime, heard_at: datetime | None) -> datetime:
    """The later of what was stored and what was heard."""
    return max(recorded_at, heard_at) if heard_at else recorded_at


def due_on(disclosure: str, due_at: datetime | None) -> date | None:
    """The due day, where the office shows it to anybody."""
    return due_at.astimezone(ZONE).date() if due_at and disclosure == "open" else None
