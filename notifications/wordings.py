"""An agency's own words for its notices: refused when they would mislead or cost more, shown before they are used.

Words are written once for each kind of change, form (`sms`, `full`) and language, with the parts of a notice in braces:
`HS {code}: da co ket qua. Moi Ong/Ba den {office} truoc 17 gio. {stop}`. They hold for the agency and all below it; the
nearest agency's count. Where a part they name is not known, or an SMS would need more than one segment, ours are used.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

from database.pool import Connection
from domain.contact import ChannelName
from domain.errors import Invalid
from domain.language import Language
from domain.vietnamese import clean, folded
from lookup.wording import Words
from notifications.kinds import EventKind
from notifications.texts import SEGMENT, plain, stop_words

WORDS = Words("notifications")
PARTS = frozenset({"code", "status", "next", "asked", "due", "office", "phone", "stop"})
NEEDED = ("code", "stop")
LONGEST = 1_000  # characters of a full text

# As long as they usually get: what fits with these fits with nearly all.
_USUAL: Mapping[str, str] = MappingProxyType(
    {
        "code": "000.00.00.H05-20261102-1234567",
        "status": "Yêu cầu bổ sung",
        "next": "Mời Ông/Bà mang giấy hẹn đến nhận",
        "asked": "bản sao Giấy khai sinh",
        "due": "20/11/2026",
        "office": "Trung tâm PVHCC Bắc Ninh",
        "phone": "02223822016",
    }
)
# Nobody is sent anywhere to log in or to pay: a real notice has no link that a false one could imitate.
_LINK = re.compile(r"https?:|www\.|\b[\w-]+\.(?:vn|com|net|org|info|me|ly|link|app|top|xyz)\b", re.IGNORECASE)
# Words that mean something else, or nothing certain, once their accents are gone; what follows may make them certain.
_AMBIGUOUS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bhoan\b(?! (?:thanh|tat))"), "hoan"),
    (re.compile(r"\bphat\b"), "phat"),
    (re.compile(r"\bgiam\b"), "giam"),
    (re.compile(r"\bno\b(?! luc)"), "no"),
    (re.compile(r"\bthoi\b(?! (?:gian|han))"), "thoi"),
    (re.compile(r"\bban\b(?! (?:sao|chinh|ghi|do|ve|nhan|quan))"), "ban"),
    (re.compile(r"\bdung\b(?! (?:han|hen|giai|noi|gio))"), "dung"),
    (re.compile(r"\bkhong thu\b"), "khong_thu"),
    (re.compile(r"\bhuy\b"), "huy"),
)

TEXTS = """
    SELECT DISTINCT ON (t.agency_id, t.event, t.form, t.language)
           t.agency_id, t.event, t.form, t.language, t.version, t.words
      FROM notice_text t ORDER BY t.agency_id, t.event, t.form, t.language, t.version DESC"""
WRITE = """
    INSERT INTO notice_text (agency_id, event, form, language, version, words)
    SELECT $1, $2, $3, $4, 1 + coalesce(max(t.version), 0), $5 FROM notice_text t
     WHERE t.agency_id = $1 AND t.event = $2 AND t.form = $3 AND t.language = $4
    RETURNING version"""


class Form(StrEnum):
    """How much room there is: one SMS without accents, or lines with accents."""

    SMS = "sms"
    FULL = "full"

    @classmethod
    def of(cls, channel: ChannelName) -> "Form":
        """The form of a channel."""
        return cls.SMS if channel == ChannelName.SMS else cls.FULL


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason why words may not be used: a key of the catalogues, `wordings.KEY`, and what it names."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class UnfitWords(Invalid):
    """Words that may not be used."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.told(Language.ENGLISH), field="words")

    def told(self, language: Language) -> str:
        """All reasons in one sentence."""
        said = (WORDS.say(language, f"wordings.{fault.key}", **fault.values) for fault in self.faults)
        return f"{'; '.join(said)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a person would read, in how many SMS segments, for how many đồng (0 of both where it is no SMS)."""

    text: str
    segments: int
    dong: int


