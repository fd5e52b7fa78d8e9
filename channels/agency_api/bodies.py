"""Reading request bodies within limits: whole, or line by line while the store works."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import hdrs, web

from channels.agency_api.payloads import MAX_ITEM
from domain.errors import TooLarge, Unavailable

JSON = "application/json"
LINES = "application/x-ndjson"

MAX_ONE = MAX_ITEM
MAX_ARRAY = 16 * 1024 * 1024  # bytes
MAX_ITEMS = 1_000
MAX_LINES = 10_000
ROOM = 256 * 1024 * 1024  # bytes of bodies held in memory by one process

_ENCODINGS = frozenset({"identity", "gzip", "deflate"})
_MARK = b"\xef\xbb\xbf"  # a byte order mark before UTF-8 says nothing and is no JSON


class Room:
    """Memory for the bodies being read or handled. A body that finds no room is refused, and may come again."""

    def __init__(self, size: int = ROOM) -> None:
        self._free = size

    @contextmanager
    def body(self) -> Iterator["Claim"]:
        """Space for one body, given back at the end."""
        claim = Claim(self)
        try:
            yield claim
        finally:
            self._free += claim.size

    def take(self, claim: "Claim", more: int) -> None:
        """Let `claim` grow. Raises `Unavailable`."""
        if more > self._free:
            raise Unavailable("Too much is arriving at once. Please try again shortly.", after=timedelta(seconds=2))
        self._free -= more
        claim.size += more


class Claim:
    """The space one body takes."""

    __slots__ = ("room", "size")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.size = 0

    def grow(self, more: int) -> None:
        """Take `more` bytes. Raises `Unavailable`."""
        self.room.take(self, more)


def require_type(request: web.Request, *allowed: str) -> str:
    """The content type, when it is one of `allowed`, in UTF-8 and compressed in a way we read. Raises 415."""
    charset, encoding = request.charset or "utf-8", request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    unknown = request.content_type not in allowed or charset.lower() not in {"utf-8", "utf8"}
    if unknown or encoding.lower() not in _ENCODINGS:
        raise web.HTTPUnsupportedMediaType(headers={"Accept": ", ".join(allowed)})
    return request.content_type


async def whole(request: web.Request, most: int, claim: Claim) -> bytes:
    """The body, `most` bytes of it after decompression. Raises `TooLarge` before it reads more, `Unavailable`."""
    refusal = TooLarge(f"The body may have {most} bytes at most.")
    if (request.content_length or 0) > most:
        raise refusal
    body = bytearray()
    async for chunk in request.content.iter_any():
        if len(body) + len(chunk) > most:
            raise refusal
        claim.grow(len(chunk))
        body += chunk
    return bytes(body.removeprefix(_MARK))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stream. `text` is None for one longer than `MAX_ITEM`. `number` counts from 0, empty ones too."""

    number: int
    text: bytes | None


async def lines(request: web.Request) -> AsyncIterator[list[Line]]:
    """The lines of the body that are not empty, as they arrive; a line too long is passed over, not kept.

    Raises `TooLarge` after `MAX_LINES`: what came before has been yielded.
    """
    number = 0
    kept, dropping = bytearray(), False
    first = True

    async for chunk in request.content.iter_any():
        if first:
            chunk, first = chunk.removeprefix(_MARK), False
        pieces = chunk.split(b"\n")
        found: list[Line] = []
        for piece in pieces[:-1]:
            if dropping or len(kept) + len(piece) > MAX_ITEM:
                found.append(Line(number, None))
                kept.clear()
            elif text := (bytes(kept) + piece).strip():
                found.append(Line(number, text))
                kept.clear()
            else:
                kept.clear()
            dropping = False
            number += 1
            if number > MAX_LINES and found and found[-1].number >= MAX_LINES:
                yield [line for line in found if line.number < MAX_LINES]
                raise TooLarge(f"A stream may have {MAX_LINES} lines at most.")
        if not dropping and len(kept) + len(pieces[-1]) > MAX_ITEM:
            dropping = True
            kept.clear()
        elif not dropping:
            kept += pieces[-1]
        if found:
            yield found
    if dropping or kept.strip():
        if number >= MAX_LINES:
            raise TooLarge(f"A stream may have {MAX_LINES} lines at most.")
        yield [Line(number, None if dropping else bytes(kept).strip())]


def whole_lines(body: bytes) -> list[Line]:
    """The lines of a body read whole, as `lines` gives them. Raises `TooLarge`."""
    found = [Line(n, text.strip()) for n, text in enumerate(body.split(b"\n")) if text.strip()]
    if found and found[-1].number >= MAX_LINES:
        raise TooLarge(f"A stream may have {MAX_LINES} lines at most.")
    return [line if len(line.text or b"") <= MAX_ITEM else Line(line.number, None) for line in found]
