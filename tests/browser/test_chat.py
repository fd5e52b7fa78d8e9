"""The web chat in a browser: with scripts and without, by keyboard, while notices arrive."""

import pytest
from playwright.async_api import Page, expect

from domain.status import Status
from tests.browser.conftest import OpenPage, looks_right
from tests.channels.story import CODE, SECRET
from tests.channels.web.corner import Corner

OURS = ".from-us .said"
# How many lines each code and phone number takes.
LINES = """() => [...document.querySelectorAll('.unbroken')]
    .map((e) => Math.round(e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)))"""


async def says(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("language", ["vi", "en"])
async def test_it_looks_right(open_window: OpenPage, corner: Corner, width: int, language: str) -> None:
    page = await open_window(width=width, color_scheme="dark" if width == 360 else "light")
    await page.goto(f"/chat?lang={language}")
    await looks_right(page)
    await says(page, f"THEO DOI {CODE}")
    await expect(page.locator(OURS)).to_have_count(2)
    await corner.office.moves(to=Status.COMPLETED)
    await expect(page.locator(OURS)).to_have_count(3)
    await expect(page.locator("#choices button")).not_to_have_count(0)
    await looks_right(page)
    assert await page.evaluate(LINES) == [1] * await page.locator(".unbroken").count()


async def test_a_code_too_long_for_a_line_wraps_and_nothing_runs_out(open_window: OpenPage) -> None:
    page = await open_window(width=320)
    await page.goto("/chat")
    await says(page, f"THEO DOI {'H05.16-' * 8}20261102")
    await expect(page.locator(".from-person .unbroken")).to_have_count(1)
    await looks_right(page)
    assert max(await page.evaluate(LINES)) > 1


async def test_an_answer_comes_without_loading_the_page(open_window: OpenPage) -> None:
    page = await open_window()
    await page.goto("/chat")
    await page.evaluate("window.stayed = true")
    await says(page, CODE)
    await expect(page.locator(OURS)).to_have_count(2)
    await expect(page.locator("#text")).to_have_value("")
    await says(page, SECRET)
    await expect(page.locator(OURS).last).to_contain_text("20/11/2036")
    assert await page.evaluate("window.stayed")
    await expect(page.locator("#text")).to_be_focused()
    await expect(page.locator("#text")).to_have_value("")


async def test_a_button_says_what_it_stands_for(open_window: OpenPage, corner: Corner) -> None:
    page = await open_window()
    await page.goto("/chat")
    await says(page, f"THEO DOI {CODE}")
    await corner.office.moves(to=Status.COMPLETED)
    await page.click(f"#choices button[value='BO {CODE}']")
    await expect(page.locator(".from-person .said").last).to_have_text(f"BO {CODE}")


async def test_everything_works_without_scripts(open_window: OpenPage) -> None:
    page = await open_window(java_script_enabled=False)
    await page.goto("/")
    await page.click("text=Hỏi qua trò chuyện")
    await page.fill("#text", CODE)
    await page.click("#compose button")
    await expect(page.locator(OURS).last).to_contain_text(CODE)
    await page.fill("#text", SECRET)
    await page.click("#compose button")
    await expect(page.locator(OURS).last).to_contain_text("20/11/2036")
    await page.click("text=Kết thúc và xóa")
    await expect(page.locator(".bubble")).to_have_count(1)


async def test_a_keyboard_is_enough(open_window: OpenPage) -> None:
    page = await open_window()
    await page.goto("/chat")
    for _ in range(4):
        await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.value") == "TRO GIUP"
    await page.keyboard.press("Enter")
    await expect(page.locator(OURS)).to_have_count(1)
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type(CODE)
    await page.keyboard.press("Enter")
    await expect(page.locator(OURS)).to_have_count(2)


async def test_a_reload_says_nothing_twice(open_window: OpenPage) -> None:
    page = await open_window(java_script_enabled=False)
    await page.goto("/chat")
    await page.fill("#text", CODE)
    await page.click("#compose button")
    await expect(page.locator(".bubble")).to_have_count(2)
    await page.reload()
    await expect(page.locator(".bubble")).to_have_count(2)
