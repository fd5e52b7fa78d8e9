"""A JSON body read into a shape of ours, or one human sentence for the first thing that is wrong with it."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from domain.errors import Invalid, Malformed

T = TypeVar("T")


def decoded(decode: Callable[[bytes], T], raw: bytes) -> T:
    """`decode(raw)`, its complaints as `Malformed` (no JSON) or `Invalid` (a member breaks a rule)."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except UnicodeDecodeError:
        raise Malformed("The text is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise Malformed("This is not JSON (RFC 8259), or it is nested too deeply.") from None


def refuse_repeated_members(raw: bytes) -> None:
    """Raise `Invalid` when an object names a member twice: of two answers we would have to guess one."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(name for n, (name, _) in enumerate(pairs) if any(name == later for later, _ in pairs[n + 1 :]))
            raise Invalid("A member is named twice.", field=twice[:100])
        return found

    try:
        json.loads(raw, object_pairs_hook=members)
    except (ValueError, RecursionError):
        raise Malformed("This is not JSON (RFC 8259), or it is nested too deeply.") from None


def converted(kind: type[T], given: Mapping[str, Any]) -> T:
    """`given`, already taken apart, as a payload. Raises `Invalid`."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


# --- msgspec's complaints in plain words; they never quote a value ---

_PLACE = re.compile(r" - at `\$(?:\[\d*\])?\.?(.*?)`$")
_MISSING = re.compile(r"Object missing required field `(.+?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
_WRONG_KIND = re.compile(r"Expected `(.+?)`, got `(.+?)`")
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)")
_KINDS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
    "datetime": "a time (RFC 3339, with offset)",
}


def _invalid(complaint: str) -> Invalid:
    found = _PLACE.search(complaint)
    place = found[1].strip("`") if found else ""
    said = complaint[: found.start()] if found else complaint
    if missing := _MISSING.match(said):
        return Invalid("A required member is missing.", field=_path(place, missing[1]))
    if unknown := _UNKNOWN.match(said):
        return Invalid(
            "There is no such member here. What a dossier has besides its members belongs into its `extra`.",
            field=_path(place, unknown[1])[:100],
        )
    field = place or None
    if kind := _WRONG_KIND.match(said):
        wanted = dict.fromkeys(_KINDS.get(name, name) for name in kind[1].split(" | ") if name != "null")
        return Invalid(f"This must be {' or '.join(wanted)}, not {_KINDS.get(kind[2], kind[2])}.", field=field)
    if length := _LENGTH.match(said):
        limit = "at least" if length[2] == ">=" else "at most"
        what = "characters" if length[1] == "str" else "members"
        return Invalid(f"This must have {limit} {length[3]} {what}.", field=field)
    if "timezone" in said:
        return Invalid("The time needs its offset, for example 2026-11-02T08:00:00+07:00.", field=field)
    if "RFC3339" in said:
        return Invalid("This is not a time as RFC 3339 writes it, for example 2026-11-02T08:00:00+07:00.", field=field)
    return Invalid("The value cannot be taken.", field=field)


def _path(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
