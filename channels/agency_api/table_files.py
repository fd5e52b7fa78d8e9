"""Files of dossiers, row by row: CSV with its encodings and separators, XLSX, lines of JSON."""

import csv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import openpyxl

from domain.errors import Malformed, TooLarge
from lookup.cells import unguarded

MAX_COLUMNS = 200
LARGEST_CELL = 32_767  # characters, as in a spreadsheet
LARGEST_ROW = 65_536  # bytes of a line of JSON
# What an honest workbook of a million rows stays below; a bomb of some kilobytes does not.
LARGEST_WORKBOOK = 64 * 1024 * 1024  # bytes as stored
LARGEST_UNPACKED = 1024 * 1024 * 1024
LARGEST_STRINGS = 128 * 1024 * 1024  # the table of shared texts is the one part held in memory
MOST_ENTRIES = 2_000
DENSEST = 200  # times smaller than unpacked
_SMALL = 1024 * 1024

_SEPARATORS = ";,\t|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. `number` is the one a person sees; `line` is set for lines of JSON, which have no cells."""

    number: int
    cells: Sequence[object] = ()
    line: bytes | None = None


@dataclass(slots=True, kw_only=True)
class TableFile:
    """An open file: `headers` (none for JSON), `rows` read as they are asked for, and how far that has come."""

    headers: Sequence[str]
    rows: Iterator[Row]
    source: BinaryIO
    size: int

    @property
    def part_read(self) -> float | None:
        """From 0 to 1; None where that cannot be told."""
        return min(1.0, self.source.tell() / self.size) if self.size else None


@contextmanager
def open_table(path: Path) -> Iterator[TableFile]:
    """The file at `path`, by its ending. Raises `Malformed`, `TooLarge`, `OSError`."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise Malformed(f"{path.name}: .csv, .xlsx and .ndjson can be imported.", field="FILE")
    with path.open("rb") as source:
        yield reader(source, path)


def _json_lines(source: BinaryIO, path: Path) -> TableFile:
    return TableFile(headers=(), rows=_lines(source), source=source, size=path.stat().st_size)


def _lines(source: BinaryIO) -> Iterator[Row]:
    number = 0
    while line := source.readline(LARGEST_ROW + 1):
        number += 1
        if len(line) > LARGEST_ROW and not line.endswith(b"\n"):
            while (rest := source.readline(LARGEST_ROW)) and not rest.endswith(b"\n"):
                pass
            yield Row(number=number, line=b"")
        elif text := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield Row(number=number, line=text)


# --- CSV ---


def _csv(source: BinaryIO, path: Path) -> TableFile:
    start = source.read(65_536)
    source.seek(0)
    encoding = "utf-16" if start[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    csv.field_size_limit(LARGEST_CELL * 4)
    texts = _decoded(source, encoding)
    first = next(texts, "")
    separator = max(_SEPARATORS, key=first.count)
    rows = _csv_rows(_again(first, texts), separator)
    headers = next(rows, None)
    if headers is None:
        raise Malformed("The file is empty.")
    return TableFile(
        headers=[str(cell).strip() for cell in headers.cells], rows=rows, source=source, size=path.stat().st_size
    )


def _decoded(source: BinaryIO, encoding: str) -> Iterator[str]:
    """The lines as text, their ends kept: a cell may go over several."""
    if encoding == "utf-16":
        try:
            whole = source.read().decode(encoding)
        except UnicodeDecodeError:
            raise Malformed("The file is cut off or not UTF-16. Save it as 'CSV UTF-8' or as .xlsx.") from None
        yield from whole.splitlines(keepends=True)
        return
    for n, raw in enumerate(source):
        try:
            yield raw.decode("utf-8-sig" if n == 0 else "utf-8")
        except UnicodeDecodeError:
            raise Malformed(
                f"Line {n + 1} is not UTF-8. Save the file as 'CSV UTF-8' or as .xlsx and import that."
            ) from None


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _csv_rows(texts: Iterator[str], separator: str) -> Iterator[Row]:
    reader = csv.reader(texts, delimiter=separator, strict=False)
    while True:
        begun = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Malformed(f"Line {begun} cannot be read as CSV: {error}.") from None
        if len(cells) > MAX_COLUMNS:
            raise TooLarge(f"Line {begun} has more than {MAX_COLUMNS} columns.")
        if any(cell.strip() for cell in cells):
            yield Row(number=begun, cells=[unguarded(cell) for cell in cells])


# --- XLSX ---


def _workbook(source: BinaryIO, path: Path) -> TableFile:
    refuse_bombs(path)
    try:
        book = openpyxl.load_workbook(source, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl lets through whatever its parsers meet in a broken file
        raise Malformed(f"{path.name} cannot be read as a workbook.") from error
    if not book.worksheets:
        raise Malformed(f"{path.name} has no sheet.")
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # what the file says of its own size may be wrong
    rows = _sheet_rows(sheet)
    headers = next(rows, None)
    if headers is None:
        raise Malformed("The first sheet is empty.")
    named = ["" if cell is None else str(cell).strip() for cell in headers.cells]
    return TableFile(headers=named, rows=rows, source=source, size=0)


def _sheet_rows(sheet: Any) -> Iterator[Row]:  # noqa: ANN401 - openpyxl ships no types
    try:
        for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1):
            last = max((n for n, cell in enumerate(cells, start=1) if cell not in {None, ""}), default=0)
            if last:
                yield Row(number=number, cells=[unguarded(c) if isinstance(c, str) else c for c in cells[:last]])
    except (ValueError, KeyError, TypeError, SyntaxError, zipfile.BadZipFile) as error:
        raise Malformed("The workbook is damaged.") from error


def refuse_bombs(path: Path) -> None:
    """Look at the directory of a workbook before unpacking any of it. Raises `TooLarge`, `Malformed`."""
    if path.stat().st_size > LARGEST_WORKBOOK:
        raise TooLarge(f"{path.name} is larger than {LARGEST_WORKBOOK // 2**20} MiB; save it as CSV.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        raise Malformed(f"{path.name} is no workbook.") from None
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        raise TooLarge(f"{path.name} unpacks to more than any list of dossiers.")
    for entry in entries:
        dense = entry.file_size > _SMALL and entry.file_size > DENSEST * max(1, entry.compress_size)
        if dense or ("sharedStrings" in entry.filename and entry.file_size > LARGEST_STRINGS):
            raise TooLarge(f"{path.name} unpacks to more than any list of dossiers.")


_READERS = MappingProxyType(
    {
        ".csv": _csv,
        ".tsv": _csv,
        ".txt": _csv,
        ".xlsx": _workbook,
        ".ndjson": _json_lines,
        ".jsonl": _json_lines,
    }
)


# --- cells that a spreadsheet would run as formulas ---
