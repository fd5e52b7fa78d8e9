"""G60, G61: clients that are slow in every phase, and floods of connections: honest ones hardly notice.

All callers are of this machine: each connection comes from an address of 127.0.0.0/8 of its own.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.evidence import Evidence, percentile
from tests.faults.load import Producer, Reader
from tests.faults.rig import NO_MUTANT, Rig, open_rig

LOOK_UPS = 20.0  # a second, by honest callers
P99 = 0.5
SHARE = 0.99
HEAD_CUT, BODY_CUT, READ_CUT = 10.0, 30.0, 35.0  # seconds, as channels.web.patience has them with its sweep
LATE = 3.0  # seconds that a busy machine may add
LONGEST = 60.0  # a connection that lives longer was not cut
MEMORY = 150 * 1024  # KiB
BACK_SECONDS = 120.0
SPARE = 60  # descriptors and KiB that come and go by themselves
HEAD = b"POST /tra-cuu HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\n"
ASK = b"GET /api/openapi.yaml HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MANY = 80  # questions; each answer has 75 kB
SMALLEST_WINDOW = 4_096  # bytes that a client which does not read takes in


@dataclass(slots=True)
class Cut:
    """How long the connections of one kind lived."""

    seconds: list[float] = field(default_factory=list)
    alive: int = 0


async def slow_clients(*, each: int, mutant: str = NO_MUTANT) -> Evidence:
    """`each` connections that are slow in the head, in the body, and in reading, beside honest look-ups.

    Mutant: `nobody_hurried`.
    """
    evidence = Evidence(guarantee="G60")
    async with open_rig(webs=1, dispatchers=0, mutant=mutant) as rig:
        codes = await Producer(rig).dossiers(200)
        before, (web,) = _descriptors(rig), rig.of("web")
        reader, done = Reader(rig, codes, LOOK_UPS), asyncio.Event()
        cuts = {"head": Cut(), "body": Cut(), "read": Cut()}
        async with asyncio.TaskGroup() as load:
            honest = load.create_task(reader.read(done))
            async with asyncio.TaskGroup() as slow:
                for n in range(each):
                    slow.create_task(_slow(rig.port, n, cuts["head"], _trickles(HEAD, b"X-Slow: 1\r\n", 2.0)))
                    slow.create_task(_slow(rig.port, n, cuts["body"], _trickles(BODY, b"code=1&", 3.0)))
                    slow.create_task(_slow(rig.port, n, cuts["read"], _never_reads))
            done.set()
            await honest
        evidence.figures["connections"] = 3 * each
        for phase, limit in (("head", HEAD_CUT), ("body", BODY_CUT), ("read", READ_CUT)):
            cut = cuts[phase]
            evidence.figures[f"{phase} cut after s, at most"] = round(max(cut.seconds, default=0.0), 1)
            evidence.expect(cut.alive == 0, f"{cut.alive} that are slow in the {phase} were never cut off")
            evidence.expect_within(limit + LATE, max(cut.seconds, default=0.0), f"cutting those slow in the {phase}")
            evidence.need(len(cut.seconds) + cut.alive == each, f"not all that are slow in the {phase} came in")
        _judge_honest(evidence, reader)
        left = await _settles(lambda: _descriptors(rig) - before, SPARE, 20)
        evidence.figures["descriptors left over"] = left
        evidence.expect(left <= SPARE, f"{left} descriptors were not given back")
        evidence.expect(web.runs, "the process did not live through it")
    return evidence


async def flooded_with_connections(*, rate: int, seconds: float, idle: int, mutant: str = NO_MUTANT) -> Evidence:
    """`rate` connections a second come and go, then `idle` ones stay and ask nothing.

    Mutant: `silence_borne`.
    """
    evidence = Evidence(guarantee="G61")
    async with open_rig(webs=1, dispatchers=0, mutant=mutant) as rig:
        codes = await Producer(rig).dossiers(200)
        await asyncio.sleep(1)
        descriptors, memory = _descriptors(rig), _memory(rig)
        reader, done = Reader(rig, codes, LOOK_UPS), asyncio.Event()
        most = memory
        async with asyncio.TaskGroup() as load:
            honest = load.create_task(reader.read(done))
            came = await _flood(rig.port, rate, seconds)
            most = max(most, _memory(rig))
            silent = [await _connected(rig.port, n) for n in range(idle)]
            await asyncio.sleep(2)
            most = max(most, _memory(rig))
            evidence.figures["open at once"] = _descriptors(rig) - descriptors
            began = time.monotonic()
            left = await _settles(lambda: _descriptors(rig) - descriptors, SPARE, BACK_SECONDS)
            evidence.figures["back after s"] = round(time.monotonic() - began, 1)
            done.set()
            await honest
            for line in silent:
                line.close()
        evidence.figures |= {"connections a second": round(came / seconds), "idle": idle}
        evidence.figures |= {"MiB more": (most - memory) // 1024}
        evidence.expect(left <= SPARE, f"{left} connections that ask nothing are still open")
        evidence.expect(most - memory <= MEMORY, f"{(most - memory) // 1024} MiB more")
        share = len(reader.seconds) / max(1, len(reader.seconds) + len(reader.failed))
        evidence.figures["honest answered %"] = round(100 * share, 2)
        evidence.expect(share >= SHARE, f"{100 * share:.1f} % of honest look-ups were answered")
        evidence.need(came > rate * seconds / 4, "there was no flood")
    return evidence


def _judge_honest(evidence: Evidence, reader: Reader) -> None:
    evidence.figures |= {"honest": len(reader.seconds), "p99 ms": round(1000 * percentile(reader.seconds, 0.99))}
    evidence.expect(not reader.failed, f"{len(reader.failed)} honest look-ups failed: {Counter(reader.failed)}")
    evidence.expect_within(P99, percentile(reader.seconds, 0.99), "p99 of the honest")


async def _connected(port: int, number: int) -> socket.socket:
    """A connection from an address of its own."""
    line = socket.socket()
    line.setblocking(False)
    line.bind((f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}", 0))
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
    return line


async def _slow(port: int, number: int, cut: Cut, act: Callable[[socket.socket], Awaitable[None]]) -> None:
    """One slow client, until it is cut off or has lived too long."""
    line = await _connected(port, number)
    began = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST):
            await act(line)
    except TimeoutError:
        cut.alive += 1
    except OSError:
        cut.seconds.append(time.monotonic() - began)
    finally:
        line.close()


def _trickles(begin: bytes, more: bytes, pause: float) -> Callable[[socket.socket], Awaitable[None]]:
    """Sends a little now and then, until the other side closes."""

    async def act(line: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(line, begin)
        while True:
            try:
                async with asyncio.timeout(pause):
                    if not await loop.sock_recv(line, 65_536):
                        raise ConnectionResetError
            except TimeoutError:
                await loop.sock_sendall(line, more)

    return act


async def _never_reads(line: socket.socket) -> None:
    """Asks for more than any buffer takes, and reads nothing, until its own side hears that it was cut."""
    loop = asyncio.get_running_loop()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_WINDOW)
    await loop.sock_sendall(line, ASK * MANY)
    while True:
        await asyncio.sleep(2.0)
        if line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise ConnectionResetError
        with suppress(TimeoutError):  # nothing more goes in: our answers are not taken
            async with asyncio.timeout(0.1):
                await loop.sock_sendall(line, ASK)


async def _flood(port: int, rate: int, seconds: float) -> int:
    """Connections that are opened and closed; how many."""
    began, came = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(min(rate * passed - came, 200))
        lines = await asyncio.gather(*(_connected(port, came + n) for n in range(due)), return_exceptions=True)
        for line in lines:
            if isinstance(line, socket.socket):
                line.close()
                came += 1
        await asyncio.sleep(0.005)
    return came


async def _settles(value: Callable[[], int], limit: int, seconds: float) -> int:
    """The value, once it is no more than `limit` or so much time has passed."""
    deadline = time.monotonic() + seconds
    while (now := value()) > limit and time.monotonic() < deadline:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(0.5)
    return now


def _pid(rig: Rig) -> int:
    (web,) = rig.of("web")
    assert web.process is not None
    return web.process.pid


def _descriptors(rig: Rig) -> int:
    return len([*Path(f"/proc/{_pid(rig)}/fd").iterdir()])


def _memory(rig: Rig) -> int:
    """Of the web process, in KiB."""
    status = Path(f"/proc/{_pid(rig)}/status").read_text("utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
