"""Whatever a template shows is escaped; what is markup already is ours, and there is little of it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("pages", "channels", "console", "notifications", "feedback_intake", "lookup", "service")
# Where text is declared to be markup, and why it may be.
MARKUP = {
    "channels/web/unbroken.py",  # puts a span around numbers, the text itself escaped
    "channels/receipts/pages.py",  # our own drawing of a receipt, whose texts are escaped
}
_SAFE = re.compile(r"\|\s*safe\b|autoescape|\{%-?\s*filter\b|\|\s*(?:forceescape|xmlattr|urlize)\b")


def sources(kind: str) -> Iterator[tuple[str, str]]:
    """Our files of a kind with their text."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob(f"*.{kind}")):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def calls(text: str) -> Iterator[ast.Call]:
    """Every call in a module."""
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def named(call: ast.Call) -> str:
    """The name of what is called."""
    return ast.unparse(call.func).rpartition(".")[2]


def unescaped(text: str) -> list[str]:
    """The environments of a module in which escaping is not simply on."""
    return [
        ast.unparse(call)
        for call in calls(text)
        if named(call) in {"Environment", "SandboxedEnvironment", "NativeEnvironment", "Template"}
        and not any(k.arg == "autoescape" and ast.unparse(k.value) == "True" for k in call.keywords)
    ]


def test_every_environment_escapes() -> None:
    assert any("autoescape=True" in text for _, text in sources("py"))
    assert {path: found for path, text in sources("py") if "jinja2" in text and (found := unescaped(text))} == {}


def test_no_template_turns_escaping_off() -> None:
    templates = [*sources("html"), *sources("xml"), *sources("svg"), *sources("txt")]
    assert len(templates) > 60
    assert [path for path, text in templates if "templates/" in path and _SAFE.search(text)] == []


def test_text_is_declared_markup_where_it_is_known_to_be() -> None:
    found = {path for path, text in sources("py") if any(named(call) == "Markup" for call in calls(text))}
    assert found == MARKUP


@pytest.mark.parametrize("careless", ["Environment()", "jinja2.Environment(autoescape=False)", "Template('x')"])
def test_an_environment_that_does_not_escape_is_found(careless: str) -> None:
    """The mutants."""
    assert unescaped(careless) == [careless]


@pytest.mark.parametrize("careless", ["{{ text|safe }}", "{{ text | safe }}", "{% autoescape false %}"])
def test_a_template_that_does_not_escape_is_found(careless: str) -> None:
    """The mutants."""
    assert _SAFE.search(careless)
