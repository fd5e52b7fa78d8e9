"""The channel of an Official Account between a client that plays Zalo's caller and what it records."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.zalo.oa import ZALO, ZaloChannel
from domain.contact import Contact
from domain.message import Incoming
from tests.channels.zalo.stand_in import signature

Client = TestClient[web.Request, web.Application]
PAYLOADS = Path(__file__).parent / "payloads"
HOOK = "/webhooks/zalo"
STAMP = "1794279630000"  # of every recorded event
NOW = datetime.fromtimestamp(int(STAMP) / 1_000, UTC) + timedelta(seconds=1)
PERSON = Contact(channel=ZALO, address="246845883529197922")
CODE = "H05.16-261102-0001"


def payload(name: str) -> bytes:
    """A recorded event, byte for byte."""
    return (PAYLOADS / f"{name}.json").read_bytes().strip()


@dataclass
class Wire:
    """The channel between a client that plays Zalo's caller and what it records."""

    channel: ZaloChannel
    client: Client
    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False
    now: datetime = NOW

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """The status for a body, signed unless `headers` say otherwise."""
        given = {"X-ZEvent-Signature": signature(body, STAMP)} if headers is None else headers
        return (await self.client.post(HOOK, data=body, headers=given)).status

    async def event(self, name: str) -> Incoming:
        """What is recorded of a recorded event."""
        assert await self.post(payload(name)) == 200
        return self.heard.pop()


Make = Callable[..., Awaitable[Wire]]
