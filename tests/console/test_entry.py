"""An office without a system: dossiers typed one by one, pasted from a spreadsheet, slips printed."""

import re

from console.entering import USUAL, table_of, text_of
from console.roles import OfficerRole
from lookup.field_dictionary import FIELDS
from tests.console.officers import House

ONE = {
    "code": "H05.16-261120-0007",
    "procedure.code": "1.000656",
    "procedure.name": "Đăng ký khai tử",
    "applicant.name": "Trần Thị Bưởi",
    "applicant.phone": "0901 234 567",
    "filing_channel": "1",
    "received_at": "20/11/2026 08:30",
    "due_at": "25/11/2026",
    "status": "2",
}
PASTED = """Mã hồ sơ\tChủ hồ sơ\tNgày nhận\tTrạng thái\tMã TTHC
H05.16-261120-0101\tLê Văn Chín\t20/11/2026\tĐang xử lý\t1.000656
H05.16-261120-0102\tLê Văn Mười\t32/11/2026\tĐang xử lý\t1.000656
\tLê Văn Một\t20/11/2026\tĐang xử lý\t1.000656
H05.16-261120-0103\tLê Văn Hai\t20/11/2026\tĐang chờ ký số\t1.000656
"""


def test_a_table_has_headers_or_the_usual_order() -> None:
    table = table_of(PASTED)
    assert table.headers[0] == "Mã hồ sơ"
    assert len(table.rows) == 4
    bare = table_of("H05.16-261120-0101\tMC-1\t1.000656\tĐăng ký khai tử")
    assert bare.headers == USUAL
    assert bare.rows[0][1] == "MC-1"
    assert table_of(" \n\n").rows == ()
    assert table_of(text_of(table.headers, table.rows)) == table


def test_what_a_spreadsheet_put_between_quotes_is_one_cell() -> None:
    table = table_of('Mã hồ sơ\tGhi chú\r\nH05.16-1\t"Thửa số 2, ""đất vườn""\ntờ bản đồ 12"\r\nH05.16-2\t"Đạt\r\n')
    assert [row[0] for row in table.rows] == ["H05.16-1", 'tờ bản đồ 12"', "H05.16-2"], "a quote left open is a quote"
    table = table_of('Mã hồ sơ\tGhi chú\r\nH05.16-1\t"Thửa số 2, ""đất vườn""\ntờ bản đồ 12"\r\nH05.16-2\tĐạt\r\n')
    assert table.rows == (("H05.16-1", 'Thửa số 2, "đất vườn"\ntờ bản đồ 12'), ("H05.16-2", "Đạt"))
    assert table_of(text_of(table.headers, table.rows)) == table


def test_every_field_is_there_once() -> None:
    names = [field.name for field in FIELDS]
    assert len(names) == len(set(names))
    spellings = [spelling for field in FIELDS for spelling in field.spellings]
    assert len(spellings) == len(set(spellings))


async def test_a_dossier_is_typed_and_its_slip_printed(house: House) -> None:
    clerk = await house.officer(OfficerRole.CLERK)
    await clerk.get("/console/nhap-ho-so")
    missing = await clerk.post("/console/nhap-ho-so/mot", {**ONE, "applicant.name": ""})
    assert missing.status == 422
    assert "Xin điền mục này" in missing.text
    assert "H05.16-261120-0007" in (await clerk.get("/console/nhap-ho-so")).text  # kept as a draft
    wrong = await clerk.post("/console/nhap-ho-so/mot", {**ONE, "received_at": "hôm qua"})
    assert wrong.status == 422
    assert 'data-code="day.unreadable">Không đọc được ngày này' in wrong.text
    stored = await clerk.post("/console/nhap-ho-so/mot", ONE)
    assert "Đã lưu hồ sơ" in stored.text
    assert "Trần Thị Bưởi" in (await clerk.get("/console/ho-so/H05.16-261120-0007")).text
    address = f"{clerk.url}/console/nhap-ho-so/phieu/H05.16-261120-0007"
    widths = {"": "419", "?kho=80": "226"}  # points: A5, and the paper of printers of receipts
    for paper, width in widths.items():
        async with clerk.http.get(address + paper, headers={"User-Agent": clerk.name}) as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "no-store"
            slip = await response.read()
        assert slip.startswith(b"%PDF")
        assert re.search(rb"/MediaBox \[ ?0 0 " + width.encode(), slip), paper
    assert (await clerk.get("/console/nhap-ho-so/phieu/H05.16-261120-9999")).status == 404


async def test_rows_are_pasted_and_the_bad_ones_stay(house: House) -> None:
    clerk = await house.officer(OfficerRole.CLERK)
    await clerk.get("/console/nhap-ho-so")
    shown = await clerk.post("/console/nhap-ho-so/dan", table=PASTED)
    assert "Đã lưu 1, đã có 0, chưa hiểu trạng thái 1, chưa nhận 2" in shown.text
    assert "Lê Văn Mười" in shown.text
    assert "Lê Văn Chín" not in shown.text
    assert "Lê Văn Mười" in (await clerk.get("/console/nhap-ho-so")).text
    again = await clerk.post("/console/nhap-ho-so/dan", table=PASTED)
    assert "đã có 1" in again.text
    headless = await clerk.post("/console/nhap-ho-so/dan", table="Họ tên\tGhi chú\tEmail\nA\tB\tC")
    assert headless.status == 422
    assert "Dòng tiêu đề chưa đúng: Mã hồ sơ" in headless.text


async def test_another_offices_code_is_refused(house: House) -> None:
    clerk = await house.officer(OfficerRole.CLERK)
    await clerk.get("/console/nhap-ho-so")
    await clerk.post("/console/nhap-ho-so/mot", ONE)
    stranger = await house.officer(OfficerRole.CLERK, email="hanoi@hanoi.gov.vn", office="H26")
    await stranger.get("/console/nhap-ho-so")
    refused = await stranger.post("/console/nhap-ho-so/mot", {**ONE, "applicant.name": "Người Khác"})
    assert refused.status == 422
    assert "Trần Thị Bưởi" not in refused.text
