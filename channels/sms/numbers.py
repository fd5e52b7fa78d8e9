"""Senders of SMS as gateways write them, and which of them get an answer."""

import re
from collections.abc import Callable
from contextlib import suppress

import phonenumbers

from domain.contact import e164
from domain.errors import Invalid, Malformed
from domain.vietnamese import clean

_LONGEST = 64
_PHONE = re.compile(r"(?:\+|00)?[0-9 .()\-]{8,20}")
_SHORT_CODE = re.compile(r"\+?([0-9]{2,7})")
_PREFIX = re.compile(r"\+[1-9][0-9]{1,14}")
_MOBILE_KINDS = frozenset((phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE))
# Mobile numbers of Vietnam: nine digits after +84, beginning with 3, 5, 7, 8 or 9.
_MOBILE = re.compile(r"\+84[35789][0-9]{8}")


def sender_address(text: str) -> str:
    """A sender in one spelling: a phone as E.164, a short code as bare digits, a name as it is. '' stays ''."""
    text = clean(text)[:_LONGEST].strip()
    if _PHONE.fullmatch(text) and not is_mobile(text):
        with suppress(Invalid):
            phone = e164(f"+{text[2:]}" if text.startswith("00") else text)
            # Zeros where a country should stand make numbers that are read otherwise when read again: no phones.
            text = phone if e164(phone) == phone else text
    # Gateways that write every number as international give +8100.
    short = _SHORT_CODE.fullmatch(text)
    return short[1] if short else text


def is_mobile(address: str) -> bool:
    """Whether `address` is a Vietnamese mobile phone.

    Short codes, names of senders, premium and foreign numbers get no answer: nobody waits there, and somebody may be
    earning (guarantees.md G44).
    """
    return _MOBILE.fullmatch(address) is not None


def allowed_numbers(prefixes: str) -> Callable[[str], bool]:
    """Who may be texted: Vietnamese mobile phones, and mobile phones under the `prefixes` (`+8210,+886`) given besides.

    Premium and fixed numbers under those stay excluded. Raises `Malformed` for what is no prefix.
    """
    wanted = tuple(prefix.strip() for prefix in prefixes.split(",") if prefix.strip())
    if not all(_PREFIX.fullmatch(prefix) for prefix in wanted):
        raise Malformed("MOTMA_SMS_PREFIXES is a list such as +8210,+886.")
    if not wanted:
        return is_mobile
    return lambda address: is_mobile(address) or (address.startswith(wanted) and _is_mobile_abroad(address))


def _is_mobile_abroad(address: str) -> bool:
    try:
        number = phonenumbers.parse(address, None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in _MOBILE_KINDS
