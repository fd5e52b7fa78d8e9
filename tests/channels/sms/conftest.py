"""A channel between the test, which plays its provider, and an ear; with a real store where the test wants one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from cache.limits import Limits
from cache.redis_connection import open_redis
from channels.channel import Channel
from database.pool import Database
from lookup.sealing import Seal
from tests.channels.edge import edge
from tests.channels.sms.calling import Around, Call, Ear
from tests.channels.sms.mouths import Routed


@dataclass
class Line:
    """The way from a provider to a channel."""

    client: TestClient[web.Request, web.Application]

    async def call(self, call: Call) -> tuple[int, bytes]:
        """The status and body of the answer."""
        response = await self.answer(call)
        return response.status, await response.read()

    async def answer(self, call: Call) -> aiohttp.ClientResponse:
        """The whole answer."""
        url = URL(call.path, encoded=True)
        return await self.client.request(call.method, url, headers=call.headers, data=BytesIO(call.body))

    async def raw(self, call: Call) -> int:
        """The status of the answer to a call written byte by byte, so that its headers may be broken."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.client.port)
        headers = {"Host": "a", "Connection": "close", "Content-Length": str(len(call.body)), **call.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"{call.method} {call.path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + call.body)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        await reader.read()
        writer.close()
        await writer.wait_closed()
        return status


Serve = Callable[[Channel], Awaitable[Line]]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The session calls to providers are made with."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def around(http: aiohttp.ClientSession, seal: Seal) -> Around:
    """What a channel is made of, without a store."""
    return Around(http, Ear(), Database(url="", pools={}), seal)


@pytest.fixture
def stored(http: aiohttp.ClientSession, seal: Seal, database: Database) -> Around:
    """What a channel is made of, with the test's own store."""
    return Around(http, Ear(), database, seal)


@pytest.fixture
def serve(aiohttp_client: Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]) -> Serve:
    """Opens the webhooks of a channel."""

    async def served(channel: Channel) -> Line:
        return Line(await aiohttp_client(edge(channel.routes())))

    return served


@pytest.fixture
async def limits(redis_url: str, seal: Seal) -> AsyncIterator[Limits]:
    """Limits that count in the session's Redis."""
    async with open_redis(redis_url) as redis:
        opened = Limits(redis, seal)
        yield opened
        await opened.aclose()


@pytest.fixture
def routed(limits: Limits, database: Database) -> Routed:
    """Makes routing senders."""
    return Routed(limits, database)
