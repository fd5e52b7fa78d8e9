"""Dossier codes in what people send: one typed thing (`read`), or any number within a message (`find`)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from urllib.parse import unquote_plus

from domain.vietnamese import nfc
from lookup.code_slips import (
    DAY_AND_ORDINAL,
    LETTER_AS_DIGIT,
    LOOSE,
    MAX_CANDIDATES,
    READING_SLIPS,
    STRICT,
    TYPING_SLIPS,
    Folded,
    candidates,
    exact,
    fold,
    is_complete,
    is_plausible,
)
from lookup.codes import is_agency_style


class ReadingKind(StrEnum):
    """What a typed thing turned out to be."""

    CODE = "code"
    FOREIGN = "foreign"  # another scheme, to be matched exactly; often a receipt number
    PROCEDURE_CODE = "procedure_code"  # 1.005129
    CITIZEN_ID = "citizen_id"
    PHONE = "phone"
    RECEIPT_TOKEN = "receipt_token"  # noqa: S105 - what a receipt's QR opens
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One typed thing, understood.

    `candidates`: exact look-up keys, likeliest first, the first being what was typed in canonical spelling; empty but
    for CODE and FOREIGN. None is ever shown as a suggestion. `value`: the procedure code or receipt token. `rest`: the
    other words as typed (NFC), where a look-up secret may stand. Of a citizen's ID or phone nothing is kept.
    """

    kind: ReadingKind
    candidates: tuple[str, ...] = ()
    value: str = field(default="", repr=False)
    rest: str = field(default="", repr=False)

    @property
    def resembles_receipt_number(self) -> bool:
        """Whether this foreign code looks like a receipt number (số biên nhận, `123456ABCD`)."""
        return self.kind is ReadingKind.FOREIGN and _RECEIPT_NUMBER.fullmatch(self.candidates[0]) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCode:
    """A code within a message: `candidates` as in `Reading`, `kind` CODE or FOREIGN.

    `span` counts characters of the message in NFC and takes in a label before the code ("Mã HS: ").
    """

    kind: ReadingKind
    candidates: tuple[str, ...]
    span: tuple[int, int]


# Well-formed, with nothing that could be a look-alike: only the century, or a leading "000.", may be missing.
_SURE_GROUP = r"\.[0-9AC-FHJKMNP-RT-Y]{2,3}"
_UNDOUBTED = re.compile(
    rf"(?:[A-Z][0-9]{{2}}(?:{_SURE_GROUP}){{0,7}}|[0-9]{{3}}(?:{_SURE_GROUP}){{1,7}}\.[A-Z][0-9]{{2}}"
    rf"|(?P<short>[0-9]{{2}}{_SURE_GROUP}\.[A-Z][0-9]{{2}}))"
    r"-(?:(?P<day>[0-9]{6})-[0-9]{4}(?:[0-9]{2,3})?|20(?P<day_of_long>[0-9]{6})-[0-9]{7})",
    re.ASCII | re.IGNORECASE,
)

_LABELS = (
    "(?:TRA ?CUU|TC|TCHS|TTHC|CODE|DOSSIER|MA ?HS|M?HS|SO ?HS|(?:MA ?SO|MA|SO)? ?HO ?SO(?: SO)?|MA ?SO|MA ?TTHC"
    "|(?:MA|SO) BIEN NHAN)(?: LA)?"
)
_LABEL_BEFORE = re.compile(rf"(?<![0-9A-Z])(?:{_LABELS}[ .:=#\-]{{0,4}}+)+$")
_LABEL_AT_START = re.compile(rf"[\s\"'(#]{{0,8}}(?:{_LABELS}[ .:=#\-]{{1,4}}+)+")
_LABEL_REACH = 48

# In a sentence only these shapes are taken for codes of another scheme, or what an explicit label announces.
_FOREIGN = re.compile(
    r"(?<![0-9A-Z./_:@\-])(?P<code>[0-9]{3,8}/[0-9]{4}/[0-9]{2,10}|[0-9]{5,10}(?!VND|DONG)[A-Z]{3,6}"
    r"|(?=[0-9._]{0,35}[A-Z])[0-9A-Z._]{3,35}-[0-9]{6,8}-[0-9A-Z]{1,10})(?![0-9A-Z/_@\-]|\.[0-9A-Z])"
)
_LABELLED = re.compile(
    r"(?<![0-9A-Z])(?:(?:MA SO|MA|SO) HO SO|MA ?HS|M?HS|(?:MA|SO) BIEN NHAN)(?: LA)?[ :=#]{1,4}+"
    r"(?P<code>(?=(?:[A-Z./_\-]{0,6}[0-9]){4})[0-9A-Z./_\-]{5,64}+)(?![@:])"
)
_DATE_OR_DECREE = re.compile(
    r"[0-9]{1,2}[/.\-][0-9]{1,2}[/.\-][0-9]{2,4}|[0-9]{1,4}/[0-9]{4}/[A-Z].*|[0-9]{1,2}[/\-][0-9]{4}"
)
_RECEIPT_NUMBER = re.compile("[0-9]{4,10}[A-Z]{0,6}")

