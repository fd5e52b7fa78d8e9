"""Texts cut to Telegram's length, buttons, the menu."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram.constants import BotCommandLimit

from channels.conversation.keywords import Verb, understood
from channels.telegram.messages import keyboard, menu, parts
from domain.language import Language
from domain.message import Choice


def test_a_text_that_fits_is_one_message() -> None:
    text = "Hồ sơ H05.16-261102-0001\n" * 100
    assert parts(text) == [text.strip()]


def test_a_longer_text_is_cut_at_line_ends() -> None:
    lines = [f"{number}. Hồ sơ đang được giải quyết" for number in range(300)]
    found = parts("\n".join(lines))
    assert len(found) == 3
    assert "\n".join(found).split("\n") == lines


def test_a_line_that_is_too_long_is_cut_between_words() -> None:
    assert parts("một hai ba bốn", 8) == ["một hai", "ba bốn"]
    assert parts("mộthaibabốn", 4) == ["mộth", "aiba", "bốn"]


@given(st.text(min_size=1, max_size=300), st.integers(2, 60))
def test_no_part_is_too_long_and_no_word_is_lost(text: str, most: int) -> None:
    found = parts(text, most)
    assert all(len(part.encode("utf-16-le", "surrogatepass")) // 2 <= most for part in found if len(found) > 1)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_choices_become_buttons_in_rows_that_can_be_read() -> None:
    choices = [Choice(label=str(stars), says=f"DANH GIA {stars}") for stars in range(1, 7)]
    choices += [Choice(label="Xem chi tiết hồ sơ này", says="a"), Choice(label="Thôi theo dõi", says="b")]
    markup = keyboard(choices)
    assert markup is not None
    rows = [[button.text for button in row] for row in markup.inline_keyboard]
    assert rows == [["1", "2", "3", "4", "5"], ["6", "Xem chi tiết hồ sơ này"], ["Thôi theo dõi"]]
    assert markup.inline_keyboard[0][4].callback_data == "DANH GIA 5"


@pytest.mark.parametrize("says", ["", "x" * 65, "ữ" * 22])
def test_what_a_button_cannot_carry_has_none(says: str) -> None:
    assert keyboard([Choice(label="Có", says=says)]) is None
    assert keyboard([Choice(label=" ", says="CO")]) is None
    assert keyboard([]) is None


@pytest.mark.parametrize("language", Language)
def test_every_command_of_the_menu_is_understood(language: Language) -> None:
    verbs = [understood(command.command).verb for command in menu(language)]
    other = Verb.ENGLISH if language is Language.VIETNAMESE else Verb.VIETNAMESE
    expected = [Verb.LOOK_UP, Verb.FOLLOW, Verb.MUTE, Verb.FEEDBACK, Verb.STOP_ALL, Verb.RESUME, other, Verb.HELP]
    assert verbs == expected
    for command in menu(language):
        assert command.command.isascii()
        assert len(command.command) <= BotCommandLimit.MAX_COMMAND
        assert 1 <= len(command.description) <= BotCommandLimit.MAX_DESCRIPTION
