"""The pages as a browser shows them: narrow, zoomed, printed, without scripts, without a network, and live."""

import re
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OVERFLOW, OpenPage, Site, looks_right
from tests.channels.web.sample_answers import APPLICANT, OFFICE, SAMPLES, SECRET
from tests.channels.web.test_hostile_input import HOSTILE

CODE = SAMPLES["in_progress"].code
CONTROLLED = """async () => {
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller)
        await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done));
}"""


async def controlled(page: Page) -> None:
    """The offline worker answers from now on."""
    await page.evaluate(CONTROLLED)


async def prove(page: Page, code: str) -> None:
    await page.goto(f"/tra-cuu?code={code}")
    await page.fill("#proof", SECRET)
    await page.click("form[method=post] button")
    await expect(page.locator("dl.facts")).to_be_visible()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
async def test_nothing_runs_out_of_the_window_and_everything_can_be_touched(open_page: OpenPage, width: int) -> None:
    page = await open_page(width=width, color_scheme="dark" if width == 360 else "light")
    for path in ("/", "/?instead=citizen_id", "/tra-cuu?code=H05.16-261102-9999", "/khong-co"):
        await page.goto(path)
        await looks_right(page)
    for sample in SAMPLES.values():
        await page.goto(f"/tra-cuu?code={sample.code}&lang=en")
        await looks_right(page)
        await prove(page, sample.code)
        await looks_right(page)


async def test_text_twice_as_large_still_fits(open_page: OpenPage) -> None:
    page = await open_page(width=640)
    await prove(page, SAMPLES["supplement_long"].code)
    await page.evaluate("document.documentElement.style.setProperty('font-size', '225%')")
    assert await page.evaluate(OVERFLOW) <= 0


async def test_everything_works_without_scripts(open_page: OpenPage) -> None:
    page = await open_page(java_script_enabled=False)
    await page.goto("/")
    await page.fill("#code", "h05.16 261102 1")
    await page.click("text=Xem hồ sơ")
    await expect(page.locator("h1")).to_have_text("Hồ sơ đang được giải quyết, đúng hạn.")
    await expect(page.locator("[data-print]")).to_be_hidden()
    await page.fill("#proof", SECRET)
    await page.click("text=Xem đầy đủ")
    await expect(page.locator("body")).to_contain_text("N*** V** A*")
    await page.click("text=English")
    await expect(page.locator("h1")).to_have_text("Your file is being handled and is on time.")


async def test_a_keyboard_reaches_the_answer(open_page: OpenPage) -> None:
    page = await open_page()
    await page.goto("/")
    focused = []
    for _ in range(4):
        await page.keyboard.press("Tab")
        focused.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert focused == ["Đến nội dung chính", "Một Mã", "English", "code"]
    await page.keyboard.type(CODE)
    await page.keyboard.press("Enter")
    await expect(page.locator("#answer")).to_be_visible()


async def test_a_change_appears_while_the_page_is_open(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await page.goto(f"/tra-cuu?code={CODE}")
    await page.fill("#proof", "24")
    await site.news.watched_by(CODE, 1)
    site.desk.samples[CODE] = replace(SAMPLES["done"], code=CODE)
    site.news.changed(CODE)
    await expect(page.locator("h1")).to_have_text("Hồ sơ đã có kết quả.")
    await expect(page.locator("[data-said]")).to_have_text("Thông tin vừa được cập nhật.")
    await expect(page.locator("#proof")).to_have_value("24")


async def test_what_a_proof_opened_only_says_that_it_changed(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    async with page.expect_response("**/tra-cuu/live*"):
        await prove(page, CODE)
    await site.news.watched_by(CODE, 1)
    await page.wait_for_function("seen === 1")
    await expect(page.locator("[data-changed]")).to_be_hidden()
    site.news.changed(CODE)
    await expect(page.locator("[data-changed]")).to_be_visible()
    await expect(page.locator("body")).to_contain_text("N*** V** A*")


async def test_the_code_is_copied_as_one_string(open_page: OpenPage) -> None:
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await page.goto(f"/tra-cuu?code={CODE}")
    await page.click("[data-copy]")
    await expect(page.locator("[data-copy]")).to_contain_text("Đã chép mã")
    assert await page.evaluate("navigator.clipboard.readText()") == CODE
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('.code'))")
    assert await page.evaluate("getSelection().toString()") == CODE


async def test_without_a_network_the_last_answer_is_shown_with_its_time(open_page: OpenPage) -> None:
    page = await open_page()
    await page.goto("/")
    await controlled(page)
    await page.goto(f"/tra-cuu?code={CODE}")
    await prove(page, SAMPLES["done"].code)
    await page.context.set_offline(True)
    await page.goto("/")
    await expect(page.locator(".offline-note")).to_be_visible()
    await expect(page.locator("[data-last]")).to_contain_text("Hồ sơ đã có kết quả.")
    await page.goto(f"/tra-cuu?code={CODE}")
    await expect(page.locator(".offline-note")).to_be_visible()
    await expect(page.locator(".as-of")).to_have_text("Thông tin tính đến 14:05, 20/11/2026.")
    await expect(page.locator("h1")).to_have_text("Hồ sơ đang được giải quyết, đúng hạn.")


async def test_nothing_that_a_proof_opened_is_kept(open_page: OpenPage) -> None:
    page = await open_page()
    await page.goto("/")
    await controlled(page)
    await prove(page, CODE)
    kept = await page.evaluate("""async () => {
        const pages = [];
        for (const name of await caches.keys())
            for (const request of await (await caches.open(name)).keys())
                pages.push(request.url + await (await caches.match(request)).text());
        return JSON.stringify(localStorage) + pages.join();
    }""")
    assert CODE in kept
    assert "N*** V**" not in kept
    assert "07:55" not in kept


async def test_the_last_answer_can_be_removed_from_the_device(open_page: OpenPage) -> None:
    page = await open_page()
    await page.goto(f"/tra-cuu?code={CODE}")
    await page.goto("/")
    await expect(page.locator("[data-last]")).to_contain_text(CODE)
    await page.click("[data-last-forget]")
    await page.goto("/")
    await expect(page.locator("[data-last]")).to_be_hidden()


async def test_a_printed_answer_is_one_tidy_sheet(open_page: OpenPage) -> None:
    page = await open_page(width=1280)
    await prove(page, SAMPLES["back_in_progress"].code)
    await page.emulate_media(media="print")
    for hidden in ("nav", ".site-foot", ".follow", "[data-print]"):
        await expect(page.locator(hidden).first).to_be_hidden()
    await expect(page.locator("h1")).to_be_visible()
    sheet = await page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b(?!s)", sheet)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_what_is_stored_never_runs(open_page: OpenPage, site: Site, scheme: str) -> None:
    page = await open_page(color_scheme=scheme)
    for hostile in HOSTILE:
        office = replace(OFFICE, name=hostile, name_en=hostile, phone=hostile, address=hostile)
        site.desk.samples[CODE] = replace(
            SAMPLES["supplement"], code=CODE, office=office, asked=hostile, applicant=hostile, procedure=hostile
        )
        await prove(page, CODE)
        await expect(page.locator("body")).not_to_contain_text(APPLICANT)
