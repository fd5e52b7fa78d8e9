"""Feedback in a browser: the form without scripts, by keyboard, in both languages; the page of its number."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from database.pool import SET_TENANT, Role
from feedback_intake.cases import Actor, Step
from feedback_intake.moves import MoveName, Who
from service.feedback import FeedbackService
from service.settings import Settings
from tests.browser.conftest import OpenPage, looks_right
from tests.channels.story import CODE, PHONE
from tests.channels.web.corner import Corner
from tests.feedback_intake.test_attachments import PDF

TEXT = "Tôi nộp hồ sơ khai sinh từ ngày 2/11, hẹn ba lần mà chưa có kết quả. Xin cho biết bao giờ xong."
LONG = "Nguyễnphúctônnữthịhoànganhvôcùngdài" * 5
MAKE_ACCOUNT = """
    INSERT INTO account (email, name, agency_id) VALUES ($1, $1, $2)
        ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id"""
OF_NUMBER = (
    "SELECT f.case_id, c.holder_agency FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.number = $1"
)


async def write(page: Page, *, text: str = TEXT, name: str = "Nguyễn Văn An", phone: str = "0901 234 567") -> None:
    await page.fill("#text", text)
    await page.fill("#name", name)
    await page.fill("#phone", phone)
    await page.fill("#postal_address", "Thôn 3, xã Đông Cứu, Bắc Ninh")


async def send(page: Page) -> str:
    """Send the form; its number."""
    await page.click(".send button[value=send]")
    await expect(page).to_have_url(re.compile("/g/PA-"))
    return str(page.url).rpartition("/")[2].partition(".")[0]


async def moves(corner: Corner, number: str, step: Step, role: Who) -> None:
    """An officer of the office that holds it makes a move."""
    cases = FeedbackService.of(corner.core, Settings()).cases
    async with corner.core.database.connection(Role.OPERATOR) as connection:
        held = await connection.fetchrow(OF_NUMBER, number)
        account = await connection.fetchval(MAKE_ACCOUNT, f"{role}@example.vn", held["holder_agency"])
    async with corner.core.database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_TENANT, str(held["holder_agency"]), "off")
        actor = Actor(roles=frozenset({role}), account_id=account)
        await cases.move(connection, held["case_id"], step, actor)


async def answer(corner: Corner, number: str, text: str) -> None:
    await moves(corner, number, Step(move=MoveName.START), Who.HANDLER)
    await moves(corner, number, Step(move=MoveName.SUBMIT, answer=text), Who.HANDLER)
    await moves(corner, number, Step(move=MoveName.APPROVE), Who.APPROVER)


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("language", ["vi", "en"])
async def test_it_looks_right(open_window: OpenPage, corner: Corner, width: int, language: str, tmp_path: Path) -> None:
    page = await open_window(width=width, color_scheme="dark" if width == 360 else "light")
    await page.goto(f"/gop-y?code={CODE}&lang={language}")
    await looks_right(page)
    await page.click(".send button[value=send]")
    await expect(page.locator("#text-problem")).to_be_visible()
    await looks_right(page)
    await write(page, name=LONG)
    await page.locator("summary").click()
    await page.fill("#office_name", "uy ban nhan dan")
    await page.click("button[value=find]")
    await expect(page.locator("#office .choice")).not_to_have_count(1)
    await looks_right(page)
    await page.fill("#text", "Tôi khiếu nại quyết định số 12 của ủy ban về đất của tôi")
    document = tmp_path / f"{LONG}.pdf"
    document.write_bytes(PDF)
    await page.set_input_files("#files", document)
    await page.click(".send button[value=send]")
    await expect(page.locator("input[name=sure]")).to_have_value("complaint")
    await looks_right(page)
    number = await send(page)
    await looks_right(page)
    await moves(corner, number, Step(move=MoveName.ASK, why="Ông/Bà nộp ngày nào?"), Who.CLERK)
    await page.reload()
    await expect(page.locator(".asked")).to_have_text("Ông/Bà nộp ngày nào?")
    await looks_right(page)
    await page.fill("#more", "Ngày 2/11.")
    await page.click("form:has(#more) button")
    await answer(corner, number, f"Đã có kết quả. {LONG}\n\nXin lỗi Ông/Bà.")
    await page.reload()
    await looks_right(page)
    await page.goto(f"/tra-cuu?code={number}")
    await expect(page.locator("#proof")).to_be_visible()
    await looks_right(page)
    await page.goto("/gop-y")
    await page.fill("#draft-code", "ABCDE23456")
    await page.fill("#draft-contact", "0901234567")
    await page.click("form[action='/gop-y/nhap'] button")
    await expect(page.locator("[role=alert]")).to_be_visible()
    await looks_right(page)


async def test_everything_works_without_scripts_and_by_keyboard(open_window: OpenPage, corner: Corner) -> None:
    page = await open_window(java_script_enabled=False)
    await page.goto(f"/tra-cuu?code={CODE}")
    await page.click("text=Phản ánh về hồ sơ này")
    await expect(page.locator("#code")).to_have_value(CODE)
    await page.fill("#text", TEXT)
    await page.focus("#name")
    await page.keyboard.type("Nguyễn Văn An")
    await page.keyboard.press("Enter")  # sends: the next thing is asked
    await expect(page.locator("#phone-problem")).to_be_visible()
    await expect(page.locator("#text")).to_have_value(TEXT)
    await write(page)
    number = await send(page)
    await expect(page.locator("body")).to_contain_text("chậm nhất")
    await page.goto("/")
    await page.fill("#code", number)
    await page.keyboard.press("Enter")
    await expect(page.locator("body")).not_to_contain_text(TEXT)
    await page.fill("#proof", "0000")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("Không tìm thấy")
    await page.fill("#proof", PHONE[-4:])
    await page.keyboard.press("Enter")
    await expect(page.locator("body")).to_contain_text(TEXT)
    await answer(corner, number, "Đã có kết quả.")
    await page.goto(f"/tra-cuu?code={number}")
    await page.fill("#proof", PHONE[-4:])
    await page.keyboard.press("Enter")
    await page.check("input[name=score][value='2']")
    await page.fill("#reason", "Chậm")
    await page.click("text=Gửi đánh giá")
    await expect(page.locator("input[name=score][value='2']")).to_be_checked()
    await page.fill("#why", "Vẫn chưa nhận được giấy")
    await page.click("text=Yêu cầu xem lại >> nth=-1")
    await expect(page.locator("h1")).to_have_text("Đang xem lại")


async def test_a_phone_that_was_typed_in_is_proven_by_texting_the_number(open_window: OpenPage, corner: Corner) -> None:
    page = await open_window()
    await page.goto("/gop-y")
    await write(page)
    number = await send(page)
    phone = corner.phone(PHONE)
    await answer(corner, number, "Đã có kết quả.")
    news = await phone.hears()
    assert number not in news
    assert "ket qua" not in news
    await phone.says(number)
    assert "Tra loi: Da co ket qua." in await phone.hears()
