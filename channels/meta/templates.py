"""Approved templates, WhatsApp's and Messenger's alike: which of a notice's parts go into which parameter.

Written in one setting: the template's name, after a slash its languages, then the part for each parameter in order,
`part|part` for the first that says something, `name=part` for a template with named parameters, and `+2` when it ends
with two quick-reply buttons: `ho_so_thay_doi/vi,en code status due|next office +2`. Kinds of change may have templates
of their own (`channels.template_kinds`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.template_kinds import by_kind
from channels.text_parts import cut
from domain.errors import Malformed, Undeliverable
from domain.language import Language
from domain.message import Choice

PARTS = frozenset({"code", "status", "next", "asked", "due", "office", "phone"})  # notifications.texts.facts
MOST_PARAMETER = 200  # characters; a whole body has 1,024 at most
MOST_BUTTONS = 3
EMPTY = "-"  # for a parameter that has nothing to say: Meta takes none that is empty
_NAME = re.compile(r"(?P<name>[a-z0-9_]{1,512})(?:/(?P<languages>[A-Za-z_,]{2,40}))?", re.ASCII)
_PARAMETER = re.compile(r"(?:(?P<name>[a-z0-9_]{1,50})=)?(?P<parts>[a-z]+(?:\|[a-z]+)*)", re.ASCII)
_BUTTONS = re.compile(r"\+([0-9])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a template, filled from the first of `parts` that says something."""

    name: str | None
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template, and how it is filled."""

    name: str
    languages: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    buttons: int = 0

    def language(self, wanted: Language) -> str:
        """The language it goes out in: the person's where the template has it, else its first."""
        return next((code for code in self.languages if code.partition("_")[0] == wanted), self.languages[0])

    def body(self, facts: Mapping[str, str]) -> dict[str, Any]:
        """The body's component for a notice of `facts`. Raises `Undeliverable` when there is no room for the code."""
        return {"type": "body", "parameters": [_filled(parameter, facts) for parameter in self.parameters]}

    def pressed(self, choices: Sequence[Choice]) -> list[str]:
        """What each of its buttons says when pressed. Raises `Undeliverable` when there are fewer choices."""
        if len(choices) < self.buttons:
            raise Undeliverable(f"The template {self.name} has more buttons than the notice has choices.")
        return [choice.says for choice in choices[: self.buttons]]


def template_of(setting: str, name: str) -> Template | None:
    """The template a setting describes; None when it is empty. Raises `Malformed` naming the setting `name`."""
    first, *rest = setting.split() or [""]
    if not first:
        return None
    buttons = 0
    if rest and (counted := _BUTTONS.fullmatch(rest[-1])):
        buttons = int(counted[1])
        rest.pop()
    head = _NAME.fullmatch(first)
    matches = [match for word in rest if (match := _PARAMETER.fullmatch(word))]
    if head is None or len(matches) < len(rest) or not matches or buttons > MOST_BUTTONS:
        raise Malformed(f"{name} is a template's name and the part for each parameter, like 'thay_doi/vi code status'.")
    parameters = tuple(Parameter(name=match["name"], parts=tuple(match["parts"].split("|"))) for match in matches)
    if len({parameter.name is None for parameter in parameters}) > 1:
        raise Malformed(f"{name}: either every parameter is named, or none.")
    if unknown := {part for parameter in parameters for part in parameter.parts} - PARTS:
        raise Malformed(f"{name}: a notice has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(PARTS))}.")
    languages = tuple(code for code in (head["languages"] or Language.VIETNAMESE).split(",") if code)
    return Template(name=head["name"], languages=languages, parameters=parameters, buttons=buttons)


def templates_of(setting: str, name: str) -> dict[str, Template]:
    """The template of each kind of change (`channels.template_kinds`). Raises `Malformed`."""
    described = {kind: template_of(text, name) for kind, text in by_kind(setting, name).items()}
    return {kind: template for kind, template in described.items() if template is not None}


def _filled(parameter: Parameter, facts: Mapping[str, str]) -> dict[str, str]:
    value = next((text for part in parameter.parts if (text := " ".join(facts.get(part, "").split()))), EMPTY)
    if len(value) > MOST_PARAMETER and value == facts.get("code"):
        raise Undeliverable("The dossier's code is too long for a template.")
    named = {} if parameter.name is None else {"parameter_name": parameter.name}
    return {"type": "text", **named, "text": cut(value, MOST_PARAMETER)}
