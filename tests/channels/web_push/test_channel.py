"""Browsers subscribe, are told, and stop; and what push services may answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestClient, TestServer

from channels.agency_api.callbacks_address import Addresses
from channels.web_push.channel import MOST_DEVICES, WebPushChannel, WebPushSettings
from channels.web_push.devices import WEB_PUSH, Device, Subscription
from database.pool import Role
from domain.contact import Contact
from domain.errors import Gone, Invalid, Malformed, ServiceError, TryLater, Undeliverable
from domain.message import DeliveryState, Outgoing
from domain.status import Status
from service.wiring import Core
from tests.channels.edge import edge
from tests.channels.story import CODE, PATIENCE, Office, make_inbox, running
from tests.channels.web_push.stand_in import Browser, PushService

Client = TestClient[web.Request, web.Application]
KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
PUBLIC_URL = "https://motma.example"
FACTS = {"code": CODE, "status": "Đang giải quyết", "next": "Ông/Bà chưa phải làm gì.", "asked": "giấy của bà Nở."}
TEXT = f"Hồ sơ {CODE}: Đang giải quyết.\nCơ quan cần: giấy của bà Nở.\nÔng/Bà chưa phải làm gì."


@asynccontextmanager
async def served(service: PushService) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/push/{name}", service.push)
    server = TestServer(app)
    await server.start_server()
    service.url = str(server.make_url("/")).rstrip("/")
    yield
    await server.close()


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    service = PushService()
    async with served(service):
        yield service


def channel_of(core: Core, *, loopback: bool = True, resolver: AbstractResolver | None = None) -> WebPushChannel:
    return WebPushChannel(
        WebPushSettings(key=KEY, loopback=loopback),
        seal=core.seal,
        database=core.database,
        public_url=PUBLIC_URL,
        resolver=resolver,
    )


@pytest.fixture
async def channel(core: Core, service: PushService) -> WebPushChannel:
    channel = channel_of(core)
    service.key = channel.tickets.key
    return channel


@pytest.fixture
async def client(channel: WebPushChannel, aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> Client:
    return await aiohttp_client(edge(channel.routes()))


@pytest.fixture
def office(core: Core) -> Office:
    return Office(core)


async def wishes(client: Client, browser: Browser, wish: str, **more: str) -> tuple[int, Any]:
    """What our page's script sends, and the answer."""
    body = {"wish": wish, "subscription": browser.subscription, **more}
    response = await client.post("/web-push", json=body)
    return response.status, (await response.json()).get("following")


def outgoing(browser: Browser, *, text: str = TEXT, facts: dict[str, str] | None = None) -> Outgoing:
    device = Device.of(msgspec.convert(browser.subscription, Subscription), Addresses(loopback=True))
    return Outgoing(message_id=7, to=device.contact, text=text, facts=FACTS if facts is None else facts)


async def is_shown(browser: Browser, number: int = 1) -> dict[str, Any]:
    """The newest of so many notices."""
    async with asyncio.timeout(PATIENCE):
        while len(browser.shown) < number:  # noqa: ASYNC110 - another task sends
            await asyncio.sleep(0.02)
    return browser.shown[-1]


async def test_a_browser_is_told_after_proof_until_it_stops(
    core: Core, office: Office, service: PushService, channel: WebPushChannel, client: Client
) -> None:
    await office.files()
    browser, ticket = service.subscribes(), channel.tickets.ticket(CODE)
    assert await wishes(client, browser, "ask", ticket=ticket) == (200, False)
    assert await wishes(client, browser, "follow", ticket=ticket, language="en") == (200, True)
    assert await wishes(client, browser, "ask", ticket=ticket) == (200, True)
    async with running(core, make_inbox(core), {WEB_PUSH: channel}):
        await office.moves(to=Status.SUPPLEMENT_REQUIRED, asked="giấy khai sinh của cháu Nở")
        shown = await is_shown(browser)
        assert shown["title"] == f"File {CODE}: More papers needed"
        assert "Nở" not in str(shown)
        assert "BO " not in shown["body"]
        assert (shown["code"], shown["lang"], shown["stop"]) == (CODE, "en", "Stop for this file")
        await office.moves(to=Status.COMPLETED)
        again = await is_shown(browser, 2)
        assert again["tag"] == shown["tag"]
        assert browser.headers[0]["Topic"] == browser.headers[1]["Topic"]
        assert await wishes(client, browser, "stop", code=CODE) == (200, False)
        await office.moves(to=Status.DELIVERED)
    assert len(browser.shown) == 2
    assert await wishes(client, browser, "follow", ticket=ticket) == (200, True)


