"""The pages of cases as a browser shows them, and the whole day of a handler by keyboard."""

import re
from collections.abc import AsyncIterator
from unicodedata import normalize

import pytest
from playwright.async_api import Browser, Page, expect

from console.roles import OfficerRole
from database.pool import Role
from feedback_intake.cases import Step
from feedback_intake.filing import Filed
from feedback_intake.moves import MoveName, Who
from service.wiring import Core
from tests.browser.conftest import OpenPage, windows
from tests.browser.signed_in import LONG_ADDRESS, seen, sign_in
from tests.console.cases import APPROVER, CLERK, HANDLER, HEAD
from tests.console.officers import OFFICE, House, open_house
from tests.feedback_intake.desk import TEXT, CaseDesk

LONG = normalize(
    "NFD",
    "Tôi là Nguyễn Thị Hoàng Anh Thư ở xã Phượng Mao. " + "Bộ phận một cửa hẹn nhiều lần mà chưa trả kết quả. " * 9,
)


@pytest.fixture
async def house(core: Core) -> AsyncIterator[House]:
    """The console, with officers of one office."""
    async with open_house(core) as opened:
        await opened.hires(LONG_ADDRESS, *OfficerRole, office="H05.16")
        for name, role in (("an", CLERK), ("binh", HANDLER), ("chi", APPROVER), ("dung", HEAD)):
            await opened.hires(f"{name}@bacninh.gov.vn", role)
        yield opened


@pytest.fixture
async def open_console(browser: Browser, house: House) -> AsyncIterator[OpenPage]:
    """Opens a window on the console."""
    async with windows(browser, house.url) as open_it:
        yield open_it


async def fill(house: House, n: int) -> list[Filed]:
    """`n` cases of an office, some late, one waiting for approval, one answered and one gathering two senders."""
    desk = CaseDesk(database=house.core.database, seal=house.core.seal)
    filed = [
        await desk.files(LONG if k % 3 == 0 else TEXT, phone=f"+8490{1000000 + k}", office=OFFICE) for k in range(n)
    ]
    for one in filed[:2]:
        for step in (Step(move=MoveName.START), Step(move=MoveName.SUBMIT, answer=LONG)):
            await desk.moves(one.case_id, step, office=OFFICE)
    if n > 1:
        await desk.moves(filed[1].case_id, Step(move=MoveName.APPROVE), office=OFFICE, role=Who.APPROVER)
    async with house.core.database.transaction(Role.WORKER) as connection:
        await connection.execute(
            "UPDATE feedback_case SET answer_due_on = '2026-11-02', escalated = 1 + id % 3 WHERE id % 4 = 0"
        )
        await connection.execute("UPDATE feedback SET resembles = 'complaint' WHERE id % 5 = 0")
    return filed


@pytest.mark.parametrize(
    ("width", "scheme", "rows"), [(360, "dark", 50), (768, "light", 50), (1280, "light", 1), (1280, "dark", 0)]
)
async def test_the_pages_of_cases_fit(open_console: OpenPage, house: House, width: int, scheme: str, rows: int) -> None:
    filed = await fill(house, rows)
    page = await open_console(width=width, color_scheme=scheme)
    await sign_in(page)
    mark = f"{width}-{scheme}-{rows}"
    for path, name in (
        ("/console/phan-anh?tab=unit", "cases"),
        ("/console/phan-anh?tab=unit&late=1&channel=sms&lang=en", "cases-narrowed-en"),
        ("/console/phe-duyet?lang=vi", "approvals"),
        ("/console/ghi-nhan", "typing"),
        ("/console/so-lieu-phan-anh", "figures"),
        ("/console/thoi-han-phan-anh", "terms"),
        ("/console/mau-tra-loi", "templates"),
    ):
        await page.goto(path)
        await seen(page, f"{name}-{mark}")
    for one, state in zip(filed[:3], ("waiting", "answered", "new"), strict=False):
        await page.goto(f"/console/phan-anh/{one.case_id}")
        await seen(page, f"case-{state}-{mark}")
    if rows > 2:
        await page.goto(f"/console/phan-anh/{filed[2].case_id}?viec=refuse")
        await seen(page, f"case-refuse-{mark}")
        await page.goto(f"/console/phe-duyet/{filed[0].case_id}?lang=en")
        await seen(page, f"approval-en-{mark}")
        await page.goto(f"/console/phe-duyet/{filed[1].case_id}/cong-khai?lang=vi")
        await seen(page, f"publication-{mark}")


