"""Gateways that keep what they were told to send, and senders that route over them."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aiohttp import web

from cache.limits import Limits
from channels.channel import Gateway
from channels.sms.gateway import SendingSettings, SmsGateway
from channels.sms.routing import RoutedSender, RoutingSettings
from channels.sms.traffic import Rule
from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.message import HandedOver, Outgoing

WIDE = RoutingSettings(per_number="off", spend_per_number="off", spend_per_prefix="off", spend="off", share=0)
LOOKS_ALWAYS = Rule(look_every=timedelta(0))


@dataclass
class Mouth(SmsGateway):
    """A gateway that says what it was told to send."""

    name: str
    senders_here: str = "8088"
    sending: SendingSettings = field(default_factory=SendingSettings)
    sent: list[Outgoing] = field(default_factory=list)
    error: BaseException | None = None
    gives_receipts: bool = True
    calls: int = 0
    has_sent: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        super().__init__(self.sending, self.senders_here)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return ()

    async def send(self, message: Outgoing) -> HandedOver:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.sent.append(message)
        self.has_sent.set()
        return HandedOver(provider_id=f"{self.name}-{message.message_id}")

    def from_whom(self) -> list[str | None]:
        return [self.sender_of(message) for message in self.sent]


@dataclass
class Answering:
    """A gateway that takes answers to its own calls."""

    waiting: set[int]
    name: str = "shortcode"
    reaches: ChannelName = ChannelName.SMS
    concurrency: int = 8
    rate: None = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return ()

    async def answer(self, message: Outgoing) -> HandedOver | None:
        return HandedOver(provider_id=None, route=self.name) if message.message_id in self.waiting else None

    async def send(self, message: Outgoing) -> HandedOver:
        raise AssertionError(message)


class Routed:
    """Makes senders."""

    def __init__(self, limits: Limits, database: Database) -> None:
        self.limits = limits
        self.database = database

    def __call__(self, *gateways: Gateway, settings: RoutingSettings = WIDE, rule: Rule = LOOKS_ALWAYS) -> RoutedSender:
        return RoutedSender(gateways, settings, limits=self.limits, database=self.database, rule=rule)

    async def use(self, route: str, slow: Sequence[str] = ()) -> None:
        """Decide for all processes."""
        async with self.database.connection(Role.WORKER) as connection:
            await connection.execute(
                "INSERT INTO sms_traffic (route, moved_at, looked_at) VALUES ($1, now(), now() + interval '1 hour')"
                " ON CONFLICT (one) DO UPDATE SET route = $1",
                route,
            )
            for name in slow:
                await connection.execute("INSERT INTO sms_route VALUES ($1, true, now())", name)


def text(message_id: int = 1, to: str = "+84901234567", sender: str | None = None, words: str = "Hồ sơ") -> Outgoing:
    return Outgoing(message_id=message_id, to=Contact(channel=ChannelName.SMS, address=to), text=words, sender=sender)


def settings(**changed: Any) -> RoutingSettings:  # noqa: ANN401 - of any field
    base = {name: getattr(WIDE, name) for name in RoutingSettings.__dataclass_fields__}
    return RoutingSettings(**{**base, **changed})
