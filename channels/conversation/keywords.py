"""The words people begin a message with, read in any case and spacing, with or without accents.

The list is that of docs and receipts ('what citizens type'); everything that opens with none of them is a look-up.
"""

import re
import unicodedata
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from channels.conversation.typing_slips import one_slip_apart, telex
from domain.vietnamese import folded, nfc
from lookup.code_finder import find, words_besides


class Verb(Enum):
    """What a message asks for."""

    LOOK_UP = auto()
    PROVE = auto()
    FOLLOW = auto()
    FOLLOW_LESS = auto()  # tell of what matters only
    MUTE = auto()
    STOP_ALL = auto()
    TC = auto()  # alone it refuses messages (từ chối); before a code it looks up (tra cứu)
    RESUME = auto()
    OPINION = auto()  # feedback or a proposal: its words say which
    FEEDBACK = auto()  # what went wrong
    PROPOSAL = auto()  # how it could be better
    FORMAL = auto()  # a complaint or denunciation in the sense of the law; the keyword stays in `rest`
    RATE = auto()
    UNLINK = auto()
    WELCOME = auto()
    HELP = auto()
    THANKS = auto()
    ENGLISH = auto()
    VIETNAMESE = auto()
    LANGUAGES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A message as understood: what is asked, and the words after the keyword (for LOOK_UP: the whole text).

    `sure`: the keyword was spelled right, accents aside.
    """

    verb: Verb
    rest: str = field(repr=False)
    sure: bool = True


# Longer ones first where one begins another.
_KEYWORDS: tuple[tuple[str, Verb], ...] = (
    ("theo dõi", Verb.FOLLOW),
    ("follow", Verb.FOLLOW),
    ("ít tin", Verb.FOLLOW_LESS),
    ("bớt tin", Verb.FOLLOW_LESS),
    ("fewer", Verb.FOLLOW_LESS),
    ("xem thêm", Verb.PROVE),
    ("xem đầy đủ", Verb.PROVE),
    ("bỏ theo dõi", Verb.MUTE),
    ("hủy theo dõi", Verb.MUTE),
    ("dừng theo dõi", Verb.MUTE),
    ("ngừng theo dõi", Verb.MUTE),
    ("thôi theo dõi", Verb.MUTE),
    ("bỏ số điện thoại", Verb.UNLINK),
    ("xóa số điện thoại", Verb.UNLINK),
    ("xóa số", Verb.UNLINK),
    ("unlink", Verb.UNLINK),
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
    ("góp ý", Verb.OPINION),
    ("kiến nghị", Verb.PROPOSAL),
    ("đề xuất", Verb.PROPOSAL),
    ("proposal", Verb.PROPOSAL),
    ("phản ánh", Verb.FEEDBACK),
    ("feedback", Verb.OPINION),
    ("khiếu nại", Verb.FORMAL),
    ("tố cáo", Verb.FORMAL),
    ("complaint", Verb.FORMAL),
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
    ("ngôn ngữ", Verb.LANGUAGES),
    ("language", Verb.LANGUAGES),
)
# What chats call commands; anything else after a slash is read as if the slash were not there.
_SLASH = re.compile(r"/(?P<command>[A-Za-z_]{1,32})(?:@\w{1,64})?(?=\s|$)")
_SLASH_WORDS = {"start": "", "lang": "language", "lookup": "", "tracuu": "", "gopy": "góp ý", "danhgia": "đánh giá"}

# Short enough to be other words: 'đúng rồi' (right), 'bố' (father) and 'Huỳ' (a name) must not be read as commands when
# the accents that tell them apart were typed.
_NEEDS_ITS_ACCENTS = frozenset({"dừng", "hủy", "bỏ", "tố cáo", "xóa số"})
# What people add to a command without changing it.
_FILLERS = frozenset(
    {"a", "all", "ca", "dang", "di", "dien", "doi", "giup", "het", "ho", "hs", "ky", "lai", "me", "messages", "my"}
    | {"nay", "ngay", "nhan", "nhe", "phone", "please", "so", "tat", "theo", "thoai", "thong", "bao", "tin", "toi"}
)
_TAKES_ANY_WORDS = frozenset({Verb.OPINION, Verb.FEEDBACK, Verb.PROPOSAL, Verb.RATE})
_TOLD = frozenset({Verb.OPINION, Verb.FEEDBACK, Verb.PROPOSAL, Verb.FORMAL})
_MOST_WORDS_OF_THANKS = 6
_SHORTEST_FORGIVEN = 6  # letters of a keyword that may have a slip in it; a shorter one is too near to other words
_EDGES = " \t\r\n.,;:!\"'()[]<>#*-–—“”…"
_HORN_OR_TILDE = str.maketrans("\u0303", "\u0309")  # ngã and hỏi are one tone in the south, and often typed so

_YES = frozenset({"co", "phai", "cos", "yes", "y", "ok", "oke", "okay", "dong", "vang", "da", "u", "uh", "gui", "send"})
_NO = frozenset({"khong", "ko", "k", "hong", "hok", "no", "n", "thoi", "cancel"})
_MOST_WORDS_OF_YES = 3


def understood(text: str) -> Typed:
    """What `text` (clean, NFC) asks for. Never raises."""
    whole = nfc(text).rstrip()
    ending = whole[len(whole.rstrip(_EDGES + "?")) :]  # how people end what they tell is theirs
    text = whole.strip(_EDGES)
    if slash := _SLASH.match(text):
        command = slash["command"].lower()
        rest = text[slash.end() :].strip(_EDGES)
        if command == "start" and not rest:
            return Typed(verb=Verb.WELCOME, rest="")
        if command == "lang" and rest:
            command = ""  # /lang en
        text = f"{_SLASH_WORDS.get(command, command)} {rest}".strip()
    if not text.strip("?") or not any(character.isalnum() for character in text):
        return Typed(verb=Verb.HELP, rest="")
    typed = _spelled_right(text) or _with_a_slip(text) or Typed(verb=Verb.LOOK_UP, rest=text)
    return replace(typed, rest=f"{typed.rest}{ending}") if typed.verb in _TOLD and typed.rest else typed


def yes_or_no(text: str) -> bool | None:
    """What `text` answers to a question; None when it is neither."""
    words = folded(text.strip(_EDGES)).split()
    if not words or len(words) > _MOST_WORDS_OF_YES:
        return None
    if words[0] == "da" and len(words) > 1:  # dạ, which only makes it polite
        words = words[1:]
    if words[:2] == ["dung", "roi"] or words[0] in _YES:
        return True
    return False if words[0] in _NO else None


def _letters(keyword: str) -> str:
    return folded(keyword).replace(" ", "")


_SPELLINGS: tuple[tuple[str, str, Verb], ...] = tuple(
    (spelling, keyword, verb)
    for keyword, verb in _KEYWORDS
    for spelling in dict.fromkeys((_letters(keyword), telex(keyword)))
)


def _spelled_right(text: str) -> Typed | None:
    squeezed = folded(text).replace(" ", "")
    for letters, keyword, verb in _SPELLINGS:
        if not squeezed.startswith(letters):
            continue
        said, rest = _parted(text, len(letters))
        if _ends_there(rest) and (keyword not in _NEEDS_ITS_ACCENTS or _marks(said) <= _marks(keyword)):
            typed = _as_meant(verb, rest.strip(_EDGES + "?"), whole=text)
            if typed:
                return typed
    return None


def _with_a_slip(text: str) -> Typed | None:
    """The command whose keyword was typed with one slip: a letter too many, too few, wrong, or two turned round.

    Only accents of the keyword may stand on it, else it is likely to be another word ('theo đó').
    """
    words = text.split()
    for count in range(1, min(4, len(words)) + 1):
        typed = "".join(folded(word) for word in words[:count]).strip(_EDGES)
        for keyword, verb in _KEYWORDS:
            letters = _letters(keyword)
            if len(letters) < _SHORTEST_FORGIVEN or not one_slip_apart(typed, letters):
                continue
            rest = " ".join(words[count:]).strip(_EDGES + "?")
            if not _marks(" ".join(words[:count])) <= _marks(keyword) or not _suits(verb, rest):
                continue
            if meant := _as_meant(verb, rest, whole=text):
                return Typed(verb=meant.verb, rest=meant.rest, sure=False)
    return None


def _suits(verb: Verb, rest: str) -> bool:
    """Whether what follows a misspelled keyword makes the command likely."""
    if verb is Verb.FOLLOW:
        return not rest or bool(find(rest, limit=1))
    return verb is not Verb.RATE or not rest or any(c.isdigit() for c in rest)


def _as_meant(verb: Verb, rest: str, *, whole: str) -> Typed | None:
    """The request if what follows the keyword goes with it, else None: the words only happened to begin so."""
    if verb is Verb.FORMAL:
        return Typed(verb=verb, rest=whole)
    if verb in _TAKES_ANY_WORDS or verb is Verb.FOLLOW or not rest:
        return Typed(verb=verb, rest=rest)
    if verb is Verb.THANKS:
        few = len(rest.split()) <= _MOST_WORDS_OF_THANKS and not any(c.isdigit() for c in rest)
        return Typed(verb=verb, rest=rest) if few else None
    if verb is Verb.LANGUAGES:
        return _spelled_right(rest)
    if verb in {Verb.TC, Verb.ENGLISH, Verb.VIETNAMESE}:
        return None
    codes = find(rest)
    if not _FILLERS.issuperset(folded(words_besides(rest, codes)).split()):
        return None
    if verb in {Verb.PROVE, Verb.FOLLOW_LESS}:
        return Typed(verb=verb, rest=rest)
    if verb in {Verb.HELP, Verb.UNLINK}:
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
