"""Dossiers typed in by officers of offices without a system: what the page needs, and what became of rows."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Protocol

from domain.language import Language
from domain.vietnamese import folded
from lookup.changes import Tenant
from lookup.field_dictionary import FIELDS

MOST_ROWS = 500
_KNOWN = {folded(spelling) for field in FIELDS for spelling in (field.name, *field.spellings)}
# The order in which a table without a first line of headers is read.
USUAL = tuple(field.name for field in FIELDS if field.typed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """One row that was not stored: its place from 0, a stable code, and the field where there is one."""

    place: int
    code: str
    field: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What became of rows. `kept`: with a status we do not know, waiting until it is explained."""

    stored: int
    duplicate: int
    kept: int
    refused: tuple[RefusedRow, ...]


class Entering(Protocol):
    """Takes rows as files of dossiers are taken, and prints slips; `service.entering` fulfils it."""

    async def enter(
        self, tenant: Tenant, headers: Sequence[str], rows: Sequence[Sequence[str]], *, notify: bool
    ) -> Entered:
        """Store `rows`. `notify`: their people are told, as of every change. Raises `Invalid` for the headers."""

    async def slip(self, tenant: Tenant, code: str, language: Language, *, roll: bool) -> bytes:
        """The receipt slip of a dossier of the tenant: a PDF of A5 or, a `roll`, 80 mm wide. Raises `NotFound`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A pasted table."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def table_of(text: str) -> Table:
    """What was copied from a spreadsheet: lines, cells between tabs, headers in the first line or the usual order.

    Spreadsheets put a cell that holds line breaks, tabs or quotes between quotes.
    """
    rows = [tuple(cell.strip() for cell in cells) for cells in _cells(text)]
    lines = [cells for cells in rows if any(cells)]
    if not lines:
        return Table(headers=USUAL, rows=())
    named = sum(folded(cell.replace("_", " ")) in _KNOWN for cell in lines[0])
    if named >= 2:
        return Table(headers=lines[0], rows=tuple(lines[1:]))
    return Table(headers=USUAL, rows=tuple(lines))


def text_of(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same back, for what must be mended and pasted again."""
    text = StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows((headers, *rows))
    return text.getvalue()


def _cells(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter="\t", strict=True))
    except csv.Error:  # a quote that nobody closed is a part of what was typed
        return [line.split("\t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
