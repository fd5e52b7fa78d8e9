"""When notices go out: not at night, not every minute, not too many in a day.

Answers and one-time codes are awaited, and go out at once always; so does what the citizen must do today
(`notifications.kinds.is_urgent`).
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from domain.errors import Malformed

_HOURS = re.compile(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)\s*", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The quiet hours, the window, and the day's number of notices. As it stands, nothing is held back.

    `quiet_from`: hours after midnight in Vietnam; `quiet_for`: how long from then on. `window`: a change of a dossier
    waits so long after the last notice of it, and gives way to a newer one. `a_day`: that many notices in 24 hours, and
    what comes above it in one digest; 0 for as many as there are.
    """

    quiet_from: timedelta = timedelta(0)
    quiet_for: timedelta = timedelta(0)
    window: timedelta = timedelta(0)
    a_day: int = 0

    @property
    def shift(self) -> timedelta:
        """What makes the quiet hours begin at midnight when it is added to the clock in Vietnam."""
        return (_DAY - self.quiet_from) % _DAY


AT_ONCE = Timing()


def timing(quiet_hours: str, window: float, a_day: int) -> Timing:
    """From `21:00-07:00` or `off`, seconds, and a number. Raises `Malformed`."""
    if window < 0 or a_day < 0:
        raise Malformed("MOTMA_NOTICE_WINDOW and MOTMA_NOTICES_A_DAY are 0 or more.")
    window_s = timedelta(seconds=window)
    if quiet_hours.strip() == "off":
        return Timing(window=window_s, a_day=a_day)
    match = _HOURS.fullmatch(quiet_hours)
    if match is None:
        raise Malformed(f"MOTMA_QUIET_HOURS is off or hours such as 21:00-07:00, not {quiet_hours!r}.")
    begins, ends = (timedelta(hours=int(match[n]), minutes=int(match[n + 1])) for n in (1, 3))
    return Timing(quiet_from=begins, quiet_for=(ends - begins) % _DAY, window=window_s, a_day=a_day)


def awake(at: str, shift: str, length: str) -> str:
    """SQL: the time `at`, or the end of the quiet hours it lies in; `shift` and `length` are intervals.

    OFFSET 0 has `at` worked out once.
    """
    return f"""(
        SELECT CASE WHEN local.at - date_trunc('day', local.at) < {length}
                    THEN (date_trunc('day', local.at) + {length} - {shift}) AT TIME ZONE 'Asia/Ho_Chi_Minh'
                    ELSE wanted.at END
          FROM (SELECT {at} AS at OFFSET 0) wanted
         CROSS JOIN LATERAL (SELECT wanted.at AT TIME ZONE 'Asia/Ho_Chi_Minh' + {shift} AS at OFFSET 0) local)"""  # noqa: S608 - parts of ours
