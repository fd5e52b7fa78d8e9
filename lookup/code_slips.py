"""How people mistype a dossier code, and the codes they may have meant.

Only syntax is repaired: separators, look-alike characters, leading zeros, the century. Texts that differ in anything
else share no candidate, so one typed text can confirm at most the one dossier it names, however slips are mended.
"""

import re
import unicodedata
from dataclasses import dataclass
from operator import itemgetter

from domain.errors import MalformedCode
from lookup.codes import (
    AGENCY_STYLE,
    DASHES,
    FULL_WIDTH,
    INVISIBLE,
    WHITE,
    canonical,
)

MAX_CANDIDATES = 8

# --- folding: one upper-case ASCII character for each character typed, so that places in both agree ---

UNSEEN = "\x02"  # stands for a character that nobody sees or that only marks the letter before it


def _folding() -> dict[int, str]:
    table: dict[int, str] = {}
    for number in (*range(0x80, 0x250), *range(0x1E00, 0x1F00)):  # Latin letters with accents
        letter = unicodedata.normalize("NFKD", chr(number))[0].upper()
        if letter.isascii() and letter.isalpha():
            table[number] = letter
    characters = dict.fromkeys("ĐđÐðƉ", "D")
    characters |= {"·": ".", "•": ".", "。": ".", "、": ",", "∕": "/", "⁄": "/", "¦": "|", "│": "|"}
    characters |= {wide: plain.upper() for wide, plain in FULL_WIDTH.items()}
    characters |= dict.fromkeys(DASHES, "-")
    characters |= dict.fromkeys(WHITE, " ") | dict.fromkeys("\n\v\f\r\x85\u2028\u2029", "\n")
    characters |= dict.fromkeys(INVISIBLE, UNSEEN) | dict.fromkeys(map(chr, range(0x300, 0x370)), UNSEEN)
    characters |= {UNSEEN: "\n"}
    characters |= {chr(n): chr(n - 32) for n in range(ord("a"), ord("z") + 1)}
    return table | {ord(c): plain for c, plain in characters.items()}


_FOLDING = _folding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A text in NFC and its plain form: upper-case ASCII letters, `-` for every dash, no accents.

    `places[i]` is where `plain[i]` stands in `text`; None where both agree place for place.
    """

    text: str
    plain: str
    places: tuple[int, ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `plain[start:end]` stands in `text`."""
        if self.places is None or start == end:
            return start, end
        return self.places[start], self.places[end - 1] + 1

    def typed(self, start: int, end: int) -> str:
        """What was typed for `plain[start:end]`."""
        start, end = self.span(start, end)
        return self.text[start:end]


def fold(text: str) -> Folded:
    """The folded form of `text`."""
    text = unicodedata.normalize("NFC", text)
    plain = text.translate(_FOLDING)
    if UNSEEN not in plain:
        return Folded(text=text, plain=plain)
    places = tuple(place for place, character in enumerate(plain) if character != UNSEEN)
    return Folded(text=text, plain=plain.replace(UNSEEN, ""), places=places)


# --- patterns; every quantifier is bounded or possessive, so time stays linear in the text ---

_X = "[0-9A-Z|]"  # what may stand in a group or ordinal, or for it
_D = "[0-9OILZSBG|]"  # what is read as a digit in a digit's place
_GAP = r"[ .,/_\-]{1,4}+"  # dots and dashes, and what is typed for them
_MARKED_GAP = r" {0,2}+[.,/_\-][ .,/_\-]{0,3}+"  # the same, not by spaces alone
_FROM = r"(?<![0-9A-Z|])(?<![0-9A-Z][0-9]\.)"  # no code begins inside a longer dotted one
_FROM_FIELD = r"(?<![0-9A-Z])(?<!(?<![0-9A-Z])\|)(?<![0-9A-Z][0-9]\.)"  # nor after a bar, unless it ends a field
_LABEL_ATTACHED = "(?:M?HS|MAHS|(?:MA)?HOSO)??"