async def test_without_a_proof_nobody_subscribes_and_codes_tell_nothing(
    core: Core, office: Office, service: PushService, channel: WebPushChannel, client: Client
) -> None:
    await office.files()
    browser = service.subscribes()
    late = channel_of(core)
    late.tickets._clock = lambda: datetime.now(UTC) - timedelta(hours=2)
    for ticket in ("", "x", "A" * 500, late.tickets.ticket(CODE), channel.tickets.ticket(CODE)[:-2], "é"):
        assert (await wishes(client, browser, "follow", ticket=ticket))[0] == 403
        assert (await wishes(client, browser, "ask", ticket=ticket))[0] == 403
    for code in (CODE, "H05.16-261102-9999", "", "\x00"):
        assert await wishes(client, browser, "stop", code=code) == (200, False)
    async with core.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT count(*) FROM subscription WHERE channel = 'web_push'") == 0


async def test_so_many_browsers_of_one_dossier_and_no_more(
    office: Office, service: PushService, channel: WebPushChannel, client: Client
) -> None:
    await office.files()
    ticket = channel.tickets.ticket(CODE)
    for _ in range(MOST_DEVICES):
        assert await wishes(client, service.subscribes(), "follow", ticket=ticket) == (200, True)
    assert (await wishes(client, service.subscribes(), "follow", ticket=ticket))[0] == 429


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.vn/1",
        "https://127.0.0.1/1",
        "https://[::1]/1",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/1",
        "https://localhost/1",
        "https://user:word@push.example.vn/1",
        "https://push.example.vn:22/1",
        "https://push.example.vn/" + "a" * 3_000,
        "ftp://push.example.vn/1",
        "",
    ],
)
async def test_only_public_addresses_over_tls_are_taken(
    core: Core, aiohttp_client: Callable[[web.Application], Awaitable[Client]], endpoint: str
) -> None:
    channel = channel_of(core, loopback=False)
    client = await aiohttp_client(edge(channel.routes()))
    status, _ = await wishes(client, Browser(endpoint), "follow", ticket=channel.tickets.ticket(CODE))
    assert status in {400, 422}


@pytest.mark.parametrize(
    "body",
    [b"", b"[" * 5_000, b"{}", b"\xff", b'{"wish":"follow","subscription":{"endpoint":"https://a.vn/"}}', b"[]"],
)
async def test_what_cannot_be_read_is_refused(client: Client, body: bytes) -> None:
    assert (await client.post("/web-push", data=body)).status == 400
    assert (await client.post("/web-push", data=b"x" * 9_000)).status == 413


@pytest.mark.parametrize("keys", [{"p256dh": "x", "auth": "y"}, {"p256dh": "A" * 87, "auth": "A" * 22}])
async def test_keys_that_are_none_are_refused(client: Client, channel: WebPushChannel, keys: dict[str, str]) -> None:
    body = {"wish": "follow", "subscription": {"endpoint": "https://push.example.vn/1", "keys": keys}}
    body["ticket"] = channel.tickets.ticket(CODE)
    assert (await client.post("/web-push", json=body)).status == 400


@pytest.mark.parametrize(
    ("answer", "raised", "after"),
    [
        (web.Response(status=404), Gone, None),
        (web.Response(status=410), Gone, None),
        (web.Response(status=429, headers={"Retry-After": "30"}), TryLater, timedelta(seconds=30)),
        (web.Response(status=503), TryLater, None),
        (web.Response(status=413), Undeliverable, None),
        (web.Response(status=403), Undeliverable, None),
        (web.Response(status=307, headers={"Location": "/push/1"}), Undeliverable, None),
    ],
)
async def test_what_a_push_service_refuses(
    service: PushService, channel: WebPushChannel, answer: web.Response, raised: type[ServiceError], after: timedelta
) -> None:
    browser = service.subscribes()
    service.answers.append(answer)
    with pytest.raises(raised) as caught:
        await channel.send(outgoing(browser))
    assert type(caught.value) is raised
    assert getattr(caught.value, "after", None) == after
    assert browser.shown == []


