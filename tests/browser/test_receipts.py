"""What a slip opens in a real browser: the answer, the slip to print, and the check, with and without a network."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from channels.receipts.checking import Checked, Verdict, checked
from channels.receipts.layout import roll
from channels.receipts.painting import svg
from domain.language import Language
from lookup.receipt_tokens import Receipt, ReceiptKeys
from tests.browser.conftest import OpenPage, looks_right, windows
from tests.browser.test_citizens_pages import controlled
from tests.channels.conftest import core
from tests.channels.receipts.conftest import Counter, counter, open_counter
from tests.channels.receipts.optics import opened, pages, rasterised, read
from tests.channels.receipts.sample_slips import CODE, ISSUED, SLIPS
from tests.channels.receipts.test_pages import altered

__all__ = ["core", "counter", "open_counter"]

# An older browser: its WebCrypto knows SHA-512, but not Ed25519.
NO_ED25519 = """crypto.subtle.importKey = () => Promise.reject(new DOMException("unknown", "NotSupportedError"));"""
FACTS = ("office", "code", "received", "due", "issued")


@pytest.fixture
async def open_page(browser: Browser, counter: Counter) -> AsyncIterator[OpenPage]:
    """Opens a window on the counter's site."""
    async with windows(browser, str(counter.client.make_url("/"))) as open_it:
        yield open_it


async def verdict_of(page: Page) -> Checked:
    """What the page shows."""
    shown = page.locator("[data-verdict]:not([hidden])")
    await expect(shown).to_have_count(1)
    said = {}
    for name in FACTS:
        fact = shown.locator(f"[data-fact={name}]:not([hidden]) dd")
        said[name] = await fact.inner_text() if await fact.count() else ""
    link = shown.locator("[data-open]")
    token = (await link.get_attribute("href") or "").removeprefix("/r/") if await link.count() else ""
    return Checked(verdict=Verdict(await shown.get_attribute("data-verdict") or ""), token=token, **said)


async def paste(page: Page, text: str) -> Checked:
    """Check `text` by hand."""
    await page.evaluate("document.querySelectorAll('[data-verdict]').forEach((section) => { section.hidden = true; })")
    await page.fill("#receipt", text)
    await page.click("form button")
    return await verdict_of(page)


@pytest.mark.parametrize("width", [320, 360, 1280])
async def test_nothing_runs_out_of_the_window_and_everything_can_be_touched(
    open_page: OpenPage, counter: Counter, width: int
) -> None:
    page = await open_page(width=width, color_scheme="dark" if width == 360 else "light")
    token = await counter.token()
    for path in (
        f"/r/{token}",
        f"/r/{token}?lang=en",
        "/kiem-tra",
        f"/kiem-tra?lang=vi#{token}",
        f"/kiem-tra#{altered(token)}",
        f"/r/{token}/in",
    ):
        await page.goto(path)
        await looks_right(page)


async def test_from_the_answer_to_the_check_and_back(open_page: OpenPage, counter: Counter) -> None:
    page = await open_page()
    await page.goto(f"/r/{await counter.token()}")
    await expect(page.locator("body")).to_contain_text("N*** V** A*")
    await page.click("text=Kiểm tra giấy này")
    assert (await verdict_of(page)).verdict is Verdict.GENUINE
    await page.click("text=Xem hồ sơ hiện ở đâu")
    await expect(page.locator("body")).to_contain_text("N*** V** A*")
    assert await page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize(
    ("language", "browser_knows_ed25519"), [(Language.VIETNAMESE, True), (Language.ENGLISH, False)]
)
async def test_the_browser_and_the_service_come_to_the_same_verdict(
    open_page: OpenPage, counter: Counter, language: Language, *, browser_knows_ed25519: bool
) -> None:
    page = await open_page()
    if not browser_knows_ed25519:
        await page.add_init_script(NO_ED25519)
    await page.goto(f"/kiem-tra?lang={language}")
    slip, keys = await counter.slip(), counter.core.receipts
    token = slip.address.rpartition("/")[2]
    receipts = [
        Receipt(code="000.00.12.H62-201105-0004", office="H05.16", issued_at=ISSUED),
        Receipt(code="03706/2026/07906", office="H05", issued_at=ISSUED, due_on=ISSUED.date()),
        Receipt(code="HỒ SƠ_Ω-1", office="H05.16", issued_at=ISSUED),
        Receipt(code="Z99-1", office="Z99", issued_at=ISSUED, specimen=True),
    ]
    pasted = [
        slip.address,
        f"  {token.lower()} ",
        f"HTTPS://MOTMA.VN/R/{token}/",
        *map(keys.issue, receipts),
        altered(token),
        token[:-1],
        token + "A",
        token[:40].lower() + token[40:],
        ReceiptKeys([b"x" * 32]).issue(receipts[0]),
        "C" + token,
        "B" * 138,
        CODE,
        "https://example.com/",
    ]
    for text in pasted:
        assert await paste(page, text) == checked(text, keys, counter.core.registry, language), text


