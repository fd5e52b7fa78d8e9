"""One client that calls as fast as it is answered, with forged webhooks: `python -m tests.faults.flood PORT SECONDS`.

Prints what it sent as JSON: calls, seconds, and how often each status came.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import cast

import uvloop

CONNECTIONS = 16
BODY = b'{"id":"forged-%08d","from":"+84901234567","to":"8088","text":"H05.16-261002-000001"}'
# Unsigned; signed with another key; without the secret of the header; with another secret in the address.
SIGNED = b"webhook-id: forged\r\nwebhook-timestamp: %d\r\nwebhook-signature: v1," + b"A" * 43 + b"=\r\n"
HEADS = (
    b"POST /webhooks/sms HTTP/1.1\r\n",
    b"POST /webhooks/sms HTTP/1.1\r\n" + SIGNED,
    b"POST /webhooks/telegram HTTP/1.1\r\n",
    b"POST /webhooks/kannel/forged-secret-00001/mo HTTP/1.1\r\n",
)


def _forged(number: int) -> bytes:
    head = HEADS[number % len(HEADS)]
    if b"%d" in head:
        head %= int(time.time())
    body = BODY % number
    return b"%bHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        head,
        len(body),
        body,
    )


class _Line(asyncio.Protocol):
    """One connection: the next call leaves when the one before is answered."""

    def __init__(self, statuses: Counter[str], until: float) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._statuses = statuses
        self._until = until
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._received = b""
        self._statuses[head[9:12].decode()] += 1
        if time.monotonic() < self._until:
            self._next()
        else:
            self._transport.close()

    def _next(self) -> None:
        self._transport.write(_forged(self._statuses.total()))

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r")[0] or 0)


async def flood(port: int, seconds: float) -> None:
    """Call for so long."""
    statuses, began = Counter[str](), time.monotonic()
    loop, lines = asyncio.get_running_loop(), []
    for _ in range(CONNECTIONS):
        _, line = await loop.create_connection(lambda: _Line(statuses, began + seconds), "127.0.0.1", port)
        lines.append(line.ended)
    await asyncio.gather(*lines)
    said = {"calls": statuses.total(), "seconds": time.monotonic() - began, "statuses": dict(statuses)}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    uvloop.run(flood(int(sys.argv[1]), float(sys.argv[2])))