async def test_a_lost_answer_is_tried_again_for_one_notice_takes_the_place_of_the_other(
    service: PushService, channel: WebPushChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.provider_call.CALL_LIMIT", 0.2)
    browser = service.subscribes()
    service.silent = True
    with pytest.raises(TryLater):
        await channel.send(outgoing(browser))
    assert len(browser.shown) == 1


async def test_who_subscribed_with_another_key_is_given_up(service: PushService, channel: WebPushChannel) -> None:
    service.key = "another"
    with pytest.raises(Undeliverable, match="MOTMA_VAPID_KEY"):
        await channel.send(outgoing(service.subscribes()))


class Inward(AbstractResolver):
    """A name that leads to this machine."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)]

    async def close(self) -> None: ...


async def test_a_name_that_leads_within_is_not_called(core: Core, channel: WebPushChannel) -> None:
    guarded = channel_of(core, loopback=False, resolver=Inward())
    with pytest.raises(Undeliverable, match="not called"):
        await guarded.send(outgoing(Browser("https://push.example.vn/1")))


async def test_a_digest_and_a_very_long_text_fit(service: PushService, channel: WebPushChannel) -> None:
    browser = service.subscribes()
    await channel.send(outgoing(browser, text="Có tin mới về hồ sơ A, B.", facts={}))
    assert browser.shown[-1]["title"] == "Có tin mới về hồ sơ"
    await channel.send(outgoing(browser, text="Đ" * 5_000))
    assert browser.shown[-1]["body"].startswith("ĐĐĐ")


async def test_an_address_nobody_can_use_is_given_up(channel: WebPushChannel) -> None:
    for address in ("", "x", "x y https://a.vn", "A A A"):
        to = Contact(channel=WEB_PUSH, address=address)
        with pytest.raises(Undeliverable):
            await channel.send(Outgoing(message_id=1, to=to, text="x"))


async def test_the_subscription_stands_nowhere_in_clear(
    core: Core, office: Office, service: PushService, channel: WebPushChannel, client: Client
) -> None:
    await office.files()
    browser = service.subscribes()
    await wishes(client, browser, "follow", ticket=channel.tickets.ticket(CODE))
    async with core.database.connection(Role.WORKER) as connection:
        rows = await connection.fetch("SELECT s::text AS row FROM subscription s")
    keys = browser.subscription["keys"]
    for secret in (browser.endpoint, keys["auth"], keys["p256dh"]):
        assert not any(secret in row["row"] or secret.encode().hex() in row["row"] for row in rows)


async def test_the_end_of_a_subscription_ends_its_notices(
    core: Core, office: Office, service: PushService, channel: WebPushChannel, client: Client
) -> None:
    await office.files()
    browser = service.subscribes()
    await wishes(client, browser, "follow", ticket=channel.tickets.ticket(CODE))
    service.answers.append(web.Response(status=410))
    async with running(core, make_inbox(core), {WEB_PUSH: channel}):
        await office.moves(to=Status.COMPLETED)
        async with asyncio.timeout(PATIENCE):
            while not await _opted_out(core):  # noqa: ASYNC110 - what is awaited is a commit of another task
                await asyncio.sleep(0.02)
        await office.moves(to=Status.DELIVERED)
    assert browser.shown == []
    async with core.database.connection(Role.WORKER) as connection:
        sent = "SELECT count(*) FROM message WHERE channel = 'web_push' AND state = $1"
        assert await connection.fetchval(sent, int(DeliveryState.FAILED)) == 1


async def _opted_out(core: Core) -> bool:
    async with core.database.connection(Role.WORKER) as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM opt_out"))


async def test_doctor_says_what_is_missing(core: Core, channel: WebPushChannel) -> None:
    assert "0 browsers" in await channel.examine()
    plain = WebPushChannel(
        WebPushSettings(key=KEY), seal=core.seal, database=core.database, public_url="http://127.0.0.1:8080"
    )
    with pytest.raises(Invalid, match="MOTMA_PUBLIC_URL"):
        await plain.examine()


def test_it_is_off_without_a_key(core: Core) -> None:
    assert WebPushSettings().key is None
    with pytest.raises(Malformed, match="MOTMA_VAPID_KEY"):
        WebPushChannel(WebPushSettings(key="short"), seal=core.seal, database=core.database, public_url=PUBLIC_URL)
