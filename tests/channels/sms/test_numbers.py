"""One person has one address, however a gateway writes the number; what is nobody's phone gets no answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.numbers import is_mobile, sender_address


@pytest.mark.parametrize(
    "written", ["+84901234567", "84901234567", "0901234567", "0084901234567", " 84901234567", "+84 901 234 567"]
)
def test_one_phone_has_one_address(written: str) -> None:
    assert sender_address(written) == "+84901234567"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("8100", "8100"),
        ("+8100", "8100"),
        ("0049 7234", "497234"),
        ("0000490049000", "0000490049000"),
        ("1022", "1022"),
        ("VNPT", "VNPT"),
        ("Bac Ninh", "Bac Ninh"),
        ("", ""),
    ],
)
def test_short_codes_and_names_stay_what_they_are(written: str, address: str) -> None:
    assert sender_address(written) == address
    assert not is_mobile(address)


@pytest.mark.parametrize("written", ["+84901234567", "0321234567", "+84561234567", "0781234567", "0861234567"])
def test_mobile_phones_are_answered(written: str) -> None:
    assert is_mobile(sender_address(written))


@pytest.mark.parametrize(
    "written", ["+842223822456", "1900561234", "19006123", "+8613800138000", "+4477009001234", "900"]
)
def test_fixed_lines_premium_and_foreign_numbers_are_not(written: str) -> None:
    assert not is_mobile(sender_address(written))


def test_an_old_eleven_digit_number_is_the_new_one() -> None:
    assert sender_address("01669123456") == "+84369123456"


@given(st.text(max_size=100))
def test_any_sender_is_read_the_same_twice(text: str) -> None:
    assert sender_address(sender_address(text)) == sender_address(text)
