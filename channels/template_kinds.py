"""Templates that platforms approve, one for each kind of change where a provider has them: how a setting names them.

`A; asked: B; new_due_date,overdue: C`: B where something is asked of the citizen, C for two other kinds, A for all
else. What A, B and C look like is each platform's own.
"""

import re

from domain.errors import Malformed
from notifications.kinds import EventKind

ALL_ELSE = ""
_FOR_KINDS = re.compile(r"(?P<kinds>[a-z_]+(?:\s*,\s*[a-z_]+)*)\s*:\s+(?P<template>.*)", re.ASCII | re.DOTALL)


def by_kind(setting: str, name: str) -> dict[str, str]:
    """The template of each kind of change as the setting `name` has it, `ALL_ELSE` for the others.

    Empty where the setting is. Raises `Malformed` for a kind there is not, one that is named twice, and a setting with
    templates for some kinds alone: a notice of any other could not be sent.
    """
    found: dict[str, str] = {}
    for piece in filter(None, (piece.strip() for piece in setting.split(";"))):
        match = _FOR_KINDS.fullmatch(piece)
        kinds = [kind.strip() for kind in match["kinds"].split(",")] if match else [ALL_ELSE]
        for kind in kinds:
            if kind and kind not in set(EventKind):
                raise Malformed(f"{name}: there is no kind of change {kind}; there are {', '.join(EventKind)}.")
            if kind in found:
                raise Malformed(f"{name}: {kind or 'the template for all else'} is there twice.")
            found[kind] = match["template"].strip() if match else piece
    if found and ALL_ELSE not in found:
        raise Malformed(f"{name} needs a template for all other kinds of change too, without a name before it.")
    return found