async def test_it_works_without_a_network_once_it_was_opened(open_page: OpenPage, counter: Counter) -> None:
    page = await open_page()
    token = await counter.token()
    await page.goto("/")
    await controlled(page)
    await page.context.set_offline(True)
    for prepare in (None, NO_ED25519):
        if prepare:
            await page.add_init_script(prepare)
        await page.goto(f"/kiem-tra#{token}")
        await page.reload()
        seen = await verdict_of(page)
        assert (seen.verdict, seen.code) == (Verdict.GENUINE, CODE)
        assert "(H05.16)" in seen.office, "the names of offices were taken along"
        assert (await paste(page, altered(token))).verdict is Verdict.FORGED
    await page.context.set_offline(False)


async def test_a_hand_scanner_types_and_ends_with_enter(open_page: OpenPage, counter: Counter) -> None:
    page = await open_page()
    slip = await counter.slip()
    await page.goto("/kiem-tra")
    await page.focus("#receipt")
    await page.keyboard.type(slip.address)
    await page.keyboard.press("Enter")
    assert (await verdict_of(page)).verdict is Verdict.GENUINE


async def test_without_scripts_the_service_checks(open_page: OpenPage, counter: Counter) -> None:
    page = await open_page(java_script_enabled=False)
    token = await counter.token()
    await page.goto("/kiem-tra")
    for text, verdict in ((token, Verdict.GENUINE), (altered(token), Verdict.FORGED)):
        await page.fill("#receipt", text)
        await page.click("form button")
        assert (await verdict_of(page)).verdict is verdict


async def test_what_only_the_service_can_check_is_sent_there(open_page: OpenPage, counter: Counter) -> None:
    page = await open_page()
    for_chat = counter.core.receipts.issue_for_chat(Receipt(code=CODE, issued_at=ISSUED))
    await page.goto("/kiem-tra")
    await page.fill("#receipt", for_chat or "")
    async with page.expect_navigation():
        await page.click("form button")
    assert (await verdict_of(page)).verdict is Verdict.GENUINE


async def test_the_slip_is_printed_on_one_a5_page(open_page: OpenPage, counter: Counter) -> None:
    page = await open_page(width=1280)
    token = await counter.token()
    await page.goto(f"/r/{token}/in")
    await expect(page.locator("[data-print-slip]")).to_be_visible()
    printed = await page.pdf(prefer_css_page_size=True)
    image = rasterised(printed, 203)
    assert image.width == pytest.approx(148 / 25.4 * 203, abs=3)
    assert any(text.endswith(f"/r/{token}") for text in read(image))
    assert pages(printed) == 1


@pytest.mark.parametrize("name", SLIPS)
async def test_a_drawing_looks_the_same_in_a_browser(open_page: OpenPage, name: str) -> None:
    page = await open_page(width=900, device_scale_factor=2)
    await page.set_content(svg(roll(SLIPS[name])))
    image = opened(await page.locator("svg").screenshot())
    assert SLIPS[name].address in read(image)
