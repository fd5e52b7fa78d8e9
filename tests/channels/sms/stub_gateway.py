"""A gateway that answers as it is told: the provider's side of `sendsms`, on a port of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class StubGateway:
    """What it was called with, and how it answers."""

    calls: list[dict[str, str]] = field(default_factory=list)
    status: int = 202
    body: str = "0: Accepted for delivery"
    headers: dict[str, str] = field(default_factory=dict)
    breaks_off: bool = False
    hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def sendsms(self, request: web.Request) -> web.StreamResponse:
        """GET /cgi-bin/sendsms"""
        query = parse_qs(request.query_string, keep_blank_values=True)
        self.calls.append({name: values[0] for name, values in query.items()})
        if self.hangs:
            await self.released.wait()
        if self.breaks_off:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=self.status, text=self.body, headers=self.headers)


@asynccontextmanager
async def stub_gateway() -> AsyncIterator[StubGateway]:
    """A stub that listens."""
    stub = StubGateway()
    app = web.Application()
    app.router.add_get("/cgi-bin/sendsms", stub.sendsms)
    server = TestServer(app)
    await server.start_server()
    stub.url = str(server.make_url("/cgi-bin/sendsms"))
    try:
        yield stub
    finally:
        stub.released.set()
        await server.close()
