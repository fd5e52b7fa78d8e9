"""Responses whose bytes are known before they are asked for: one header block, one write."""

from collections.abc import Mapping

from aiohttp import HttpVersion11, hdrs, web

_MOST_UNREAD = 65_536  # bytes written and not yet taken: beyond that a reader must be waited for


class Prepared:
    """One encoded answer: `headers` and `body` for any client, and the start of the block for the usual one.

    The block lacks what differs from one response to the next: Date and X-Request-Id.
    """

    __slots__ = ("body", "head", "headers")

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.head = f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(body)}\r\nDate: ".encode("latin-1")

    def to(self, request: web.Request) -> web.StreamResponse:
        """A response to `request`: in one write where client and connection allow it, else an ordinary one."""
        transport = request.transport
        if (
            request.method == hdrs.METH_GET
            and request.keep_alive
            and request.version == HttpVersion11
            and transport is not None
            and transport.get_write_buffer_size() < _MOST_UNREAD
        ):
            return Ready(self)
        return web.Response(headers=self.headers, body=self.body)


class Ready(web.StreamResponse):
    """A response that is written as it stands; `stamp` completes its header block."""

    _block = b""

    def __init__(self, prepared: Prepared) -> None:
        super().__init__()
        self._prepared_answer = prepared

    def stamp(self, date: bytes, request_id: bytes) -> None:
        """Complete the block; `date` ends with the name of the next header."""
        answer = self._prepared_answer
        self._block = b"%b%b%b\r\n\r\n%b" % (answer.head, date, request_id, answer.body)

    @property
    def keep_alive(self) -> bool:
        """Only connections that stay open get such a response."""
        return True

    @property
    def prepared(self) -> bool:
        """Whether it was sent."""
        return not self._block

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send it."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client has gone.")
        transport.write(self._block)
        self._block = b""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing remains to be sent."""
