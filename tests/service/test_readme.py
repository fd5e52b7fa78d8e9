"""The README names every setting that is read and every command, and none that is not there."""

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

from channels.agency_api.callbacks_address import CallbackSettings
from channels.open_channels import TABLE
from channels.sms.routing import SETTINGS_PREFIX, RoutingSettings
from console import elsewhere
from service import callbacks
from service.__main__ import parser
from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OF_THE_OWN_SERVERS = {"MOTMA_POSTGRES_BIN", "MOTMA_VALKEY_BIN"}  # read by `service.embedded` for their names alone


def _settings_read() -> set[str]:
    """Every environment name that fills a field somewhere."""
    openings = [import_module(name).OPENING for name in TABLE]
    kinds = [
        (PREFIX, Settings),
        (SETTINGS_PREFIX, RoutingSettings),
        (callbacks.PREFIX, CallbackSettings),
        (elsewhere.PREFIX, elsewhere.ElsewhereSettings),
        *((opening.prefix, opening.settings) for opening in openings),
    ]
    return OF_THE_OWN_SERVERS | {prefix + f.name.upper() for prefix, kind in kinds for f in fields(kind)}


def _rows(heading: str) -> Iterator[tuple[str, str]]:
    """First and second cell of each row under a heading."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        cells = line.split(" | ")
        if line.startswith("| `"):
            yield cells[0], cells[1]


def _settings_named(first: str, what: str, known: Iterable[str]) -> Iterator[set[str]]:
    """For each word of a row the settings it stands for: `_USERNAME` after `MOTMA_KANNEL_SENDSMS_URL` ends like it."""
    whole = ""
    for word in re.findall(r"`([^`]+)`", first):
        if "…" in word or word.startswith("_"):
            whole = word if "…" in word else whole
            places = re.findall(r"\b(ESMS|SPEEDSMS|INFOBIP|VONAGE|TWILIO)\b", what.upper()) if "…" in whole else []
            begins = [f"{PREFIX}{place}" for place in places] or _beginnings(whole)
            yield {begin + "_" + word.rpartition("…")[2].lstrip("_") for begin in begins} & set(known)
        else:
            whole = word
            yield {word} & set(known)


def _beginnings(name: str) -> list[str]:
    parts = name.split("_")
    return ["_".join(parts[:n]) for n in range(1, len(parts) + 1)]


def test_every_setting_has_a_line_and_every_line_a_setting() -> None:
    known = _settings_read()
    named: set[str] = set()
    for first, what in _rows("Settings"):
        for meant in _settings_named(first, what, known):
            assert meant, f"{first} names a setting that nothing reads"
            named |= meant
    assert known - named == set()


def test_every_command_has_a_line() -> None:
    (commands,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    said = " ".join(first for first, _ in _rows("Commands"))
    assert [name for name in commands.choices if not re.search(rf"\b{name}\b", said)] == []


def test_every_folder_of_the_house_has_a_line() -> None:
    said = README.split("\n## The house\n", 1)[1]
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {name for name in folders if f"`{name}/`" not in said} == set()
