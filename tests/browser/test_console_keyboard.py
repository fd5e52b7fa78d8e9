"""The whole day of a clerk, a handler and an approver by keyboard alone, without scripts and without a mouse."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from service.wiring import Core
from tests.browser.conftest import OpenPage, windows
from tests.browser.signed_in import by_tab, key
from tests.console.cases import APPROVER, CLERK, HANDLER
from tests.console.officers import OFFICE, PASSWORD, House, open_house
from tests.feedback_intake.desk import CaseDesk

DOSSIER = {
    "code": "H05.16-261120-0007",
    "procedure.code": "1.005129",
    "applicant.name": "Trần Thị Bích",
    "received_at": "20/11/2026",
}
WAIT = 15_000  # milliseconds


@pytest.fixture
async def house(core: Core) -> AsyncIterator[House]:
    """The console, with officers of one office."""
    async with open_house(core) as opened:
        for name, role in (("an", CLERK), ("binh", HANDLER), ("chi", APPROVER)):
            await opened.hires(f"{name}@bacninh.gov.vn", role)
        yield opened


@pytest.fixture
async def open_console(browser: Browser, house: House) -> AsyncIterator[OpenPage]:
    """Opens a window on the console."""
    async with windows(browser, house.url) as open_it:
        yield open_it


async def sits_down(open_console: OpenPage, name: str) -> Page:
    """Open the console and sign in by keyboard."""
    page = await open_console(width=1280, java_script_enabled=False)
    await page.goto("/console")
    await by_tab(page, "#f-email")
    await page.keyboard.type(f"{name}@bacninh.gov.vn")
    await by_tab(page, "#f-password")
    await page.keyboard.type(PASSWORD)
    await enter(page)
    await expect(page.locator("h1")).to_contain_text("Xin chào")
    return page


async def enter(page: Page) -> None:
    """Press Enter, and wait for the page it opens."""
    async with page.expect_navigation(timeout=WAIT):
        await page.keyboard.press("Enter")


async def goes_to(page: Page, path: str) -> None:
    """By the menu."""
    await by_tab(page, f'.menu-open a[href="{path}"]')
    await enter(page)


async def opens_move(page: Page, words: str) -> None:
    """By the number that stands before it."""
    names = [re.sub(r"^\d+\s*", "", text) for text in await page.locator(".moves a").all_inner_texts()]
    await key(page, str(names.index(words) + 1))


async def says(page: Page, words: str) -> None:
    """What stands above the page after something was done."""
    await expect(page.locator("[role=status]").first).to_contain_text(words)


async def test_a_case_is_sorted_answered_and_approved(open_console: OpenPage, house: House) -> None:
    desk = CaseDesk(database=house.core.database, seal=house.core.seal)
    filed = await desk.files(office=OFFICE)
    clerk = await sits_down(open_console, "an")
    await goes_to(clerk, "/console/phan-anh")
    await by_tab(clerk, f'a[href="/console/phan-anh/{filed.case_id}"]')
    await enter(clerk)
    await opens_move(clerk, "Phân loại")
    await by_tab(clerk, "#f-content")
    await clerk.keyboard.press("ArrowDown")
    await key(clerk, "g")
    await says(clerk, "Đã phân loại")

    handler = await sits_down(open_console, "binh")
    await goes_to(handler, "/console/phan-anh")
    await by_tab(handler, '.tabs a[href="/console/phan-anh?tab=unassigned"]')
    await enter(handler)
    await by_tab(handler, f'a[href="/console/phan-anh/{filed.case_id}"]')
    await enter(handler)
    await expect(handler.locator("h1")).to_have_text(filed.number)
    await opens_move(handler, "Bắt đầu xử lý")
    await key(handler, "g")
    await says(handler, "Đã bắt đầu")
    await by_tab(handler, "#f-note")
    await handler.keyboard.type("Đã gọi bộ phận một cửa.")
    await handler.keyboard.press("Tab")
    await enter(handler)
    await expect(handler.locator("section[aria-labelledby=notes] .timeline")).to_contain_text("Đã gọi bộ phận")
    await opens_move(handler, "Trình câu trả lời")
    await by_tab(handler, "#f-answer")
    await handler.keyboard.type("Chúng tôi xin lỗi Ông/Bà. Kết quả có ngày mai.")
    await key(handler, "n")  # kept, and still there
    await expect(handler.locator("#f-answer")).to_have_value("Chúng tôi xin lỗi Ông/Bà. Kết quả có ngày mai.")
    await key(handler, "g")
    await says(handler, "Đã trình duyệt")

    approver = await sits_down(open_console, "chi")
    await goes_to(approver, "/console/phe-duyet")
    await by_tab(approver, f'a[href="/console/phe-duyet/{filed.case_id}"]')
    await enter(approver)
    await key(approver, "d")
    await says(approver, "Đã duyệt")
    assert any("Ket qua co ngay mai" in text for text in await desk.told())


async def test_letters_are_typed_one_after_another(open_console: OpenPage) -> None:
    page = await sits_down(open_console, "an")
    await goes_to(page, "/console/ghi-nhan")
    for number in range(2):
        await by_tab(page, "#f-text")
        await page.keyboard.type(f"Thư số {number}: tôi chờ kết quả đã lâu.")
        await by_tab(page, "#f-name")
        await page.keyboard.type("Trần Thị Bích")
        await by_tab(page, "#f-postal_address")
        await page.keyboard.type("12 Lê Lợi, Bắc Ninh")
        await enter(page)
        await expect(page.locator(".slip-number")).to_contain_text("PA-")
        await key(page, "t")
        await expect(page.locator("#f-text")).to_have_value("")


async def test_the_day_is_counted_a_dossier_entered_and_its_slip_printed(open_console: OpenPage) -> None:
    page = await sits_down(open_console, "an")
    await goes_to(page, "/console/so-lieu-ngay")
    for name, value in (("received_in_person", "1"), ("open_in_time", "1")):
        await by_tab(page, f'[name="{name}"]')
        await page.keyboard.type(value)
    await key(page, "g")
    await says(page, "Đã lưu số liệu")
    await goes_to(page, "/console/nhap-ho-so")
    for name, value in DOSSIER.items():
        await by_tab(page, f'[name="{name}"]')
        await page.keyboard.type(value)
    await enter(page)
    await says(page, "Đã lưu")
    await by_tab(page, 'main a[href^="/console/nhap-ho-so/phieu/"]')
    async with page.expect_response(lambda answer: "/phieu/" in answer.url, timeout=WAIT) as slip:
        await page.keyboard.press("Enter")
    answer = await slip.value
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