_OLD_PROCEDURE_TAIL = r"\.[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}"  # 1.010708.000.00.00.H56
_PROCEDURE_CODE = re.compile(
    rf"(?<![0-9A-Z.])(?:(?P<number>[0-9]\.[0-9OIL|]{{6}})(?:{_OLD_PROCEDURE_TAIL})?"
    rf"|[0-9A-Z_]{{1,20}}(?:\.[0-9A-Z_]{{1,20}})?{_OLD_PROCEDURE_TAIL})(?![0-9A-Z\-])"
)
_NUMBER = re.compile("[0-9]{4,10}[A-Z]{0,6}")

_PROCEDURE_CODE = re.compile(
    r"(?<![0-9A-Z.])(?:(?P<number>[0-9]\.[0-9OIL|]{6})|[0-9A-Z_]{1,20}(?:\.[0-9A-Z_]{1,20})?(?=\.[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.))"
    r"(?:\.[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2})?(?![0-9A-Z\-])"
)
_NUMBER = re.compile(
    r"(?<![0-9A-Z])(?:(?P<label>CCCD|CMND|CMT|CAN CUOC|ID|SDT|DT|DIEN THOAI|TEL|PHONE)[ .:=#\-]{0,3})?"
    r"(?P<number>[+(]?[0-9OILSBZG|](?:[\s.,\-()]{0,2}[0-9OILSBZG|]){8,14}+)(?![0-9A-Z])"
)
_ID_WITHIN = re.compile("(?<![0-9])0[0-9]{2}[0-3][0-9]{8}(?![0-9])")  # province, sex and century, year, number
_ID = re.compile("[0-9]{12}|[0-9]{9}")
_PHONE = re.compile(r"(?:\+?84|0084|0)(?:[35789][0-9]{8}|1[2689][0-9]{8}|2[0-9]{9})")

_FOREIGN_PATTERNS = (_FOREIGN, _LABELLED)
_CODE_PATTERNS = (STRICT, LOOSE, LETTER_AS_DIGIT)
_PATTERNS = (*_CODE_PATTERNS, *_FOREIGN_PATTERNS)
_PIECE = re.compile(" {1,2}([0-9]{1,3})(?![0-9A-Z])")
_WORD = re.compile("(?<![0-9A-Z])(?!O+(?![0-9A-Z]))[A-Z]{2,}+(?![0-9A-Z])")
_AROUND_MARKS = re.compile(r"\s{0,3}+([/.\-])\s{0,3}+")
_SEPARATORS = re.compile(r"[\s.,\-()]")
_PROOF_ATTACHED = re.compile(r"[./_\-][0-9]{4,8}")
_TOKEN = re.compile(r"[0-9A-Z./_\-]{5,64}")
_DIGIT = re.compile("[0-9]")
_LONGEST_SPREAD_OUT = 160

_RECEIPT_URL = re.compile(r"(?<=[^\s/])/[rR]/([A-Za-z0-9_~.\-]{16,512})(?=[/?#\s]|$)")
_CODE_PARAMETERS = {"code", "mahoso", "mahs", "sohoso", "sohs"}
_EDGES = " \t\r\n.,;:!?\"'()[]-–—/|“”"


def read(text: str) -> Reading:
    """What `text`, one typed or scanned thing (a code, perhaps a secret after it), is. Of several codes the first.

    Never raises, whatever the text. A normal code takes microseconds, any 10 kB less than 50 ms.
    """
    text = text.strip()
    if undoubted := _UNDOUBTED.fullmatch(text):
        return _read_undoubted(text.upper(), undoubted)
    if text.isascii() and (match := STRICT.fullmatch(text.upper())) and match["code"] == match[0]:
        keys = candidates(match, match["ordinal"], literal=match[0])
        return Reading(kind=ReadingKind.CODE, candidates=keys)
    text = nfc(text)
    if "/" in text and (reading := _read_url(text)):
        return reading
    return _read_words(text)


def _read_undoubted(code: str, parts: re.Match[str]) -> Reading:
    short, day, day_of_long = parts.groups()
    other = code.replace(f"-{day}-", f"-20{day}-") if day else code.replace(f"-20{day_of_long}-", f"-{day_of_long}-")
    keys = (code, f"000.{code}", other, f"000.{other}") if short else (code, other)
    return Reading(kind=ReadingKind.CODE, candidates=keys)


