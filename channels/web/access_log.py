"""The access log: one JSON object per request, gathered and written together, never by the event loop itself."""

import asyncio
from collections.abc import Callable

_MOST_WAITING = 1 << 20  # bytes: beyond that a writer that stands still loses lines, not requests


class AccessLog:
    """Lines wait `every` seconds, or until there are `most` bytes. `write` runs in a thread, one call at a time."""

    def __init__(self, write: Callable[[bytes], object], *, most: int = 131_072, every: float = 0.2) -> None:
        self.lost = 0  # lines dropped since the start
        self._write = write
        self._most = most
        self._every = every
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[object] | None = None

    def add(self, line: bytes) -> None:
        """Take one line, its line break included."""
        if self._size >= self._most:
            self._full()
            if self._size >= _MOST_WAITING:
                self.lost += 1
                return
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self._send)
        self._lines.append(line)
        self._size += len(line)

    async def close(self) -> None:
        """Write what waits."""
        while self._lines or self._writing is not None:
            self._send()
            if self._writing is not None:
                await asyncio.wait([self._writing])

    def _full(self) -> None:
        if self._writing is None:
            self._send()

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None or not self._lines:
            return  # `_written` sends the rest
        chunk = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, chunk)
        self._writing.add_done_callback(self._written)

    def _written(self, done: "asyncio.Future[object]") -> None:
        self._writing = None
        if not done.cancelled():
            done.exception()  # a closed pipe: there is nobody left to tell
        # What came meanwhile waits its time too: under steady load each write would else begin the next, far too small.
        if self._size >= self._most:
            self._send()
        elif self._lines and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self._send)
