"""Typing in letters, and the other pages of the desk: figures, exports, terms, ready answers, publication."""

import csv
import io
import re
from pathlib import Path

import openpyxl
from aiohttp import FormData

from channels.web.feedback import number_pages
from console.pages import case_typing
from console.roles import OfficerRole
from database.pool import Role
from tests.console.cases import APPROVER, CLERK, HANDLER, HEAD, Counter, case, send
from tests.console.officers import Browser
from tests.feedback_intake.desk import ELSEWHERE
from tests.feedback_intake.test_attachments import PDF

SHEET = {
    "source": "letter",
    "received_on": "16/11/2026",
    "kind": "feedback",
    "text": "Tôi đến ba lần mà bộ phận một cửa đóng cửa trong giờ làm việc.",
    "name": "Trần Thị Bích",
    "postal_address": "12 Lê Lợi, Bắc Ninh",
    "phone": "0903 111 222",
}


async def filed_in(counter: Counter) -> list[dict[str, object]]:
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        rows = await connection.fetch(
            """SELECT f.*, c.holder_agency, c.state
                 FROM feedback f JOIN feedback_case c ON c.id = f.case_id ORDER BY f.id"""
        )
    return [dict(row) for row in rows]


async def test_a_letter_is_typed_in_and_the_next_one_follows(counter: Counter) -> None:
    clerk = await counter.officer("an", CLERK)
    await clerk.get("/console/ghi-nhan")
    shown = await send(clerk, "/console/ghi-nhan", **SHEET)
    assert shown.place.startswith("/console/ghi-nhan/"), shown.text
    number = re.search(r"PA-\d{6}-\d{6}", shown.text)
    assert number
    assert "đóng cửa trong giờ" in shown.text
    row = (await filed_in(counter))[0]
    assert (row["channel"], str(row["received_on"])) == ("letter", "2026-11-16")
    assert row["typed_by"] == await counter.account("an")
    assert await counter.desk.told() == []  # nobody compared the phone with the letter
    confirmed = await clerk.post(shown.place.partition("?")[0] + "/doc-lai")
    assert "Người gửi đã xác nhận" in confirmed.text
    following = await clerk.get("/console/ghi-nhan?source=fax&ngay=16/11/2026")
    assert 'value="fax" checked' in following.text
    assert 'value="16/11/2026"' in following.text


def test_the_slip_leads_to_where_the_public_site_shows_it() -> None:
    assert case_typing.NUMBER_PLACE == number_pages.PLACE


async def test_what_is_wrong_with_a_sheet_is_said_and_nothing_is_lost(counter: Counter) -> None:
    clerk = await counter.officer("an", CLERK)
    await clerk.get("/console/ghi-nhan")
    wrong = SHEET | {"received_on": "31/02/2026", "phone": "12", "agency": "Không có đâu"}
    shown = await send(clerk, "/console/ghi-nhan", **wrong)
    assert shown.status == 422
    for sentence in ("Xin ghi ngày như", "Số điện thoại chưa đúng", "Không tìm thấy cơ quan này"):
        assert sentence in shown.text
    assert "đóng cửa trong giờ" in (await clerk.get("/console/ghi-nhan")).text
    assert await filed_in(counter) == []
    await send(clerk, "/console/ghi-nhan", **SHEET, checked="1")
    assert "PA-" in (await counter.desk.told())[0]  # compared: the sender is asked whether it is right


async def test_the_office_is_looked_up_in_place_and_the_letter_passed_on(counter: Counter) -> None:
    clerk = await counter.officer("an", CLERK)
    await clerk.get("/console/ghi-nhan")
    shown = await send(clerk, "/console/ghi-nhan", **SHEET, agency="sở", look="agency")
    assert 'name="agency_code"' in shown.text
    assert "đóng cửa trong giờ" in shown.text
    done = await send(clerk, "/console/ghi-nhan", **SHEET, agency="sở", agency_code=ELSEWHERE)
    assert done.status == 200, done.text
    row = (await filed_in(counter))[0]
    assert row["state"] == "forwarded"
    assert row["holder_agency"] == await counter.desk.agency(ELSEWHERE)


