"""Text in cells of tables that spreadsheets open: none begins a formula (guarantee G58), and each can be read back.

The mark before it is the spreadsheets' own, an apostrophe. A table that is cut at another separator than its own, as a
program in another country does, makes cells of what stands after a semicolon, a tab or a line break: those are marked
too. A list mark of a text, a dash and a space, is left alone where nothing is called after it.
"""

import re

from domain.vietnamese import clean

# What spreadsheet programs take for the beginning of a formula, full-width forms too (some fold them on import).
_FIRST = r"[\"'\s]*[=+\-@|%＝＋－＠]"
_LATER = r"[\"' ]*(?:[=@＝＠]|[+\-＋－](?! [^(|!;\n\r]*(?:[;\n\r]|\Z)))"
_BEGINS = re.compile(_FIRST)
_BEGINS_LATER = re.compile(rf"(?<=[;\t\n\r])(?={_LATER})")
_MARKED = re.compile(f"'{_FIRST}")
_MARKED_LATER = re.compile(rf"(?<=[;\t\n\r])'(?={_LATER})")


def guarded(cell: object) -> str:
    """A cell as text that a spreadsheet shows and does not run."""
    text = _BEGINS_LATER.sub("'", clean("" if cell is None else str(cell)))
    return f"'{text}" if _BEGINS.match(text) else text


def unguarded(cell: str) -> str:
    """What `guarded` was given, but for the space around it."""
    return _MARKED_LATER.sub("", cell[1:] if _MARKED.match(cell) else cell)
