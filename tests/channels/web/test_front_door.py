"""Plain look-ups are answered at the door; whatever else comes is aiohttp's, byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import pytest
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from channels.web import front_door
from channels.web.front_door import FrontDoor
from channels.web.patience import Patience
from lookup.disclosure import Answer
from tests.channels.web.conftest import OpenSite, Site
from tests.channels.web.sample_answers import SAMPLES

API = "/api/v1/lookup/"
CODE = SAMPLES["in_progress"].code
PATH = API + CODE
PLAIN = f"GET {PATH} HTTP/1.1\r\nHost: motma\r\n\r\n".encode()


@dataclass
class Door:
    """The door of a site, and how often it called aiohttp."""

    site: Site
    port: int
    front: FrontDoor
    handed_over: list[asyncio.Protocol] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, *pieces: bytes, answers: int = 1) -> list[bytes]:
        """What comes back for bytes sent in these pieces over one connection."""
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)  # so that the pieces do not arrive as one
        came = [await read_response(reader) for _ in range(answers)]
        writer.close()
        return came


async def read_response(reader: asyncio.StreamReader) -> bytes:
    """One whole response."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head + await reader.readexactly(length)


@asynccontextmanager
async def door_of(site: Site) -> AsyncIterator[Door]:
    """A door before the site, where the answer about CODE is ready."""
    site.at_hand[CODE] = SAMPLES["in_progress"].dossier().public
    assert (await site.client.get(PATH)).status == 200
    server = site.client.server
    assert isinstance(server, TestServer)
    assert server.runner is not None
    make: Callable[[], asyncio.Protocol] = server.runner.server  # type: ignore[assignment]
    handed_over: list[asyncio.Protocol] = []

    def framework() -> asyncio.Protocol:
        handed_over.append(make())
        return handed_over[-1]

    front = FrontDoor(lookups=site.lookups, visitors=site.visitors, patience=Patience(), framework=framework)
    listening = await asyncio.get_running_loop().create_server(front, "127.0.0.1", 0)
    try:
        yield Door(site, listening.sockets[0].getsockname()[1], front, handed_over)
    finally:
        await front.close()
        listening.close()


@pytest.fixture
async def door(site: Site) -> AsyncIterator[Door]:
    """The door of the usual site."""
    async with door_of(site) as opened:
        yield opened


def without_id_and_date(response: bytes) -> list[bytes]:
    """What two answers to one question share."""
    return sorted(line for line in response.split(b"\r\n") if not line.startswith((b"X-Request-Id:", b"Date:")))


async def test_a_ready_look_up_is_answered_at_the_door_as_aiohttp_would(door: Door) -> None:
    (at_the_door,) = await door.ask(PLAIN)
    assert door.handed_over == []
    (by_aiohttp,) = await door.ask(PLAIN.replace(b"\r\n\r\n", b"\r\nX-Other: 1\r\n\r\n"))
    assert len(door.handed_over) == 1
    assert without_id_and_date(at_the_door) == without_id_and_date(by_aiohttp)


async def test_a_connection_asks_again_and_again(door: Door) -> None:
    came = await door.ask(PLAIN, PLAIN, PLAIN, answers=3)
    assert len({line for response in came for line in response.split(b"\r\n") if line.startswith(b"X-Request-Id")}) == 3
    assert door.handed_over == []


async def test_every_answer_is_counted_and_logged(door: Door) -> None:
    await door.ask(PLAIN, PLAIN, answers=2)
    labels = {"route": "/api/v1/lookup/{code}", "method": "GET", "status": "200"}
    assert door.site.registry.get_sample_value("motma_http_request_seconds_count", labels) == 3
    logged = await door.site.logged()
    assert [line["status"] for line in logged] == [200, 200, 200]
    assert len({line["id"] for line in logged}) == 3
    assert len({line["address"] for line in logged}) == 1
    assert CODE.encode() not in door.site.written


@pytest.mark.parametrize(
    "more",
    [
        b"Connection: close",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"Range: bytes=0-1",
        b"Origin: https://elsewhere.example",
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"Host: another",
        b" folded",
        b"Accept : text/html",
        b"User-Agent: a\x00b",
        "User-Agent: điện thoại".encode(),
    ],
)
async def test_a_header_that_may_matter_is_for_aiohttp(door: Door, more: bytes) -> None:
    reader, writer = await door.connect()
    writer.write(PLAIN[:-2] + more + b"\r\n\r\n")
    async with asyncio.timeout(5):
        line = await reader.readline()
    assert line.startswith(b"HTTP/1.")
    assert len(door.handed_over) == 1
    writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"GET", b"HEAD"),
        PLAIN.replace(b"Host: motma\r\n", b""),
        PLAIN.replace(PATH.encode(), PATH.encode() + b"?lang=fr"),
        PLAIN.replace(PATH.encode(), PATH.encode().replace(b"H", b"%48")),
        PLAIN.replace(PATH.encode(), b"/healthz"),
        b"GET /api/v1/lookup/\xc3\xa9 HTTP/1.1\r\nHost: motma\r\n\r\n",
        PLAIN.replace(b"\r\n\r\n", b"\r\nCookie: " + b"x" * 5000 + b"\r\n\r\n"),
    ],
)
async def test_what_is_not_a_plain_ready_look_up_is_for_aiohttp(door: Door, request_bytes: bytes) -> None:
    reader, writer = await door.connect()
    writer.write(request_bytes)
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.")
    assert len(door.handed_over) == 1
    writer.close()


