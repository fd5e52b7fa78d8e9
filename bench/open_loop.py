"""Requests at appointed times, whether or not earlier ones were answered: latency counts from the appointed time."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from bench.programs import WrongAnswers

CONNECTIONS = 64
PATIENCE = 60.0  # seconds
_HEAD_ENDS = b"\r\n\r\n"


class _Line(asyncio.Protocol):
    """One keep-alive connection with one request at a time. HTTP clients cost more than the servers measured here."""

    def __init__(self, loop: "OpenLoop") -> None:
        self._loop = loop
        self._received = b""
        self.number = -1
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def ask(self, number: int, request: bytes) -> None:
        """Send request `number`."""
        assert self.transport is not None
        self.number = number
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take the answer once it is whole: a status line and a body of a known length."""
        self._received += data
        head, ends, body = self._received.partition(_HEAD_ENDS)
        if not ends:
            return
        lower = head.lower()
        place = lower.find(b"content-length:")
        length = int(lower[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(body) < length:
            return
        self._received = b""
        number, self.number = self.number, -1
        self._loop.answered(self, number, int(head[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        if self.number >= 0:
            self._loop.answered(self, self.number, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of the requests: seconds from the appointed time to the answer, and the statuses other than 2xx."""

    latencies: list[float]
    refused: list[int]
    latest_start: float  # seconds by which the client itself was late at worst


class OpenLoop:
    """Sends requests to one address at an even rate."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._free: deque[_Line] = deque()  # the one free for longest first: silent ones are closed by the server
        self._queued: list[int] = []
        self._requests: Sequence[bytes] = ()
        self._ended: list[float] = []
        self._statuses: list[int] = []
        self._open = 0
        self._all_answered = asyncio.Event()

    async def run(self, requests: Sequence[bytes], rate: float) -> tuple[Answered, float]:
        """Send them all, `rate` a second; what came of them, and when (monotonic) the first was due."""
        loop = asyncio.get_running_loop()
        self._requests = requests
        self._ended = [0.0] * len(requests)
        self._statuses = [0] * len(requests)
        self._open = len(requests)
        lines = []
        for _ in range(CONNECTIONS):
            _, line = await loop.create_connection(lambda: _Line(self), *self._address)
            lines.append(line)
        self._free = deque(lines)
        began = time.monotonic() + 0.1
        late = 0.0
        for number in range(len(requests)):
            due = began + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            else:
                late = max(late, -wait)
            self._start(number)
        try:
            await asyncio.wait_for(self._all_answered.wait(), PATIENCE)
        except TimeoutError:
            message = f"{self._open} of {len(requests)} requests had no answer {PATIENCE:.0f} s after the last was due"
            raise WrongAnswers(message) from None
        for line in lines:
            if line.transport is not None:
                line.transport.close()
        latencies = [ended - (began + n / rate) for n, ended in enumerate(self._ended)]
        refused = [status for status in self._statuses if not 200 <= status < 300]
        return Answered(latencies=latencies, refused=refused, latest_start=late), began

    def _start(self, number: int) -> None:
        if self._free:
            self._free.popleft().ask(number, self._requests[number])
        else:
            self._queued.append(number)

    def answered(self, line: _Line, number: int, status: int) -> None:
        """An answer is whole, or its connection was lost (status 0)."""
        self._ended[number] = time.monotonic()
        self._statuses[number] = status
        self._open -= 1
        if self._open == 0:
            self._all_answered.set()
        if self._queued:
            waiting = self._queued.pop(0)
            line.ask(waiting, self._requests[waiting])
        else:
            self._free.append(line)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
