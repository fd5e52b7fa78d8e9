"""Headless Chromium before the citizens' site. Not part of the usual suite: it needs a browser (CHROMIUM names it).

`./run browser` runs all tests in one event loop, so that they share one driver and one browser: starting those takes
longer than most of the tests.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from service.wiring import Core
from tests.channels.conftest import core
from tests.channels.web.conftest import OpenSite, Site, open_site, site
from tests.channels.web.corner import Corner, open_corner

__all__ = ["OpenSite", "Site", "core", "open_site", "site"]

OpenPage = Callable[..., Awaitable[Page]]


class Seen:
    """What went wrong in a page: scripts that failed, policies that were broken, dialogs that opened."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """From now on."""
        context.on("page", self._page)

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        page.on("console", lambda line: self._said(line.text))

    def _said(self, text: str) -> None:
        if "Failed to load resource" not in text:  # the status of an error page, which is meant
            self.faults.append(text)


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """Say what is missing instead of waiting for a browser in another loop."""
    if config.getini("asyncio_default_test_loop_scope") != "session":
        raise pytest.UsageError("These tests share a browser: run them with ./run browser.")


@pytest.fixture(scope="session")
async def driver() -> AsyncIterator[Playwright]:
    """What drives browsers."""
    async with async_playwright() as playwright:
        yield playwright


@asynccontextmanager
async def chromium(driver: Playwright, *arguments: str) -> AsyncIterator[Browser]:
    """Headless Chromium, with more command-line `arguments` where a test needs them."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    launched = await driver.chromium.launch(executable_path=path, args=["--no-sandbox", *arguments])
    yield launched
    await launched.close()


@asynccontextmanager
async def windows(browser: Browser, url: str) -> AsyncIterator[OpenPage]:
    """Opens windows on the site at `url`, phones of 360 x 740 unless told; nothing may go wrong in any of them."""
    seen = Seen()
    contexts: list[BrowserContext] = []

    async def open_it(*, width: int = 360, **options: Any) -> Page:  # noqa: ANN401 - Playwright's many options
        context = await browser.new_context(base_url=url, viewport={"width": width, "height": 740}, **options)
        contexts.append(context)
        seen.watch(context)
        return await context.new_page()

    yield open_it
    for context in contexts:
        await context.close()
    assert seen.faults == []


@pytest.fixture(scope="session")
async def browser(driver: Playwright) -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium(driver) as launched:
        yield launched


@pytest.fixture
async def open_page(browser: Browser, site: Site) -> AsyncIterator[OpenPage]:
    """Opens a window on the site whose desk answers about samples."""
    async with windows(browser, str(site.client.make_url("/"))) as open_it:
        yield open_it


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    """The pages in front of the whole service; the first demo dossier is on file."""
    async with open_corner(core) as opened:
        await opened.office.files()
        yield opened


@pytest.fixture
async def open_window(browser: Browser, corner: Corner) -> AsyncIterator[OpenPage]:
    """Opens a window on the whole service."""
    async with windows(browser, str(corner.client.make_url("/"))) as open_it:
        yield open_it


OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TARGETS = "a.button, button, label.button, summary, .plain, .brand, nav a, input:not([type=hidden]):not(.unseen)"
SMALL_TARGETS = f"""() => [...document.querySelectorAll('{TARGETS}')]
    .filter((e) => e.offsetParent && e.getBoundingClientRect().height < 47.5)
    .map((e) => e.outerHTML)"""
# Best practices beyond WCAG are not Axe's business here. What it finds hardly depends on the width and takes a second a
# page, so it looks at two widths: one that tests show in dark, one in light colours.
_AXE_WIDTHS = frozenset({360, 1280})
_AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}


async def looks_right(page: Page) -> None:
    """Nothing runs out of the window, everything can be touched, and by WCAG 2.2 AA Axe finds no fault."""
    assert await page.evaluate(OVERFLOW) <= 0, page.url
    assert await page.evaluate(SMALL_TARGETS) == [], page.url
    if page.viewport_size is None or page.viewport_size["width"] not in _AXE_WIDTHS:
        return
    found = (await Axe().run(page, options=_AXE)).response["violations"]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == [], page.url
