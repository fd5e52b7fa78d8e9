"""Personal data left in a text that is to be published: what a second look should fall on. It only warns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.vietnamese import folded, nfc

_DIGITS = re.compile(r"(?<![0-9])\+?[0-9](?:[ .\-]?[0-9]){7,18}(?![0-9])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DOSSIER = re.compile(r"(?<!\w)(?:[0-9A-Z]{1,3}\.){1,4}[0-9A-Z]{1,3}-[0-9]{6,8}-[0-9A-Z]{1,10}(?!\w)", re.IGNORECASE)
_MEMBER = re.compile(r"(?<!\w)PA-[0-9]{6}-[0-9]{6}(?!\w)", re.IGNORECASE)
# The commonest family names: nine people in ten bear one of them.
_FAMILIES = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Huỳnh",
    "Phan",
    "Vũ",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Đinh",
    "Đoàn",
    "Trịnh",
    "Mai",
    "Trương",
    "Lương",
    "Tô",
    "Cao",
    "Đào",
    "Hà",
    "Châu",
    "Tạ",
    "Lâm",
    "Phùng",
    "Vương",
    "Quách",
    "Thái",
    "Chu",
    "Kiều",
    "La",
    "Nông",
    "Quàng",
    "Lò",
    "Vi",
    "Giàng",
    "Sùng",
    "Thạch",
]
_CAPITAL = r"[A-ZÀ-ỸĐ][a-zà-ỹđ]+"
_NAME = re.compile(rf"(?<!\w)(?:{'|'.join(_FAMILIES)})(?: {_CAPITAL}){{1,3}}(?!\w)")
_ADDRESSED = re.compile(
    rf"(?<!\w)(?:[Ôô]ng|[Bb]à|[Aa]nh|[Cc]hị|[Cc]ô|[Cc]hú|[Ee]m|[Cc]háu|[Bb]ác) ({_CAPITAL}(?: {_CAPITAL}){{0,3}})"
)
_ID_DIGITS = frozenset({9, 12})  # chứng minh nhân dân, căn cước


class Trace(StrEnum):
    """What it seems to be."""

    PHONE = "phone"
    CITIZEN_ID = "citizen_id"
    NUMBER = "number"  # an account, an insurance number
    EMAIL = "email"
    NAME = "name"
    SENDER = "sender"  # the name or address of somebody who filed
    CODE = "code"  # a dossier's or a feedback's: with it anybody asks how it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One trace, and where in the text it stands."""

    trace: Trace
    text: str
    start: int


def traces(text: str, senders: Sequence[str] = ()) -> list[Finding]:
    """What in `text` may be personal, in the order of the text; each place once.

    `senders`: names and addresses of those who filed, which are found with and without accents.
    """
    text = nfc(text)
    found: list[Finding] = []
    taken: list[range] = []
    for trace, start, said in _candidates(text, senders):
        place = range(start, start + len(said))
        if not any(start < other.stop and other.start < place.stop for other in taken):
            taken.append(place)
            found.append(Finding(trace=trace, text=said, start=start))
    return sorted(found, key=lambda finding: finding.start)


def _candidates(text: str, senders: Iterable[str]) -> Iterator[tuple[Trace, int, str]]:
    """The surest first."""
    for sender in senders:
        for start, said in _same_words(text, sender):
            yield Trace.SENDER, start, said
    for pattern, trace in ((_EMAIL, Trace.EMAIL), (_DOSSIER, Trace.CODE), (_MEMBER, Trace.CODE)):
        for match in pattern.finditer(text):
            yield trace, match.start(), match[0]
    for match in _DIGITS.finditer(text):
        if (kind := _of_digits(match[0])) is not None:
            yield kind, match.start(), match[0]
    for match in _NAME.finditer(text):
        yield Trace.NAME, match.start(), match[0]
    for match in _ADDRESSED.finditer(text):
        yield Trace.NAME, match.start(1), match[1]


def _of_digits(written: str) -> Trace | None:
    digits = re.sub(r"\D", "", written)
    if re.fullmatch(r"[0-9]{1,2}[.\-][0-9]{1,2}[.\-][0-9]{4}", written):  # a day
        return None
    if (
        written.startswith(("0", "+84", "84"))
        and 9 <= len(digits) <= 12
        and not (len(digits) == 12 and digits[0] == "0")
    ):
        return Trace.PHONE
    if len(digits) in _ID_DIGITS:
        return Trace.CITIZEN_ID
    return Trace.NUMBER


def _same_words(text: str, sender: str) -> Iterator[tuple[int, str]]:
    """Where the words of `sender` stand in `text`, however they are accented."""
    wanted = folded(sender).split()
    if len("".join(wanted)) < 4:  # too short to mean anybody
        return
    words = [(match.start(), match[0]) for match in re.finditer(r"[^\s,.;:!?()\"']+", text)]
    plain = [folded(word) for _, word in words]
    wanted = [word.strip(",.;:!?()\"'") for word in wanted]
    for n in range(len(words) - len(wanted) + 1):
        if plain[n : n + len(wanted)] == wanted:
            start, (last, word) = words[n][0], words[n + len(wanted) - 1]
            yield start, text[start : last + len(word)]
