"""The public register as a browser shows it: empty, short, long; narrow and wide, light and dark, both languages."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from playwright.async_api import Browser, expect

from service.wiring import Core
from tests.browser.conftest import OVERFLOW, OpenPage, looks_right, windows
from tests.channels.web.register.conftest import RegisterSite, open_register
from tests.feedback_intake.desk import HERE
from tests.feedback_intake.many_entries import fill
from tests.feedback_intake.test_register import EDITED

LONG = "Trung tâm Phục vụ hành chính công xã Nguyễn-Thị-Minh-Khai-và-các-vùng-lân-cận-không-có-dấu-cách-nào-ở-đây"
RENAME = "UPDATE agency SET name = $1 WHERE code = $2"
LENGTHEN = "UPDATE register_entry SET question = repeat('Chữ dài không nghỉ ', 200) || repeat('dàiquá', 60) WHERE n = 2"
PATHS = (
    "/cong-khai",
    "/cong-khai?q=khongco&kind=proposal",
    "/cong-khai?agency=uy+ban",
    "/cong-khai?agency=khong+co+noi+nay",
    "/cong-khai/co-quan",
    f"/cong-khai/co-quan/{HERE}",
    "/cong-khai/kiem-chung",
)


@pytest.fixture
async def register(core: Core) -> AsyncIterator[RegisterSite]:
    """The pages of an empty register."""
    async with open_register(core) as opened:
        yield opened


@pytest.fixture
async def open_shelf(browser: Browser, register: RegisterSite) -> AsyncIterator[OpenPage]:
    """Opens a window on the register."""
    async with windows(browser, str(register.client.make_url("/"))) as open_it:
        yield open_it


async def longer(register: RegisterSite) -> None:
    """An office with the longest of names, before anything is published."""
    owner = await asyncpg.connect(register.core.database.url)
    await owner.execute(RENAME, LONG, HERE)
    await owner.close()
    await register.core.registry.refresh()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("entries", [0, 1, 50])
async def test_every_page_fits_and_can_be_touched(
    register: RegisterSite, open_shelf: OpenPage, width: int, entries: int
) -> None:
    await longer(register)
    if entries == 1:
        await register.publishes()
        await register.counts()
    elif entries:
        await fill(register.core.database.url, entries, offices=40)
        owner = await asyncpg.connect(register.core.database.url)
        await owner.execute(LENGTHEN)
        await owner.close()
    page = await open_shelf(width=width, color_scheme="dark" if width == 360 else "light")
    language = "en" if width == 1280 else "vi"
    shown = ("/cong-khai/1", "/cong-khai/2", "/cong-khai?before=30") if entries == 50 else ("/cong-khai/1",) * entries
    for path in (*PATHS, *shown):
        await page.goto(f"{path}{'&' if '?' in path else '?'}lang={language}")
        await looks_right(page)


async def test_somebody_finds_and_reads_an_answer_without_scripts(register: RegisterSite, open_shelf: OpenPage) -> None:
    await register.publishes()
    page = await open_shelf(java_script_enabled=False)
    await page.goto("/cong-khai")
    await page.fill("#q", "tre hen")
    await page.click("text=Tìm >> nth=-1")
    await page.click(f"text={EDITED}")
    await expect(page.locator("h1")).to_contain_text("trả lời")
    await page.click("text=English")
    await expect(page.locator("dl")).to_contain_text("Not named")
    await page.go_back()
    await page.goto("/cong-khai?lang=vi")
    await page.click("summary")
    await page.fill("#agency", "Sở Phép Thuật")
    await page.keyboard.press("Enter")
    await expect(page.locator("#agency")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#agency")).to_have_value("Sở Phép Thuật")


async def test_a_long_register_is_walked_page_by_page_by_keyboard(register: RegisterSite, open_shelf: OpenPage) -> None:
    await fill(register.core.database.url, 10_000, length=20, offices=60)
    page = await open_shelf(width=768)
    await page.goto("/cong-khai")
    first = await page.locator(".entries a").first.get_attribute("href")
    await page.locator("a[rel=next]").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".entries a").first).not_to_have_attribute("href", first or "")
    await looks_right(page)
    await page.click("text=Về mới nhất")
    await expect(page.locator(".entries a").first).to_have_attribute("href", first or "")


async def test_text_twice_as_large_still_fits_and_print_is_tidy(register: RegisterSite, open_shelf: OpenPage) -> None:
    await longer(register)
    await register.publishes()
    page = await open_shelf(width=640)
    for path in ("/cong-khai", "/cong-khai/1", f"/cong-khai/co-quan/{HERE}"):
        await page.goto(path)
        await page.evaluate("document.documentElement.style.setProperty('font-size', '225%')")
        assert await page.evaluate(OVERFLOW) <= 0, path
    await page.emulate_media(media="print")
    assert await page.evaluate(OVERFLOW) <= 0
