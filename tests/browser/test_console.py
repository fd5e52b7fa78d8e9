"""The officers' pages as a browser shows them: narrow and wide, by day and by night, empty and full, by keyboard."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from console.places import PLACES
from console.roles import OfficerRole
from service.wiring import Core
from tests.browser.conftest import OpenPage, windows
from tests.browser.signed_in import LONG_ADDRESS, seen, sign_in
from tests.console.crowd import fill
from tests.console.officers import House, open_house


@pytest.fixture
async def house(core: Core) -> AsyncIterator[House]:
    """The console, with one officer of every role."""
    async with open_house(core) as opened:
        await opened.hires(LONG_ADDRESS, *OfficerRole, office="VN")
        await opened.hires("h05@bacninh.gov.vn", *OfficerRole)
        yield opened


@pytest.fixture
async def open_console(browser: Browser, house: House) -> AsyncIterator[OpenPage]:
    """Opens a window on the console."""
    async with windows(browser, house.url) as open_it:
        yield open_it


@pytest.mark.parametrize(
    ("width", "scheme", "rows"),
    [(360, "dark", 50), (768, "light", 50), (1280, "light", 1), (1280, "dark", 0), (768, "dark", 10_000)],
)
async def test_every_page_fits(open_console: OpenPage, house: House, width: int, scheme: str, rows: int) -> None:
    await fill(house.core, rows)
    page = await open_console(width=width, color_scheme=scheme)
    await page.goto("/console/vao")
    await seen(page, f"vao-{width}-{scheme}")
    await sign_in(page)
    for place in PLACES:
        answer = await page.goto(place.url)
        assert answer, place.url
        assert answer.ok, place.url
        await seen(page, f"{place.name}-{width}-{scheme}-{rows}")
    if rows:
        for path in ("/console/ho-so/H05.16-261102-0001", "/console/tai-khoan/1?lang=en", "/console/khong-co"):
            await page.goto(path)
            await seen(page, f"{path.split('/')[2]}-one-{width}-{scheme}")


async def test_a_clerk_finds_a_dossier_by_keyboard(open_console: OpenPage, house: House) -> None:
    await fill(house.core, 1)
    page = await open_console(width=1280, java_script_enabled=False)
    await sign_in(page, "h05@bacninh.gov.vn")
    await page.goto("/console/ho-so")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Đến nội dung chính")
    await page.keyboard.press("Enter")
    for _ in range(2):
        await page.keyboard.press("Tab")
        if await page.locator("#f-q:focus").count():
            break
    await expect(page.locator("#f-q")).to_be_focused()
    await page.keyboard.type("h05.16 261102 1")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("H05.16-261102-0001")


async def test_a_menu_folds_on_a_phone(open_console: OpenPage) -> None:
    page = await open_console(width=360)
    await sign_in(page)
    link = page.locator("details.menu-folded a", has_text="Tài khoản").first
    await expect(link).to_be_hidden()
    await page.click("summary")
    await link.click()
    await expect(page.locator("h1")).to_have_text("Tài khoản")


async def test_a_passkey_signs_in(core: Core, browser: Browser) -> None:
    async with open_house(core, url="http://localhost:{port}") as house:
        await house.hires("an@bacninh.gov.vn", OfficerRole.ADMINISTRATOR)
        async with windows(browser, house.url) as open_it:
            page = await open_it(width=1280)
            device = await page.context.new_cdp_session(page)
            await device.send("WebAuthn.enable")
            options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
            options |= {"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
            await device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
            await sign_in(page, "an@bacninh.gov.vn")
            await page.goto("/console/toi")
            await page.fill("#passkey-name", "Máy ở cơ quan")
            await page.click("text=Thêm khóa")
            await expect(page.locator("main")).to_contain_text("Đã thêm khóa đăng nhập")
            await page.click("text=Đăng xuất >> nth=0")
            await page.click("text=Dùng khóa đăng nhập")
            await expect(page.locator("h1")).to_contain_text("Xin chào")
