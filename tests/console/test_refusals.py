"""What is refused is said in the reader's language: every stable code and key has words, and no page shows others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.web.feedback.number_pages import WORDS as FEEDBACK
from channels.web.pages import _WORDS as SITE
from domain.errors import ServiceError
from domain.language import Language
from lookup.wording import Words
from notifications.wordings import WORDS as NOTICES
from notifications.wordings import Form, UnfitWords, checked

CONSOLE = Words("console")
ROOT = Path(__file__).parents[2]
CODES = sorted({each.code for each in ServiceError.__subclasses__()} | {"internal"})
# What `feedback_intake` may find wrong with a move, besides what it names in so many words.
FIELDS_OF_MOVES = {"why", "answer", "note", "agency", "assignee", "content"}


def calls(name: str, *folders: str) -> Iterator[ast.Call]:
    """Every call of `name` in our code there."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                    yield node


def text(node: ast.expr | None) -> str:
    """The text a call was given, where it stands there."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def field(call: ast.Call) -> str:
    return text(next((word.value for word in call.keywords if word.arg == "field"), None))


def has_in_both(words: Words, key: str) -> bool:
    return all(words.has(language, key) for language in Language)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_page_and_words_for_a_row(code: str) -> None:
    for words in (SITE, CONSOLE):
        shown = code if has_in_both(words, f"problem.{code}.title") else "malformed"
        assert has_in_both(words, f"problem.{shown}.help")
    row = f"entry.error.{code}"
    assert has_in_both(CONSOLE, row if CONSOLE.has(Language.VIETNAMESE, row) else "entry.error.other")


def test_what_is_wrong_with_a_move_has_words() -> None:
    moving = [
        field(call)
        for call in calls("Invalid", "feedback_intake")
        if field(call) in {"move", "into", "feedback", "reason", "agency_id", "assignee", "answer"}
    ]
    fields = {{"agency_id": "agency"}.get(name, name) for name in moving} | FIELDS_OF_MOVES
    assert len(fields) > len(FIELDS_OF_MOVES)
    for name in fields:
        assert has_in_both(CONSOLE, f"case.mistake.{name}"), name


def test_keys_the_console_refuses_with_have_words() -> None:
    keys = {text(call.args[0]) for call in calls("Invalid", "console") if call.args}
    keys = {key for key in keys if key and " " not in key}
    assert keys
    for key in keys:
        assert has_in_both(CONSOLE, key) or has_in_both(CONSOLE, f"accounts.{key}") or key == "dates", key


def test_every_reason_why_a_file_is_not_kept_has_words() -> None:
    reasons = {text(call.args[0]) for call in calls("Unwanted", "feedback_intake", "channels")}
    assert len(reasons) > 5
    for why in reasons:
        assert has_in_both(FEEDBACK, f"files.{why}"), why
        assert has_in_both(CONSOLE, f"typing.scan.{why}"), why


def test_no_page_shows_the_words_an_error_has_for_programs() -> None:
    """They are English; a page says the key or the code in its reader's language."""
    found = [
        f"{path.name}: {line.strip()}"
        for folder in ("console", "channels/web")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\b(?:fault|refusal|error|problem)\.message\b", line) and "say(" not in line
    ]
    assert found == []


@pytest.mark.parametrize(
    "words",
    [
        "HS {code: x",
        "HS {code} {name}. {stop}",
        "da co ket qua tai https://a.vn",
        "HS {code}: hoan. phat. giam. no. thoi. ban. dung. khong thu. huy. {stop}",
        "HS {code}: 出 {stop}",
        "HS {code} {stop}" + " x" * 99,
    ],
)
def test_why_words_of_notices_will_not_do_is_said_in_both_languages(words: str) -> None:
    with pytest.raises(UnfitWords) as refused:
        checked(words, Form.SMS, Language.VIETNAMESE)
    said = refused.value.told(Language.VIETNAMESE)
    assert said != refused.value.told(Language.ENGLISH) == refused.value.message
    assert re.search("[ăâđêôơưáàảãạ]", said)


def test_the_catalogues_know_every_reason() -> None:
    keys = {key for key in NOTICES.keys(Language.VIETNAMESE) if key.startswith("wordings.")}
    assert keys == {key for key in NOTICES.keys(Language.ENGLISH) if key.startswith("wordings.")}
    assert len(keys) == 16
