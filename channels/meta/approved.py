"""Whether Meta would take our templates as they are set, by its own list of them: for `motma doctor`."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from channels.meta.templates import Template

FIELDS = "name,language,status,components,parameter_format"
_APPROVED = frozenset({"APPROVED", "ACTIVE"})
_PLACE = re.compile(r"\{\{\s*(\w{1,50})\s*\}\}", re.ASCII)


class _Button(msgspec.Struct, frozen=True):
    type: str = ""


class _Component(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    buttons: tuple[_Button, ...] = ()


class Approved(msgspec.Struct, frozen=True):
    """One row of Meta's list: a template in one language."""

    name: str = ""
    language: str = ""
    status: str = ""
    components: tuple[_Component, ...] = ()


class Listed(msgspec.Struct, frozen=True):
    """The list."""

    data: tuple[Approved, ...] = ()


def faults(template: Template, listed: Sequence[Approved]) -> list[str]:
    """Why Meta would refuse `template`, or fill it otherwise than is meant."""
    found = []
    for language in template.languages:
        row = next((row for row in listed if (row.name, row.language) == (template.name, language)), None)
        if row is None:
            found.append(f"there is no {template.name} in {language}")
        elif row.status.upper() not in _APPROVED:
            found.append(f"{template.name} in {language} is {row.status}")
        else:
            found += [f"{template.name} in {language} {why}" for why in _unfit(template, row)]
    return found


def _unfit(template: Template, row: Approved) -> Iterable[str]:
    texts = [part.text or "" for part in row.components if part.type.upper() == "BODY"]
    theirs = list(dict.fromkeys(_PLACE.findall(" ".join(texts))))
    named = [parameter.name for parameter in template.parameters if parameter.name is not None]
    if named and set(named) != set(theirs):
        yield f"has the parameters {', '.join(theirs) or 'none'}, not {', '.join(named)}"
    elif not named and len(theirs) != len(template.parameters):
        yield f"has {len(theirs)} parameters, not {len(template.parameters)}"
    elif not named and not all(place.isdigit() for place in theirs):
        yield f"has named parameters: write {theirs[0]}=…"
    buttons = sum(
        button.type.upper() in {"QUICK_REPLY", "POSTBACK"} for part in row.components for button in part.buttons
    )
    if buttons != template.buttons:
        yield f"has {buttons} buttons to answer with, not {template.buttons}"
