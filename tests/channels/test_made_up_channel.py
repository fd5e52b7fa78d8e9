"""Adding a channel takes one file and one line: a made-up one does all that the others do."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from channels import open_channels
from channels.open_channels import hook_secrets
from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from service.commands.doctor import examine_channels
from service.settings import Settings, faults
from service.site import open_site, read_environment
from service.wiring import Core
from tests.channels.story import CODE, PATIENCE, SECRET, Office

HOOK_SECRET = "secret-of-the-made-up-channel"


@dataclass
class Provider:
    """The pager's provider: takes what we send, and calls us."""

    url: str = ""
    taken: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    calls: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """One message of ours; its id is the answer."""
        message = await request.json()
        await self.taken.put(message)
        return web.json_response(f"pager-{message['reference']}")

    async def tells(self, site: str, *, secret: str = HOOK_SECRET, **call: str) -> int:
        """Call our webhook; the status."""
        self.calls += 1
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{site}/webhooks/pager", json={"id": f"in-{self.calls}", **call}, headers={"X-Secret": secret}
            ) as told,
        ):
            return told.status

    async def says(self, site: str, text: str) -> None:
        """A person sends `text`."""
        assert await self.tells(site, **{"from": "an"}, text=text) == 200

    async def shown(self) -> dict[str, Any]:
        """The next message on the pager."""
        return await asyncio.wait_for(self.taken.get(), PATIENCE)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_post("/", provider.take)
    async with TestServer(app) as server:
        provider.url = str(server.make_url("/"))
        yield provider


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The service with one more line in its table."""
    monkeypatch.setattr(open_channels, "TABLE", (*open_channels.TABLE, "tests.channels.made_up_channel"))
    monkeypatch.setattr("service.front.REGISTRY", CollectorRegistry())  # a process has one site, this one several
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return Settings(secret_key="t" * 32, listen=f"127.0.0.1:{port}", admin_listen="127.0.0.1:0")


@pytest.fixture
def opened(settings: Settings, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same with the channel's own settings."""
    monkeypatch.setenv("MOTMA_PAGER_HOOK_SECRET", HOOK_SECRET)
    monkeypatch.setenv("MOTMA_PAGER_API_URL", provider.url)
    return settings


async def test_it_hears_answers_offers_choices_and_reports(core: Core, opened: Settings, provider: Provider) -> None:
    office = Office(core)
    await office.files()
    async with open_site(opened, core, ("web", "dispatcher")) as site:
        assert site is not None
        assert await provider.tells(site, secret="guessed", text=CODE) == 401
        await provider.says(site, f"{CODE} {SECRET}")
        answer = await provider.shown()
        assert "20/11/2036" in answer["text"]
        await provider.says(site, answer["buttons"]["Theo dõi"])
        assert "Sẽ báo" in (await provider.shown())["text"]
        await office.moves(to=Status.COMPLETED)
        notice = await provider.shown()
        assert "Đã có kết quả" in notice["text"]
        await provider.tells(site, id=f"pager-{notice['reference']}", report="read aloud")
        async with core.database.connection(Role.WORKER) as connection:
            state = await connection.fetchval("SELECT state FROM message WHERE id = $1", notice["reference"])
        assert state == DeliveryState.DELIVERED
        await provider.says(site, notice["buttons"]["Ngừng theo dõi"])
        assert "Sẽ không báo" in (await provider.shown())["text"]


async def test_the_doctor_asks_it_and_names_what_it_lacks(
    core: Core, opened: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [finding.line() async for finding in examine_channels(opened, core.database.url)]
    assert "ok    pager: the pager answers" in findings
    monkeypatch.delenv("MOTMA_PAGER_API_URL")
    findings = [finding.line() async for finding in examine_channels(opened, core.database.url)]
    assert findings == ["FAULT channels: The pager needs MOTMA_PAGER_API_URL."]


def test_production_does_not_start_with_a_secret_that_is_too_short(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTMA_PAGER_HOOK_SECRET", "short")
    assert any(
        fault.startswith("MOTMA_PAGER_HOOK_SECRET") for fault in faults(settings, hook_secrets(read_environment))
    )


async def test_the_simulator_plays_it_until_it_is_set(core: Core, settings: Settings) -> None:
    await Office(core).files()
    async with open_site(settings, core, ("web", "dispatcher")) as site, aiohttp.ClientSession() as http:
        async with http.post(f"{site}/gia-lap", data={"kenh": "pager", "text": CODE}) as page:
            assert ">Pager</a>" in await page.text()
        async with asyncio.timeout(PATIENCE), http.get(f"{site}/gia-lap/live?kenh=pager") as news:
            async for _ in news.content:
                async with http.get(f"{site}/gia-lap?kenh=pager") as page:
                    if f'value="THEO DOI {CODE}"' in await page.text():
                        break