async def test_a_request_in_pieces_and_two_in_one_piece_are_for_aiohttp(door: Door) -> None:
    (whole,) = await door.ask(PLAIN[:30], PLAIN[30:])
    assert whole.startswith(b"HTTP/1.1 200 OK")
    both = await door.ask(PLAIN + PLAIN, answers=2)
    assert [response[:15] for response in both] == [b"HTTP/1.1 200 OK"] * 2
    assert len(door.handed_over) == 2


async def test_after_anything_else_the_connection_stays_with_aiohttp(door: Door) -> None:
    other = PLAIN.replace(b"GET", b"HEAD")
    reader, writer = await door.connect()
    writer.write(other)
    async with asyncio.timeout(5):
        await reader.readuntil(b"\r\n\r\n")
    writer.write(PLAIN)
    assert (await read_response(reader)).startswith(b"HTTP/1.1 200 OK")
    assert len(door.handed_over) == 1
    writer.close()


async def test_a_changed_dossier_is_asked_of_the_desk(door: Door) -> None:
    door.site.at_hand[CODE] = SAMPLES["in_progress"].dossier().public  # equal, but another
    with patch.object(door.site.desk, "by_code", wraps=door.site.desk.by_code) as by_code:
        await door.ask(PLAIN, PLAIN, answers=2)
    by_code.assert_called_once_with(CODE)
    assert door.handed_over == []


@pytest.mark.parametrize(
    "target", [PATH + "?lang=en", API + SAMPLES["late"].code, API + "H05.16-261102-9999", API + "1"]
)
async def test_what_must_be_looked_up_or_refused_is_answered_as_aiohttp_would(door: Door, target: str) -> None:
    plain = PLAIN.replace(PATH.encode(), target.encode())
    (at_the_door,) = await door.ask(plain)
    assert door.handed_over == []
    (by_aiohttp,) = await door.ask(plain.replace(b"\r\n\r\n", b"\r\nX-Other: 1\r\n\r\n"))
    assert len(door.handed_over) == 1
    assert without_id_and_date(at_the_door) == without_id_and_date(by_aiohttp)
    logged = await door.site.logged()
    assert logged[-1]["status"] == logged[-2]["status"] == int(at_the_door[9:12])


async def test_a_fault_of_ours_is_told_by_its_request(door: Door) -> None:
    async def fail(code: str) -> Answer | None:
        raise ZeroDivisionError(code)

    door.site.desk.by_code = fail  # type: ignore[method-assign]
    with capture_logs() as logs:
        (refused,) = await door.ask(PLAIN.replace(CODE.encode(), b"H05.16-261102-9998"))
    assert refused.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    (fault,) = (line for line in logs if line["event"] == "fault")
    assert fault["id"].encode() in refused
    assert "9998" not in str(fault)


class SlowDesk:
    """Stands before the desk of a site and lets nobody be answered until told."""

    def __init__(self, site: Site) -> None:
        self.go, self.asked = asyncio.Event(), asyncio.Event()
        self._by_code = site.desk.by_code
        site.desk.by_code = self.by_code  # type: ignore[method-assign]
        site.at_hand.clear()

    async def by_code(self, code: str) -> Answer | None:
        """Level L0, once it may."""
        self.asked.set()
        await self.go.wait()
        return await self._by_code(code)


async def test_questions_that_come_before_the_answer_wait_their_turn(door: Door) -> None:
    slow = SlowDesk(door.site)
    reader, writer = await door.connect()
    writer.write(PLAIN)
    await slow.asked.wait()
    writer.write(PLAIN.replace(PATH.encode(), b"/healthz"))
    await writer.drain()
    slow.go.set()
    assert CODE.encode() in await read_response(reader)
    assert (await read_response(reader)).startswith(b"HTTP/1.1 404")  # the site of these tests has no such page
    assert len(door.handed_over) == 1
    writer.close()


async def test_who_leaves_before_the_answer_is_logged_as_gone(door: Door) -> None:
    slow = SlowDesk(door.site)
    _, writer = await door.connect()
    writer.write(PLAIN)
    await slow.asked.wait()
    (answer,) = door.front.answers
    writer.transport.abort()
    await asyncio.wait({answer})
    assert answer.cancelled()
    assert (await door.site.logged())[-1]["status"] == 499


