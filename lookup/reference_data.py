"""Provinces, agencies, procedures and swapped days as shipped in `lookup/data/*.csv`: read, typed and checked.

Each file is UTF-8 CSV whose header names the fields of its row type. Lines starting with '#' say where the data comes
from. An empty cell means the field's default, ';' separates several codes in one cell.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from inspect import signature
from pathlib import Path
from typing import TypeVar

import msgspec

from domain.agency import AgencyLevel, DisclosurePolicy
from domain.vietnamese import nfc
from lookup.working_time import DayOverride, Term, TermUnit

SHIPPED = Path(__file__).with_name("data")


class ReferenceDataError(ValueError):
    """A data file breaks a rule; the text names the file, the line and the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """Something that holds from one day to another, both included; without `valid_to`, still."""

    valid_from: date
    valid_to: date | None = None

    def in_force(self, day: date) -> bool:
        """Whether it holds on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceRow(_Dated):
    """A province in one period. The statistics office reuses codes: the key is `code` with `valid_from`.

    `h_code` is the agency identifier of its people's committee, sure only where `h_code_verified`.
    `merged_from` holds the codes that the parts had on the day before.
    """

    code: str
    name: str
    name_en: str
    h_code: str
    h_code_verified: bool
    central_city_since: date | None = None
    merged_from: tuple[str, ...] = ()


class AgencyKind(StrEnum):
    """What an office is, beside its level."""

    GOVERNMENT = "government"
    MINISTRY = "ministry"
    PEOPLES_COMMITTEE = "peoples_committee"
    DEPARTMENT = "department"
    ONE_STOP = "one_stop"
    UNIT = "unit"
    PORTAL = "portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRow(_Dated):
    """An office in one period: key is `code` with `valid_from`. `parent` is a code, whatever its period.

    `successor_of`: the codes it took over from, each meaning that code's last period before this one.
    """

    code: str
    name: str
    name_en: str
    parent: str | None = None
    level: AgencyLevel
    kind: AgencyKind
    phone: str = ""
    address: str = ""
    disclosure: DisclosurePolicy = DisclosurePolicy.STRICT
    successor_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureRow:
    """A procedure with the legal duration it has in one period; some have none, and so no due date.

    The key is `code` with `effective_from`.
    """

    code: str
    name: str
    sector: str
    term_amount: int | None = None
    term_unit: TermUnit | None = None
    effective_from: date
    effective_to: date | None = None

    @property
    def term(self) -> Term | None:
        """The legal duration."""
        if self.term_amount is None or self.term_unit is None:
            return None
        return Term(amount=self.term_amount, unit=self.term_unit)


def provinces(path: Path = SHIPPED / "provinces.csv") -> tuple[ProvinceRow, ...]:
    """The 34 provinces of 2025 and those before them. Raises `ReferenceDataError`."""
    lines = _read(path, ProvinceRow)
    _refuse_overlaps(path, ((line, row.code, row.valid_from, row.valid_to) for line, row in lines))
    for line, row in lines:
        before = {old.code for _, old in lines if old.in_force(row.valid_from - timedelta(days=1))}
        _require(path, line, set(row.merged_from) <= before, "merged_from names no province of the day before")
    return tuple(row for _, row in lines)


def agencies(path: Path = SHIPPED / "agencies.csv") -> tuple[AgencyRow, ...]:
    """All offices, in the order of the file. Raises `ReferenceDataError`."""
    lines = _read(path, AgencyRow)
    _refuse_overlaps(path, ((line, row.code, row.valid_from, row.valid_to) for line, row in lines))
    parents = {row.code: row.parent for _, row in lines}
    first: dict[str, date] = {}
    for _, row in lines:
        first[row.code] = min(first.get(row.code, row.valid_from), row.valid_from)
    for line, row in lines:
        _require(path, line, row.parent is None or row.parent in parents, f"unknown parent {row.parent}")
        _require(path, line, not _circular(row.code, parents), f"{row.code} stands below itself")
        for code in row.successor_of:
            known = code in first and first[code] < row.valid_from
            _require(path, line, known, f"successor of {code}, which is unknown or not older")
    return tuple(row for _, row in lines)


def procedures(path: Path = SHIPPED / "procedures.csv") -> tuple[ProcedureRow, ...]:
    """All procedures: one code has one name and sector, and a row per period of its duration.

    Raises `ReferenceDataError`.
    """
    lines = _read(path, ProcedureRow)
    _refuse_overlaps(path, ((line, row.code, row.effective_from, row.effective_to) for line, row in lines))
    named: dict[str, tuple[str, str]] = {}
    for line, row in lines:
        _require(path, line, (row.term_amount is None) == (row.term_unit is None), "a term needs amount and unit")
        _require(path, line, row.term_amount is None or row.term_amount > 0, "a term is longer than nothing")
        same = named.setdefault(row.code, (row.name, row.sector)) == (row.name, row.sector)
        _require(path, line, same, f"{row.code} has another name or sector above")
    return tuple(row for _, row in lines)


def day_overrides(path: Path = SHIPPED / "day_overrides.csv") -> tuple[DayOverride, ...]:
    """The days off and days worked that no rule gives. Raises `ReferenceDataError`."""
    lines = _read(path, DayOverride)
    seen: set[date] = set()
    for line, row in lines:
        _require(path, line, row.day not in seen, f"{row.day} appears twice")
        seen.add(row.day)
    return tuple(row for _, row in lines)


_Row = TypeVar("_Row")
# Cells that hold several codes.
_LISTS = frozenset({"merged_from", "successor_of"})


def _read(path: Path, row_type: type[_Row]) -> list[tuple[int, _Row]]:
    """The rows of a file with their line numbers."""
    rows: list[tuple[int, _Row]] = []
    header: list[str] | None = None
    for line, cells in _cells(path):
        if header is None:
            header = cells
            expected = list(signature(row_type).parameters)
            _require(path, line, sorted(header) == sorted(expected), f"the columns must be {', '.join(expected)}")
            continue
        _require(path, line, len(cells) == len(header), f"{len(cells)} cells under {len(header)} columns")
        given = {
            name: cell.split(";") if name in _LISTS else cell for name, cell in zip(header, cells, strict=True) if cell
        }
        try:
            rows.append((line, msgspec.convert(given, row_type, strict=False)))
        except msgspec.ValidationError as error:
            raise ReferenceDataError(f"{path}, line {line}: {error}") from None
    return rows


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every line that is neither empty nor a remark, cut into stripped NFC cells."""
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if text and not text.startswith("#"):
            try:
                yield line, [nfc(cell).strip() for cell in next(csv.reader([text], strict=True))]
            except csv.Error as error:
                raise ReferenceDataError(f"{path}, line {line}: {error}") from None


def _require(path: Path, line: int, holds: bool, rule: str) -> None:  # noqa: FBT001  # reads as a sentence at the call
    if not holds:
        raise ReferenceDataError(f"{path}, line {line}: {rule}")


def _refuse_overlaps(path: Path, periods: Iterable[tuple[int, str, date, date | None]]) -> None:
    """Every period (line, code, first day, last day) ends no earlier than it begins; no two of one code share a day."""
    known: dict[str, list[tuple[date, date]]] = {}
    for line, code, first, last in periods:
        last = last or date.max
        _require(path, line, first <= last, "ends before it begins")
        others = known.setdefault(code, [])
        _require(path, line, all(last < a or b < first for a, b in others), f"{code} has two rows for one day")
        others.append((first, last))


def _circular(code: str, parents: dict[str, str | None]) -> bool:
    above, seen = parents.get(code), {code}
    while above is not None and above not in seen:
        seen.add(above)
        above = parents.get(above)
    return above is not None
