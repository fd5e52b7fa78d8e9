"""Two gateways and the real dispatcher: what is sent when one is slow, silent or away (guarantees G32, G35)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest

import channels.provider_call
from cache.limits import Limits
from cache.redis_connection import open_redis
from channels.sms.routing import RoutedSender, RoutingSettings
from channels.sms.traffic import Rule
from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.message import DeliveryState, MessageKind
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.dispatcher import Dispatcher, Dispatching
from notifications.notices import Notices
from notifications.outbox import Outbox
from notifications.reports import Reports
from tests.channels.sms.calling import Around
from tests.channels.sms.providers import StandIn, provider, stand_in

UNCAPPED = RoutingSettings(per_number="off", spend_per_number="off", spend_per_prefix="off", spend="off", share=10)
# A minute of the rule in a fraction of a second.
SOON = Rule(
    late=timedelta(seconds=0.6),
    window=timedelta(seconds=1.2),
    least=5,
    judge_every=timedelta(seconds=0.1),
    look_every=timedelta(seconds=0.05),
    stay=timedelta(seconds=3),
)


@dataclass
class Two:
    """Twilio first, Infobip second, each with its stand-in."""

    first: StandIn
    second: StandIn
    database: Database
    seal: Seal
    reports: Reports
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def queue(self, many: int) -> None:
        """So many notices."""
        async with self.database.transaction(Role.WORKER) as connection:
            for _ in range(many):
                to = Contact(channel=ChannelName.SMS, address=f"+84901{next(self.numbers):06}")
                await Outbox(self.seal).queue(
                    connection, to, "Hồ sơ", kind=MessageKind.REPLY, expires_in=timedelta(hours=1)
                )

    async def until(self, question: str, within: float = 20.0) -> None:
        """Ask the store until it says yes."""
        async with asyncio.timeout(within), self.database.connection(Role.WORKER) as connection:
            while not await connection.fetchval(question):  # noqa: ASYNC110 - the dispatcher writes it
                await asyncio.sleep(0.02)

    async def receipts(self, route: str) -> None:
        """Every message of `route` arrives."""
        async with self.database.connection(Role.WORKER) as connection:
            rows = await connection.fetch("SELECT id FROM message WHERE route = $1 AND state < 80", route)
        for row in rows:
            await self.reports.report(
                route=route, state=DeliveryState.DELIVERED, provider_word="delivered", message_id=row["id"]
            )

    def arrived(self) -> list[str]:
        """The numbers reached, once for each text."""
        return sorted(f"+{taken.to.removeprefix('+')}" for taken in self.first.ledger + self.second.ledger)


@pytest.fixture
async def two(stored: Around, redis_url: str) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        stands, gateways = [], []
        for name in ("twilio", "infobip"):
            standing = await stack.enter_async_context(stand_in(provider(name)))
            stored.api_url = standing.url
            stands.append(standing)
            gateways.append(provider(name).opened(stored))
        redis = await stack.enter_async_context(open_redis(redis_url))
        limits = Limits(redis, stored.seal)
        sender = RoutedSender(gateways, UNCAPPED, limits=limits, database=stored.database, rule=SOON)
        registry = Registry(stored.database)
        await registry.refresh()
        dispatcher = Dispatcher(
            stored.database,
            {ChannelName.SMS: sender},
            Notices(stored.seal, registry),
            Dispatching(poll=timedelta(milliseconds=20)),
        )
        work = asyncio.create_task(dispatcher.run())
        yield Two(stands[0], stands[1], stored.database, stored.seal, stored.reports)
        dispatcher.stop()
        await work
        await limits.aclose()


async def test_late_receipts_move_the_traffic_and_no_text_is_sent_twice(two: Two) -> None:
    for _ in range(40):
        await two.queue(5)
        await asyncio.sleep(0.06)
        await two.receipts("infobip")  # the first reports nothing
    await two.until("SELECT bool_and(state >= 30) FROM message")
    async with two.database.connection(Role.WORKER) as connection:
        assert await connection.fetchval("SELECT route FROM sms_traffic") == "infobip"
        routes = await connection.fetch("SELECT route FROM message ORDER BY id DESC LIMIT 50")
    assert sum(row["route"] == "infobip" for row in routes) >= 40
    assert len(two.arrived()) == len(set(two.arrived())) == 200


async def test_a_provider_that_answers_errors_costs_no_text_and_doubles_none(two: Two) -> None:
    two.first.status, two.first.body, two.first.headers = 503, "", {"Retry-After": "0"}
    await two.queue(60)
    await two.until("SELECT bool_and(state >= 30) FROM message")
    assert len(two.second.ledger) == 60
    assert len(set(two.arrived())) == 60
    assert two.first.calls < 40  # it was left alone


async def test_a_doubt_is_not_settled_by_sending_the_other_way(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first takes texts and falls silent: they wait, in doubt, for their receipts."""
    monkeypatch.setattr(channels.provider_call, "CALL_LIMIT", 0.3)
    two.first.hangs = True
    await two.queue(10)
    await two.until("SELECT bool_and(state >= 20) FROM message")
    taken = len(two.first.ledger)
    assert taken >= 1
    assert len(two.arrived()) == len(set(two.arrived())) == 10
    async with two.database.connection(Role.WORKER) as connection:
        doubts = await connection.fetch("SELECT id, dong FROM message WHERE state = 20")
    assert len(doubts) == taken
    assert all(row["dong"] for row in doubts)  # if it was taken, it was paid for
    for row in doubts:
        await two.reports.report(
            route="twilio", state=DeliveryState.DELIVERED, provider_word="delivered", message_id=row["id"]
        )
    await two.until("SELECT bool_and(state >= 30) FROM message")
    assert len(two.arrived()) == 10
