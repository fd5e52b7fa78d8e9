"""What we write, in Telegram's terms: buttons, the menu of commands.

Texts go out plain, without a parse mode: whatever an agency wrote stays words, and there is nothing to escape. No
preview is made of an address in them, for Telegram would open it, and a receipt's address is for its holder alone.
"""

from collections.abc import Sequence

from telegram import BotCommand, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import InlineKeyboardButtonLimit

from domain.language import Language
from domain.message import Choice
from lookup.wording import Words

WORDS = Words("channels.telegram")

# Buttons share a row as long as their labels together are short enough to be read on a narrow phone.
ROW_LABELS = 30
ROW_BUTTONS = 5

_COMMANDS = ("look_up", "follow", "mute", "feedback", "stop_all", "resume", "other_language", "help")


def keyboard(choices: Sequence[Choice]) -> InlineKeyboardMarkup | None:
    """The choices as buttons under a message. One whose words Telegram cannot carry is left out: the text names it."""
    rows: list[list[InlineKeyboardButton]] = []
    width = ROW_LABELS
    for choice in choices:
        says = choice.says.encode()
        if not choice.label.strip() or not 0 < len(says) <= InlineKeyboardButtonLimit.MAX_CALLBACK_DATA:
            continue
        width += len(choice.label)
        if width > ROW_LABELS or len(rows[-1]) >= ROW_BUTTONS:
            rows.append([])
            width = len(choice.label)
        rows[-1].append(InlineKeyboardButton(choice.label, callback_data=choice.says))
    return InlineKeyboardMarkup(rows) if rows else None


def menu(language: Language) -> list[BotCommand]:
    """The commands behind the button beside the text field; each is a word the conversation knows."""
    return [
        BotCommand(WORDS.say(language, f"command.{command}.name"), WORDS.say(language, f"command.{command}"))
        for command in _COMMANDS
    ]
