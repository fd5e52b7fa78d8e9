"""The words of the console: in both languages, with the same parts, none missing and none unused."""

import re
from importlib.resources import files
from string import Formatter

from console.places import PLACES
from console.roles import OfficerRole
from domain.language import Language
from lookup.wording import Words

WORDS = Words("console")
KEYS = WORDS.keys(Language.VIETNAMESE)
# Named by how they begin, in templates and code: 'page.' ~ page.name
FAMILIES = (
    "act.",
    "calendar.",
    "case.",
    "cases.",
    "channel.",
    "dead.",
    "disclosure.",
    "done.",
    "dossier.",
    "dossiers.column.",
    "entry.error.",
    "event.",
    "fact.",
    "field.",
    "figures.column.",
    "form.",
    "group.",
    "keys.",
    "lane.",
    "language.",
    "length.",
    "level.",
    "page.",
    "password.",
    "problem.",
    "punctuality.",
    "role.",
    "publication.trace.",
    "published.reason.",
    "published.what.",
    "templates.mistake.",
    "term.",
    "total.",
    "typing.mistake.",
    "typing.scan.",
    "urgent.",
    "waits.",
    "accounts.email",
)


def parts(language: Language, key: str) -> set[str]:
    texts = WORDS.forms(language, key)
    return {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}


def sources() -> str:
    root = files("console")
    texts = [p.read_text() for p in root.iterdir() if p.name.endswith(".py")]
    for folder in ("pages", "templates"):
        texts += [p.read_text() for p in root.joinpath(folder).iterdir() if p.name.endswith((".py", ".html"))]
    return "".join(texts)


def test_both_languages_say_the_same() -> None:
    assert WORDS.keys(Language.ENGLISH) == KEYS
    different = [key for key in KEYS if parts(Language.VIETNAMESE, key) != parts(Language.ENGLISH, key)]
    assert different == []


def test_no_words_lie_unused() -> None:
    text = sources()
    assert [
        key for key in KEYS if f"'{key}'" not in text and f'"{key}"' not in text and not key.startswith(FAMILIES)
    ] == []


def test_no_words_are_missing() -> None:
    named = set(re.findall(r"say\('([\w.]+)'[,)]", sources())) | set(re.findall(r'say\("([\w.]+)"[,)]', sources()))
    named |= {f"page.{page.name}" for page in PLACES} | {f"role.{role}" for role in OfficerRole}
    named |= {f"waits.{page.name}" for page in PLACES if page.waits} | {f"group.{p.group}" for p in PLACES if p.group}
    named |= {f"done.{name}" for name in re.findall(r'done="([\w.]+)"', sources())}
    assert sorted(named - KEYS) == []
