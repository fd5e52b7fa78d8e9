"""The simulated phone as a developer uses it: by its page, through the whole service."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from html import unescape

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.inbound import Inbox
from channels.open_channels import manners, reached
from channels.simulator.gateway import Fault, Receipts
from channels.simulator.handsets import Handsets
from channels.simulator.pages import SimulatorPages
from channels.zalo.zns import ZNS
from database.pool import Role
from domain.contact import ChannelName, Contact
from domain.message import DeliveryState, Outgoing
from domain.status import Status
from notifications.ladder import set_ladder
from notifications.reports import Reports
from pages.assets import Assets
from pages.rendering import Pages
from service.wiring import Core
from tests.channels.edge import edge
from tests.channels.story import (
    CODE,
    OUR_NUMBER,
    PATIENCE,
    PHONE,
    SECRET,
    STRANGER,
    Citizen,
    Line,
    Office,
    make_inbox,
    running,
)

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def inbox(core: Core) -> Inbox:
    return make_inbox(core)


@pytest.fixture
async def handsets(core: Core, inbox: Inbox) -> AsyncIterator[Handsets]:
    """Every channel of the table, simulated."""
    handsets = Handsets(
        reached(), manners=manners(), heard=inbox.heard, reports=Reports(core.database), number=OUR_NUMBER
    )
    async with running(core, inbox, handsets.senders()):
        yield handsets
    await handsets.close()


@pytest.fixture
async def line(core: Core, inbox: Inbox, handsets: Handsets) -> Line:
    return Line(core=core, inbox=inbox, gateway=handsets.gateways[ChannelName.SMS], office=Office(core))


@pytest.fixture
async def browser(
    handsets: Handsets, aiohttp_client: Callable[[web.Application], Awaitable[Client]]
) -> AsyncIterator[Client]:
    packages = ("channels.web", "channels.web.chat", "channels.simulator")
    assets = Assets(packages)
    pages = SimulatorPages(handsets, pages=Pages(assets=assets, secure=False, packages=packages), price=350)
    yield await aiohttp_client(edge([*pages.routes(), *assets.routes()]))
    await pages.close()


async def page(browser: Client, channel: str = "sms") -> str:
    """What the page shows now."""
    response = await browser.get("/gia-lap", params={"kenh": channel})
    assert response.status == 200
    return unescape(re.sub(r'<span class="unbroken">(.*?)</span>', r"\1", await response.text()))


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


async def test_who_wrote_is_not_forgotten_for_the_many_who_are_written_to(line: Line, browser: Client) -> None:
    await browser.post("/gia-lap", data={"text": "a"})
    for number in range(60):
        to = Contact(channel=ChannelName.SMS, address=f"+849012345{number:02}")
        await line.gateway.send(Outgoing(message_id=10**9 + number, to=to, text="a"))
    assert line.gateway.screen(PHONE)[0].text == "a"
    assert len(line.gateway.phones()) == 50


async def test_the_page_speaks_english_too(browser: Client) -> None:
    response = await browser.get("/gia-lap?lang=en")
    assert "Simulated phone" in await response.text()


TELEGRAM, ZALO = ChannelName("telegram"), ChannelName("zalo")
# Where people write to us: nobody answers a template, a letter or a notice of the browser.
CHATS = [name for name in reached() if name not in {ChannelName.SMS, ChannelName.WEB, "zns", "email", "web_push"}]
ON_CHAT = "84901234567"


def on(handsets: Handsets, channel: ChannelName) -> Citizen:
    """The owner of the demo phone, in a chat."""
    return Citizen(gateway=handsets.gateways[channel], phone=handsets.address(channel, PHONE))


async def settled(core: Core, state: DeliveryState) -> None:
    """Wait until some message has come to `state`."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with core.database.connection(Role.WORKER) as connection:
                if await connection.fetchval("SELECT count(*) FROM message WHERE state = $1", int(state)):
                    return
            await asyncio.sleep(0.02)  # polls the store: what is awaited is a commit of another task


async def test_every_channel_of_the_table_can_be_chosen(handsets: Handsets, browser: Client) -> None:
    shown = await page(browser)
    assert len(CHATS) >= 2
    for channel in CHATS:
        assert f'href="/gia-lap?kenh={channel}"' in shown
    assert 'href="/chat"' in shown
    assert set(handsets.gateways) == {ChannelName.SMS, *CHATS}