def preview(words: str, form: Form, language: Language, *, price: int) -> Preview:
    """`words` with parts of usual length; `price` is that of a segment. Raises `Invalid` as `checked` does."""
    text = _filled(checked(words, form, language), form, language, _USUAL)
    return Preview(text=text, segments=int(form is Form.SMS), dong=price if form is Form.SMS else 0)


def checked(words: str, form: Form, language: Language) -> str:
    """`words` as they are kept. Raises `UnfitWords` with every reason why they may not be used."""
    words = clean(words)
    try:
        named = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(words) if name is not None]
    except ValueError:
        raise UnfitWords([Fault("braces")]) from None
    names = {name for name, _, _ in named}
    if unknown := sorted(names - PARTS) or sorted(name for name, spec, conversion in named if spec or conversion):
        raise UnfitWords([Fault("parts", {"unknown": ", ".join(unknown), "parts": ", ".join(sorted(PARTS))})])
    found = [Fault("missing", {"part": f"{{{name}}}"}) for name in NEEDED if name not in names]
    if _LINK.search(words):
        found.append(Fault("links"))
    if form is Form.SMS:
        found += _sms_faults(words, language, sound=not found)
    elif len(words) > LONGEST:
        found.append(Fault("long", {"longest": LONGEST}))
    if found:
        raise UnfitWords(found)
    return words


def _sms_faults(words: str, language: Language, *, sound: bool) -> list[Fault]:
    bare = words.format_map(dict.fromkeys(PARTS, ""))
    if not plain(bare) and bare.strip():
        return [Fault("characters")]
    found: list[Fault] = []
    if language is Language.VIETNAMESE:
        found += [Fault(f"ambiguous.{word}") for pattern, word in _AMBIGUOUS if pattern.search(folded(bare))]
    if sound and (length := len(_filled(words, Form.SMS, language, _USUAL))) > SEGMENT:
        found.append(Fault("segment", {"length": length, "segment": SEGMENT}))
    return found


def _filled(words: str, form: Form, language: Language, facts: Mapping[str, str]) -> str:
    stop = stop_words(form, facts["code"], language)
    text = words.format_map({**facts, "stop": stop})
    # The code and the way to stop are plain as they are; a part that has no plain form would be dropped as a whole.
    return plain(text) if form is Form.SMS else text


class Wordings:
    """The agencies' words as last read; they are few."""

    def __init__(self) -> None:
        self._words: dict[tuple[int, str, str, str], str] = {}

    async def refresh(self, connection: Connection) -> None:
        """Read them again. Runs as `motma_worker`."""
        rows = await connection.fetch(TEXTS)
        self._words = {(row[0], row[1], row[2], row[3]): row["words"] for row in rows if row["words"] is not None}

    def text(
        self,
        line: Iterable[int],
        event: EventKind,
        facts: Mapping[str, str],
        *,
        channel: ChannelName,
        language: Language,
    ) -> str | None:
        """The nearest agency's words, filled in; None where ours are to be used. `line`: the agency, then those above.

        Only for a person who has proven a right to what `facts` say.
        """
        if not self._words:
            return None
        form = Form.of(channel)
        kept = (self._words.get((agency, event, form, language)) for agency in line)
        words = next((words for words in kept if words is not None), None)
        if words is None or any(name and name != "stop" and not facts[name] for _, name, _, _ in _parsed(words)):
            return None
        text = _filled(words, form, language, facts)
        return text if text and (form is Form.FULL or len(text) <= SEGMENT) else None


def _parsed(words: str) -> list[tuple[str, str | None, str | None, str | None]]:
    return list(Formatter().parse(words))


async def write_words(
    connection: Connection, agency_id: int, event: EventKind, form: Form, language: Language, words: str | None
) -> int:
    """A new version of an agency's words, its number; None takes them back. Runs as `motma_operator`.

    Raises `Invalid` as `checked` does.
    """
    kept = None if words is None else checked(words, form, language)
    return int(await connection.fetchval(WRITE, agency_id, event, form, language, kept))


STATEMENTS = (TEXTS, WRITE)
