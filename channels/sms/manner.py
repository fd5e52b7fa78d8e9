"""How one talks by SMS: briefly, in plain letters, and to mobile phones of Vietnam only."""

import re

from channels.conversation.turn import Manner
from channels.sms.plain import plain
from channels.sms.segments import segments

# Mobile numbers of Vietnam: nine digits after +84, beginning with 3, 5, 7, 8 or 9. Short codes, names of senders,
# premium and foreign numbers get no answer: nobody waits there, and somebody may be earning (guarantees.md G44).
_MOBILE = re.compile(r"\+84[35789][0-9]{8}")


def fits_one_segment(text: str) -> bool:
    """Whether `text`, its accents taken off, travels as one segment."""
    return segments(plain(text)).count == 1


def is_mobile(address: str) -> bool:
    """Whether `address` is the E.164 number of a Vietnamese mobile phone."""
    return _MOBILE.fullmatch(address) is not None


SMS_MANNER = Manner(brief=True, fits=fits_one_segment, address_is_phone=True, may_be_answered=is_mobile)