def find(text: str, limit: int = 5) -> tuple[FoundCode, ...]:
    """The first `limit` codes in `text`, in order. Never raises, whatever the text."""
    folded = fold(text)
    found = tuple(islice(_codes(folded), max(0, limit)))
    if not found and limit > 0 and (whole := _spread_out(folded.plain)):
        keys = candidates(whole, whole["ordinal"], literal=whole["code"])
        return (FoundCode(kind=ReadingKind.CODE, candidates=keys, span=(0, len(folded.text))),)
    return found


def words_besides(text: str, found: tuple[FoundCode, ...]) -> str:
    """The words of `text` (NFC) outside the codes `found` in it and their labels."""
    text = fold(text).text
    cuts = [0, *(place for code in found for place in code.span), len(text)]
    pieces = (text[start:end].strip(_EDGES) for start, end in zip(cuts[::2], cuts[1::2], strict=True))
    return " ".join(piece for piece in pieces if piece)


def _codes(folded: Folded) -> Iterator[FoundCode]:
    plain = folded.plain
    after = 0
    for match, end in _matches(plain, 0, len(plain), _PATTERNS):
        start = match.start("code")
        literal = folded.typed(start, end)
        if match.re in _FOREIGN_PATTERNS:
            kind, keys = ReadingKind.FOREIGN, exact(literal)
        else:
            kind = ReadingKind.CODE
            keys = candidates(match, plain[match.start("ordinal") : end].replace(" ", ""), literal=literal)
        if keys:
            label = _LABEL_BEFORE.search(plain, max(after, match.start() - _LABEL_REACH), match.start())
            yield FoundCode(kind=kind, candidates=keys, span=folded.span((label or match).start(), end))
        after = end


def _matches(
    plain: str, start: int, end: int, patterns: tuple[re.Pattern[str], ...]
) -> Iterator[tuple[re.Match[str], int]]:
    """Matches of the first pattern, with the place where each code ends; between them those of the next patterns."""
    if not patterns or start >= end:
        return
    pattern, others = patterns[0], patterns[1:]
    if pattern is LOOSE and not DAY_AND_ORDINAL.search(plain, start, end):
        yield from _matches(plain, start, end, _FOREIGN_PATTERNS)
        return
    for match in pattern.finditer(plain, start, end):
        if match.start() < start:
            continue
        if not (_may_be_foreign(match["code"]) if pattern in _FOREIGN_PATTERNS else is_plausible(match, start)):
            continue
        yield from _matches(plain, start, match.start(), others)
        start = _end_of_ordinal(match, end)
        yield match, start
    yield from _matches(plain, start, end, others)


def _may_be_foreign(token: str) -> bool:
    """Whether `token` (folded) may be a code of another scheme: it is nothing else that we know."""
    known = _DATE_OR_DECREE.fullmatch(token) or _PROCEDURE_CODE.fullmatch(token) or _personal(token)
    return not known and not is_agency_style(token)  # agency-style here: the refused end of a longer code


def _end_of_ordinal(match: re.Match[str], end: int) -> int:
    """Where the code ends when the ordinal was typed in pieces: `00 01` is an ordinal, `0001 246810` is not.

    Pieces belong together where they make up a usual length: 4, 6, or 7 digits after an eight-digit date.
    """
    if match.re in _FOREIGN_PATTERNS or not (first := match["ordinal"]).isdecimal():
        return match.end()
    longest = 7 if len(match["date"]) == 8 and first[0] == "0" else 4
    length, ends = len(first), match.end()
    place = ends
    while length < longest and (piece := _PIECE.match(match.string, place, end)):
        place, length = piece.end(), length + len(piece[1])
        if length == longest or (length == 6 and len(first) == 3):
            return place
    return ends


def _spread_out(plain: str) -> re.Match[str] | None:
    """The match of a whole text that is one code once all white space is taken out (`H 0 5 . 1 6 - …`)."""
    if len(plain) > _LONGEST_SPREAD_OUT:
        return None
    if label := _LABEL_AT_START.match(plain):
        plain = plain[label.end() :]
    if _WORD.search(plain):
        return None
    squeezed = "".join(plain.split()).strip(_EDGES)
    matches = (pattern.fullmatch(squeezed) for pattern in _CODE_PATTERNS)
    return next((match for match in matches if match and is_plausible(match, 0)), None)


