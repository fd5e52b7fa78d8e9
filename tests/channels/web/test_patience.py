"""Who is too slow is cut off, who is only far away is not: on real connections, with limits shortened."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from channels.web import patience
from channels.web.front_door import FrontDoor, Lookups
from channels.web.patience import Patience
from lookup.sealing import Seal
from pages.visitors import Visitors

HEAD = b"POST /taken HTTP/1.1\r\nHost: motma\r\nContent-Length: 4000\r\n\r\n"


class _NoLookups:
    def at_once(self, _target: str, _visitor: object) -> None:
        return None

    def in_time(self, _target: str, _visitor: object) -> None:
        return None


@asynccontextmanager
async def served(visitors: Visitors) -> AsyncIterator[int]:
    """A site behind the door that takes bodies and gives a large answer; its port."""
    watch = Patience()

    @web.middleware
    async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
        watch.began(request)
        try:
            return await handler(request)
        finally:
            watch.ended(request)

    async def taken(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 50_000_000)

    app = web.Application(middlewares=[watched])
    app.router.add_post("/taken", taken)
    app.router.add_get("/large", large)
    runner = web.AppRunner(app)
    await runner.setup()
    server = runner.server
    assert server is not None
    door = FrontDoor(
        lookups=cast("Lookups", _NoLookups()),
        visitors=visitors,
        patience=watch,
        framework=server,
    )
    listening = await asyncio.get_running_loop().create_server(door, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        await door.close()
        listening.close()
        await runner.cleanup()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a hundred times sooner."""
    for name, seconds in (("HEAD", 0.3), ("BODY_BEGINS", 0.3), ("UNREAD", 0.3), ("SWEEP", 0.05)):
        monkeypatch.setattr(patience, name, seconds)


async def sent(port: int, *pieces: bytes, pause: float) -> bytes:
    """What comes back, until the end, for pieces sent with a pause after each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(3):
            return await reader.read(4096)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.usefixtures("quick")
async def test_a_head_that_trickles_is_cut(seal: Seal) -> None:
    async with served(Visitors(seal)) as port:
        before = patience.CUT.labels("head")._value.get()
        assert await sent(port, *(bytes([byte]) for byte in HEAD[:30]), pause=0.02) == b""
        assert patience.CUT.labels("head")._value.get() == before + 1


@pytest.mark.usefixtures("quick")
async def test_a_head_in_two_pieces_is_answered(seal: Seal) -> None:
    async with served(Visitors(seal)) as port:
        assert b"200 OK" in await sent(port, HEAD[:20], HEAD[20:] + b"x" * 4000, pause=0.05)


@pytest.mark.usefixtures("quick")
async def test_a_body_that_creeps_is_cut_and_one_that_comes_slowly_is_not(seal: Seal) -> None:
    async with served(Visitors(seal)) as port:
        assert await sent(port, HEAD, *[b"x"] * 30, pause=0.03) == b""
        assert b"200 OK" in await sent(port, HEAD, *[b"x" * 100] * 40, pause=0.01)


@pytest.mark.usefixtures("quick")
async def test_an_answer_nobody_reads_is_cut(seal: Seal) -> None:
    async with served(Visitors(seal)) as port:
        before = patience.CUT.labels("answer")._value.get()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: motma\r\n\r\n")
            await asyncio.sleep(0.8)  # the client's own patience; nobody can wait for what it does not read
            assert patience.CUT.labels("answer")._value.get() == before + 1


@pytest.mark.usefixtures("quick")
async def test_a_connection_that_asks_again_after_a_rest_is_not_too_slow(seal: Seal) -> None:
    async with served(Visitors(seal)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(HEAD + b"x" * 4000)
            assert b"200 OK" in await reader.readuntil(b"4000")
            await asyncio.sleep(0.4)
        writer.close()
