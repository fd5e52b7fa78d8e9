"""One call to a provider: read whole, however it comes in."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.provider_call import call_once
from domain.errors import InDoubt


@pytest.fixture
async def piecemeal() -> AsyncIterator[str]:
    """A provider that answers in two packets, the second after the first was surely read; at /never only the first."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a" * 10)
        await asyncio.sleep(0.05)  # two packets, as a network makes them
        if request.path == "/never":
            await asyncio.sleep(10)
        await response.write(b"b" * 10)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()


async def test_an_answer_in_several_packets_is_read_whole(piecemeal: str) -> None:
    async with aiohttp.ClientSession() as http:
        assert (await call_once(http, "GET", piecemeal)).body == b"a" * 10 + b"b" * 10


async def test_no_more_is_read_than_asked_for(piecemeal: str) -> None:
    async with aiohttp.ClientSession() as http:
        assert (await call_once(http, "GET", piecemeal, most=15)).body == b"a" * 10 + b"b" * 5


async def test_an_answer_that_stops_halfway_leaves_a_doubt(piecemeal: str) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(InDoubt):
            await call_once(http, "GET", f"{piecemeal}never", within=0.3)
