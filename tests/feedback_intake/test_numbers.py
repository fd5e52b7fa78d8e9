"""Numbers of feedback: short, typed on a keypad, not to be guessed."""

from datetime import date

import pytest

from feedback_intake.numbers import new_number, number_in
from lookup.code_finder import find

DAY = date(2026, 11, 10)


def test_a_number_holds_the_day_and_six_random_digits() -> None:
    numbers = {new_number(DAY) for _ in range(1000)}
    assert len(numbers) > 990
    assert {number[:10] for number in numbers} == {"PA-261110-"}
    assert all(len(number) == 16 and number[10:].isdecimal() for number in numbers)


@pytest.mark.parametrize("typed", ["PA-261110-000042", "pa 261110 000042", "PA261110000042", " PA-261110-000042. "])
def test_a_number_is_read_however_it_is_spaced(typed: str) -> None:
    assert number_in(typed) == "PA-261110-000042"


@pytest.mark.parametrize("typed", ["", "PA", "PA-261110-00004", "H05.16-261102-0001", "hỏi PA-261110-000042"])
def test_other_texts_are_no_number(typed: str) -> None:
    assert number_in(typed) is None


def test_a_number_is_no_dossier_code() -> None:
    assert find("PA-261110-000042") == ()
