"""How one talks by SMS: briefly, in plain letters, and to mobile phones of Vietnam only."""

from channels.conversation.turn import Manner
from channels.sms.numbers import is_mobile
from channels.sms.plain import plain
from channels.sms.segments import segments


def fits_one_segment(text: str) -> bool:
    """Whether `text`, its accents taken off, travels as one segment."""
    return segments(plain(text)).count == 1


SMS_MANNER = Manner(brief=True, buttons=False, fits=fits_one_segment, address_is_phone=True, may_be_answered=is_mobile)
