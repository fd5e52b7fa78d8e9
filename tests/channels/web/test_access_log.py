"""Lines are gathered, written by a thread, and lost rather than waited for."""

import asyncio
from threading import Event

from channels.web.access_log import AccessLog


async def test_lines_are_written_together_after_a_while() -> None:
    written: list[bytes] = []
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def write(chunk: bytes) -> None:
        written.append(chunk)
        loop.call_soon_threadsafe(arrived.set)

    log = AccessLog(write, every=0.01)
    log.add(b"one\n")
    log.add(b"two\n")
    async with asyncio.timeout(5):
        await arrived.wait()
    assert written == [b"one\ntwo\n"]
    await log.close()


async def test_a_full_buffer_does_not_wait() -> None:
    written: list[bytes] = []
    log = AccessLog(written.append, most=8, every=3600)
    for _ in range(3):
        log.add(b"12345678\n")
    await log.close()
    assert b"".join(written) == b"12345678\n" * 3
    assert len(written) > 1


async def test_what_comes_while_lines_are_written_waits_its_time_too() -> None:
    written: list[bytes] = []
    began, go_on = asyncio.Event(), Event()
    loop = asyncio.get_running_loop()

    def write(chunk: bytes) -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait(5)
        written.append(chunk)

    log = AccessLog(write, most=8, every=3600)
    log.add(b"the first\n")
    log.add(b"2\n")
    async with asyncio.timeout(5):
        await began.wait()
    log.add(b"3\n")
    go_on.set()
    await log.close()
    assert written == [b"the first\n", b"2\n3\n"]


async def test_a_reader_that_stands_still_costs_lines_not_requests() -> None:
    stuck, written = Event(), bytearray()

    def write(chunk: bytes) -> None:
        stuck.wait(5)
        written.extend(chunk)

    log = AccessLog(write, most=1000)
    line = b"x" * 999 + b"\n"
    for _ in range(3000):
        log.add(line)
    lost = log.lost
    stuck.set()
    await log.close()
    assert lost > 0
    assert len(written) == (3000 - lost) * len(line)


async def test_a_closed_pipe_stops_nothing() -> None:
    def write(chunk: bytes) -> None:
        raise BrokenPipeError

    log = AccessLog(write)
    log.add(b"line\n")
    await log.close()
    log.add(b"line\n")
    await log.close()
    assert log.lost == 0
