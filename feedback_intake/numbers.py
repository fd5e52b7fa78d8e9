"""The number a person is told for feedback: `PA-YYMMDD-NNNNNN`, typed on any keypad."""

import re
from datetime import date
from secrets import randbelow

NUMBER = re.compile(r"PA[ \-]?([0-9]{6})[ \-]?([0-9]{6})", re.IGNORECASE)


def new_number(day: date) -> str:
    """A number for feedback filed on `day` (civil), not to be guessed from another. It may be taken already."""
    return f"PA-{day:%y%m%d}-{randbelow(1_000_000):06}"


def number_in(text: str) -> str | None:
    """The number of feedback that `text` is, however it is spaced; None for any other text."""
    typed = NUMBER.fullmatch(text.strip(" .,:;!?\"'"))
    return f"PA-{typed[1]}-{typed[2]}" if typed else None
