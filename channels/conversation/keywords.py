"""The words people begin a message with, read in any case and spacing, with or without accents.

The list is that of docs and receipts ('what citizens type'); everything that opens with none of them is a look-up.
"""

import unicodedata
from dataclasses import dataclass, field
from enum import Enum, auto

from domain.vietnamese import folded, nfc
from lookup.code_finder import find, words_besides


class Verb(Enum):
    """What a message asks for."""

    LOOK_UP = auto()
    FOLLOW = auto()
    MUTE = auto()
    STOP_ALL = auto()
    TC = auto()  # alone it refuses messages (từ chối); before a code it looks up (tra cứu)
    RESUME = auto()
    FEEDBACK = auto()
    RATE = auto()
    HELP = auto()
    THANKS = auto()
    ENGLISH = auto()
    VIETNAMESE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A message as understood: what is asked, and the words after the keyword (for LOOK_UP: the whole text)."""

    verb: Verb
    rest: str = field(repr=False)


# Longer ones first where one begins another.
_KEYWORDS: tuple[tuple[str, Verb], ...] = (
    ("theo dõi", Verb.FOLLOW),
    ("follow", Verb.FOLLOW),
    ("bỏ theo dõi", Verb.MUTE),
    ("bỏ", Verb.MUTE),
    ("unfollow", Verb.MUTE),
    ("mute", Verb.MUTE),
    ("dừng", Verb.STOP_ALL),
    ("ngừng", Verb.STOP_ALL),
    ("hủy", Verb.STOP_ALL),
    ("từ chối", Verb.STOP_ALL),
    ("stop", Verb.STOP_ALL),
    ("unsubscribe", Verb.STOP_ALL),
    ("tc", Verb.TC),
    ("tiếp tục", Verb.RESUME),
    ("resume", Verb.RESUME),
    ("start", Verb.RESUME),
    ("góp ý", Verb.FEEDBACK),
    ("phản ánh", Verb.FEEDBACK),
    ("feedback", Verb.FEEDBACK),
    ("đánh giá", Verb.RATE),
    ("rate", Verb.RATE),
    ("trợ giúp", Verb.HELP),
    ("hướng dẫn", Verb.HELP),
    ("help", Verb.HELP),
    ("cảm ơn", Verb.THANKS),
    ("cám ơn", Verb.THANKS),
    ("thank you", Verb.THANKS),
    ("thanks", Verb.THANKS),
    ("english", Verb.ENGLISH),
    ("tiếng anh", Verb.ENGLISH),
    ("en", Verb.ENGLISH),
    ("tiếng việt", Verb.VIETNAMESE),
    ("vi", Verb.VIETNAMESE),
)
# Short enough to be other words: 'đúng rồi' (right), 'bố' (father) and 'Huỳ' (a name) must not be read as commands when
# the accents that tell them apart were typed.
_NEEDS_ITS_ACCENTS = frozenset({"dừng", "hủy", "bỏ"})
# What people add to a command without changing it.
_FILLERS = frozenset(
    {"a", "all", "ca", "dang", "di", "doi", "giup", "het", "ho", "hs", "ky", "lai", "me", "messages", "nay", "ngay"}
    | {"nhan", "nhe", "please", "so", "tat", "theo", "thong", "bao", "tin", "toi"}
)
_MOST_WORDS_OF_THANKS = 6
_EDGES = " \t\r\n.,;:!\"'()[]<>#*-–—“”…"
_HORN_OR_TILDE = str.maketrans("\u0303", "\u0309")  # ngã and hỏi are one tone in the south, and often typed so


def understood(text: str) -> Typed:
    """What `text` (clean, NFC) asks for. Never raises."""
    text = nfc(text).strip(_EDGES)
    if not text.strip("?") or not any(character.isalnum() for character in text):
        return Typed(verb=Verb.HELP, rest="")
    squeezed = folded(text).replace(" ", "")
    for keyword, verb in _KEYWORDS:
        letters = folded(keyword).replace(" ", "")
        if not squeezed.startswith(letters):
            continue
        said, rest = _parted(text, len(letters))
        if _ends_there(rest) and (keyword not in _NEEDS_ITS_ACCENTS or _marks(said) <= _marks(keyword)):
            typed = _as_meant(verb, rest.strip(_EDGES + "?"))
            if typed:
                return typed
    return Typed(verb=Verb.LOOK_UP, rest=text)


def _as_meant(verb: Verb, rest: str) -> Typed | None:
    """The request if what follows the keyword goes with it, else None: the words only happened to begin so."""
    if verb in {Verb.FOLLOW, Verb.FEEDBACK, Verb.RATE} or not rest:
        return Typed(verb=verb, rest=rest)
    if verb is Verb.THANKS:
        few = len(rest.split()) <= _MOST_WORDS_OF_THANKS and not any(c.isdigit() for c in rest)
        return Typed(verb=verb, rest=rest) if few else None
    if verb in {Verb.TC, Verb.ENGLISH, Verb.VIETNAMESE}:
        return None
    codes = find(rest)
    if not _FILLERS.issuperset(folded(words_besides(rest, codes)).split()):
        return None
    if verb is Verb.HELP:
        return None if codes else Typed(verb=verb, rest=rest)
    if codes:
        return Typed(verb=Verb.FOLLOW if verb is Verb.RESUME else Verb.MUTE, rest=rest)
    return Typed(verb=verb, rest="")


def _parted(text: str, letters: int) -> tuple[str, str]:
    """`text` cut after its first `letters` letters, white space not counted."""
    seen = 0
    for place, character in enumerate(text):
        if seen >= letters:
            return text[:place], text[place:]
        seen += len(folded(character))
    return text, ""


def _ends_there(rest: str) -> bool:
    """Whether a keyword ends before `rest`: at a gap, or where a code begins that was typed right behind it."""
    if not rest[:1].isalnum():
        return True
    return rest[0].isdigit() or (rest[0].isascii() and len(rest) > 2 and rest[1:3].isdigit())


def _marks(text: str) -> set[str]:
    """The accents in `text`, whatever letters they stand on; the bar of đ counts as one."""
    decomposed = unicodedata.normalize("NFD", text.lower()).translate(_HORN_OR_TILDE)
    return {character for character in decomposed if unicodedata.combining(character) or character == "đ"}
