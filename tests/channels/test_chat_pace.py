"""The turns of one chat, in real but short time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from cache.limits import Limits
from cache.redis_connection import open_redis
from channels import chat_pace
from channels.chat_pace import FURTHEST, ChatPace
from domain.errors import NotItsTurn
from lookup.sealing import Seal


async def test_one_chat_waits_and_others_do_not() -> None:
    pace = ChatPace(0.1)
    began = time.monotonic()
    async with pace.turn("an"), pace.turn("binh"):
        assert time.monotonic() - began < 0.05
    async with pace.turn("an"):
        assert time.monotonic() - began >= 0.1


async def test_the_next_turn_comes_after_the_one_before_is_over_however_long_that_took() -> None:
    pace = ChatPace(0.05)
    ended: list[float] = []

    async def write(took: float) -> None:
        async with pace.turn("an"):
            began.append(time.monotonic())
            await asyncio.sleep(took)
        ended.append(time.monotonic())

    began: list[float] = []
    await asyncio.gather(write(0.2), write(0.0))
    assert began[1] - ended[0] >= 0.045


async def test_a_message_whose_turn_is_far_off_goes_back_and_each_to_a_time_of_its_own() -> None:
    pace = ChatPace(1.0)
    told = []
    async with pace.turn("an"):
        waiting = asyncio.create_task(_write(pace))
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(NotItsTurn) as put_back:
                await _write(pace)
            assert put_back.value.after is not None
            told.append(put_back.value.after.total_seconds())
    assert [round(seconds) for seconds in told] == [1, 2, 3]
    await waiting


async def test_who_waits_for_one_that_does_not_end_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_pace, "MOST_WAIT", 0.05)
    pace = ChatPace(0.01)
    async with pace.turn("an"):
        with pytest.raises(NotItsTurn):
            await _write(pace)
    await _write(pace)


async def test_what_the_platform_says_is_kept() -> None:
    pace = ChatPace(0.01)
    pace.hold("an", timedelta(seconds=30))
    with pytest.raises(NotItsTurn) as put_back:
        await _write(pace)
    assert put_back.value.after is not None
    assert timedelta(seconds=29) < put_back.value.after <= timedelta(seconds=30)


async def test_a_turn_that_fails_is_over_too() -> None:
    pace = ChatPace(0.01)
    with pytest.raises(ValueError, match="refused"):
        async with pace.turn("an"):
            raise ValueError("refused")
    await _write(pace)


async def test_chats_whose_turn_has_passed_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_pace, "MOST_CHATS", 10)
    pace = ChatPace(0.0)
    async with pace.turn("an"):
        for chat in range(30):
            await _write(pace, str(chat))
        assert len(pace._chats) <= 11
        assert "an" in pace._chats


async def _write(pace: ChatPace, chat: str = "an") -> None:
    async with pace.turn(chat):
        pass


async def test_two_processes_write_to_one_chat_in_turn(redis_url: str, seal: Seal) -> None:
    async with open_redis(redis_url) as redis:
        first, second = (ChatPace(0.5, Limits(redis, seal)) for _ in range(2))
        async with first.turn("5"):
            pass
        with pytest.raises(NotItsTurn) as refused:
            async with second.turn("5"):
                pass
        assert refused.value.after is not None
        assert timedelta(seconds=0.1) < refused.value.after < timedelta(seconds=1.5)
        async with second.turn("6"):
            pass


async def test_nobody_is_put_off_for_ever_by_those_who_come_back() -> None:
    pace, told = ChatPace(1.0), list[float]()
    async with pace.turn("an"):
        waits = asyncio.create_task(_write(pace))
        await asyncio.sleep(0)
        for _ in range(50):
            with pytest.raises(NotItsTurn) as put_back:
                await _write(pace)
            assert put_back.value.after is not None
            told.append(put_back.value.after.total_seconds())
        waits.cancel()
    assert told[:3] == pytest.approx([1, 2, 3], abs=0.1)
    assert max(told) <= FURTHEST + 0.1


async def test_what_is_waited_for_besides_does_not_use_up_the_turn_among_all_processes(
    redis_url: str, seal: Seal
) -> None:
    async with open_redis(redis_url) as redis:
        one, other = (ChatPace(0.5, Limits(redis, seal)) for _ in range(2))
        written: list[float] = []

        @asynccontextmanager
        async def a_while() -> AsyncIterator[None]:
            await asyncio.sleep(0.4)
            yield

        async with one.turn("5", a_while):
            written.append(time.monotonic())
        await asyncio.sleep(0.2)
        with pytest.raises(NotItsTurn):
            async with other.turn("5"):
                written.append(time.monotonic())
        assert len(written) == 1
