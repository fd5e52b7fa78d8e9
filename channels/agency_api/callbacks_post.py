"""One signed call to a receiver: made once, to a checked address, nothing followed, nothing of its body read."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

from channels.agency_api.callbacks_address import Addresses, RefusedAddress
from channels.provider_call import CONNECT_LIMIT, retry_after
from channels.standard_webhooks import key_of, sign
from domain.civil_time import utc_now
from domain.errors import Invalid
from notifications.callbacks.courier import Answer, Call, NoAnswer

CALL_LIMIT = 15.0  # seconds, as Standard Webhooks advises
AGENT = "Mot-Ma-Callbacks/1"


class CallbackPost:
    """Fulfils `notifications.callbacks.courier.Caller`."""

    def __init__(
        self, http: aiohttp.ClientSession, addresses: Addresses, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._http = http
        self._addresses = addresses
        self._clock = clock

    async def call(self, call: Call) -> Answer:
        """The answer, of which only status and Retry-After count. Raises `NoAnswer`."""
        try:
            url = self._addresses.checked(call.url)
        except Invalid as error:
            raise NoAnswer(error.message) from None
        timestamp = int(self._clock().timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "webhook-id": call.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                sign(key_of(secret), call.message_id, timestamp, call.body) for secret in call.secrets
            ),
        }
        try:
            async with self._http.post(url, data=call.body, headers=headers, allow_redirects=False) as response:
                return Answer(status=response.status, retry_after=retry_after(response))
        except TimeoutError as error:
            raise NoAnswer("No answer in time.") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise NoAnswer("The certificate is not valid for this address.") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise NoAnswer("The name is not known.") from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, RefusedAddress):
                raise NoAnswer("The name leads to an address that is not public.") from error
            raise NoAnswer("No connection.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer("Broken off, or no HTTP.") from error


@asynccontextmanager
async def open_callback_post(
    addresses: Addresses,
    *,
    resolver: AbstractResolver | None = None,
    trusted: SSLContext | bool = True,
    limit: float = CALL_LIMIT,
) -> AsyncIterator[CallbackPost]:
    """The caller with connections of its own. Each call looks its name up anew and connects anew, checked again."""
    connector = aiohttp.TCPConnector(
        resolver=resolver or ThreadedResolver(),
        use_dns_cache=False,
        force_close=True,
        limit=0,  # the courier counts
        ssl=trusted,
        socket_factory=addresses.socket,
        family=socket.AF_UNSPEC,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=limit, sock_connect=CONNECT_LIMIT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=["Accept", "Accept-Encoding"],
    ) as http:
        yield CallbackPost(http, addresses)
