"""The field on other sites: another origin, a strict policy, no cookies, and what remains where it is not let."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from domain.status import Status
from service.wiring import Core
from tests.browser.conftest import looks_right, windows
from tests.channels.story import CODE
from tests.channels.web.corner import Corner, open_corner

LINES = "all => all.map((e) => Math.round(e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)))"
FIELD, SAID = ".motma input", ".motma .said"


@dataclass
class Agency:
    """An agency's site: one page, whose policy a test sets. Our own field is all the script it lets in."""

    server: TestServer
    ours: str = ""
    connect: bool = True
    language: str = "vi"
    attributes: str = ""
    in_head: bool = False

    @property
    def origin(self) -> str:
        return str(self.server.make_url("/")).rstrip("/")

    async def page(self, _request: web.Request) -> web.Response:
        policy = f"default-src 'none'; script-src {self.ours}; require-trusted-types-for 'script'; form-action 'none'; "
        policy += "style-src 'self'; base-uri 'none'" + (f"; connect-src {self.ours}" if self.connect else "")
        tag = f'<script src="{self.ours}/widget.js" async {self.attributes}></script>'
        head, body = (tag, "") if self.in_head else ("", tag)
        html = f"""<!doctype html><html lang="{self.language}"><head><title>UBND</title>{head}</head>
            <body><main><h1>Ủy ban nhân dân</h1><div id="there"></div>{body}</main></body></html>"""
        return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": policy})


@pytest.fixture
async def agency() -> AsyncIterator[Agency]:
    app = web.Application()
    server = TestServer(app)
    agency = Agency(server)
    app.router.add_get("/", agency.page)
    await server.start_server()
    yield agency
    await server.close()


@pytest.fixture
async def corner(core: Core, agency: Agency) -> AsyncIterator[Corner]:
    """Our service, which names the agency's site."""
    async with open_corner(core, origins=agency.origin) as opened:
        await opened.office.files()
        agency.ours = str(opened.client.make_url("/")).rstrip("/")
        yield opened


@asynccontextmanager
async def reader(browser: Browser, agency: Agency, *, width: int = 360, **options: object) -> AsyncIterator[Page]:
    """Somebody who reads the agency's page; nothing may go wrong in it."""
    async with windows(browser, agency.origin) as open_it:
        page = await open_it(width=width, **options)
        await page.goto("/")
        yield page


async def asks(page: Page, code: str) -> None:
    await page.fill(FIELD, code)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("language", ["vi", "en"])
async def test_under_a_strict_policy_it_answers_in_place(
    browser: Browser, corner: Corner, agency: Agency, width: int, language: str
) -> None:
    agency.language = language
    async with reader(browser, agency, width=width) as page:
        await expect(page.locator(FIELD)).to_be_visible()
        await looks_right(page)
        await asks(page, CODE.lower())
        await expect(page.locator(SAID)).to_contain_text("Đúng hạn" if language == "vi" else "On time")
        await expect(page.locator(SAID)).to_contain_text(CODE)
        await looks_right(page)
        assert await page.locator(f"{SAID} .whole").evaluate_all(LINES) == [1, 1]
        link = page.locator(f"{SAID} a").last
        assert (await link.get_attribute("href") or "").startswith(f"{agency.ours}/tra-cuu?code={CODE}")
        assert await link.get_attribute("target") == "_blank"
        assert await link.get_attribute("rel") == "noopener noreferrer"


async def test_it_leaves_no_cookie_and_keeps_nothing(browser: Browser, corner: Corner, agency: Agency) -> None:
    async with reader(browser, agency) as page:
        await asks(page, CODE)
        await expect(page.locator(SAID)).to_contain_text(CODE)
        assert await page.context.cookies() == []
        assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_late_file_and_an_unknown_one(browser: Browser, corner: Corner, agency: Agency) -> None:
    await corner.office.files("H05.16-261102-0002", status=Status.COMPLETED)
    async with reader(browser, agency) as page:
        await asks(page, "H05.16-261102-0002")
        await expect(page.locator(SAID)).to_contain_text("H05.16-261102-0002")
        await asks(page, "H05.16-261102-9999")
        await expect(page.locator(SAID)).to_contain_text("Không tìm thấy hồ sơ")
        await asks(page, "???")
        await expect(page.locator(SAID)).to_contain_text("không đọc được mã này")
        await asks(page, "")
        await expect(page.locator(SAID)).to_contain_text("Xin nhập mã hồ sơ")
        await expect(page.locator(FIELD)).to_be_focused()


async def test_where_it_may_not_ask_it_points_to_our_page(browser: Browser, corner: Corner, agency: Agency) -> None:
    agency.connect = False
    async with windows_that_may_refuse(browser, agency) as page:
        await asks(page, CODE)
        await expect(page.locator(SAID)).to_contain_text("Xin xem hồ sơ ở trang Một Mã")
        async with page.context.expect_page() as opened:
            await page.locator(f"{SAID} a").click()
        ours = await opened.value
        await expect(ours.locator("h1")).to_have_text("Hồ sơ đang được giải quyết, đúng hạn.")
        assert await ours.evaluate("window.opener") is None
        assert await ours.evaluate("document.referrer") == ""


async def test_a_site_nobody_named_gets_the_link(browser: Browser, core: Core, agency: Agency) -> None:
    async with open_corner(core) as corner:
        await corner.office.files()
        agency.ours = str(corner.client.make_url("/")).rstrip("/")
        async with windows_that_may_refuse(browser, agency) as page:
            await asks(page, CODE)
            await expect(page.locator(SAID)).to_contain_text("Xin xem hồ sơ ở trang Một Mã")
            await expect(page.locator(SAID)).not_to_contain_text("Đúng hạn")


async def test_an_old_browser_gets_a_plain_link(browser: Browser, corner: Corner, agency: Agency) -> None:
    async with windows(browser, agency.origin) as open_it:
        page = await open_it()
        await page.add_init_script("window.CSSStyleSheet = function () { throw new TypeError('Illegal constructor') }")
        await page.goto("/")
        await expect(page.locator("main a")).to_have_text("Tra cứu hồ sơ (mở trang Một Mã)")


@pytest.mark.parametrize(
    ("attributes", "in_head"), [('data-into="#there"', True), ('data-into="#there"', False), ("", True)]
)
async def test_it_stands_where_the_page_says(
    browser: Browser, corner: Corner, agency: Agency, attributes: str, in_head: bool
) -> None:
    agency.attributes, agency.in_head = attributes, in_head
    async with reader(browser, agency) as page:
        await expect(page.locator(f"#there {FIELD}" if attributes else f"body > div {FIELD}")).to_be_visible()


async def test_a_language_can_be_said_outright(browser: Browser, corner: Corner, agency: Agency) -> None:
    agency.attributes = 'data-lang="en"'
    async with reader(browser, agency, color_scheme="dark") as page:
        await expect(page.locator(".motma label")).to_have_text("Dossier code")
        await looks_right(page)


@asynccontextmanager
async def windows_that_may_refuse(browser: Browser, agency: Agency) -> AsyncIterator[Page]:
    """A page whose browser reports a call that was not let through, as it must."""
    context = await browser.new_context(base_url=agency.origin)
    page = await context.new_page()
    await page.goto("/")
    yield page
    await context.close()
