"""Live pages: streams of events that end with their reader, with the server, or after a while."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from types import MappingProxyType

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from domain.errors import TooMany, Unavailable

MOST_STREAMS = 2_000  # live pages of one kind per process
MOST_STREAMS_OF_ONE = 20  # per address: a whole office may share one
LONGEST_STREAM = timedelta(minutes=30)  # the browser comes back by itself
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Streams:
    """The open streams of one kind of page."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self._open: set[EventSourceResponse] = set()

    async def changed(
        self,
        request: web.Request,
        news: AsyncGenerator[object, None],
        *,
        address: str,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> web.StreamResponse:
        """An event `changed` with each item of `news`, which this closes. Raises `TooMany`, `Unavailable`."""
        async with aclosing(news):
            if self._of.total() >= MOST_STREAMS:
                raise Unavailable("There are too many live pages.", after=timedelta(minutes=1))
            if self._of[address] >= MOST_STREAMS_OF_ONE:
                raise TooMany("There are too many live pages from this address.", after=timedelta(minutes=1))
            self._of[address] += 1
            try:
                async with sse_response(request, headers=headers) as stream:
                    await self._forward(news, stream)
            finally:
                self._of -= Counter({address: 1})
            return stream

    async def close(self) -> None:
        """End them all, so that a server that stops need not wait for their readers."""
        for stream in list(self._open):
            stream.stop_streaming()

    async def _forward(self, news: AsyncGenerator[object, None], stream: EventSourceResponse) -> None:
        """Send until the reader leaves, which the stream's own pings notice, or the time is up."""

        async def forward() -> None:
            async for item in news:
                await stream.send(str(item), event="changed")

        self._open.add(stream)
        forwarding = asyncio.create_task(forward())
        forwarding.add_done_callback(lambda _: stream.stop_streaming())
        try:
            async with asyncio.timeout(LONGEST_STREAM.total_seconds()):
                await stream.wait()
        except TimeoutError:
            pass  # the browser asks again
        finally:
            self._open.discard(stream)
            forwarding.cancel()
            await asyncio.gather(forwarding, return_exceptions=True)
