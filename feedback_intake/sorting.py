"""What words sound like: an emergency, a denunciation, a complaint, an advertisement; a proposal. The words are data.

The rules only ask back: the sender says what is meant, and nothing is refused by them.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from domain.vietnamese import folded, nfc, unaccented
from feedback_intake.filing import FeedbackKind, Formal

_DATA = Path(__file__).with_name("data")
WORDS_OF = _DATA / "resembling.csv"
PROPOSING = _DATA / "proposing.csv"
MOST_LINKS = 2  # more of them are an advertisement
FEWEST_WORDS = 4  # of clear content

_SHOULD = re.compile(r"\W*n[êe]n\s", re.IGNORECASE)  # at the beginning it does not mean "therefore"
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
class _Phrase:
    means: str
    words: str
    plain: re.Pattern[str]
    needs_accents: bool


def resembles(text: str) -> Formal | None:
    """What `text` sounds like, the most urgent first; None for feedback."""
    if (meant := _first_said(text, _phrases(WORDS_OF))) is not None:
        return Formal(meant)
    return Formal.SPAM if len(_LINK.findall(text)) > MOST_LINKS else None


def kind_by_words(text: str) -> FeedbackKind:
    """Which of the two `text` is where its sender did not say: a proposal names a way out (NĐ 20/2008 Đ2)."""
    if _SHOULD.match(nfc(text)):
        return FeedbackKind.PROPOSAL
    return FeedbackKind(_first_said(text, _phrases(PROPOSING)) or FeedbackKind.FEEDBACK)


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


def _first_said(text: str, phrases: tuple[_Phrase, ...]) -> str | None:
    """What the first of `phrases` that stands in `text` means."""
    written = nfc(text).lower()
    plain = unaccented(written)
    if len(plain) != len(written):  # letters that fall apart in lower case: no Vietnamese ones
        written = plain = folded(text)
    for each in phrases:
        for match in each.plain.finditer(plain):
            typed = " ".join(written[match.start() : match.end()].split())
            if typed == each.words or (not each.needs_accents and _may_be(typed, each.words)):
                return each.means
    return None


def _may_be(typed: str, words: str) -> bool:
    """Whether `typed` is `words` with some or all accents left out, and none put in."""
    return len(typed) == len(words) and all(t in {w, unaccented(w)} for t, w in zip(typed, words, strict=True))


@cache
def _phrases(path: Path) -> tuple[_Phrase, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return tuple(
            _Phrase(
                means=row["means"],
                words=nfc(row["words"]),
                plain=re.compile(r"\b" + r"\s+".join(map(re.escape, folded(row["words"]).split())) + r"\b"),
                needs_accents=row["accents"] == "needed",
            )
            for row in rows
        )
