"""The service itself with a bot: the roles, and the doctor."""

import asyncio
import socket

import pytest
from prometheus_client import CollectorRegistry

from service.commands.doctor import examine_channels
from service.settings import Settings
from service.site import open_site
from service.wiring import Core
from tests.channels.story import CODE, SECRET, Office
from tests.channels.telegram.bot_api import TOKEN, BotApi
from tests.channels.telegram.people import PATIENCE, Person


@pytest.fixture
def settings(api: BotApi, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A bot, and no address that Telegram could reach."""
    monkeypatch.setenv("MOTMA_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("MOTMA_TELEGRAM_API_URL", api.url)
    monkeypatch.setattr("service.front.REGISTRY", CollectorRegistry())  # a process has one site, this one several
    return Settings(secret_key="t" * 32, listen=f"127.0.0.1:{_free_port()}", admin_listen="127.0.0.1:0")


async def test_the_bot_role_fetches_and_answers_without_a_site(core: Core, api: BotApi, settings: Settings) -> None:
    await Office(core).files()
    an = Person(api)
    async with open_site(settings, core, ("bot", "dispatcher")) as url:
        assert url is None
        await an.says(f"{CODE} {SECRET}")
        assert "20/11/2036" in await an.hears()


async def test_everything_in_one_process_fetches_where_no_webhook_can_be(
    core: Core, api: BotApi, settings: Settings
) -> None:
    an = Person(api)
    async with open_site(settings, core, ("web", "dispatcher", "bot")) as url:
        assert url
        await an.says("HELP")
        assert await an.hears()
    assert api.webhook.url == ""


async def test_of_several_processes_one_fetches(core: Core, api: BotApi, settings: Settings) -> None:
    async with open_site(settings, core, ("bot",), worker=1):
        await Person(api).says("HELP")
        assert api.calls == []


async def test_the_web_role_has_updates_delivered(
    core: Core, api: BotApi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTMA_TELEGRAM_WEBHOOK_SECRET", "webhook_secret_of_the-tests")
    at_work = Settings(
        secret_key="t" * 32,
        listen=settings.listen,
        admin_listen="127.0.0.1:0",
        public_url="https://motma.example",
    )
    an = Person(api)
    async with open_site(at_work, core, ("web", "dispatcher", "bot")) as url:
        api.deliver_to = f"{url}/webhooks/telegram"
        async with asyncio.timeout(PATIENCE), api.changed:
            await api.changed.wait_for(lambda: bool(api.webhook.url))
        await an.says("HELP")
        assert await an.hears()
    assert [status for _, status in api.attempts] == [200]
    assert "getUpdates" not in {method for method, _ in api.calls}


async def test_the_doctor_asks_telegram(core: Core, api: BotApi, settings: Settings) -> None:
    findings = {finding.what: finding.fault async for finding in examine_channels(settings, core.database.url)}
    said = "telegram: @motma_bot, 0 updates waiting to be fetched by `motma bot`"
    assert any(what.startswith(said) and fault is None for what, fault in findings.items())
    api.webhook.url = "https://elsewhere.example"
    findings = {finding.what: finding.fault async for finding in examine_channels(settings, core.database.url)}
    assert "https://elsewhere.example" in (findings["telegram"] or "")


async def test_the_doctor_names_settings_that_cannot_work(
    core: Core, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTMA_TELEGRAM_TOKEN", "motma_bot")
    findings = [finding async for finding in examine_channels(settings, core.database.url)]
    assert [(finding.what, "MOTMA_TELEGRAM_TOKEN" in (finding.fault or "")) for finding in findings] == [
        ("channels", True)
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