# With no digit typed as one ("HIO.16") it looks like a word, and counts only where a dot joins it to a group.
_LEVEL_1 = rf"(?:[A-Z] ?(?:[0-9]{_D}|{_D}[0-9]|[0-9](?=\.))|[A-HJKM-NP-Z]{_D}{{2}}(?=\.{_X}))"
# Words of a sentence are no groups: a group holds a digit, or a zero typed as a letter; the first is no word with an o.
_GROUP = rf"(?=[A-Z|]{{0,2}}[0-9O]){_X}{{1,3}}+"
_FIRST_GROUP = rf"(?=[A-Z|]{{0,2}}[0-9]|O{{2,3}}(?!{_X}))(?:{_X}{{2,3}}+(?={_MARKED_GAP})|{_X}(?=[.,/_\-]{_X}))"
_PAIR = rf"(?=[A-Z|]?[0-9O]){_X}{{2}}(?={_X}{{2}})"  # groups run together have two characters each
_TRIPLE = "[0-9O][0-9A-Z|]{2}"  # but the first of three has three
_BELOW = rf"(?:{_GROUP}{_GAP}|{_PAIR}){{0,5}}?"
_SPACED = r"(?:[0-9A-Z|][0-9]|[0-9][A-Z|]|OO) {1,2}"
# Groups before the province parted by spaces alone may be numbers of the sentence: only the usual layouts count.
_ABOVE = (
    rf"(?:(?:{_FIRST_GROUP}{_MARKED_GAP}|{_TRIPLE}(?={_X}{{2}})|(?={_PAIR}))"
    rf"(?:{_GROUP}{_MARKED_GAP}|{_PAIR}){{0,4}}?"
    rf"|(?:{_TRIPLE} {{1,2}}|(?:{_SPACED}){{2}})(?:{_SPACED}){{0,3}}?)"
)
# Only a likely day (2016 to 2039) tells where a run of characters breaks: no month reads as such a year.
_YEAR = rf"(?:[1IL|][6-9GB]|[2Z3]{_D})"
_MONTH = rf"(?:[0O](?![0O]){_D}|[1IL|][012OILZ|])"
_DAY = rf"(?:[0O](?![0O]){_D}|[12ILZ|]{_D}|3[01OIL|])"
# A space within the date is a slip only where the pieces are tokens of their own and cannot be groups.
_DATE_IN_PIECES = rf"(?:{_YEAR} {_MONTH}{_DAY}|{_YEAR}{_MONTH} {_DAY})(?!{_X})|(?<=-){_YEAR} {_MONTH} {_DAY}(?= ?-)"
_DATE = rf"(?=[123IL|Z])(?P<date>(?:[2Z][0O])?(?:{_YEAR}{_MONTH}{_DAY}|{_DATE_IN_PIECES}))"
_LAST_GAP = rf"(?:{_GAP}|(?!{_X}{{8}}))"  # run together, so long an ordinal tells of a date read too early
# A bar may be a typed 1, or part the fields of a bar code: after four digits it parts.
_ORDINAL = rf"(?P<ordinal>[0-9]{{4,7}}(?=\|)|(?=[A-Z|]{{0,9}}[0-9]|[OIL|]{{4}}){_X}{{1,10}}+(?!{_X}))"

# All three name the same parts: `head` and `below`, or `above` and `tail`; `date`; `ordinal`; `code` is the whole.
STRICT = re.compile(
    rf"{_FROM_FIELD}{_LABEL_ATTACHED}(?P<code>(?=[A-Z]{{0,2}}[0-9]){AGENCY_STYLE})(?![0-9A-Z])(?!(?<![0-9]{{4}})\|)"
)
LOOSE = re.compile(
    rf"{_FROM}{_LABEL_ATTACHED}(?P<code>"
    rf"(?:(?P<head>{_LEVEL_1})(?:{_GAP})?+(?P<below>{_BELOW})|(?P<above>{_ABOVE})(?P<tail>{_LEVEL_1})(?:{_GAP})?+)"
    rf"{_DATE}{_LAST_GAP}{_ORDINAL})"
)
# The level-1 letter itself read as a digit (OCR): believed only when every separator stands where it should.
_LEVEL_1_AS_DIGITS = "[8562][0-9]{2}"
LETTER_AS_DIGIT = re.compile(
    rf"{_FROM}{_LABEL_ATTACHED}(?P<code>"
    rf"(?:(?P<head>{_LEVEL_1_AS_DIGITS})(?P<below>(?:\.{_X}{{1,3}}){{1,6}})"
    rf"|(?P<above>(?:{_X}{{1,3}}\.){{1,6}})(?P<tail>{_LEVEL_1_AS_DIGITS}))"
    rf"-{_DATE}-{_ORDINAL})"
)
# Without a day and an ordinal there is no code: a cheap look saves the two dear ones.
DAY_AND_ORDINAL = re.compile(rf"{_DATE}{_LAST_GAP}{_ORDINAL}")
# What stands before an incomplete agency part and may be its lost beginning.
_BROKEN_OFF = rf"(?<!{_X})(?=[A-Z]{{0,2}}[0-9]|O{{2,3}}){_X}{{2,3}}"
_GROUP_BEFORE = re.compile(rf"(?:{_BROKEN_OFF}{_GAP}|{_X}\.)$")
_MARKED_GROUP_BEFORE = re.compile(rf"(?:{_BROKEN_OFF}{_MARKED_GAP}|{_X}\.)$")


