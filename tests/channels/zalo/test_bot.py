"""The Zalo bot: updates as documented and as some receive them, and its few calls."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from channels.channel import Examined, Gateway, Registered
from channels.zalo.bot import ZALO_BOT, ZaloBotChannel, ZaloBotSettings
from domain.contact import Contact
from domain.errors import InDoubt, Invalid, Malformed, TryLater, Unavailable, Undeliverable
from domain.message import HandedOver, Incoming, Outgoing
from tests.channels.edge import edge
from tests.channels.zalo.wire import CODE, payload

Client = TestClient[web.Request, web.Application]
HOOK = "/webhooks/zalo-bot"
SECRET = "webhook-secret-of-the-bot"
TOKEN = "12345689:abc-xyz"
SIGNED = {"X-Bot-Api-Secret-Token": SECRET}
SENT_AT = datetime.fromtimestamp(1_794_279_629.602, UTC)
NOW = SENT_AT + timedelta(seconds=1)
PERSON = Contact(channel=ZALO_BOT, address="6ede9afa66b88fe6d6a9")


@dataclass
class BotApi:
    """The platform's side."""

    url: str = ""
    webhook: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    status: int = 200
    answer: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    breaks_off: bool = False

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Any method of the bot."""
        body = await request.json()
        self.calls.append((request.path, body))
        if self.breaks_off:
            assert request.transport is not None
            request.transport.abort()
        if self.answer is not None:
            return web.Response(status=self.status, text=self.answer, headers=self.headers)
        match request.path.rpartition("/")[2]:
            case "setWebhook":
                self.webhook = body["url"]
                result: dict[str, Any] = {"url": self.webhook, "updated_at": 1_749_538_250_568}
            case "getWebhookInfo":
                result = {"url": self.webhook, "updated_at": 1_749_633_372_026}
            case "getMe":
                result = {"id": "1", "account_name": "bot.PVHCC", "account_type": "BASIC", "can_join_groups": False}
            case _:
                result = {"message_id": "82599fa32f56d00e8941", "date": 1_749_632_637_199}
        return web.json_response({"ok": True, "result": result})


@dataclass
class Wire:
    """The channel between a client that plays Zalo and the bot API."""

    channel: ZaloBotChannel
    client: Client
    api: BotApi
    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """The status for an update."""
        return (await self.client.post(HOOK, data=body, headers=SIGNED if headers is None else headers)).status


Make = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def make(
    http: aiohttp.ClientSession, aiohttp_client: Callable[[web.Application], Awaitable[Client]]
) -> AsyncIterator[Make]:
    """Makes a wire."""
    api = BotApi()
    app = web.Application()
    app.router.add_post("/{bot}/{method}", api.call)
    server = TestServer(app)
    await server.start_server()
    api.url = str(server.make_url("")).rstrip("/")

    async def made(**changed: object) -> Wire:
        async def heard(incoming: Incoming) -> bool:
            if opened.database_is_away:
                raise Unavailable("The message could not be recorded.")
            opened.heard.append(incoming)
            return True

        values: dict[str, object] = {"token": TOKEN, "webhook_secret": SECRET, "api_url": api.url}
        channel = ZaloBotChannel(
            ZaloBotSettings(**(values | changed)),  # type: ignore[arg-type]
            http=http,
            heard=heard,
            public_url="https://motma.example/",
            clock=lambda: NOW,
        )
        opened = Wire(channel=channel, client=await aiohttp_client(edge(channel.routes())), api=api)
        return opened

    yield made
    await server.close()


@pytest.fixture
async def wire(make: Make) -> Wire:
    return await make()


def update(event: str = "text", **message: object) -> bytes:
    """An update without the wrapper."""
    body = json.loads(payload("bot_text"))["result"]
    body["event_name"] = f"message.{event}.received"
    body["message"] |= message
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


# --- in ---


@pytest.mark.parametrize("body", [payload("bot_text"), update()])
async def test_words_with_and_without_the_wrapper(wire: Wire, body: bytes) -> None:
    assert await wire.post(body) == 200
    assert wire.heard == [
        Incoming(
            sender=PERSON,
            recipient="",
            text=f"Tra cứu {CODE}",
            external_id="zalo_bot:2d758cb5e222177a4e35",
            received_at=SENT_AT,
        )
    ]


@pytest.mark.parametrize("kind", ["sticker", "voice", "unsupported", "image"])
async def test_what_has_no_words_is_answered_with_help(wire: Wire, kind: str) -> None:
    assert await wire.post(update(kind, text=None, sticker="x", voice_url="https://v.zdn.vn/a", photo=None)) == 200
    assert wire.heard[0].text == ""


async def test_a_caption_and_a_link_are_words(wire: Wire) -> None:
    await wire.post(update("image", text=None, caption=CODE, photo="https://evil.example/a.jpg"))
    await wire.post(update("link", text=None, url="https://motma.example/r/abc"))
    assert [heard.text for heard in wire.heard] == [CODE, "https://motma.example/r/abc"]


@pytest.mark.parametrize(
    "body",
    [
        update(chat={"id": "g1", "chat_type": "GROUP"}),
        update(chat={"id": "", "chat_type": "PRIVATE"}),
        update(chat={"id": "g1"}),
        update(message_id=""),
        update().replace(b'"is_bot": false', b'"is_bot": true'),
        update("reaction"),
        b'{"ok":true,"result":{"event_name":"bot.added"}}',
        b"{}",
        b"[]",
        b"x",
        b'{"message":7}',
        b"[" * 60_000,
    ],
)
async def test_groups_bots_and_all_else_are_acknowledged_and_not_recorded(wire: Wire, body: bytes) -> None:
    assert await wire.post(body) == 200
    assert wire.heard == []


@pytest.mark.parametrize("date", [None, -1, 0, 1e300, int(NOW.timestamp() * 1_000) + 60_000])
async def test_a_time_that_cannot_be_is_ours(wire: Wire, date: float | None) -> None:
    assert await wire.post(update(date=date)) == 200
    assert wire.heard[0].received_at == NOW


@pytest.mark.parametrize(
    "given_headers",
    [{}, {"X-Bot-Api-Secret-Token": ""}, {"X-Bot-Api-Secret-Token": f"{SECRET}x"}, {"X-Bot-Api-Secret-Token": "ÿé"}],
)
async def test_who_does_not_know_the_secret_is_refused(wire: Wire, given_headers: dict[str, str]) -> None:
    assert await wire.post(payload("bot_text"), given_headers) == 401
    assert wire.heard == []


async def test_both_secrets_are_good_while_one_is_replaced(make: Make) -> None:
    wire = await make(webhook_secret=f"brand-new-secret,{SECRET}")
    assert await wire.post(payload("bot_text")) == 200
    assert await wire.post(payload("bot_text"), {"X-Bot-Api-Secret-Token": "brand-new-secret"}) == 200
    await wire.channel.register()
    assert wire.api.calls[-1][1]["secret_token"] == "brand-new-secret"


async def test_what_cannot_be_recorded_is_to_be_sent_again(wire: Wire) -> None:
    wire.database_is_away = True
    assert await wire.post(payload("bot_text")) == 503


async def test_a_body_over_the_limit_is_refused(wire: Wire) -> None:
    assert await wire.post(b"a" * 65_537) == 413


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(
        st.sampled_from(["from", "chat", "text", "photo", "caption", "url", "message_id", "date"]), json_values
    ).map(lambda members: update("image", **members))
)
async def test_no_update_whatever_it_holds_gets_anything_but_200(wire: Wire, body: bytes) -> None:
    wire.heard.clear()
    assert await wire.post(body) == 200
    for incoming in wire.heard:
        (incoming.text + incoming.external_id + incoming.sender.address).encode()
        assert "\x00" not in incoming.text + incoming.external_id


# --- out ---


async def test_an_answer_goes_to_the_chat(wire: Wire) -> None:
    handed = await wire.channel.send(Outgoing(message_id=1, to=PERSON, text="Hồ sơ đang xử lý."))
    assert wire.api.calls == [(f"/bot{TOKEN}/sendMessage", {"chat_id": PERSON.address, "text": "Hồ sơ đang xử lý."})]
    assert handed == HandedOver(provider_id="82599fa32f56d00e8941")
    await wire.channel.send(Outgoing(message_id=1, to=PERSON, text="ồ" * 2_001))
    assert len(wire.api.calls[-1][1]["text"]) == 2_000


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, '{"ok":false,"error_code":400,"description":"Bad Request"}', Undeliverable),
        (400, '{"ok":false,"error_code":400,"description":"Bad Request"}', Undeliverable),
        (200, '{"ok":false,"error_code":401,"description":"Unauthorized"}', TryLater),
        (200, '{"ok":false,"error_code":429,"description":"Too many"}', TryLater),
        (200, '{"ok":false,"error_code":500}', TryLater),
        (200, '{"ok":false}', TryLater),
        (500, "", TryLater),
        (404, "<html>", TryLater),
        (200, "<html>", InDoubt),
        (200, "[]", InDoubt),
    ],
)
async def test_each_refusal_says_whether_to_try_again(
    wire: Wire, status: int, answer: str, error: type[Exception]
) -> None:
    wire.api.status, wire.api.answer = status, answer
    with pytest.raises(error) as refusal:
        await wire.channel.send(Outgoing(message_id=1, to=PERSON, text="a"))
    assert TOKEN not in str(refusal.value)


async def test_a_call_that_broke_off_is_in_doubt_and_its_token_in_no_log(wire: Wire) -> None:
    wire.api.breaks_off = True
    with capture_logs() as logs, pytest.raises(InDoubt):
        await wire.channel.send(Outgoing(message_id=1, to=PERSON, text="a"))
    assert TOKEN not in repr(logs)
    assert TOKEN not in repr(ZaloBotSettings(token=TOKEN, webhook_secret=SECRET))


async def test_it_tells_zalo_where_we_are_and_the_doctor_whether_zalo_knows(wire: Wire) -> None:
    assert isinstance(wire.channel, Gateway)
    assert isinstance(wire.channel, Registered)
    assert isinstance(wire.channel, Examined)
    with pytest.raises(Invalid, match="Zalo calls nobody"):
        await wire.channel.examine()
    await wire.channel.register()
    assert wire.api.calls[-1] == (
        f"/bot{TOKEN}/setWebhook",
        {"url": "https://motma.example/webhooks/zalo-bot", "secret_token": SECRET},
    )
    assert await wire.channel.examine() == "bot bot.PVHCC"


async def test_where_zalo_cannot_reach_us_it_is_not_told(http: aiohttp.ClientSession) -> None:
    async def heard(incoming: Incoming) -> bool:
        raise AssertionError(incoming)

    given_settings = ZaloBotSettings(token=TOKEN, webhook_secret=SECRET)
    channel = ZaloBotChannel(given_settings, http=http, heard=heard, public_url="http://127.0.0.1:8080")
    with capture_logs() as logs:
        await channel.register()
    assert [entry["log_level"] for entry in logs] == ["warning"]


@pytest.mark.parametrize("changed", [{"token": ""}, {"webhook_secret": None}, {"webhook_secret": "short"}])
async def test_incomplete_settings_do_not_open_the_channel(make: Make, changed: dict[str, object]) -> None:
    with pytest.raises(Malformed, match="MOTMA_ZALO_BOT_"):
        await make(**changed)
