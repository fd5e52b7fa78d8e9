"""What a gateway's call carries: fields of a query or form as raw bytes, and JSON. No bytes of it lead to a 5xx."""

import json
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import web

from domain.errors import Malformed
from pages.requests import small_body

MOST_CALL = 65_536  # bytes of a form or of JSON; a text of ten parts has about 15,000 when each letter is escaped
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

T = TypeVar("T")


def query_of(request: web.Request) -> bytes:
    """The query as it came, before anybody decoded it."""
    return request.raw_path.partition("?")[2].encode("utf-8", "surrogateescape")


def pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a query or form in their order, blank ones included, for signatures cover those too."""
    found = []
    for pair in query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            found.append((_unescaped(name), _unescaped(value)))
    return found


def fields(query: bytes) -> dict[str, bytes]:
    """The fields of a query as raw bytes, for text may be UTF-16. Of a repeated field the first counts."""
    given: dict[str, bytes] = {}
    for name, value in pairs(query):
        given.setdefault(text_of(name), value)
    return given


def text_of(octets: bytes) -> str:
    """UTF-8 as text; what is none becomes U+FFFD."""
    return octets.decode("utf-8", "replace")


async def form(request: web.Request) -> list[tuple[bytes, bytes]]:
    """The fields of a form in the body. Raises `TooLarge`."""
    return pairs(await small_body(request, MOST_CALL))


def json_as(kind: type[T], body: bytes) -> T:
    """JSON read as `kind`. Raises `Malformed`.

    Read by the standard library, because it keeps lone surrogates: a text cut into parts may be cut inside a pair.
    """
    try:
        # Numbers stay as they were written: ids beyond 2^53, and signatures over the digits that were sent.
        found = json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
        return msgspec.convert(found, kind, strict=False)
    except (ValueError, msgspec.ValidationError, RecursionError):
        raise Malformed("The body is not the JSON that was agreed.") from None


def mended(text: str) -> str:
    """`text` with surrogates joined to the characters they are halves of; what stays alone becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def first(given: Mapping[str, bytes], name: str) -> str:
    """A field as text without outer space; '' when it is missing."""
    return text_of(given.get(name, b"")).strip()


def our_id(text: str) -> int | None:
    """Our message id as a gateway gives it back; None when this is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _unescaped(octets: bytes) -> bytes:
    return unquote_to_bytes(octets.replace(b"+", b" "))
