"""A line between callers and the service on which bytes take their time, as they do from another building."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from tests.faults.rig import free_port


class _End(asyncio.Protocol):
    """One end of a line: what it hears is said at the other end so many seconds later, and that it hung up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.other: _End | None = None
        self.unsaid: list[bytes] = []  # before there was another end
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.unsaid.append(data)
        else:
            asyncio.get_running_loop().call_later(self.seconds, partial(self.other.say, data))

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            asyncio.get_running_loop().call_later(self.seconds, self.other.transport.close)

    def say(self, data: bytes) -> None:
        """Lost where the other has hung up."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)


class _Caller(_End):
    """The end of somebody who calls: a line is laid to the service."""

    def __init__(self, seconds: float, port: int, laying: "set[asyncio.Task[None]]") -> None:
        super().__init__(seconds)
        self._port, self._laying = port, laying

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        task = asyncio.create_task(self._lay())
        self._laying.add(task)
        task.add_done_callback(self._laying.discard)

    async def _lay(self) -> None:
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        try:
            _, service = await loop.create_connection(partial(_End, self.seconds), "127.0.0.1", self._port)
        except OSError:  # nobody answers there
            self.transport.abort()
            return
        self.other, service.other = service, self
        for data in self.unsaid:
            self.data_received(data)
        if self.transport.is_closing():
            self.connection_lost(None)


@asynccontextmanager
async def far_away(port: int, *, seconds: float) -> AsyncIterator[int]:
    """A port that leads to `port` of this machine; what is sent either way arrives so many `seconds` later."""
    laying: set[asyncio.Task[None]] = set()
    near = free_port()
    line = partial(_Caller, seconds, port, laying)
    server = await asyncio.get_running_loop().create_server(line, "127.0.0.1", near, backlog=1024)
    try:
        yield near
    finally:
        server.close()