def is_plausible(match: re.Match[str], start: int) -> bool:
    """Whether a match of one of the patterns may be taken for a code, `start` being where unread text begins.

    What lacks its usual first groups is refused where a group stands before it: the end of a longer code is not a
    code, but may be another person's.
    """
    marked = match.string[match.start("date") - 1] == "-"
    if not marked and sum(map(str.isdecimal, match["date"])) < 3:
        return False
    before = max(start, match.start("code") - 7)
    group_before = _GROUP_BEFORE if match["head"] else _MARKED_GROUP_BEFORE
    return is_complete(match) or not group_before.search(match.string, before, match.start("code"))


def is_complete(match: re.Match[str]) -> bool:
    """Whether the agency part of a match begins as a whole one does: `H05.16…` or `000.00…`."""
    return bool(match["below"]) if match["head"] else len(_groups_above(match["above"])[0]) == 3


# --- candidates ---

_Readings = tuple[tuple[int, dict[int, int], dict[int, int]], ...]

READING_SLIPS = str.maketrans("OIL|BSZG", "01118526")  # what cameras and tired eyes take for digits
TYPING_SLIPS = str.maketrans("OIL|", "0111")  # what fingers do
_AS_TYPED = str.maketrans("|", "1")
# Letters are legal in groups and ordinals, so they are read as typed first: (how unlikely, groups, ordinal).
_LOOK_ALIKES: _Readings = (
    (0, _AS_TYPED, _AS_TYPED),
    (1, TYPING_SLIPS, TYPING_SLIPS),
    (2, _AS_TYPED, TYPING_SLIPS),
    (2, TYPING_SLIPS, _AS_TYPED),
    (3, READING_SLIPS, READING_SLIPS),
    (3, _AS_TYPED, READING_SLIPS),
    (4, READING_SLIPS, _AS_TYPED),
)
# Where the same text has letters in the place of digits, they are slips elsewhere too.
_LOOK_ALIKES_AMONG_SLIPS: _Readings = (
    (0, TYPING_SLIPS, TYPING_SLIPS),
    (1, READING_SLIPS, READING_SLIPS),
    (2, _AS_TYPED, _AS_TYPED),
)
_LOOK_ALIKE = re.compile("[OILBSZG]")
_SURE_SLIP = re.compile(r"(?:^|\.)O+(?=[.\-])|-.*[OILBSZG|]")  # in "groups-date"
_LETTER_FOR_DIGIT = {"8": "B", "5": "S", "6": "G", "2": "Z"}
_PARTING = re.compile(r"[ .,/_\-]+")

_Meant = list[tuple[int, str]]  # (how unlikely, what may have been meant)


def candidates(match: re.Match[str], ordinal: str, *, literal: str) -> tuple[str, ...]:
    """The codes meant by a match of one of the patterns above, likeliest first: `literal`, then its repairs.

    `ordinal` is the last part of the code, which may reach beyond the match; `literal` is what was typed. At most 8,
    each canonical, to be looked up exactly and never to be shown as a suggestion.
    """
    level_1 = _level_1(match["head"] or match["tail"])
    groups = ".".join(_groups_below(match["below"]) if match["head"] else _groups_above(match["above"]))
    date = match["date"].replace(" ", "").translate(READING_SLIPS)
    run_together = match.re is LOOSE and match.string[match.start("date") - 1].isalnum()
    days = _days(date, may_hold_group=run_together and match["head"] is not None)
    meant: _Meant = []
    for cost, groups_as, ordinal_as in _readings(groups, match["date"], ordinal):
        typed = groups.translate(groups_as)
        agencies = _agency_first(level_1, typed) if match["head"] else _province_last(typed, level_1)
        ordinals = _ordinals(ordinal.translate(ordinal_as), longer=len(date) == 8)
        meant += [
            (cost + of_agency + of_day + of_ordinal, f"{agency}{day}-{last}")
            for of_agency, agency in agencies
            for of_day, day in days
            for of_ordinal, last in ordinals
        ]
    codes = (code for _, code in sorted(meant, key=itemgetter(0)))
    return tuple(dict.fromkeys((*exact(literal), *codes)))[:MAX_CANDIDATES]


