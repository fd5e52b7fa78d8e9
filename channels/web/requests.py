"""Reading what a request carries, within limits."""

from aiohttp import web

from domain.errors import TooLarge

SMALL = 4096  # bytes: a code, a proof, and the names around them


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
