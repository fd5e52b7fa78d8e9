"""Responses whose bytes are known before they are asked for: one header block, one write."""

from collections.abc import Mapping
from email.utils import formatdate
from time import time

from aiohttp import HttpVersion11, hdrs, web

from pages.problems import REQUEST_ID

_MOST_UNREAD = 65_536  # bytes written and not yet taken: beyond that the reader must be waited for


class ReadyHead:
    """The header block of ready responses: the same for all but for length and id, its Date made once a second."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.begins = f"HTTP/1.1 200 OK\r\n{lines}Content-Length: ".encode("latin-1")
        self._ends = 0.0
        self._lines = b""

    def lines(self) -> bytes:
        """`Date: … X-Request-Id: `, to be completed with the id."""
        now = time()
        if now >= self._ends:
            self._ends = now - now % 1 + 1
            self._lines = f"Date: {formatdate(now, usegmt=True)}\r\nX-Request-Id: ".encode()
        return self._lines


class ReadyResponse(web.StreamResponse):
    """One 200 answer, encoded once and sent to any number of requests: it keeps nothing of any of them.

    Its headers are complete but for Date and X-Request-Id, so the hooks of ordinary responses are not run.
    """

    def __init__(self, head: ReadyHead, body: bytes) -> None:
        super().__init__()
        self._ready_head = head
        self._content = body
        self._begins = b"%b%d\r\n" % (head.begins, len(body))

    def to(self, request: web.Request) -> web.StreamResponse:
        """The answer to `request`: this, where the connection takes it in one write, else an ordinary response."""
        transport = request.transport
        if (
            request.method == hdrs.METH_GET
            and request.keep_alive
            and request.version == HttpVersion11
            and transport is not None
            and transport.get_write_buffer_size() < _MOST_UNREAD
            and hdrs.ORIGIN not in request.headers  # a page of another site asks: channels.web.widget decides
        ):
            return self
        return self.ordinary()

    def ordinary(self) -> web.Response:
        """The same answer as a response like others, whose hooks are run."""
        return web.Response(headers=self._ready_head.headers, body=self._content)

    def with_id(self, request_id: bytes) -> bytes:
        """All bytes of the answer to a request of this id."""
        return b"%b%b%b\r\n\r\n%b" % (self._begins, self._ready_head.lines(), request_id, self._content)

    @property
    def keep_alive(self) -> bool:
        """Only connections that stay open get such a response."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send everything."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("The client has gone.")
        transport.write(self.with_id(request[REQUEST_ID]))

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing remains to be sent."""
