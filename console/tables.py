"""Tables for spreadsheets, written as they are read: CSV and XLSX in which no cell is a formula (guarantee G58)."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from aiohttp import web
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from domain.civil_time import CIVIL_ZONE
from lookup.cells import guarded

Cell = str | int | float | date | datetime | None
MOST_XLSX = 100_000  # rows; a larger table is taken as CSV
_IN_MEMORY = 2 * 1024 * 1024
_CHUNK = 64 * 1024
_AT_ONCE = 200


def shown(cell: Cell) -> str | int | float:
    """A cell as both kinds of table hold it: days and moments in words, so that no program reads them its own way."""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(CIVIL_ZONE):%d/%m/%Y %H:%M}"
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    if isinstance(cell, str):
        return guarded(cell)
    return "" if cell is None else cell


def csv_lines(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Rows as CSV in UTF-8."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[shown(cell) for cell in row] for row in rows])
    return out.getvalue().encode()


async def send_csv(
    request: web.Request, name: str, head: Sequence[str], rows: AsyncIterator[Sequence[Cell]]
) -> web.StreamResponse:
    """A CSV file, sent while it is read; Excel knows it by its mark as UTF-8."""
    response = _response("text/csv", f"{name}.csv")
    response.charset = "utf-8"
    await response.prepare(request)
    await response.write(b"\xef\xbb\xbf" + csv_lines([head]))
    waiting: list[Sequence[Cell]] = []
    async for row in rows:
        waiting.append(row)
        if len(waiting) == _AT_ONCE:
            await response.write(csv_lines(waiting))
            waiting.clear()
    if waiting:
        await response.write(csv_lines(waiting))
    await response.write_eof()
    return response


async def send_xlsx(
    request: web.Request, name: str, head: Sequence[str], rows: AsyncIterator[Sequence[Cell]], *, cut: str
) -> web.StreamResponse:
    """The same as a workbook of one sheet: written to a file that is gone afterwards, `MOST_XLSX` rows at most.

    Where there are more, the last row says so in the words of `cut`.
    """
    book = Workbook(write_only=True)
    sheet = book.create_sheet("1")
    sheet.append([_cell(sheet, text) for text in head])
    n = 0
    async for row in rows:
        n += 1
        if n > MOST_XLSX:
            sheet.append([_cell(sheet, cut)])
            break
        sheet.append([_cell(sheet, shown(cell)) for cell in row])
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        await asyncio.to_thread(book.save, file)
        return await _send(request, file, f"{name}.xlsx")


async def _send(request: web.Request, file: IO[bytes], name: str) -> web.StreamResponse:
    response = _response("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", name)
    await response.prepare(request)
    file.seek(0)
    while chunk := file.read(_CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response


def _cell(sheet: Any, value: str | float) -> WriteOnlyCell:  # noqa: ANN401 - openpyxl ships no types
    cell = WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        cell.data_type = "s"  # never a formula, whatever it begins with
    return cell


def _response(kind: str, name: str) -> web.StreamResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    response.content_type = kind
    return response
