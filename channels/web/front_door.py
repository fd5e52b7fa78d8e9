"""Answers the busiest question before the framework hears of it: a plain GET of a look-up.

Two thirds of what a look-up that is at hand costs is the framework around it (docs/decisions/0011). So each connection
begins here. As long as it asks nothing but plain look-ups, their answers are written straight to it, with every duty
done: limit, id, figures, access log, headers. At the first byte of anything else the connection is handed to aiohttp
with that byte, for good. Nothing is parsed here that could be misread: a request counts as plain when it came in one
piece and every header it has is on a short list of those that change nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any, Protocol, cast

import structlog

from channels.web.patience import Held, Patience
from database.supervision import place
from pages.requests import is_host
from pages.visitors import Visitor, Visitors

_BEGINS = b"GET /api/v1/lookup/"
_ENDS = b" HTTP/1.1"
_BREAK = b"\r\n"
_HEAD_ENDS = b"\r\n\r\n"
MOST_HEAD = 4_096  # bytes; what is longer is for aiohttp to measure
MOST_KNOWN = 20_000  # header blocks whose sender is known
SILENCE = 10.0  # seconds until a connection that asked nothing is closed
KEEP_ALIVE = 75.0  # seconds between two questions
SWEEP = 5.0  # seconds between two looks at who is silent
GRACE = 5.0  # seconds that answers under way are given when the door closes

# Headers that change nothing about the answer. What is not here, is repeated, or has another value, is not plain.
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "accept-language", "cache-control", "connection", "cookie", "dnt", "host", "pragma"}
    | {"priority", "referer", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode"}
    | {"sec-fetch-site", "sec-fetch-user", "sec-gpc", "upgrade-insecure-requests", "user-agent", "x-forwarded-for"}
    | {"x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_FORWARDED = "x-forwarded-for"

log = structlog.get_logger(__name__)


class Lookups(Protocol):
    """Answers plain look-ups with every duty done; a response is all its bytes."""

    def at_once(self, target: str, visitor: Visitor) -> bytes | None:
        """The response to GET `target`, or None when it is not ready or may not be given."""

    def in_time(self, target: str, visitor: Visitor) -> Coroutine[Any, Any, bytes] | None:
        """The response as soon as it is known, a refusal included; None where aiohttp must read the target."""


class FrontDoor:
    """Where connections come in: a protocol factory for `loop.create_server`.

    `lookups` answers; `framework` makes aiohttp's protocol for everything else, whose senders `patience` watches.
    """

    def __init__(
        self, *, lookups: Lookups, visitors: Visitors, patience: Patience, framework: Callable[[], asyncio.Protocol]
    ) -> None:
        self.framework = framework
        self.patience = patience
        self.lookups = lookups
        self.answers: set[asyncio.Task[bytes]] = set()  # under way
        self._visitors = visitors
        self._known: dict[tuple[str, bytes], Visitor] = {}  # by peer and header block
        self._waiting: set[_Guest] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._connected = 0  # here and with aiohttp
        self._nobody = asyncio.Event()
        self._last = False

    def __call__(self) -> asyncio.Protocol:
        """The protocol of one more connection."""
        return _Guest(self)

    def read(self, data: bytes, peer: str) -> tuple[str, Visitor] | None:
        """The target and the sender of `data` if it is one plain look-up, and not the last of its connection."""
        if self._last or not data.startswith(_BEGINS) or not data.endswith(_HEAD_ENDS):
            return None
        line = data.find(_BREAK)
        head = data[line + 2 :]
        visitor = self._known.get((peer, head)) or self._meet(peer, head)
        if visitor is None or not data.endswith(_ENDS, 0, line):
            return None
        try:
            target = data[4 : line - len(_ENDS)].decode("ascii")
        except UnicodeDecodeError:
            return None
        return target, visitor

    def _meet(self, peer: str, head: bytes) -> Visitor | None:
        """Who sends such a header block; None when it is not plain."""
        forwarded = _forwarded_in(head)
        if forwarded is None:
            return None
        visitor = self._visitors.behind(peer, forwarded)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[peer, head] = visitor
        return visitor

    def entered(self, guest: "_Guest") -> None:
        """A new connection, which waits for its first question here."""
        self._connected += 1
        self._nobody.clear()
        self._waiting.add(guest)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP, self._close_silent)

    def left(self, guest: "_Guest") -> None:
        """It is gone, or aiohttp's."""
        self._waiting.discard(guest)

    def lost(self, guest: "_Guest") -> None:
        """The connection is gone, whoever had it."""
        self.left(guest)
        self._connected -= 1
        if not self._connected:
            self._nobody.set()

    def _close_silent(self) -> None:
        self._sweep = None
        now = monotonic()
        for guest in [guest for guest in self._waiting if guest.silent_until < now]:
            guest.close()
        if self._waiting:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP, self._close_silent)

    async def last_calls(self, seconds: float) -> int:
        """Go on answering who is connected, for so long at most; how many are connected still.

        All that is asked now is aiohttp's, whose answers must say that the connection closes: so callers leave by
        themselves. Cut off at once, a connection might be cut while a call is on its way to us.
        """
        self._last = True
        if self._connected:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nobody.wait(), seconds)
        return self._connected

    async def close(self) -> None:
        """Close every connection that waits here; those that are being answered after their answer."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self.patience.close()
        if self.answers:
            await asyncio.wait(self.answers, timeout=GRACE)
        for guest in list(self._waiting):
            guest.close()


class _Guest(asyncio.Protocol):
    """One connection: ours while it asks only plain look-ups, then aiohttp's."""

    __slots__ = ("_answer", "_behind", "_door", "_framework", "_held", "_peer", "_transport", "silent_until")

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._framework: asyncio.Protocol | None = None
        self._held: Held | None = None
        self._answer: asyncio.Task[bytes] | None = None  # under way
        self._behind = b""  # what came meanwhile
        self._peer = "local"
        self.silent_until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._peer = str(peer[0])
        self.silent_until = monotonic() + SILENCE
        self._door.entered(self)

    def data_received(self, data: bytes) -> None:
        if self._framework is not None:
            self._pass_on(self._framework, data)
        elif self._answer is not None:
            self._behind += data
            if len(self._behind) > MOST_HEAD:
                self._transport.pause_reading()
        elif len(data) > MOST_HEAD or (asked := self._door.read(data, self._peer)) is None:
            self._pass_on(self._hand_over(), data)
        elif (response := self._door.lookups.at_once(*asked)) is not None:
            self._transport.write(response)
            self.silent_until = monotonic() + KEEP_ALIVE
        elif (coming := self._door.lookups.in_time(*asked)) is not None:
            self._answer = asyncio.create_task(coming)
            self._answer.add_done_callback(self._answered)
            self._door.answers.add(self._answer)
            self.silent_until = inf
        else:
            self._pass_on(self._hand_over(), data)

    def _answered(self, answer: asyncio.Task[bytes]) -> None:
        self._door.answers.discard(answer)
        self._answer = None
        if answer.cancelled() or self._transport.is_closing():
            return  # whoever asked has gone
        if (error := answer.exception()) is not None:
            log.error("a look-up failed at the door", error=type(error).__qualname__, at=place(error))
            self.close()
            return
        self._transport.write(answer.result())
        self.silent_until = monotonic() + KEEP_ALIVE
        if self._behind:
            behind, self._behind = self._behind, b""
            self._transport.resume_reading()
            self.data_received(behind)

    def _hand_over(self) -> asyncio.Protocol:
        self._door.left(self)
        self._framework = self._door.framework()
        self._held = self._door.patience.hold(self._framework, self._transport)
        self._framework.connection_made(self._transport)
        return self._framework

    def _pass_on(self, framework: asyncio.Protocol, data: bytes) -> None:
        if self._held is not None:
            self._held.heard(len(data))
        framework.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._framework is None else self._framework.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.lost(self)
        if self._answer is not None:
            self._answer.cancel()
        if self._framework is not None:
            self._door.patience.release(self._framework)
            self._framework.connection_lost(exc)

    # A client that does not read its answers is not asked for more questions.

    def pause_writing(self) -> None:
        if self._framework is not None:
            if self._held is not None:
                self._held.paused_since = monotonic()
            self._framework.pause_writing()
        else:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._framework is not None:
            if self._held is not None:
                self._held.paused_since = None
            self._framework.resume_writing()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        """Say no more."""
        self._door.left(self)
        self._transport.close()


def _forwarded_in(head: bytes) -> tuple[str, ...] | None:
    """The X-Forwarded-For of a header block, or None when the block is not plain (RFC 9112 5)."""
    try:
        lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return None
    *fields, last, end = lines
    if last or end:  # more than one head, or none
        return None
    seen: dict[str, str] = {}
    for field in fields:
        name, colon, value = field.partition(":")
        key = name.lower()
        if not colon or key not in _HARMLESS or key in seen or not _NAME.issuperset(name) or not _visible(value):
            return None
        seen[key] = value.strip()
    if not is_host(seen.get("host", "?")) or seen.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    return (seen[_FORWARDED],) if _FORWARDED in seen else ()


def _visible(value: str) -> bool:
    return all(" " <= character <= "~" or character == "\t" for character in value)
