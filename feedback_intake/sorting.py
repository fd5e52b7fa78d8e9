"""What feedback may be instead: an emergency, a denunciation, a complaint, an advertisement. The words are data.

The rules only ask back: the sender says what is meant, and nothing is refused by them.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from domain.vietnamese import folded, nfc, unaccented
from feedback_intake.filing import Formal

WORDS_OF = Path(__file__).with_name("data") / "resembling.csv"
MOST_LINKS = 2  # more of them are an advertisement
FEWEST_WORDS = 4  # of clear content

_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_MARKED = re.compile(r"[ăâđêôơưàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ]")
# Short words that nearly every Vietnamese sentence has, without accents; English has hardly any of them.
_COMMON = frozenset(
    {
        "anh",
        "ba",
        "bao",
        "bi",
        "can",
        "cac",
        "chi",
        "cho",
        "chua",
        "co",
        "con",
        "cua",
        "da",
        "den",
        "di",
        "duoc",
        "giay",
    }
    | {
        "gio",
        "hen",
        "ho",
        "khong",
        "la",
        "lam",
        "len",
        "may",
        "moi",
        "nay",
        "ngay",
        "nhan",
        "nhieu",
        "nop",
        "ong",
        "phai",
    }
    | {"qua", "sao", "so", "tai", "the", "theo", "thi", "thu", "toi", "tra", "trong", "va", "ve", "voi", "xin"}
)
_ENOUGH_COMMON = 0.15  # of the words


@dataclass(frozen=True, slots=True)
class _Resembling:
    formal: Formal
    words: str
    plain: re.Pattern[str]
    needs_accents: bool


def resembles(text: str) -> Formal | None:
    """What `text` sounds like, the most urgent first; None for feedback."""
    written = nfc(text).lower()
    plain = unaccented(written)
    if len(plain) != len(written):  # letters that fall apart in lower case: no Vietnamese ones
        written = plain = folded(text)
    for each in _words():
        for match in each.plain.finditer(plain):
            typed = " ".join(written[match.start() : match.end()].split())
            if typed == each.words or (not each.needs_accents and _may_be(typed, each.words)):
                return each.formal
    return Formal.SPAM if len(_LINK.findall(text)) > MOST_LINKS else None


def is_vietnamese(text: str) -> bool:
    """Whether `text` is likely Vietnamese, with accents or without (the law asks for it, NĐ 20/2008 Đ9)."""
    if _MARKED.search(nfc(text).lower()):
        return True
    words = _WORD.findall(folded(text))
    return bool(words) and sum(word in _COMMON for word in words) / len(words) >= _ENOUGH_COMMON


def is_clear(text: str) -> bool:
    """Whether `text` has words enough to be understood."""
    words = _WORD.findall(text)
    return len(words) >= FEWEST_WORDS and len({folded(word) for word in words}) >= FEWEST_WORDS - 1


def _may_be(typed: str, words: str) -> bool:
    """Whether `typed` is `words` with some or all accents left out, and none put in."""
    return len(typed) == len(words) and all(t in {w, unaccented(w)} for t, w in zip(typed, words, strict=True))


@cache
def _words() -> tuple[_Resembling, ...]:
    with WORDS_OF.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return tuple(
            _Resembling(
                formal=Formal(row["resembles"]),
                words=nfc(row["words"]),
                plain=re.compile(r"\b" + r"\s+".join(map(re.escape, folded(row["words"]).split())) + r"\b"),
                needs_accents=row["accents"] == "needed",
            )
            for row in rows
        )
