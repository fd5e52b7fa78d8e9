"""Latency counts from the appointed time, so a server that stands still is not flattered."""

import asyncio

from bench.open_loop import OpenLoop, percentile
from bench.programs import free_port

STALL = 0.3  # seconds


class StallingServer:
    """Answers at once, but stands still for everybody when it is asked for the tenth time."""

    def __init__(self) -> None:
        self._moving = asyncio.Event()
        self._moving.set()
        self._asked = 0
        self.talks: set[asyncio.Task[None] | None] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talks.add(asyncio.current_task())
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            self._asked += 1
            if self._asked == 10:
                self._moving.clear()
                asyncio.get_running_loop().call_later(STALL, self._moving.set)
            await self._moving.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()
        await writer.wait_closed()


async def test_a_stall_shows_in_every_request_that_was_due_meanwhile() -> None:
    port, stalling = free_port(), StallingServer()
    async with await asyncio.start_server(stalling.answer, "127.0.0.1", port):
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        answered, _ = await OpenLoop("127.0.0.1", port).run([request] * 100, 200)
        await asyncio.gather(*(talk for talk in stalling.talks if talk))
    assert answered.refused == []
    waited = [latency for latency in answered.latencies if latency > STALL / 2]
    assert len(waited) >= 20  # 200 a second, for the first half of the stall


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0], 0.99) == 1.0
