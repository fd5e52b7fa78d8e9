"""Buttons, and the menu of commands."""

import pytest
from telegram.constants import BotCommandLimit

from channels.conversation.keywords import Verb, understood
from channels.telegram.messages import keyboard, menu
from domain.language import Language
from domain.message import Choice


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
    verbs = [understood(f"/{command.command}@motma_bot").verb for command in menu(language)]
    other = Verb.ENGLISH if language is Language.VIETNAMESE else Verb.VIETNAMESE
    # Without a code behind it, 'look up' is answered with how that is done.
    expected = [Verb.HELP, Verb.FOLLOW, Verb.MUTE, Verb.OPINION, Verb.STOP_ALL, Verb.RESUME, other, Verb.HELP]
    assert verbs == expected
    for command in menu(language):
        assert command.command.isascii()
        assert len(command.command) <= BotCommandLimit.MAX_COMMAND
        assert 1 <= len(command.description) <= BotCommandLimit.MAX_DESCRIPTION