async def test_a_scan_is_kept_sealed_and_served_harmless(counter: Counter) -> None:
    clerk = await counter.officer("an", CLERK)
    await clerk.get("/console/ghi-nhan")
    await send(clerk, "/console/ghi-nhan", **SHEET)
    row = (await filed_in(counter))[0]
    pdf = PDF
    for name, content, status in (("Thư của bà Bích.pdf", pdf, 200), ("x.pdf", b"MZ\x90\x00", 422)):
        answer = await upload(clerk, f"/console/ghi-nhan/{row['id']}/ban-quet", name, content)
        assert answer == status
    page = await clerk.get(f"/console/phan-anh/{row['case_id']}")
    path = re.search(r'href="(/console/phan-anh/\d+/tep/\d+)"', page.text)
    assert path
    async with clerk.http.get(clerk.url + path[1], headers={"User-Agent": clerk.name}) as response:
        assert await response.read() == pdf
        assert response.headers["Content-Type"] == "application/pdf"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert response.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''Th%C6%B0")
        assert response.headers["Cache-Control"] == "no-store"
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        kept = await connection.fetchval("SELECT content_sealed FROM feedback_attachment")
    assert pdf not in kept


async def upload(browser: Browser, path: str, name: str, content: bytes) -> int:
    """Send a file with the token of the open page."""
    data = FormData(quote_fields=False)
    data.add_field("form", browser.token)
    data.add_field("scan", content, filename=name, content_type="application/octet-stream")
    headers = {"User-Agent": browser.name, "Sec-Fetch-Site": "same-origin"}
    async with browser.http.post(browser.url + path, data=data, headers=headers) as response:
        return response.status


