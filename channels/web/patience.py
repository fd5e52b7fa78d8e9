"""How long a connection may take: a head that trickles, a body that creeps, an answer that nobody reads.

aiohttp closes none of them (guarantees.md, measured facts), and each holds a descriptor and some memory. So what the
front door hands over stays in its sight: bytes are counted as they pass, requests tell when they begin and end, and a
sweep every few seconds cuts off who is too slow (guarantee G60). A connection that is idle between two requests is
aiohttp's own to close.
"""

import asyncio
from collections.abc import Hashable
from time import monotonic

from aiohttp import web
from prometheus_client import Counter

HEAD = 8.0  # seconds for a whole head: with the sweep, cut within 10
BODY_BEGINS = 20.0  # seconds before a body is measured
SLOWEST_BODY = 500  # bytes a second, on the whole
UNREAD = 30.0  # seconds in which a client reads nothing of a full answer
SWEEP = 2.0

CUT = Counter("motma_slow_connections_cut", "Connections cut off for their slowness, by phase.", ["phase"])


class Held:
    """One connection that aiohttp serves."""

    __slots__ = ("began", "head_since", "paused_since", "received", "request", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.head_since: float | None = None  # when the head that is not whole yet began
        self.request: web.BaseRequest | None = None
        self.began = 0.0
        self.received = 0  # bytes since the request began
        self.paused_since: float | None = None

    def heard(self, size: int) -> None:
        """So many bytes came."""
        if self.request is not None:
            self.received += size
        elif self.head_since is None:
            self.head_since = monotonic()

    def too_slow(self, now: float) -> str | None:
        """In which phase it is too slow, if it is."""
        if self.head_since is not None and now - self.head_since > HEAD:
            return "head"
        if self.paused_since is not None and now - self.paused_since > UNREAD:
            return "answer"
        if self.request is not None and not self.request.content.is_eof():
            taken = now - self.began
            if taken > BODY_BEGINS and self.received < taken * SLOWEST_BODY:
                return "body"
        return None


class Patience:
    """All connections that aiohttp serves, by its own protocol object for each."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Held] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def hold(self, protocol: Hashable, transport: asyncio.Transport) -> Held:
        """From now on `protocol` serves `transport`."""
        held = self._held[protocol] = Held(transport)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP, self._cut)
        return held

    def release(self, protocol: Hashable) -> None:
        """The connection is gone."""
        self._held.pop(protocol, None)

    def began(self, request: web.BaseRequest) -> None:
        """The head of `request` is whole; its body may still be coming."""
        held = self._held.get(request.protocol)
        if held is not None:
            held.head_since, held.request, held.began, held.received = None, request, monotonic(), 0

    def ended(self, request: web.BaseRequest) -> None:
        """`request` has its answer."""
        held = self._held.get(request.protocol)
        if held is not None and held.request is request:
            held.request = None

    def close(self) -> None:
        """Look no more."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _cut(self) -> None:
        self._sweep = None
        now = monotonic()
        for held in [*self._held.values()]:
            if (phase := held.too_slow(now)) is not None:
                CUT.labels(phase).inc()
                held.transport.abort()
        if self._held:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP, self._cut)