@pytest.mark.parametrize("channel", CHATS)
async def test_the_whole_story_in_every_chat(
    handsets: Handsets, browser: Client, line: Line, office: Office, channel: ChannelName
) -> None:
    """Look up with proof, follow, be told, complain, rate, stop."""
    await office.files()
    citizen = on(handsets, channel)

    async def says(text: str) -> str:
        response = await browser.post("/gia-lap", data={"kenh": channel, "text": text})
        assert response.status == 200
        return await citizen.hears()

    assert CODE in await says(CODE)
    assert "20/11/2036" in await says(SECRET)
    await says(f"THEO DOI {CODE}")
    await office.moves(to=Status.COMPLETED)
    told = await citizen.receives()
    assert CODE in told.text
    buttons = manners()[channel].buttons if channel in manners() else True
    assert [choice.says for choice in told.choices][:1] == ([CODE] if buttons else [])
    assert (f'value="{CODE}"' in await page(browser, channel)) is buttons
    await browser.post("/gia-lap", data={"kenh": channel, "text": "Tôi đến hai lần rồi mà chưa lấy được kết quả"})
    asked = await citizen.receives()
    assert buttons or asked.text.endswith("Trả lời: 1 Có, 2 Không.")
    await says(asked.choices[0].says if buttons else "1")
    await says("DANH GIA 5")
    await says("DUNG")
    await office.moves(to=Status.DELIVERED)
    async with line.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM feedback") == 1
        queued = "SELECT count(*) FROM message WHERE kind = 'status_changed' AND channel = $1 AND state < 30"
        assert await connection.fetchval(queued, channel) == 0


async def test_who_leaves_is_told_nothing_until_back(handsets: Handsets, browser: Client, line: Line) -> None:
    await line.office.files()
    citizen = on(handsets, TELEGRAM)
    await citizen.says(f"THEO DOI {CODE}")
    await citizen.hears()
    await browser.post("/gia-lap/ra-vao", data={"kenh": TELEGRAM, "what": "left"})
    async with asyncio.timeout(PATIENCE):
        while not await _opted_out(line.core):  # noqa: ASYNC110 - what is awaited is a commit of another task
            await asyncio.sleep(0.02)
    await line.office.moves(to=Status.COMPLETED)
    await browser.post("/gia-lap/ra-vao", data={"kenh": TELEGRAM, "what": "joined"})
    await citizen.hears()
    await line.office.moves(to=Status.PROCESSING)
    assert CODE in await citizen.hears()
    shown = await page(browser, TELEGRAM)
    assert "Đã chặn hoặc rời cuộc trò chuyện." in shown
    assert "Đã mở cuộc trò chuyện." in shown


async def _opted_out(core: Core) -> bool:
    async with core.database.connection(Role.WORKER) as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM opt_out"))


async def test_a_shared_phone_number_comes_from_the_platform(handsets: Handsets, browser: Client, line: Line) -> None:
    await line.office.files()
    citizen = on(handsets, TELEGRAM)
    await browser.post("/gia-lap/ra-vao", data={"kenh": TELEGRAM, "what": "own_phone"})
    await citizen.hears()
    await citizen.says(CODE)
    assert "20/11/2036" in await citizen.hears()


async def test_in_text_messages_nobody_joins(browser: Client, line: Line) -> None:
    await browser.post("/gia-lap/ra-vao", data={"kenh": "sms", "what": "joined"})
    assert line.gateway.screen(PHONE) == []


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BLOCKED])
async def test_what_is_refused_is_not_sent_again(browser: Client, line: Line, fault: Fault) -> None:
    await browser.post("/gia-lap/nha-mang", data={"kenh": "sms", "fault": fault})
    assert 'aria-pressed="true"' in await page(browser)
    await browser.post("/gia-lap", data={"text": "HELP"})
    await settled(line.core, DeliveryState.FAILED)
    assert line.citizen(PHONE).received() == []
    assert line.gateway.conditions(PHONE).fault is None


