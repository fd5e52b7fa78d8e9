"""Fetching, where Telegram cannot reach us: nothing is lost and nothing recorded twice, whatever breaks in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import structlog

from channels.telegram import channel as telegram_channel
from domain.errors import Unavailable
from tests.channels.telegram.bot_api import Fault, Refusal
from tests.channels.telegram.conftest import Make, Wire
from tests.channels.telegram.people import PATIENCE, Person, standing


@asynccontextmanager
async def polling(wire: Wire) -> AsyncIterator[None]:
    """The role `bot`, until the end of the block, where it is killed."""
    task = asyncio.create_task(wire.channel.poll())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(wire: Wire, what: Callable[[], bool]) -> None:
    """Wait for something to have happened."""
    async with asyncio.timeout(PATIENCE), wire.api.changed:
        await wire.api.changed.wait_for(what)


@pytest.fixture
async def wire(make: Make) -> Wire:
    """A bot without a public https address."""
    return await make(public_url="http://127.0.0.1:8080")


@pytest.fixture
def an(wire: Wire) -> Person:
    """Somebody with Telegram."""
    return Person(wire.api)


async def test_what_is_written_is_fetched_and_confirmed(wire: Wire, an: Person) -> None:
    await an.says("before")
    async with polling(wire):
        await until(wire, lambda: len(wire.heard) == 1)
        await an.says("while")
        await until(wire, lambda: len(wire.heard) == 2)
        await until(wire, lambda: not wire.api.updates)
    assert [incoming.text for incoming in wire.heard] == ["before", "while"]


async def test_a_webhook_left_behind_is_ended_first(wire: Wire, an: Person) -> None:
    wire.api.webhook.url = "https://elsewhere.example/webhooks/telegram"
    async with polling(wire):
        await until(wire, lambda: not wire.api.webhook.url)
        await an.says("a")
        await until(wire, lambda: len(wire.heard) == 1)


async def test_with_a_webhook_there_is_nothing_to_fetch(make: Make) -> None:
    wire = await make()
    async with asyncio.timeout(PATIENCE):
        await wire.channel.poll()
    assert wire.api.calls == []


async def test_a_process_killed_between_fetching_and_recording_loses_nothing(wire: Wire, an: Person) -> None:
    reached, never = asyncio.Event(), asyncio.Event()
    hears = wire.hears

    async def killed_at_the_second(incoming: object) -> bool:
        if len(wire.heard) == 1:
            reached.set()
            await never.wait()
        return await hears(incoming)  # type: ignore[arg-type]

    for text in ("one", "two", "three"):
        await an.says(text)
    wire.channel._heard = killed_at_the_second
    async with polling(wire):
        await asyncio.wait_for(reached.wait(), PATIENCE)
    wire.channel._heard = hears
    async with polling(wire):
        await until(wire, lambda: len(wire.heard) == 3)
    assert [incoming.text for incoming in wire.heard] == ["one", "two", "three"]


async def test_what_cannot_be_recorded_is_fetched_again(
    wire: Wire, an: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.database_is_away = True
    hears, tried = wire.hears, asyncio.Event()

    async def hear(incoming: object) -> bool:
        tried.set()
        try:
            return await hears(incoming)  # type: ignore[arg-type]
        except Unavailable as error:
            error.after *= 0.01
            raise

    wire.channel._heard = hear
    await an.says("a")
    async with polling(wire):
        await asyncio.wait_for(tried.wait(), PATIENCE)
        wire.database_is_away = False
        await until(wire, lambda: len(wire.heard) == 1)


async def test_a_pressed_button_is_let_go_and_a_group_told_once(wire: Wire, an: Person) -> None:
    group = {"id": -100, "type": "supergroup", "title": "Tổ dân phố"}
    wire.api.chats[-100] = group
    added = {"old_chat_member": standing("left"), "new_chat_member": standing("member")}
    await wire.api.update(-100, my_chat_member={"chat": group, "from": an.user, "date": 1, **added})
    await an.says("a")
    wire.api.messages[an.user_id].append(
        {
            "message_id": 1,
            "date": 1,
            "chat": an.chat,
            "reply_markup": {"inline_keyboard": [[{"text": "Thôi", "callback_data": "BO"}]]},
        }
    )
    pressed = await an.presses("Thôi")
    async with polling(wire):
        await until(wire, lambda: not wire.api.updates)
    assert wire.api.answered == [pressed]
    assert len(wire.api.messages[-100]) == 1
    assert [incoming.text for incoming in wire.heard] == ["", "a", "BO"]


async def test_a_button_that_telegram_no_longer_knows_holds_up_nothing(wire: Wire, an: Person) -> None:
    await an.says("a")
    wire.api.messages[an.user_id].append(
        {
            "message_id": 1,
            "date": 1,
            "chat": an.chat,
            "reply_markup": {"inline_keyboard": [[{"text": "Thôi", "callback_data": "BO"}]]},
        }
    )
    wire.api.answered.append(await an.presses("Thôi"))
    async with polling(wire):
        await until(wire, lambda: not wire.api.updates)
    assert [incoming.text for incoming in wire.heard] == ["a", "BO"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(refusal=Refusal(429, "Too Many Requests: retry after 0", retry_after=0.01)),
        Fault(refusal=Refusal(502, "Bad Gateway")),
        Fault(html=504),
        Fault(taken=True),
    ],
)
async def test_a_failed_fetch_is_tried_again(
    wire: Wire, an: Person, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_channel, "PAUSE", telegram_channel.PAUSE * 0.01)
    wire.api.faults["getUpdates"].append(fault)
    await an.says("a")
    async with polling(wire):
        await until(wire, lambda: len(wire.heard) == 1)


async def test_of_two_that_fetch_one_stands_back_in_words(
    wire: Wire, make: Make, an: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = await make(public_url="http://127.0.0.1:8080")
    stands_back = asyncio.Event()

    def pause(_least: float, most: float) -> float:
        stands_back.set()
        return most

    monkeypatch.setattr("random.uniform", pause)
    with structlog.testing.capture_logs() as said:
        async with polling(wire):
            await until(wire, lambda: wire.api._polling is not None)
            async with polling(second):
                await asyncio.wait_for(stands_back.wait(), PATIENCE)
                await an.says("a")
                await until(wire, lambda: not wire.api.updates)
    assert (len(wire.heard), len(second.heard)) == (0, 1)
    assert [line["event"] for line in said] == ["another process fetches this bot's updates, or set a webhook"]


async def test_an_update_of_a_form_we_do_not_know_is_passed_over(wire: Wire, an: Person) -> None:
    await wire.api.update(an.user_id, message={"from": an.user, "message_id": {"long": "1"}, "chat": an.chat})
    await an.says("a")
    async with polling(wire):
        await until(wire, lambda: not wire.api.updates)
    assert [incoming.text for incoming in wire.heard] == ["a"]
