"""The civil day and clock of Vietnam (UTC+7, no daylight saving)."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

CIVIL_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def utc_now() -> datetime:
    """The present, aware. The one clock of the code, so that tests can replace it where it is injected."""
    return datetime.now(UTC)


def civil_day(at: datetime) -> date:
    """The calendar day in Vietnam on which the instant `at` (aware) falls."""
    return at.astimezone(CIVIL_ZONE).date()


def start_of_day(day: date) -> datetime:
    """The instant at which the civil `day` begins in Vietnam."""
    return datetime.combine(day, time(), CIVIL_ZONE)
