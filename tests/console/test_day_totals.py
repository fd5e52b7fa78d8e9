"""Totals of a day: typed in by the shared dictionary, checked field by field, corrected with history, and summed up."""

import csv
import io
import re
from datetime import timedelta

from console.roles import OfficerRole
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from lookup.field_dictionary import TOTALS
from tests.console.cases import CLERK, HANDLER, HEAD
from tests.console.officers import OFFICE, Browser, House

TODAY = civil_day(utc_now())
SHEET = f"/console/so-lieu-ngay/{OFFICE}/{TODAY:%Y%m%d}"
DAY = {"received_in_person": "12", "received_online": "30", "finished_early": "20", "finished_late": "3"}
CAUSES = {"late_staff": "2", "late_other": "1", "other": "Mất điện cả buổi sáng"}
_REPLACES = re.compile(r'name="replaces" value="(\d*)"')


def replaces(browser: Browser) -> str:
    """Which totals the open sheet would take the place of."""
    assert browser.shown
    found = _REPLACES.search(browser.shown.text)
    assert found
    return found[1]


async def test_a_clerk_types_the_day_and_nothing_typed_is_lost(house: House) -> None:
    clerk = await house.officer(CLERK)
    opened = await clerk.get("/console/so-lieu-ngay")
    assert opened.place == SHEET
    assert all(f'name="{total.name}"' in opened.html for total in TOTALS)
    wrong = await clerk.post(SHEET, DAY | CAUSES | {"received_online": "ba mươi", "withdrawn": "-1"})
    assert wrong.status == 422
    assert wrong.text.count("Xin gõ một số từ 0 đến 100.000.") == 2
    assert 'value="ba mươi"' in wrong.text
    assert 'value="12"' in (await clerk.get(SHEET)).text  # a draft by now
    unequal = await clerk.post(SHEET, DAY | {"late_staff": "1"})
    assert "Có 3 hồ sơ xong quá hạn, các nguyên nhân cộng lại là 1." in unequal.text
    unsaid = await clerk.post(SHEET, DAY | CAUSES | {"other": ""})
    assert "Xin ghi nguyên nhân khác là gì." in unsaid.text
    assert "Chưa có số nào." in (await clerk.post(SHEET)).text
    kept = await clerk.post(SHEET, DAY | CAUSES | {"replaces": ""})
    assert "Đã lưu số liệu." in kept.text
    assert "bản nháp" not in kept.text
    assert "Mất điện cả buổi sáng" in kept.text


async def test_a_correction_says_why_and_keeps_the_earlier(house: House) -> None:
    clerk = await house.officer(CLERK)
    await clerk.get(SHEET)
    await clerk.post(SHEET, DAY | CAUSES, replaces="")
    other = await house.officer(CLERK, email="hai@bacninh.gov.vn")
    await other.get(SHEET)
    first = replaces(other)
    await clerk.get(SHEET)
    assert "Xin ghi lý do sửa." in (await clerk.post(SHEET, DAY | CAUSES, replaces=first)).text
    shown = await clerk.post(SHEET, DAY | CAUSES, received_in_person="15", replaces=first, why="Đếm sót ba hồ sơ")
    assert "Nhận trực tiếp: 12 → 15" in shown.text
    assert "Đếm sót ba hồ sơ" in shown.text
    late = await other.post(SHEET, DAY | CAUSES, received_in_person="16", replaces=first, why="Nhầm")
    assert (late.status, 'value="16"' in late.text) == (409, True)
    async with house.core.database.connection(Role.OPERATOR) as connection:
        rows = await connection.fetch("SELECT replaced_at IS NULL AS counts FROM day_total ORDER BY id")
    assert [row["counts"] for row in rows] == [False, True]


async def test_a_head_reads_sums_and_takes_them_along(house: House) -> None:
    clerk = await house.officer(CLERK)
    for back in range(2):
        place = f"/console/so-lieu-ngay/{OFFICE}/{TODAY - timedelta(days=back):%Y%m%d}"
        await clerk.get(place)
        await clerk.post(place, DAY | CAUSES, open_late=str(7 - back), replaces="")
    head = await house.officer(HEAD, email="dung@bacninh.gov.vn", office="H05")
    shown = " ".join(re.sub(r"<[^>]+>", " ", (await head.get("/console/so-lieu-ho-so")).text).split())
    assert "84 Đã nhận" in shown  # two days of 12 and 30
    assert "87% xong trước và đúng hạn" in shown
    assert "7 Đã quá hạn" in shown  # as the last day says it
    assert "Thiếu người, người làm chậm 4 67" in shown
    sent = await head.post("/console/so-lieu-ho-so/xuat", tu="", den="", agency="", format="csv")
    rows = list(csv.reader(io.StringIO(sent.text.removeprefix("\ufeff"))))
    assert len(rows) == 3
    assert rows[1][2:5] == ["12", "30", "0"]
    assert rows[1][-1] == "Mất điện cả buổi sáng"
    strange = await house.officer(HEAD, email="xa@bacninh.gov.vn", office="H26")
    assert "Chưa có số liệu" in (await strange.get("/console/so-lieu-ho-so")).text


async def test_other_offices_days_and_roles_have_no_sheet(house: House) -> None:
    clerk = await house.officer(CLERK)
    tomorrow = TODAY + timedelta(days=1)
    for place in (f"H26/{TODAY:%Y%m%d}", f"{OFFICE}/{tomorrow:%Y%m%d}", f"{OFFICE}/20260231", f"{OFFICE}/x", "X/1"):
        assert (await clerk.get(f"/console/so-lieu-ngay/{place}")).status == 404
        await clerk.get("/console/toi")
        assert (await clerk.post(f"/console/so-lieu-ngay/{place}", DAY)).status == 404
    assert (await clerk.get("/console/so-lieu-ngay?ngay=32/13/2026")).status == 422
    assert (await clerk.get("/console/so-lieu-ngay?agency=H26")).status == 422
    handler = await house.officer(HANDLER, OfficerRole.AUDITOR, email="binh@bacninh.gov.vn")
    assert (await handler.get(SHEET)).status == 404
    assert (await handler.get("/console/so-lieu-ho-so")).status == 404
