"""What officers take along: for whom, after a fresh proof, noted, no formulas, no names that are not needed."""

import csv
import io
from pathlib import Path
from urllib.parse import unquote_plus

import openpyxl
import pytest

from console.roles import OfficerRole
from database.pool import Role
from tests.channels.story import CODE, Office
from tests.console.cases import HEAD
from tests.console.officers import PASSWORD, Answer, Browser, House

AUDITOR = OfficerRole.AUDITOR


def rows_of(answer: Answer) -> list[list[str]]:
    """A CSV file's rows."""
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))


async def takes(browser: Browser, page: str, **fields: str) -> Answer:
    """Open a page and send its form."""
    await browser.get(page)
    return await browser.post(f"{page}/xuat", {"tu": "", "den": "", "format": "csv"} | fields)


async def test_dossiers_are_taken_along_without_names(house: House) -> None:
    await Office(house.core).files()
    head = await house.officer(HEAD, email="dung@bacninh.gov.vn")
    rows = rows_of(await takes(head, "/console/ho-so"))
    assert rows[0][0] == "Mã hồ sơ"
    assert [row[0] for row in rows[1:]] == [CODE]
    assert "Nguyễn Văn An" not in str(rows)
    assert rows_of(await takes(head, "/console/ho-so", tu="01/01/2026", den="02/01/2026"))[1:] == []
    wrong = await takes(head, "/console/ho-so", tu="hôm qua")
    assert (wrong.status, 'value="hôm qua"' in wrong.text) == (422, True)
    stranger = await house.officer(HEAD, email="xa@hanoi.gov.vn", office="H26")
    assert len(rows_of(await takes(stranger, "/console/ho-so"))) == 1


async def test_the_record_is_taken_along_and_says_so(house: House, tmp_path: Path) -> None:
    await Office(house.core).files()
    head = await house.officer(HEAD, email="dung@bacninh.gov.vn")
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE account SET name = '=cmd|x' WHERE email = 'dung@bacninh.gov.vn'")
    await head.get(f"/console/ho-so/{CODE}")
    auditor = await house.officer(AUDITOR, email="kiem@bacninh.gov.vn", office="H05")
    rows = rows_of(await takes(auditor, "/console/nhat-ky"))
    assert ["Xem hồ sơ", CODE] in [row[4:6] for row in rows]
    assert "'=cmd|x" in [row[2] for row in rows]
    await auditor.get("/console/nhat-ky")
    data = {"form": auditor.token, "tu": "", "den": "", "format": "xlsx"}
    headers = {"User-Agent": auditor.name, "Sec-Fetch-Site": "same-origin"}
    async with auditor.http.post(f"{auditor.url}/console/nhat-ky/xuat", data=data, headers=headers) as response:
        (tmp_path / "x.xlsx").write_bytes(await response.read())
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "x.xlsx").active.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert "Tải nhật ký" in [cell.value for cell in cells]


@pytest.mark.parametrize("page", ["ho-so", "nhat-ky", "so-lieu-ho-so", "so-lieu-phan-anh"])
async def test_an_export_needs_a_fresh_proof_and_the_right(house: House, page: str) -> None:
    url = f"/console/{page}"
    both = await house.officer(HEAD, AUDITOR, email="dung@bacninh.gov.vn")
    assert f"{url}/xuat" in (await both.get(url)).html
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE session SET proven_at = now() - interval '1 day'")
    assert (await takes(both, url)).place.startswith("/console/xac-nhan")
    await both.get(url)
    asked = await both.post(f"{url}/xuat", tu="01/11/2026", den="12/11/2026", format="csv")
    assert unquote_plus(asked.place) == f"/console/xac-nhan?next={url}?tu=01/11/2026&den=12/11/2026"
    back = await both.post("/console/xac-nhan", password=PASSWORD, next=f"{url}?tu=01/11/2026&den=12/11/2026")
    assert 'name="den" type="text" value="12/11/2026"' in back.text or 'name="den" value="12/11/2026"' in back.text
    assert "Bản nháp chưa gửi" not in (await both.get("/console")).text
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE session SET proven_at = now() - interval '1 day'")
    without = await house.officer(OfficerRole.CLERK, OfficerRole.ADMINISTRATOR, email="an@bacninh.gov.vn")
    assert f"{url}/xuat" not in (await without.get(url)).html
    await without.get("/console/toi")
    assert (await without.post(f"{url}/xuat", tu="", den="", format="csv")).status == 404