async def key(page: Page, name: str) -> None:
    """Press Alt and an access key, and wait for the page it opens.

    Chromium looks for the text of the key, which Playwright leaves out when Alt is held.
    """
    session = await page.context.new_cdp_session(page)
    code = f"Digit{name}" if name.isdigit() else f"Key{name.upper()}"
    event = {"modifiers": 1, "key": name, "code": code, "windowsVirtualKeyCode": ord(name.upper())}
    async with page.expect_navigation(timeout=15_000):
        await session.send("Input.dispatchKeyEvent", {"type": "keyDown", "text": name, "unmodifiedText": name, **event})
        await session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})


async def by_tab(page: Page, wanted: str) -> None:
    """Reach an element with the Tab key alone."""
    for _ in range(80):
        if await page.locator(f"{wanted}:focus").count():
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} cannot be reached")


async def test_the_day_of_a_handler_by_keyboard(open_console: OpenPage, house: House) -> None:
    desk = CaseDesk(database=house.core.database, seal=house.core.seal)
    filed = await desk.files(office=OFFICE)
    page = await open_console(width=1280, java_script_enabled=False)
    await sign_in(page, "binh@bacninh.gov.vn")
    await page.goto("/console/phan-anh?tab=unassigned")
    await by_tab(page, f'a[href="/console/phan-anh/{filed.case_id}"]')
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text(filed.number)
    names = [re.sub(r"^\d+\s*", "", text) for text in await page.locator(".moves a").all_inner_texts()]
    await key(page, str(names.index("Bắt đầu xử lý") + 1))
    await key(page, "g")
    await expect(page.locator("[role=status]").first).to_contain_text("Đã bắt đầu")
    await by_tab(page, "#f-note")
    await page.keyboard.type("Đã gọi bộ phận một cửa.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".timeline").first).to_contain_text("Đã gọi bộ phận")
    names = [re.sub(r"^\d+\s*", "", text) for text in await page.locator(".moves a").all_inner_texts()]
    await key(page, str(names.index("Trình câu trả lời") + 1))
    await by_tab(page, "#f-answer")
    await page.keyboard.type("Chúng tôi xin lỗi Ông/Bà. Kết quả có ngày mai.")
    await key(page, "n")  # kept, and still there
    await expect(page.locator("#f-answer")).to_have_value("Chúng tôi xin lỗi Ông/Bà. Kết quả có ngày mai.")
    await key(page, "g")
    await expect(page.locator("[role=status]").first).to_contain_text("Đã trình duyệt")


async def test_letters_are_typed_one_after_another_by_keyboard(open_console: OpenPage) -> None:
    page = await open_console(width=1280, java_script_enabled=False)
    await sign_in(page, "an@bacninh.gov.vn")
    await page.goto("/console/ghi-nhan")
    for number in range(2):
        await by_tab(page, "#f-text")
        await page.keyboard.type(f"Thư số {number}: tôi chờ kết quả đã lâu.")
        await by_tab(page, "#f-name")
        await page.keyboard.type("Trần Thị Bích")
        await by_tab(page, "#f-postal_address")
        await page.keyboard.type("12 Lê Lợi, Bắc Ninh")
        async with page.expect_navigation(timeout=10_000):
            await page.keyboard.press("Enter")
        await expect(page.locator(".slip-number")).to_contain_text("PA-")
        await key(page, "t")
        await expect(page.locator("#f-text")).to_have_value("")
