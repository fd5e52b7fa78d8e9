"""Where a person can be reached: a channel and an address in it."""

from dataclasses import dataclass, field
from typing import ClassVar, Self

import phonenumbers

from domain.errors import Invalid


class ChannelName(str):
    """A way a person reaches us or is reached. Open: whoever adds a channel names it in its own file.

    Compared with `==`, for names also come from the store.
    """

    __slots__ = ()

    SMS: ClassVar[Self]
    WEB: ClassVar[Self]


ChannelName.SMS = ChannelName("sms")
ChannelName.WEB = ChannelName("web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """An address in a channel: an E.164 phone for SMS, a chat id for chats. Personal data: kept out of repr."""

    channel: ChannelName
    address: str = field(repr=False)


def e164(text: str) -> str:
    """A phone number as E.164 (`+84901234567`) from any form written in Vietnam (`0901 234 567`, `84901234567`).

    Raises `Invalid` when it cannot be a phone number. Old 11-digit mobile numbers (before 2018) are renumbered.
    """
    digits = "".join(c for c in text if c.isdigit() or c == "+")
    if digits.startswith("84") and len(digits) in {11, 12}:
        digits = f"+{digits}"
    try:
        number = phonenumbers.parse(digits, "VN")
    except phonenumbers.NumberParseException:
        raise Invalid("This is not a phone number.", field="phone") from None
    national = str(number.national_number)
    if number.country_code == 84 and len(national) == 10:
        number = phonenumbers.parse(_renumbered(national), "VN")
    if not phonenumbers.is_possible_number(number):
        raise Invalid("This is not a phone number.", field="phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# Renumbering of 15/9/2018: the three digits before the last seven became two.
_RENUMBERED = {
    **{f"16{n}": f"3{n}" for n in range(2, 10)},
    "120": "70", "121": "79", "122": "77", "126": "76", "128": "78",
    "123": "83", "124": "84", "125": "85", "127": "81", "129": "82",
    "186": "56", "188": "58", "199": "59",
}  # fmt: skip


def _renumbered(national: str) -> str:
    return f"0{_RENUMBERED.get(national[:3], national[:3])}{national[3:]}"


def shown(phone: str) -> str:
    """A Vietnamese E.164 number as people write it: `+84901234567` gives `0901234567`."""
    return f"0{phone[3:]}" if phone.startswith("+84") else phone
