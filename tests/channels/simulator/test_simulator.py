"""The simulated phone as a developer uses it: by its page, through the whole service."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from html import unescape

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.simulator.pages import SimulatorPages
from channels.web.assets import Assets
from channels.web.rendering import Pages
from domain.contact import ChannelName, Contact
from domain.message import DeliveryState, Outgoing
from tests.channels.edge import edge
from tests.channels.story import CODE, PATIENCE, PHONE, STRANGER, Line, Office

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def browser(line: Line, aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> AsyncIterator[Client]:
    packages = ("channels.web", "channels.simulator")
    assets = Assets(packages)
    pages = SimulatorPages(line.gateway, pages=Pages(assets=assets, secure=False, packages=packages), price=350)
    yield await aiohttp_client(edge([*pages.routes(), *assets.routes()]))
    await pages.close()


async def page(browser: Client) -> str:
    """What the page shows now."""
    response = await browser.get("/gia-lap")
    assert response.status == 200
    return unescape(await response.text())


async def test_a_text_from_the_page_is_answered_on_the_page(line: Line, office: Office, browser: Client) -> None:
    await office.files()
    citizen = line.citizen(PHONE)
    response = await browser.post("/gia-lap", data={"text": f"HS {CODE}"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/gia-lap")
    answer = await citizen.hears()
    shown = await page(browser)
    assert f"HS {CODE}" in shown
    assert answer in shown
    assert re.search(r"1 đoạn GSM-7, \d+/160, 350đ", shown)
    assert "Đã gửi tới máy này 1 đoạn: 350đ." in shown
    assert "Giả định 350đ một đoạn." in shown
    assert "<style" not in shown
    assert " style=" not in shown
    assert "onclick" not in shown


async def test_the_phone_chosen_is_kept_in_a_cookie_and_stands_in_no_address(line: Line, browser: Client) -> None:
    response = await browser.post("/gia-lap/may", data={"phone": "0987 654 321"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/gia-lap")
    citizen = line.citizen(STRANGER)
    await browser.post("/gia-lap", data={"text": "HELP"})
    assert (await citizen.hears()).startswith("Tra loi tu dong.")
    assert "Màn hình của 0987654321" in await page(browser)
    assert line.gateway.screen(PHONE) == []


@pytest.mark.parametrize("phone", ["", "8100", "VNPT", "02223822456", "<script>"])
async def test_what_is_no_mobile_phone_is_not_simulated(browser: Client, phone: str) -> None:
    response = await browser.post("/gia-lap/may", data={"phone": phone})
    assert response.status == 422
    assert "Đây không phải số di động Việt Nam" in await response.text()


async def test_a_notice_arrives_while_the_page_is_open(office: Office, browser: Client) -> None:
    await office.files()
    async with asyncio.timeout(PATIENCE):
        stream = await browser.get("/gia-lap/live")
        assert await _next_event(stream.content) == "changed"
        await browser.post("/gia-lap", data={"text": "HELP"})
        assert await _next_event(stream.content) == "changed"
        stream.close()


async def _next_event(content: asyncio.StreamReader | object) -> str:
    while True:
        text = (await content.readline()).decode()  # type: ignore[union-attr]
        if text.startswith("event: "):
            return text.removeprefix("event: ").strip()


async def test_every_text_says_what_became_of_it(line: Line, browser: Client) -> None:
    citizen = line.citizen(PHONE)
    await browser.post("/gia-lap", data={"text": "HELP"})
    message = await citizen.receives()
    async with asyncio.timeout(PATIENCE):
        async for _ in line.gateway.changes(PHONE):
            if citizen.received()[0].state is DeliveryState.DELIVERED:
                break
    shown = await page(browser)
    assert "Đã đến máy" in shown
    assert f"<dd>{message.message_id}</dd>" in shown


async def test_texts_are_shown_as_text(line: Line, browser: Client) -> None:
    await browser.post("/gia-lap", data={"text": "<script>alert(1)</script>"})
    response = await browser.get("/gia-lap")
    assert "<script>alert" not in await response.text()


async def test_an_empty_text_is_not_sent(line: Line, browser: Client) -> None:
    await browser.post("/gia-lap", data={"text": " \u0000 "})
    assert line.gateway.screen(PHONE) == []


async def test_memory_stays_bounded(line: Line) -> None:
    for number in range(60):
        to = Contact(channel=ChannelName.SMS, address=f"+849012345{number:02}")
        await line.gateway.send(Outgoing(message_id=10**9 + number, to=to, text="a"))
    assert len(line.gateway.phones()) == 50
    for number in range(110):
        await line.gateway.send(Outgoing(message_id=10**9 + number, to=to, text=f"{number}"))
    assert [text.text for text in line.gateway.screen(to.address)] == [str(number) for number in range(10, 110)]


async def test_the_page_speaks_english_too(browser: Client) -> None:
    response = await browser.get("/gia-lap?lang=en")
    assert "Simulated phone" in await response.text()
