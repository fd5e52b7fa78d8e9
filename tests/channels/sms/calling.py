"""What the callers are made of: calls byte by byte, an ear, and what a channel under test stands on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from channels.channel import Channel
from database.pool import Database
from domain.errors import Unavailable
from domain.message import DeliveryState, Incoming
from lookup.sealing import Seal
from notifications.reports import Reports

NOW = datetime(2026, 11, 10, 3, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """One HTTP call, byte by byte."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Ear:
    """What was heard, each message once, as the inbox does it."""

    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False

    async def __call__(self, incoming: Incoming) -> bool:
        if self.database_is_away:
            raise Unavailable("The message could not be recorded.")
        if any(known.external_id == incoming.external_id for known in self.heard):
            return False
        self.heard.append(incoming)
        return True


@dataclass
class Around:
    """What a channel under test is made of."""

    http: aiohttp.ClientSession
    ear: Ear
    database: Database
    seal: Seal
    api_url: str = "http://127.0.0.1:9"
    now: datetime = NOW

    @property
    def reports(self) -> Reports:
        """Into the test's own store, if it has one."""
        return Reports(self.database)

    def clock(self) -> datetime:
        """The time it is."""
        return self.now


@dataclass(frozen=True)
class Caller:
    """One provider. `text` makes a genuine call with a text, `status` one about message `id` of ours.

    `secret` may be given where a call is made or a channel opened with another. `covers_body` says that the proof does.
    """

    name: str
    opened: Callable[..., Channel]
    text: Callable[..., Call] | None
    status: Callable[..., Call]
    words: Mapping[str, DeliveryState]
    proof: str = ""  # the header or field that proves the call
    covers_body: bool = True
    refusal: int = 401

    def __str__(self) -> str:
        return self.name