def _readings(groups: str, date: str, ordinal: str) -> _Readings:
    if _SURE_SLIP.search(f"{groups}-{date}"):
        return _LOOK_ALIKES_AMONG_SLIPS
    return _LOOK_ALIKES if _LOOK_ALIKE.search(groups + ordinal) else _LOOK_ALIKES[:1]


def exact(typed: str) -> tuple[str, ...]:
    """The canonical spelling of `typed` alone, or nothing where it has none."""
    try:
        return (canonical(typed),)
    except MalformedCode:
        return ()


def _level_1(typed: str) -> str:
    typed = typed.replace(" ", "")
    return _LETTER_FOR_DIGIT.get(typed[0], typed[0]) + typed[1:].translate(READING_SLIPS).zfill(2)


def _groups_below(typed: str) -> list[str]:
    """The groups after a level-1 group; a run without separators goes by twos, 3 may remain."""
    groups: list[str] = []
    for run in filter(None, _PARTING.split(typed)):
        cut = max(0, (len(run) - 2) // 2 * 2)
        groups += [run[place : place + 2] for place in range(0, cut, 2)]
        groups.append(run[cut:])
    return groups


def _groups_above(typed: str) -> list[str]:
    """The groups before a level-1 group; a run without separators goes by twos, after a first 3 where it is odd."""
    groups: list[str] = []
    for run in filter(None, _PARTING.split(typed)):
        cut = len(run) if len(run) <= 3 else 2 + len(run) % 2
        groups.append(run[:cut])
        groups += [run[place : place + 2] for place in range(cut, len(run), 2)]
    return groups


def _agency_first(level_1: str, typed: str) -> _Meant:
    below = typed.split(".") if typed else []
    meant = [(0, ".".join((level_1, *below)))]
    if any(len(group) == 1 for group in below):
        meant.append((1, ".".join((level_1, *map(_padded, below)))))
    return meant


def _province_last(typed: str, level_1: str) -> _Meant:
    meant = [(0, f"{typed}.{level_1}")]
    first, *others = map(_padded, typed.split("."))
    if len(first) < 3 and len(others) < 2:  # the leading "000." or "000.00." left out
        meant.append((1, ".".join(("000", *["00"] * (1 - len(others)), first, *others, level_1))))
    elif not first.strip("0"):
        first = first.zfill(3)
    meant.append((1, ".".join((first, *others, level_1))))
    return meant


def _padded(group: str) -> str:
    return f"0{group}" if len(group) == 1 and group.isdecimal() else group


def _days(date: str, *, may_hold_group: bool) -> _Meant:
    """The date with the dash before it, and the same day written with or without its century.

    Run together with the agency part, a 20 may be the century or a group of its own (G09202606090001): then neither
    is taken away.
    """
    if len(date) == 6:
        return [(0, f"-{date}"), (2, f"-20{date}")]
    if not date.startswith("20"):
        return [(0, f"-{date}")]
    return [(0, f"-{date}"), (1, f".20-{date[2:]}") if may_hold_group else (2, f"-{date[2:]}")]


def _ordinals(typed: str, *, longer: bool) -> _Meant:
    """The ordinal as typed and at its usual lengths of 4, 6 and 7 digits; `longer` where the date has eight."""
    length = len(typed)
    meant = [(0, typed)]
    if not typed.isdecimal() or (length >= 4 and typed[0] == "0"):
        return meant
    if length < 4:
        meant.append((1, typed.zfill(4)))
    if length < 4 or length == 5:
        meant.append((3, typed.zfill(6)))
    if length < 4 or length == 5 or (longer and length < 7):
        meant.append((2 if longer else 3, typed.zfill(7)))
    return meant
