"""My dossiers in a browser: without scripts, by keyboard, and forgotten again."""

import pytest
from playwright.async_api import Page, expect

from domain.status import Status
from tests.browser.conftest import OpenPage, looks_right
from tests.channels.story import CODE, PHONE
from tests.channels.web.corner import Corner

SECOND = "H05.16-261102-0002"


async def prove(page: Page, corner: Corner) -> None:
    phone = corner.phone(PHONE)
    await page.goto("/cua-toi")
    await page.fill("#phone", "0901 234 567")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_be_visible()
    await page.fill("#code", (await phone.hears())[:6])
    await page.keyboard.press("Enter")
    await expect(page.locator(".dossier").first).to_be_visible()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("language", ["vi", "en"])
async def test_it_looks_right(open_window: OpenPage, corner: Corner, width: int, language: str) -> None:
    await corner.office.files(SECOND, status=Status.COMPLETED)
    await corner.office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="Bản sao Giấy khai sinh có chứng thực")
    page = await open_window(width=width, color_scheme="dark" if width == 360 else "light")
    await page.goto(f"/cua-toi?lang={language}")
    await looks_right(page)
    await page.fill("#phone", "8100")
    await page.keyboard.press("Enter")
    await expect(page.locator("#phone-problem")).to_be_visible()
    await looks_right(page)
    phone = corner.phone(PHONE)
    await page.fill("#phone", PHONE)
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_be_visible()
    await looks_right(page)
    await page.fill("#code", "1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code-problem")).to_be_visible()
    await looks_right(page)
    await page.fill("#code", (await phone.hears())[:6])
    await page.keyboard.press("Enter")
    await page.locator("summary").first.click()
    await expect(page.locator("dl.facts").first).to_be_visible()
    await looks_right(page)


async def test_everything_works_without_scripts(open_window: OpenPage, corner: Corner) -> None:
    page = await open_window(java_script_enabled=False)
    await prove(page, corner)
    await expect(page.locator(".dossier")).to_contain_text("N*** V** A*")
    await page.click("text=Thôi báo hồ sơ này")
    await expect(page.locator(".told")).to_have_text("Hồ sơ này đang tắt tin nhắn.")
    await page.click("text=Báo cho tôi khi có thay đổi")
    await expect(page.locator(".told")).to_contain_text("nhắn tin tới số này")
    await page.click("text=Xóa khỏi máy này")
    await expect(page.locator("#phone")).to_be_visible()


async def test_what_was_shown_does_not_come_back_after_it_was_forgotten(open_window: OpenPage, corner: Corner) -> None:
    page = await open_window()
    await prove(page, corner)
    await page.click("text=Xóa khỏi máy này")
    await page.go_back()
    await expect(page.locator("body")).not_to_contain_text(CODE.split("-")[2])
    kept = await page.evaluate("async () => JSON.stringify(localStorage) + (await caches.keys()).join()")
    assert CODE not in kept


async def test_a_keyboard_is_enough(open_window: OpenPage, corner: Corner) -> None:
    page = await open_window()
    phone = corner.phone(PHONE)
    await page.goto("/cua-toi")
    for _ in range(4):
        await page.keyboard.press("Tab")
    await page.keyboard.type("0901234567")
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_be_focused()
    await page.keyboard.type((await phone.hears())[:6])
    await page.keyboard.press("Enter")
    await expect(page.locator(".dossier")).to_be_visible()
