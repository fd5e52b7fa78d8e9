"""Notices to the browser, in a browser: asked for after a proof, shown by the worker, stopped again.

The push service is a stand-in: Chromium's own is on the internet. What it would deliver comes by the developer tools.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from channels.web_push.channel import WebPushChannel, WebPushSettings
from domain.status import Status
from service.wiring import Core
from tests.browser.conftest import OpenPage, looks_right
from tests.channels.story import CODE, PATIENCE, SECRET
from tests.channels.web.corner import Corner, open_corner
from tests.channels.web_push.stand_in import Browser, PushService

KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
# The browser's side of the push service.
SUBSCRIBES = """
    const given = %s; let kept = null;
    PushManager.prototype.subscribe = async () => (kept = { ...given, toJSON: () => given });
    PushManager.prototype.getSubscription = async () => kept;"""
NOTICES = """navigator.serviceWorker.ready.then((worker) => worker.getNotifications())
    .then((all) => all.map((one) => [one.title, one.body, one.actions.map((action) => action.title)]))"""
BUTTON = "[data-push-button]"


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    service, app = PushService(), web.Application()
    app.router.add_post("/push/{name}", service.push)
    server = TestServer(app)
    await server.start_server()
    service.url = str(server.make_url("/")).rstrip("/")
    yield service
    await server.close()


@pytest.fixture
async def corner(core: Core, service: PushService) -> AsyncIterator[Corner]:
    """Our service, by which browsers are told."""
    channel = WebPushChannel(
        WebPushSettings(key=KEY, loopback=True),
        seal=core.seal,
        database=core.database,
        public_url="https://motma.example",
    )
    service.key = channel.tickets.key
    async with open_corner(core, push=channel) as opened:
        await opened.office.files()
        yield opened


async def proven(page: Page, browser: Browser) -> None:
    """The page of somebody who has the secret."""
    await page.add_init_script(SUBSCRIBES % json.dumps(browser.subscription))
    await page.goto(f"/tra-cuu?code={CODE}")
    await expect(page.locator("#push")).to_have_count(0)
    await page.fill("#proof", SECRET)
    await page.click("form.ask button")
    await expect(page.locator(BUTTON)).to_be_visible()


async def deliver(page: Page, notice: dict[str, Any]) -> None:
    """What the push service does; until the worker has shown it."""
    tools = await page.context.new_cdp_session(page)
    worker = asyncio.get_running_loop().create_future()

    def told(event: dict[str, Any]) -> None:
        if event["registrations"] and not worker.done():
            worker.set_result(event["registrations"][0]["registrationId"])

    tools.on("ServiceWorker.workerRegistrationUpdated", told)
    await tools.send("ServiceWorker.enable")
    origin, number = await page.evaluate("location.origin"), await asyncio.wait_for(worker, PATIENCE)
    given = {"origin": origin, "registrationId": number, "data": json.dumps(notice)}
    await tools.send("ServiceWorker.deliverPushMessage", given)
    await page.wait_for_function(f"{NOTICES}.then((all) => all.length > 0)")


async def test_a_browser_asks_to_be_told_is_told_and_stops(
    open_window: OpenPage, corner: Corner, service: PushService
) -> None:
    page, browser = await open_window(permissions=["notifications"]), service.subscribes()
    await proven(page, browser)
    await looks_right(page)
    await page.click(BUTTON)
    await expect(page.locator(BUTTON)).to_have_text("Ngừng báo trên máy này")
    await corner.office.moves(to=Status.COMPLETED)
    async with asyncio.timeout(PATIENCE):
        while not browser.shown:  # noqa: ASYNC110 - the dispatcher sends
            await asyncio.sleep(0.02)
    await deliver(page, browser.shown[0])
    ((title, body, actions),) = await page.evaluate(NOTICES)
    assert title == f"Hồ sơ {CODE}: Đã có kết quả"
    assert body.startswith("Xin mang giấy hẹn")
    assert actions == ["Ngừng báo hồ sơ này"]
    await page.click(BUTTON)
    await expect(page.locator(BUTTON)).to_have_text("Báo cho tôi trên máy này")


async def test_without_permission_nothing_is_sent_and_the_page_says_why(
    open_window: OpenPage, corner: Corner, service: PushService
) -> None:
    page = await open_window()
    await proven(page, service.subscribes())
    await page.evaluate("Notification.requestPermission = async () => 'denied'")
    await page.click(BUTTON)
    await expect(page.locator("[data-push-text]")).to_contain_text("Trình duyệt đang chặn thông báo")
    await expect(page.locator(BUTTON)).to_have_text("Báo cho tôi trên máy này")
