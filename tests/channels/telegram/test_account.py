"""The bot's account: its menu, its webhook, and what the doctor is told."""

import asyncio
from collections.abc import Callable

import pytest

from channels.channel import Examined, Gateway, Polled, Registered
from channels.telegram import channel as telegram_channel
from channels.telegram.opening import OPENING, TelegramSettings
from domain.errors import Malformed, ServiceError
from tests.channels.telegram.bot_api import TOKEN, BotApi, Fault, Refusal, Webhook
from tests.channels.telegram.conftest import NOW, SECRET, Make, Wire


async def test_the_webhook_and_the_menu_are_set_and_setting_them_again_changes_nothing(wire: Wire) -> None:
    for _ in range(2):
        await wire.channel.register()
        assert wire.api.webhook == Webhook(
            url="https://motma.example/webhooks/telegram",
            secret=SECRET,
            allowed=["message", "edited_message", "callback_query", "my_chat_member"],
        )
        assert wire.api.commands[""][0] == {"command": "tracuu", "description": "Tra cứu hồ sơ: gửi kèm mã hồ sơ"}
        assert wire.api.commands["en"][1]["command"] == "follow"


async def test_the_newest_secret_is_the_one_telegram_is_told(make: Make) -> None:
    wire = await make(webhook_secret=f"brand-new-secret-0123,{SECRET}")
    await wire.channel.register()
    assert wire.api.webhook.secret == "brand-new-secret-0123"


@pytest.mark.parametrize("changed", [{"public_url": "http://motma.example"}, {"webhook_secret": None}])
async def test_where_telegram_cannot_deliver_no_webhook_is_set(make: Make, changed: dict[str, str]) -> None:
    wire = await make(**changed)
    wire.api.webhook.url = "https://earlier.example"
    await wire.channel.register()
    assert wire.api.webhook.url == ""
    assert set(wire.api.commands) == {"", "en"}


async def test_registering_is_tried_until_it_works(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_channel, "PAUSE", telegram_channel.PAUSE * 0.001)
    wire.api.faults["setMyCommands"] += [
        Fault(html=502),
        Fault(refusal=Refusal(401, "Unauthorized")),
        Fault(taken=True),
    ]
    wire.api.faults["setWebhook"].append(Fault(refusal=Refusal(429, "Too Many Requests", retry_after=0.01)))
    await asyncio.wait_for(wire.channel.register(), 10)
    assert wire.api.webhook.url


async def test_the_doctor_hears_who_the_bot_is(wire: Wire, make: Make) -> None:
    await wire.channel.register()
    said = "@motma_bot, 0 updates waiting to be {}, may be added to groups: forbid it with /setjoingroups"
    assert await wire.channel.examine() == said.format("delivered to the webhook")
    fetching = await make(public_url="http://127.0.0.1:8080")
    wire.api.webhook = Webhook()
    assert await fetching.channel.examine() == said.format("fetched by `motma bot`")


def _ours(api: BotApi) -> None:
    api.webhook.url = "https://motma.example/webhooks/telegram"


def _elsewhere(api: BotApi) -> None:
    api.webhook.url = "https://elsewhere.example"


def _undeliverable(api: BotApi) -> None:
    _ours(api)
    api.updates.append({"update_id": 1, "message": {}})
    api.webhook.last_error = "Wrong response from the webhook: 404 Not Found"
    api.webhook.last_error_date = int(NOW.timestamp()) - 60


@pytest.mark.parametrize(
    ("public_url", "happens", "told"),
    [
        ("https://motma.example", _elsewhere, "delivers to https://elsewhere.example instead of https://motma.example"),
        ("http://127.0.0.1", _ours, "start `motma bot`"),
        ("https://motma.example", _undeliverable, "1 updates wait; at 03:40 UTC Telegram could not deliver: Wrong res"),
    ],
)
async def test_the_doctor_hears_what_is_wrong(
    make: Make, public_url: str, happens: Callable[[BotApi], None], told: str
) -> None:
    wire = await make(public_url=public_url)
    happens(wire.api)
    with pytest.raises(ServiceError) as fault:
        await wire.channel.examine()
    assert told in fault.value.message


async def test_a_token_that_telegram_does_not_know_is_named(make: Make) -> None:
    wire = await make(token="987654321:AAF-another_token_0123456789abc")
    with pytest.raises(ServiceError, match="check MOTMA_TELEGRAM_TOKEN"):
        await wire.channel.examine()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"token": "motma_bot"}, "MOTMA_TELEGRAM_TOKEN"),
        ({"token": f"{TOKEN}/x"}, "MOTMA_TELEGRAM_TOKEN"),
        ({"token": None}, "MOTMA_TELEGRAM_TOKEN"),
        ({"webhook_secret": "short"}, "MOTMA_TELEGRAM_WEBHOOK_SECRET"),
        ({"webhook_secret": f"{SECRET},bí-mật-của-chúng-tôi"}, "MOTMA_TELEGRAM_WEBHOOK_SECRET"),
        ({"webhook_secret": "a" * 257}, "MOTMA_TELEGRAM_WEBHOOK_SECRET"),
    ],
)
async def test_settings_that_cannot_work_are_named(make: Make, changed: dict[str, object], named: str) -> None:
    with pytest.raises(Malformed, match=named):
        await make(**changed)


def test_secrets_do_not_show_in_settings() -> None:
    shown = repr(TelegramSettings(token=TOKEN, webhook_secret=SECRET))
    assert TOKEN not in shown
    assert SECRET not in shown


async def test_it_is_all_that_a_channel_can_be(wire: Wire) -> None:
    for protocol in (Gateway, Polled, Registered, Examined):
        assert isinstance(wire.channel, protocol)
    assert OPENING.reaches == wire.channel.reaches == "telegram"
