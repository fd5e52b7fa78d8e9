"""A stand-in for Kannel's sendsms: takes every message at once, says so as Kannel does, and notes when it came."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import unquote

from bench.programs import free_port

_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nServer: Kannel/1.4.5\r\nContent-Length: 27\r\nContent-Type: text/html\r\n\r\n"
_ACCEPTED += b"0: Accepted for delivery\r\n\r"


class Taken:
    """When each message came, by its recipient."""

    def __init__(self) -> None:
        self.at: dict[str, list[float]] = {}
        self.count = 0
        self.quiet_since = time.monotonic()

    async def until(self, wanted: int, patience: float) -> None:
        """Return a second after `wanted` came, for what comes twice, or when none came for `patience` seconds."""
        while True:
            quiet = time.monotonic() - self.quiet_since
            if quiet > (1.0 if self.count >= wanted else patience):
                return
            await asyncio.sleep(0.1)  # nothing signals that nothing comes

    def note(self, target: str) -> None:
        """Take note of one call to sendsms."""
        now = time.monotonic()
        place = target.find("&to=")
        recipient = unquote(target[place + 4 :].split("&", 1)[0])
        self.at.setdefault(recipient, []).append(now)
        self.count += 1
        self.quiet_since = now


class _Gateway(asyncio.Protocol):
    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._taken.note(head.split(b" ", 2)[1].decode())
            if self._transport is not None:
                self._transport.write(_ACCEPTED)


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[str, Taken]]:
    """The address to send to, and what was taken there."""
    taken = Taken()
    port = free_port()
    server = await asyncio.get_running_loop().create_server(lambda: _Gateway(taken), "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}/cgi-bin/sendsms", taken
    finally:
        server.close()
