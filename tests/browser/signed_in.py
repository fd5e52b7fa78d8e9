"""An officer in a browser: signed in, at the keyboard, and what is looked at on each page of the console."""

import os
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.conftest import looks_right
from tests.console.officers import PASSWORD

LONG_ADDRESS = "nguyen.thi.hoang.anh@trungtamphucvuhanhchinhcong.bacninh.gov.vn"
SHOTS = os.environ.get("SCREENSHOTS")  # where to keep what was looked at


async def sign_in(page: Page, email: str = LONG_ADDRESS) -> None:
    """Sign in by password; the console's own menu is there, which the page of signing in has not."""
    await page.goto("/console/vao")
    await page.fill("#f-email", email)
    await page.fill("#f-password", PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("aside.menu")).to_be_attached()


async def seen(page: Page, name: str) -> None:
    """Looked at: nothing runs out of the window, nothing is too small, Axe finds nothing."""
    await looks_right(page)
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


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