async def test_stopping_waits_for_answers_under_way(door: Door) -> None:
    slow = SlowDesk(door.site)
    reader, writer = await door.connect()
    writer.write(PLAIN)
    await slow.asked.wait()
    closing = asyncio.create_task(door.front.close())
    slow.go.set()
    assert CODE.encode() in await read_response(reader)
    async with asyncio.timeout(5):
        await closing
        assert await reader.read() == b""
    writer.close()


async def test_who_asks_once_more_while_we_stop_is_answered_and_told_that_it_was_the_last(door: Door) -> None:
    reader, writer = await door.connect()
    writer.write(PLAIN)
    assert b"Connection: close" not in await read_response(reader)
    door.site.duties.last_calls = True
    stopping = asyncio.create_task(door.front.last_calls(5))
    await asyncio.sleep(0)
    writer.write(PLAIN)
    last = await read_response(reader)
    assert last.startswith(b"HTTP/1.1 200 OK")
    assert b"\r\nConnection: close\r\n" in last
    async with asyncio.timeout(5):
        assert await reader.read() == b""
        assert await stopping == 0
    writer.close()


async def test_a_question_behind_one_under_way_is_the_last_when_we_stop_meanwhile(door: Door) -> None:
    slow = SlowDesk(door.site)
    reader, writer = await door.connect()
    writer.write(PLAIN)
    await slow.asked.wait()
    writer.write(PLAIN)
    door.site.duties.last_calls = True
    stopping = asyncio.create_task(door.front.last_calls(5))
    slow.go.set()
    assert b"Connection: close" not in await read_response(reader)
    assert b"\r\nConnection: close\r\n" in await read_response(reader)
    assert await asyncio.wait_for(stopping, 5) == 0
    writer.close()


async def test_who_is_silent_to_the_end_of_the_last_calls_is_counted_and_then_closed(door: Door) -> None:
    (_, here), (there, elsewhere) = await door.connect(), await door.connect()
    elsewhere.write(PLAIN.replace(b"GET", b"HEAD"))
    async with asyncio.timeout(5):
        await there.readuntil(b"\r\n\r\n")
    assert await door.front.last_calls(0.01) == 2
    here.close()
    elsewhere.close()


async def test_nobody_is_waited_for_where_nobody_is_connected(door: Door) -> None:
    assert await asyncio.wait_for(door.front.last_calls(60), 1) == 0


async def test_the_limit_holds_at_the_door(open_site: OpenSite) -> None:
    site = await open_site(limit="3/minute")
    async with door_of(site) as door:
        came = await door.ask(PLAIN, PLAIN, PLAIN, PLAIN, answers=4)
        assert door.handed_over == []
    assert [response[9:12] for response in came] == [b"200", b"200", b"429", b"429"]  # the first made it ready
    assert b"Retry-After: " in came[-1]


async def test_behind_our_proxy_each_client_has_a_limit_of_its_own(open_site: OpenSite) -> None:
    site = await open_site(limit="2/minute", trusted="127.0.0.1/32")
    async with door_of(site) as door:
        for client in (b"203.0.113.7", b"203.0.113.8"):
            asked = PLAIN.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: " + client + b"\r\n\r\n")
            came = await door.ask(asked, asked, asked, answers=3)
            assert [response[9:12] for response in came] == [b"200", b"200", b"429"]


async def test_a_silent_connection_is_closed(site: Site) -> None:
    with patch.object(front_door, "SILENCE", 0.0), patch.object(front_door, "SWEEP", 0.05):
        async with door_of(site) as door:
            reader, writer = await door.connect()
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
            assert door.handed_over == []


class Transport(asyncio.Transport):
    """A transport that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.said: list[str] = []
        self.written = b""

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return "closed" in self.said


async def test_a_client_that_does_not_read_is_not_asked_for_more(door: Door) -> None:
    guest, transport = door.front(), Transport()
    assert isinstance(guest, asyncio.Protocol)
    guest.connection_made(transport)
    guest.data_received(PLAIN)
    assert transport.written.startswith(b"HTTP/1.1 200 OK")
    guest.pause_writing()
    guest.resume_writing()
    assert transport.said == ["pause", "resume"]
    guest.connection_lost(None)


async def test_nothing_is_written_to_a_connection_that_is_going(door: Door) -> None:
    slow = SlowDesk(door.site)
    guest, transport = door.front(), Transport()
    assert isinstance(guest, asyncio.Protocol)
    guest.connection_made(transport)
    guest.data_received(PLAIN)
    await slow.asked.wait()
    (answer,) = door.front.answers
    transport.said.append("closed")
    slow.go.set()
    await asyncio.wait({answer})
    assert answer.result()
    assert transport.written == b""
    guest.connection_lost(None)


async def test_stopping_closes_those_who_wait(site: Site) -> None:
    async with door_of(site) as door:
        reader, writer = await door.connect()
        writer.write(PLAIN)
        await read_response(reader)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
