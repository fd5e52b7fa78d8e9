"""What Zalo's refusals mean for a message: the error codes in its answers, which come with HTTP 200.

Official Account API (-32, -2xx, -3xx) and ZBS/ZNS templates (-1xx, -1xxx) share one token and no code but -32 and -100.
Sources: the appendix "mã lỗi" of the OA documentation and the ZNS page "cách xử lý mã lỗi" (docs/channels/zalo.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum, auto
from types import MappingProxyType

from domain.civil_time import CIVIL_ZONE
from domain.errors import Gone, ServiceError, TryLater, Undeliverable

MORNING = time(6, 5)  # templates may be barred from 22:00 to 6:00; not at the same minute as everybody
DAY_BEGINS = time(0, 5)  # daily allowances begin anew at midnight


class Meaning(Enum):
    """What an error code says, as far as it makes a difference to us."""

    TOKEN = auto()  # the access token is not good any more
    OUTSIDE = auto()  # this person has not written for too long: only a template may go
    FORM = auto()  # the message as we built it: perhaps its buttons
    NEVER = auto()  # this address or this content, at no time
    GONE = auto()  # this person does not want us
    MINUTE = auto()  # too many calls in this minute
    HOUR = auto()  # too much for this person or function, for a while
    DAY = auto()  # the day's allowance is used up
    NIGHT = auto()
    OURS = auto()  # our account, its rights, its money: for an operator to mend


def _codes(meaning: Meaning, *codes: int) -> dict[int, Meaning]:
    return dict.fromkeys(codes, meaning)


_MEANING: Mapping[int, Meaning] = MappingProxyType(
    _codes(Meaning.TOKEN, -216, -220, -124)
    | _codes(Meaning.OUTSIDE, -230, -232)
    | _codes(Meaning.FORM, -201, -210, -233)
    | _codes(Meaning.GONE, -213, -139, -141)
    | _codes(Meaning.NEVER, -227, -244, -248, -249)
    | _codes(Meaning.NEVER, -108, -110, -114, -118, -119, -140)
    | _codes(Meaning.NEVER, -111, -112, -113, -116, -121, -122, -127, -130, -132, -153)
    | _codes(Meaning.NEVER, -1121, -1122, -1123, -1124, -1131)
    | _codes(Meaning.MINUTE, -32)
    | _codes(Meaning.HOUR, -211, -218)
    | _codes(Meaning.DAY, -126, -144, -147, -1441, -1471, -1472)
    | _codes(Meaning.NIGHT, -133, -234)
    | _codes(Meaning.OURS, -204, -205, -209, -212, -219, -221, -223, -224, -235, -240, -242, -320, -321)
    | _codes(Meaning.OURS, -101, -102, -103, -104, -105, -106, -109, -115, -117, -120, -125, -131, -135, -136, -137)
    | _codes(Meaning.OURS, -138, -145, -146, -1241, -1351, -1381)
)


class OutsideWindow(Undeliverable):
    """Zalo takes no free words for this person any more."""


class FormRefused(Undeliverable):
    """Zalo does not take the message as it was built."""


class AccountRefused(TryLater):
    """Zalo refuses our account, not the message: an operator must see to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refusal: Zalo's code and its own words, which name no person."""

    code: int
    words: str

    @property
    def meaning(self) -> Meaning | None:
        """None for a code that is not known here."""
        return _MEANING.get(self.code)

    def error(self, now: datetime) -> ServiceError:
        """As the dispatcher understands it. A code that is not known is tried again, and given up by time."""
        said = f"Zalo refused with {self.code}."
        match self.meaning:
            case Meaning.OUTSIDE:
                return OutsideWindow(said)
            case Meaning.FORM:
                return FormRefused(said)
            case Meaning.NEVER:
                return Undeliverable(said)
            case Meaning.GONE:
                return Gone(said)
            case Meaning.OURS:
                return AccountRefused(said)
            case Meaning.MINUTE:
                return TryLater(said, after=timedelta(seconds=61 - now.second))
            case Meaning.HOUR:
                return TryLater(said, after=timedelta(hours=1))
            case Meaning.DAY:
                return TryLater(said, after=_until(DAY_BEGINS, now))
            case Meaning.NIGHT:
                return TryLater(said, after=_until(MORNING, now))
        return TryLater(said)


def _until(clock: time, now: datetime) -> timedelta:
    """From `now` to the next time the clocks in Vietnam show `clock`."""
    local = now.astimezone(CIVIL_ZONE)
    then = datetime.combine(local.date(), clock, CIVIL_ZONE)
    return (then if then > local else then + timedelta(days=1)) - local