def _read_words(text: str) -> Reading:
    folded = fold(text)
    found = tuple(islice(_codes(folded), 5))
    code = next((code for code in found if code.kind is ReadingKind.CODE), None)
    # Digits before the code may be its beginning, set apart by a slip of the thumb.
    torn = code is not None and _DIGIT.search(folded.text, 0, code.span[0]) is not None
    whole = _spread_out(folded.plain) if torn or code is None else None
    if whole and (code is None or (whole.re is STRICT and is_complete(whole))):
        keys = candidates(whole, whole["ordinal"], literal=whole["code"])
        return Reading(kind=ReadingKind.CODE, candidates=keys)
    if code := code or next(iter(found), None):
        keys = tuple(dict.fromkeys((*_whole_token(folded, code), *code.candidates)))[:MAX_CANDIDATES]
        kind = ReadingKind.CODE if is_agency_style(keys[0]) else code.kind
        return Reading(kind=kind, candidates=keys, rest=words_besides(folded.text, (code,)))
    return _read_uncoded(folded)


def _whole_token(folded: Folded, code: FoundCode) -> tuple[str, ...]:
    """The canonical spelling of all that was typed, where `code` is only a part of one unbroken token.

    Another scheme may wrap an agency-style code (`BS/H05.16-261102-0001`); what matches exactly comes first.
    """
    after = folded.text[code.span[1] :]
    edges = _EDGES.replace("|", "")  # a bar may be a typed 1
    if _PROOF_ATTACHED.fullmatch(after) or not _TOKEN.fullmatch(folded.plain.strip(edges)):
        return ()
    return exact(folded.text.strip(edges))


def _read_uncoded(folded: Folded) -> Reading:
    """What a text without a recognisable code is: help can be specific, and a foreign code can still match."""
    plain = folded.plain
    label = _LABEL_AT_START.match(plain)
    foreign = _read_foreign(folded.typed(label.end() if label else 0, len(plain)))
    numbers = list(_NUMBER.finditer(plain))
    if foreign and not foreign.candidates[0].isdecimal() and not any(number["label"] for number in numbers):
        return foreign
    for token in (*(number[0] for number in numbers), *plain.split()):
        if kind := _personal(token):
            return Reading(kind=kind)
    if procedure := _PROCEDURE_CODE.search(plain):
        number = procedure["number"] or ""
        value = number.translate(TYPING_SLIPS) + procedure[0][len(number) :]
        return Reading(kind=ReadingKind.PROCEDURE_CODE, value=value)
    return foreign or Reading(kind=ReadingKind.NOTHING)


def _read_foreign(typed: str) -> Reading | None:
    """A code of another scheme standing first in `typed`, whole or in pieces; None where help is better."""
    if len(typed) > _LONGEST_SPREAD_OUT:
        return None
    first, *others = _AROUND_MARKS.sub(r"\1", typed).split() or [""]
    plain = fold(first).plain
    keys = exact(first)
    if not keys or len(keys[0]) < 4 or not _DIGIT.search(plain) or len(others) > 3:
        return None
    kind = ReadingKind.CODE if is_agency_style(keys[0]) else ReadingKind.FOREIGN
    if kind is ReadingKind.FOREIGN and not _may_be_foreign(plain):
        return None
    if others and not others[0].isdecimal():
        keys += exact(first + others[0])  # 123456 ABCD
    return Reading(kind=kind, candidates=keys, rest=" ".join(others))


def _personal(token: str) -> ReadingKind | None:
    """CITIZEN_ID or PHONE where `token` (folded) is one, however it is spaced and with or without a label."""
    number = _NUMBER.fullmatch(token)
    if number and sum(map(str.isdecimal, token)) >= 7:
        digits = _SEPARATORS.sub("", number["number"]).translate(READING_SLIPS)
        if _PHONE.fullmatch(digits):
            return ReadingKind.PHONE
        if _ID.fullmatch(digits):
            return ReadingKind.CITIZEN_ID
    return ReadingKind.CITIZEN_ID if _ID_WITHIN.search(token) else None


def _read_url(text: str) -> Reading | None:
    """What the first web address in `text` holds: our receipt's token, or a code in its query. None without address."""
    if receipt := _RECEIPT_URL.search(text):
        return Reading(kind=ReadingKind.RECEIPT_TOKEN, value=receipt[1].rstrip("."))
    words = text.split()
    address = next((word for word in words if "://" in word or "/tra-cuu?" in word.lower()), None)
    if address is None:
        return None
    rest = " ".join(word for word in words if word is not address)
    for parameter in re.split("[?&#;]", address)[1:]:
        name, _, value = parameter.partition("=")
        if _SEPARATORS.sub("", name.lower().replace("_", "")) in _CODE_PARAMETERS:
            reading = _read_words(unquote_plus(value))
            return Reading(kind=reading.kind, candidates=reading.candidates, value=reading.value, rest=rest)
    found = next((code for code in find(unquote_plus(address)) if code.kind is ReadingKind.CODE), None)
    if found is None:
        return Reading(kind=ReadingKind.NOTHING)
    return Reading(kind=found.kind, candidates=found.candidates, rest=rest)