async def test_an_export_asks_for_a_proof_is_noted_and_holds_no_formula(counter: Counter, tmp_path: Path) -> None:
    filed = await counter.files()
    head = await counter.officer("dung", HEAD)
    async with counter.house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE account SET name = '=cmd|x' WHERE email = 'dung@bacninh.gov.vn'")
        await connection.execute("UPDATE session SET proven_at = now() - interval '1 day'")
    async with counter.house.core.database.transaction(Role.WORKER) as connection:
        await connection.execute("UPDATE feedback_case SET assignee = $1", await counter.account("dung"))
    shown = await head.get("/console/so-lieu-phan-anh")
    assert "đã nhận" in shown.text
    asked = await head.post("/console/so-lieu-phan-anh/xuat", tu="", den="", agency="", format="csv")
    assert asked.place.startswith("/console/xac-nhan")
    async with counter.house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE session SET proven_at = now()")
    await head.get("/console/so-lieu-phan-anh")
    sent = await head.post("/console/so-lieu-phan-anh/xuat", tu="", den="", agency="", format="csv")
    rows = list(csv.reader(io.StringIO(sent.text.removeprefix("\ufeff"))))
    assert rows[0][0] == "Số phản ánh"
    assert rows[1][0] == filed.number
    assert rows[1][-1] == "'=cmd|x"
    await head.get("/console/so-lieu-phan-anh")
    data = {"form": head.token, "tu": "", "den": "", "agency": "", "format": "xlsx"}
    headers = {"User-Agent": head.name, "Sec-Fetch-Site": "same-origin"}
    url = f"{head.url}/console/so-lieu-phan-anh/xuat"
    async with head.http.post(url, data=data, headers=headers) as response:
        (tmp_path / "x.xlsx").write_bytes(await response.read())
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    cells = [cell for row in book.active.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert filed.number in [cell.value for cell in cells]
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        noted = await connection.fetchval("SELECT count(*) FROM audit WHERE action = 'feedback.export'")
    assert noted == 2


async def test_terms_are_set_within_reach_and_count_for_what_comes_later(counter: Counter) -> None:
    head = await counter.officer("dung", HEAD)
    await head.get("/console/thoi-han-phan-anh")
    days = {"forward_days": "2", "answer_days": "7", "objection_days": "3"}
    foreign = await send(head, "/console/thoi-han-phan-anh", agency=ELSEWHERE, **days)
    assert foreign.status == 422
    wrong = await send(head, "/console/thoi-han-phan-anh", agency="H05.16", **(days | {"answer_days": "0"}))
    assert "Từ 1 đến 250 ngày" in wrong.text
    await send(head, "/console/thoi-han-phan-anh", agency="H05.16", **days)
    before = (await counter.files()).answer_by
    await head.post("/console/thoi-han-phan-anh/bo", agency="H05.16")
    assert before < (await counter.files()).answer_by


async def test_ready_answers_are_kept_used_and_not_overwritten_blindly(counter: Counter) -> None:
    filed = await counter.files()
    one, other = await counter.officer("an", HANDLER), await counter.officer("binh", HANDLER)
    await one.get("/console/mau-tra-loi")
    shown = await one.post("/console/mau-tra-loi", name="Xin lỗi vì chậm", text="Chúng tôi xin lỗi Ông/Bà.")
    path = re.search(r'href="(/console/mau-tra-loi/(\d+))"', shown.text)
    assert path
    await one.get(path[1])
    await other.get(path[1])
    await other.post(path[1], version="1", name="Xin lỗi vì chậm", text="Chúng tôi thành thật xin lỗi.")
    late = await one.post(path[1], version="1", name="Xin lỗi vì chậm", text="Bản của tôi.")
    assert late.status == 409
    assert "Bản của tôi." in late.text
    assert "thành thật xin lỗi" in late.text
    await one.get(f"{case(filed)}?viec=start")
    version = re.search(r'name="version" value="(\d+)"', one.shown.text if one.shown else "")
    assert version
    await one.post(case(filed, "viec", "start"), version=version[1], seen="0")
    offered = await one.get(f"{case(filed)}?viec=submit&mau={path[2]}")
    assert "thành thật xin lỗi.</textarea>" in offered.text


async def test_what_is_published_is_seen_before_and_not_without_consent(counter: Counter) -> None:
    filed = await counter.files()
    handler, approver = await counter.officer("an", HANDLER), await counter.officer("chi", APPROVER)
    for name, fields in (("start", {}), ("submit", {"answer": "Đã xong, xin mời nhận kết quả."})):
        page = await handler.get(f"{case(filed)}?viec={name}")
        version = re.search(r'name="version" value="(\d+)"', page.text)
        assert version
        await send(handler, case(filed, "viec", name), version=version[1], seen="0", **fields)
    page = await approver.get(f"/console/phe-duyet/{filed.case_id}")
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    await approver.post(case(filed, "viec", "approve"), version=version[1], seen="0")
    url = f"/console/phe-duyet/{filed.case_id}/cong-khai"
    shown = await approver.get(url)
    assert "chưa đồng ý công khai lời" in shown.text
    question = "Một người nộp hồ sơ chưa có kết quả dù đã hẹn nhiều lần. Gọi 0901234567."
    shown = await approver.post(url, question=question, answer="Cơ quan đã trả kết quả.", look="1")
    assert "Người dân sẽ thấy như sau" in shown.text
    assert "số điện thoại" in shown.text
    version = re.search(r'name="version" value="(\d+)"', shown.text)
    assert version
    done = await approver.post(url, question=question[:64], answer="Cơ quan đã trả kết quả.", version=version[1])
    assert "Đã công khai" in done.text


async def test_figures_are_for_heads_and_controllers(counter: Counter) -> None:
    clerk, controller = await counter.officer("an", CLERK), await counter.officer("kiem", OfficerRole.CONTROLLER)
    assert (await clerk.get("/console/so-lieu-phan-anh")).status == 404
    assert (await controller.get("/console/so-lieu-phan-anh")).status == 200
    for odd in ("tu=x", "tu=01/01/2020&den=01/01/2026", "tu=20/11/2026&den=01/11/2026", "den=31/12/9999", "agency=Q"):
        assert (await controller.get(f"/console/so-lieu-phan-anh?{odd}")).status == 422
