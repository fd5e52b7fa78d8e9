"""Telegram's limits kept (guarantee G38): a flood to many chats is lost nowhere and hardly ever refused."""

import asyncio
from collections import Counter
from datetime import timedelta

import aiohttp
import pytest

from channels import chat_pace
from channels.telegram.channel import TelegramChannel
from channels.telegram.opening import TELEGRAM, TelegramSettings
from database.pool import Role
from domain.contact import Contact
from domain.message import DeliveryState, Incoming, Lane, MessageKind
from service.wiring import Core
from tests.channels.story import make_inbox, running
from tests.channels.telegram.bot_api import TOKEN, BotApi, Limits
from tests.channels.telegram.people import Person


async def nobody_writes(_incoming: Incoming) -> bool:
    """No updates come."""
    raise AssertionError


async def flood(core: Core, api: BotApi, *, second: float, chats: int, each: int, patience: float) -> Counter[int]:
    """Send `each` messages to `chats` chats, queued chat by chat, which is the worst order; the answers by status.

    `second` is how long the stand-in's second lasts; our own pace is made so much faster too.
    """
    api.limits = Limits(second=second)
    for number in range(chats):
        person = Person(api, 7_000_000 + number)
        api.chats[person.user_id] = person.chat
    async with core.database.transaction(Role.WORKER) as connection:
        for number in range(chats * each):
            await core.outbox.queue(
                connection,
                Contact(channel=TELEGRAM, address=str(7_000_000 + number // each)),
                f"message {number}",
                kind=MessageKind.REPLY,
                lane=Lane.NORMAL,
                expires_in=timedelta(hours=24),
            )
    usual = TelegramSettings()
    settings = TelegramSettings(
        token=TOKEN, api_url=api.url, rate=usual.rate / second, chat_spacing=usual.chat_spacing * second
    )
    async with aiohttp.ClientSession() as http:
        channel = TelegramChannel(settings, http=http, heard=nobody_writes, public_url="")
        async with running(core, make_inbox(core), {TELEGRAM: channel}), asyncio.timeout(patience), api.changed:
            await api.changed.wait_for(lambda: sum(map(len, api.messages.values())) >= chats * each)
    return Counter(api.statuses)


async def test_a_flood_is_lost_nowhere_and_hardly_ever_refused(
    core: Core, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, chats, each = 0.2, 30, 10
    monkeypatch.setattr(chat_pace, "MOST_WAIT", chat_pace.MOST_WAIT * second)
    statuses = await flood(core, api, second=second, chats=chats, each=each, patience=60)
    told = sorted(message["text"] for messages in api.messages.values() for message in messages)
    assert told == sorted(f"message {number}" for number in range(chats * each))
    assert statuses[429] <= 0.01 * statuses.total()
    async with core.database.connection(Role.WORKER) as connection:
        states = await connection.fetch("SELECT state, count(*) FROM message GROUP BY state")
    assert [(state, number) for state, number in states] == [(DeliveryState.HANDED_OVER, chats * each)]
