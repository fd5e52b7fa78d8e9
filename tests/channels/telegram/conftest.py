"""A bot between the stand-in for Telegram's servers and our webhook."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.telegram.channel import PATH, SECRET_HEADER, TelegramChannel
from channels.telegram.opening import TelegramSettings
from domain.errors import Unavailable
from domain.message import Incoming
from tests.channels.edge import edge
from tests.channels.telegram.bot_api import TOKEN, BotApi, bot_api

Client = TestClient[web.Request, web.Application]
SECRET = "webhook_secret_of_the-tests"
NOW = datetime(2026, 11, 6, 3, 41, 0, tzinfo=UTC)  # half a minute after the payloads were sent
PAYLOADS = sorted(file.stem for file in Path(__file__).parent.joinpath("payloads").glob("*.json"))


def payload(name: str) -> bytes:
    """An update, in the form that the Bot API's documentation gives it."""
    return Path(__file__).parent.joinpath("payloads", f"{name}.json").read_bytes()


@dataclass
class Wire:
    """A Telegram channel with Telegram on both its sides. The store is away while `database_is_away`."""

    channel: TelegramChannel
    client: Client
    api: BotApi
    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False

    async def post(self, body: bytes, secret: str | None = SECRET) -> aiohttp.ClientResponse:
        """A call to the webhook."""
        headers = {"Content-Type": "application/json"} | ({} if secret is None else {SECRET_HEADER: secret})
        return await self.client.post(PATH, data=body, headers=headers)

    async def hears(self, incoming: Incoming) -> bool:
        """Record, once."""
        if self.database_is_away:
            raise Unavailable("The message could not be recorded.")
        new = all(incoming.external_id != known.external_id for known in self.heard)
        if new:
            self.heard.append(incoming)
            await self.api.tell()
        return new


Make = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    """Telegram's servers."""
    async with bot_api() as running:
        yield running


@pytest.fixture
async def make(api: BotApi, aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> AsyncIterator[Make]:
    """Makes a wire with changed settings."""
    async with aiohttp.ClientSession() as http:

        async def made(public_url: str = "https://motma.example", **changed: Any) -> Wire:  # noqa: ANN401
            settings = {"token": TOKEN, "webhook_secret": SECRET, "api_url": api.url, "chat_spacing": 0.0, **changed}

            async def heard(incoming: Incoming) -> bool:
                return await made_wire.hears(incoming)

            channel = TelegramChannel(
                msgspec.convert(settings, TelegramSettings),
                http=http,
                heard=heard,
                public_url=public_url,
                clock=lambda: NOW,
            )
            client = await aiohttp_client(edge(channel.routes()))
            api.deliver_to = str(client.make_url(PATH))
            made_wire = Wire(channel=channel, client=client, api=api)
            return made_wire

        yield made


@pytest.fixture
async def wire(make: Make) -> Wire:
    """A bot with a webhook."""
    return await make()
