"""Numbers of personal papers in the national portal's messages: nobody here needs them, so they are not kept."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.vietnamese import clean

HIDDEN = "…"

_IDENTIFIERS = frozenset({"sogiaytochuhoso", "dinhdanhchs", "sodinhdanh", "madoituong", "fax"})
_IDENTIFYING = re.compile(r"cccd|cmnd|hochieu|cancuoc|masothue|mabhxh|sobhxh")
_CITIZEN_ID = re.compile(r"(?<!\d)0\d{11}(?!\d)")  # also the first part of a digitised paper's code
_SHORTEST = 6  # characters of a number worth looking for elsewhere
# Members whose numbers are no numbers of persons, whatever they look like.
_AS_THEY_ARE = frozenset({"mahoso", "sobiennhan", "matthc", "sodienthoai", "trangthaihoso", "trangthai", "malinhvuc"})


def identifies(name: str) -> bool:
    """Whether a member of this name holds a number of a person's papers."""
    name = name.lower()
    return name in _IDENTIFIERS or _IDENTIFYING.search(name) is not None


def scrubbed(item: Mapping[str, Any]) -> dict[str, Any]:
    """`item` without numbers of personal papers, wherever they stand, and without what text columns cannot hold.

    A member that is such a number keeps its name. The same again for what was scrubbed before.
    """
    found = {value for name, value in _scalars(item) if identifies(name) and len(value) >= _SHORTEST}
    return {
        clean(name): value if name.lower() in _AS_THEY_ARE else _hidden(name, value, found)
        for name, value in item.items()
    }


def _hidden(name: str, value: object, found: set[str]) -> object:
    if identifies(name):
        return HIDDEN if value not in ("", None, [], {}) else value
    if isinstance(value, dict):
        return {clean(inner_name): _hidden(inner_name, inner, found) for inner_name, inner in value.items()}
    if isinstance(value, list):
        return [_hidden("", inner, found) for inner in value]
    if isinstance(value, str):
        text = clean(value)
        for identifier in found:
            text = text.replace(identifier, HIDDEN)
        return _CITIZEN_ID.sub(HIDDEN, text)
    return value


def _scalars(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every scalar under the name that says what it is."""
    if isinstance(value, dict):
        for inner_name, inner in value.items():
            yield from _scalars(inner, name if identifies(name) else inner_name)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner, name)
    elif value is not None:
        yield name, str(value).strip()
