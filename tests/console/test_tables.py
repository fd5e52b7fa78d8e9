"""Tables to take along: nothing is left out without a word."""

import io
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openpyxl import load_workbook

from console import tables
from console.tables import Cell, send_xlsx

CUT = "Only the first rows."


async def rows_of(rows: int) -> list[tuple[object, ...]]:
    """The workbook a browser gets for so many rows."""

    async def given() -> AsyncIterator[Sequence[Cell]]:
        for n in range(rows):
            yield n, f"=row {n}"

    async def send(request: web.Request) -> web.StreamResponse:
        return await send_xlsx(request, "table", ["n", "text"], given(), cut=CUT)

    app = web.Application()
    app.router.add_get("/", send)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        book = load_workbook(io.BytesIO(await response.read()))
    return list(book["1"].iter_rows(values_only=True))


async def test_a_workbook_that_holds_all_says_nothing_of_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_XLSX", 3)
    assert await rows_of(3) == [("n", "text"), (0, "'=row 0"), (1, "'=row 1"), (2, "'=row 2")]


async def test_a_workbook_that_is_full_says_so_in_its_last_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_XLSX", 2)
    assert await rows_of(5) == [("n", "text"), (0, "'=row 0"), (1, "'=row 1"), (CUT, None)]
