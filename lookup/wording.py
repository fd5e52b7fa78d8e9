"""The words we speak: gettext catalogues, read as they are reviewed.

A folder that speaks to people has `catalogues/vi.po` and `catalogues/en.po` beside its code. Their msgids are symbolic
(`status.processing.label`), so Vietnamese is a text like any other and a reviewer needs no Python. Placeholders are
`{named}`; plural forms follow each catalogue's own header.
"""

import gettext
import io
from datetime import date, datetime
from functools import cache
from importlib.resources import files

from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from domain.civil_time import CIVIL_ZONE, civil_day
from domain.language import Language
from domain.status import Stage, Status


@cache
def _catalogue(package: str, language: Language) -> Catalog:
    source = files(package).joinpath("catalogues", f"{language}.po")
    return read_po(io.BytesIO(source.read_bytes()), locale=language.value, abort_invalid=True)


@cache
def _translations(package: str, language: Language) -> gettext.GNUTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, _catalogue(package, language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Words:
    """The catalogues of one package. A missing msgid is a fault of ours and raises `KeyError`."""

    def __init__(self, package: str) -> None:
        self.package = package

    def say(self, language: Language, key: str, /, **values: object) -> str:
        """The text of `key`, with its placeholders filled in."""
        text = _translations(self.package, language).gettext(key)
        if text == key:
            raise KeyError(f"{self.package}: no {language} text for {key!r}")
        return text.format_map(values) if values else text

    def say_n(self, language: Language, key: str, n: int, /, **values: object) -> str:
        """The text of `key` in the plural form that `n` takes; `{n}` is filled in."""
        text = _translations(self.package, language).ngettext(key, key, n)
        if text == key:
            raise KeyError(f"{self.package}: no {language} text for {key!r}")
        return text.format_map({**values, "n": n})

    def has(self, language: Language, key: str) -> bool:
        """Whether there is a text for `key`."""
        return _translations(self.package, language).gettext(key) != key

    def forms(self, language: Language, key: str) -> tuple[str, ...]:
        """The text of `key` as it stands in the catalogue; where it counts something, each plural form."""
        message = _catalogue(self.package, language).get(key)
        if message is None or not message.string:
            raise KeyError(f"{self.package}: no {language} text for {key!r}")
        return (message.string,) if isinstance(message.string, str) else tuple(message.string)

    def keys(self, language: Language) -> frozenset[str]:
        """Every msgid that has a text: the two languages must agree."""
        found = set()
        for message in _catalogue(self.package, language):
            name = message.id[0] if isinstance(message.id, (list, tuple)) else message.id
            if name and message.string:
                found.add(name)
        return frozenset(found)


WORDS = Words("lookup")


@cache
def status_label(status: Status, language: Language) -> str:
    """The status in the citizen's words."""
    return WORDS.say(language, f"status.{status.name.lower()}.label")


@cache
def stage_label(stage: Stage, language: Language) -> str:
    """The stage in the citizen's words."""
    return WORDS.say(language, f"stage.{stage}.label")


@cache
def next_step(stage: Stage, language: Language) -> str:
    """What happens next in general, as a code alone may learn it."""
    return WORDS.say(language, f"stage.{stage}.next")


@cache
def next_step_of(status: Status, language: Language) -> str:
    """What happens next, for who has proven a right to the status."""
    return WORDS.say(language, f"status.{status.name.lower()}.next")


def ended(text: str) -> str:
    """`text` so that a sentence may follow it: with a full stop where people left it out."""
    text = text.rstrip()
    return text if not text or text.rstrip("\"'”’»)")[-1:] in ".!?…" else f"{text}."


def day(when: date | datetime) -> str:
    """dd/MM/yyyy, the same in both languages where space is short."""
    when = civil_day(when) if isinstance(when, datetime) else when
    return f"{when.day:02d}/{when.month:02d}/{when.year}"


def long_day(when: date | datetime, language: Language) -> str:
    """'thứ Sáu, 20/11/2026' or 'Friday, 20 November 2026'."""
    when = civil_day(when) if isinstance(when, datetime) else when
    if language is Language.VIETNAMESE:
        return f"{WORDS.say(language, f'weekday.{when.isoweekday()}')}, {day(when)}"
    return str(format_date(when, "EEEE, d MMMM y", locale="en"))


def moment(when: datetime, language: Language) -> str:
    """'14:05, 20/11/2026' or '14:05, 20 Nov 2026', in Vietnamese time."""
    local = when.astimezone(CIVIL_ZONE)
    clock = f"{local.hour:02d}:{local.minute:02d}"
    if language is Language.VIETNAMESE:
        return f"{clock}, {day(local)}"
    return f"{clock}, {format_date(local.date(), 'd MMM y', locale='en')}"
