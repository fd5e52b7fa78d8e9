"""Reading what a request carries, within limits."""

import re
from urllib.parse import parse_qs

from aiohttp import web

from domain.errors import Malformed, TooLarge

SMALL = 4096  # bytes: a code, a proof, and the names around them
# RFC 9110 7.2: a name or an address, and a port.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?", re.ASCII)


def is_host(value: str) -> bool:
    """Whether a Host header says one: whoever reads another one out of it reads another request (RFC 9112 3.2)."""
    return _HOST.fullmatch(value) is not None


async def small_body(request: web.Request, most: int = SMALL) -> bytes:
    """The body of `request`, at most `most` bytes, refused before more of it is read. Raises `TooLarge`."""
    refusal = TooLarge(f"The body may have {most} bytes at most.")
    if (request.content_length or 0) > most:
        raise refusal
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise refusal
    return bytes(body)


async def small_form(request: web.Request, most: int = SMALL, *, fields: int = 10) -> dict[str, str]:
    """The fields of an urlencoded form, the first of each name, `fields` at most. Raises `TooLarge`, `Malformed`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    body = await small_body(request, most)
    try:
        typed = parse_qs(body.decode(), max_num_fields=fields, keep_blank_values=True)
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    return {name: values[0] for name, values in typed.items()}
