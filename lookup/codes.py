"""The dossier code: its grammar, its one stored spelling, and its parts."""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import MalformedCode

MAX_LENGTH = 64  # agency 35 + dash + date 8 + dash + ordinal 10, and room for foreign codes
MAX_AGENCY_LENGTH = 35  # QĐ 20/2020/QĐ-TTg

# Wider than any one rule, narrow enough to be no accident: every agency-style code met since 2016 fits, whatever its
# order (QĐ 20/2020 puts the level-1 group first, TT 10/2016 put it last), date length or ordinal length.
_LEVEL_1 = "[A-Z][0-9]{2}"
_GROUP = "[0-9A-Z]{1,3}"
_AGENCY_FIRST = rf"(?P<head>{_LEVEL_1})(?P<below>(?:\.{_GROUP}){{0,10}})"
_PROVINCE_LAST = rf"(?P<above>(?:{_GROUP}\.){{1,10}})(?P<tail>{_LEVEL_1})"
AGENCY_STYLE = (
    rf"(?=[0-9A-Z.]{{3,{MAX_AGENCY_LENGTH}}}-)(?P<agency>{_AGENCY_FIRST}|{_PROVINCE_LAST})"
    r"-(?P<date>[0-9]{8}|[0-9]{6})-(?P<ordinal>[0-9A-Z]{1,10})"
)
_AGENCY_STYLE = re.compile(AGENCY_STYLE)

DASHES = "‐‑‒–—―⁃−﹘﹣－"
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# What copying from a page or chat leaves behind and nobody sees: soft hyphens, zero-width and direction marks.
INVISIBLE = "\xad\u180e\ufeff" + "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)))
)
FULL_WIDTH = {chr(ord(c) + 0xFEE0): c for c in map(chr, range(0x21, 0x7F))}
_SPELLING = str.maketrans(FULL_WIDTH | dict.fromkeys(DASHES, "-") | dict.fromkeys(WHITE + INVISIBLE, ""))
_QUOTES = "\"'`´‘’‚“”„‟«»‹›"
_TRAILING = _QUOTES + ".,;:!?…"


class CodeForm(StrEnum):
    """Which rule the agency part of a code follows."""

    AGENCY_FIRST = "agency_first"  # H56.14-240823-0001: level-1 group first, QĐ 20/2020 and after
    PROVINCE_LAST = "province_last"  # 000.00.12.H62-201105-0004: level-1 group last, TT 10/2016
    FOREIGN = "foreign"  # 03706/2026/07906: another scheme, matched whole


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierCode:
    """A code and its parts; the parts of a foreign code are empty.

    The parts are text: an ordinal is no number for identity, a date need not exist in the calendar, and the agency
    part does not tell who holds the dossier today.
    """

    text: str
    form: CodeForm
    agency: str = ""
    date: str = ""  # YYMMDD or YYYYMMDD
    ordinal: str = ""  # 1 to 10 letters and digits


def canonical(code: str) -> str:
    """The one spelling under which `code` is stored and compared, for agency-style and foreign codes alike.

    NFC, upper case, ASCII for full-width characters and Unicode dashes; no white space, no outer quotes, no trailing
    punctuation; at most 64 characters. Repairs nothing beyond that. Idempotent, and the same for NFC and NFD.
    Raises `MalformedCode` for a text that is empty, too long, or holds control or other unprintable characters.
    """
    if is_agency_style(code):
        return code
    if len(code) > 16 * MAX_LENGTH:
        raise MalformedCode(f"A dossier code has at most {MAX_LENGTH} characters.", field="code")
    key = spelling(code)
    if not key:
        said = "The dossier code is empty." if not code.strip() else "This cannot be a dossier code."
        raise MalformedCode(said, field="code")
    if len(key) > MAX_LENGTH:
        raise MalformedCode(f"A dossier code has at most {MAX_LENGTH} characters.", field="code")
    # Unprintable: controls, NUL and lone surrogates (which PostgreSQL text cannot hold), private use, unassigned.
    if not key.isprintable():
        raise MalformedCode("The dossier code holds a character that cannot be printed.", field="code")
    return key


def spelling(text: str) -> str:
    """`text` spelled as `canonical` spells it, without asking whether it may be a code."""
    text = unicodedata.normalize("NFC", text.translate(_SPELLING))
    text = unicodedata.normalize("NFC", text.upper())  # upper case may leave letters that compose anew
    return text.lstrip(_QUOTES).rstrip(_TRAILING)


def is_agency_style(code: str) -> bool:
    """Whether `code`, as it stands, follows the agency-style grammar."""
    return _AGENCY_STYLE.fullmatch(code) is not None


def parse(code: str) -> DossierCode:
    """`code` with its parts. Raises `MalformedCode` as `canonical` does."""
    text = canonical(code)
    parts = _AGENCY_STYLE.fullmatch(text)
    if parts is None:
        return DossierCode(text=text, form=CodeForm.FOREIGN)
    form = CodeForm.AGENCY_FIRST if parts["head"] else CodeForm.PROVINCE_LAST
    return DossierCode(text=text, form=form, agency=parts["agency"], date=parts["date"], ordinal=parts["ordinal"])
