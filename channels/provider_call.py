"""One call to a provider, made once, and told apart: it never left, it was answered, or nobody knows."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from domain.errors import InDoubt, TryLater, Undeliverable

CONNECT_LIMIT = 3.0  # seconds
CALL_LIMIT = 8.0  # less than the dispatcher's own limit, so that what happened is known here
MOST_READ = 65_536  # bytes of an answer; what is longer is cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """What a provider answered. `retry_after` is its own wish."""

    status: int
    body: bytes = field(repr=False)
    retry_after: timedelta | None


async def call_once(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    within: float | None = None,
    most: int = MOST_READ,
    **request: Any,  # noqa: ANN401 - aiohttp's own keyword arguments
) -> ProviderAnswer:
    """Call a provider; `request` as for `ClientSession.request`. Redirects are not followed.

    The answer must be there `within` so many seconds, `CALL_LIMIT` unless said; `most` bytes of it are read. Raises
    `TryLater` when no connection came about, and `InDoubt` when the request left and no whole answer came back.
    """
    try:
        async with http.request(
            method,
            url,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=within or CALL_LIMIT, sock_connect=CONNECT_LIMIT),
            middlewares=(_once,),
            **request,
        ) as response:
            body = await _read(response.content, most)
            return ProviderAnswer(status=response.status, body=body, retry_after=retry_after(response))
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        raise TryLater("No connection to the provider.") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise InDoubt("The provider did not answer.") from error


async def _read(content: aiohttp.StreamReader, most: int) -> bytes:
    """The first `most` bytes: one `read(most)` would end with the first packet."""
    body = bytearray()
    while len(body) < most and (chunk := await content.read(most - len(body))):
        body += chunk
    return bytes(body)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp repeats a GET by itself when the connection breaks before the answer: that would send a message twice."""
    try:
        return await handler(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise InDoubt("The provider broke off.") from error


def refused(answer: ProviderAnswer) -> Exception:
    """What an answer that is no success means by its status: ours to mend or wait for, or never to be sent."""
    said = f"The provider answered {answer.status}."
    if answer.status in {401, 402, 403, 404, 405, 407, 408, 425, 429} or answer.status >= 500 or answer.status < 400:
        # Our account, our settings, its load: nothing about this message. The next try may find it mended.
        return TryLater(said, after=answer.retry_after)
    return Undeliverable(said)


def retry_after(response: aiohttp.ClientResponse) -> timedelta | None:
    """The Retry-After header, seconds or a date (RFC 9110 10.2.3); None when there is none that can be read."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text), 86_400))
    try:
        wait = parsedate_to_datetime(text) - datetime.now(UTC)
    except (ValueError, TypeError):
        return None
    return max(timedelta(0), min(wait, timedelta(days=1)))
