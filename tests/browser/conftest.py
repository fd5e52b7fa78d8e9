"""Headless Chromium before the citizens' site. Not part of the usual suite: it needs a browser (CHROMIUM names it)."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.channels.web.conftest import OpenSite, Site, open_site, site

__all__ = ["OpenSite", "Site", "open_site", "site"]

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


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with async_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        chromium = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


@pytest.fixture
async def open_page(browser: Browser, site: Site) -> AsyncIterator[OpenPage]:
    """Opens a window on the site, a phone of 360 x 740 unless told; at the end nothing may have gone wrong in any."""
    seen = Seen()
    contexts: list[BrowserContext] = []

    async def open_it(*, width: int = 360, **options: Any) -> Page:  # noqa: ANN401 - Playwright's many options
        context = await browser.new_context(
            base_url=str(site.client.make_url("/")), viewport={"width": width, "height": 740}, **options
        )
        contexts.append(context)
        seen.watch(context)
        return await context.new_page()

    yield open_it
    for context in contexts:
        await context.close()
    assert seen.faults == []
