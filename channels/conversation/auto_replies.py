"""Texts that say of themselves that a machine wrote them: two machines must not talk for ever (guarantee G44)."""

import re
from collections.abc import Iterable

from domain.vietnamese import folded
from lookup.code_finder import find

# Folded, as whole words.
_SAYS_SO = (
    "tu dong",
    "auto reply",
    "auto response",
    "automatic reply",
    "automatic response",
    "automated",
    "out of office",
    "out of the office",
    "do not reply",
    "khong tra loi tin nhan nay",
    "vui long khong phan hoi",
    "se goi lai sau",
    "se lien he lai",
    "will call you back",
    "cant talk right now",
    "dang ban",
    "dang lai xe",
    "driving",
)
_PATTERN = re.compile(rf"\b(?:{'|'.join(_SAYS_SO)})\b")
_MARKS = re.compile(r"[^\w\s]+")
_DIGITS = re.compile(r"[0-9]+")
_FEWEST_LETTERS = 20
_FEWEST_REPEATED = 12  # more than a command and a code have
_NO_LETTERS = re.compile(r"[\W_]+")


def says_automatic(text: str) -> bool:
    """Whether `text` says that it was not written by a person just now. Never for a text with a dossier code."""
    return bool(_PATTERN.search(folded(_MARKS.sub(" ", text.replace("'", ""))))) and not find(text, limit=1)


def alike(text: str) -> str:
    """What texts have in common that differ in a time or a number only; a text with a code is like itself alone."""
    if _letters(text) < _FEWEST_LETTERS or not _DIGITS.search(text) or find(text, limit=1):
        return text
    return _DIGITS.sub("0", text)


def echoes(text: str, ours: Iterable[str]) -> bool:
    """Whether `text` repeats one of `ours`, cut short or with more around it; not for a code, which people repeat."""
    said = _bare(text)
    if _letters(said) < _FEWEST_REPEATED:
        return False
    return any(said in sent or (_letters(sent) >= _FEWEST_REPEATED and sent in said) for sent in map(_bare, ours))


def _bare(text: str) -> str:
    """What is left of it on the worst of wires: letters without accents, and digits."""
    return _NO_LETTERS.sub("", folded(text))


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))