async def test_what_met_429_comes_after_the_pause(browser: Client, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.simulator.gateway.FLOOD_PAUSE", timedelta(milliseconds=50))
    citizen = line.citizen(PHONE)
    await browser.post("/gia-lap/nha-mang", data={"fault": Fault.FLOOD})
    await browser.post("/gia-lap", data={"text": "HELP"})
    await citizen.hears()
    assert "Nhà mạng trả lời 429" in await page(browser)


async def test_an_answer_lost_after_acceptance_is_settled_by_the_receipt(browser: Client, line: Line) -> None:
    citizen = line.citizen(PHONE)
    await browser.post("/gia-lap/nha-mang", data={"fault": Fault.NO_ANSWER})
    await browser.post("/gia-lap", data={"text": "HELP"})
    await citizen.hears()
    await settled(line.core, DeliveryState.DELIVERED)
    assert len(citizen.received()) == 1


@pytest.mark.parametrize(
    ("receipts", "state", "reports"),
    [
        (Receipts.FAILED, DeliveryState.FAILED, 2),
        (Receipts.TWICE, DeliveryState.DELIVERED, 2),
        (Receipts.NEVER, DeliveryState.HANDED_OVER, 0),
    ],
)
async def test_receipts_fail_repeat_and_get_lost(
    browser: Client, line: Line, receipts: Receipts, state: DeliveryState, reports: int
) -> None:
    await browser.post("/gia-lap/nha-mang", data={"receipts": receipts})
    await browser.post("/gia-lap", data={"text": "HELP"})
    await settled(line.core, state)
    await line.gateway.close()
    async with line.core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM delivery_report") == reports


async def test_outside_the_window_only_templates_arrive(handsets: Handsets, browser: Client, line: Line) -> None:
    await line.office.files()
    citizen = on(handsets, ZALO)
    await citizen.says(f"THEO DOI {CODE}")
    await citizen.hears()
    await browser.post("/gia-lap/nha-mang", data={"kenh": ZALO, "window": "closed"})
    await line.office.moves(to=Status.COMPLETED)
    told = await citizen.receives()
    assert told.facts["code"] == CODE
    shown = await page(browser, ZALO)
    assert "Mẫu tin đã duyệt" in shown
    await citizen.says("TRO GIUP")
    await settled(line.core, DeliveryState.FAILED)
    assert "lời tự do bị từ chối" in await page(browser, ZALO)


async def by_zns_first(line: Line) -> None:
    """The office tells people by ZNS, and where that fails by SMS."""
    await line.office.files()
    async with line.core.database.transaction(Role.OPERATOR) as operator:
        await set_ladder(operator, line.office.tenant.agency_id, ["zns", "sms"])


async def test_templates_to_a_phone_are_seen_beside_the_chat_and_a_late_report_on_a_click(
    handsets: Handsets, browser: Client, line: Line
) -> None:
    await by_zns_first(line)
    zns = Citizen(gateway=handsets.beside[ZALO], phone=PHONE)
    await browser.post("/gia-lap/nha-mang", data={"kenh": ZALO, "qua": ZNS, "receipts": Receipts.LATE})
    await line.office.moves(to=Status.COMPLETED)
    told = await zns.receives()
    assert told.facts["ma_ho_so"] == CODE
    assert all(0 < len(value) <= 200 for value in told.facts.values())
    shown = await page(browser, ZALO)
    assert "Tin ZNS, mẫu 100000" in shown
    assert "Cổng đã nhận" in shown
    await browser.post("/gia-lap/nha-mang", data={"kenh": ZALO, "qua": ZNS, "report": told.gateway_id})
    await settled(line.core, DeliveryState.DELIVERED)
    assert "Đã đến máy" in await page(browser, ZALO)
    assert line.citizen(PHONE).received() == []


@pytest.mark.parametrize(
    ("fault", "said"), [(Fault.NOBODY, "Số này không dùng Zalo"), (Fault.QUOTA, "Hết hạn mức ZNS")]
)
async def test_what_zns_does_not_take_is_told_by_sms(
    handsets: Handsets, browser: Client, line: Line, fault: Fault, said: str
) -> None:
    await by_zns_first(line)
    await browser.post("/gia-lap/nha-mang", data={"kenh": ZALO, "qua": ZNS, "fault": fault})
    await line.office.moves(to=Status.COMPLETED)
    assert CODE in await line.citizen(PHONE).hears()
    assert said in await page(browser, ZALO)


@pytest.mark.parametrize("sent", ["fault=x&receipts=x&window=x&kenh=x", "what=x", "kenh=%00", "a=1&" * 11, "%ff=%ff"])
async def test_nothing_sent_breaks_the_page(browser: Client, sent: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/gia-lap", "/gia-lap/may", "/gia-lap/ra-vao", "/gia-lap/nha-mang"):
        assert (await browser.post(path, data=sent, headers=headers)).status < 500
    assert (await browser.get("/gia-lap", params={"kenh": "\u0000"})).status == 200
