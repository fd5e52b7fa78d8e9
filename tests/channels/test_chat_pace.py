"""The turns of one chat, on a clock of our own."""

from datetime import timedelta

import pytest

from channels import chat_pace
from channels.chat_pace import MOST_WAIT, ChatPace
from domain.errors import TryLater


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_chat_waits_and_others_do_not() -> None:
    pace = ChatPace(1.0, clock=Clock())
    assert [pace.turn("an"), pace.turn("binh"), pace.turn("an"), pace.turn("binh")] == [0, 0, 1, 1]


def test_a_message_whose_turn_is_far_off_goes_back_and_each_to_a_time_of_its_own() -> None:
    clock = Clock()
    pace = ChatPace(1.0, clock=clock)
    assert [pace.turn("an"), pace.turn("an")] == [0, 1]
    told = []
    for _ in range(3):
        with pytest.raises(TryLater) as put_back:
            pace.turn("an")
        told.append(put_back.value.after)
    assert told == [timedelta(seconds=seconds) for seconds in (2, 3, 4)]
    for seconds in (2, 3, 4):
        clock.now = 100.0 + seconds
        assert pace.turn("an") <= MOST_WAIT


def test_what_the_platform_says_is_kept() -> None:
    clock = Clock()
    pace = ChatPace(1.0, clock=clock)
    pace.hold("an", timedelta(seconds=30))
    with pytest.raises(TryLater) as put_back:
        pace.turn("an")
    assert put_back.value.after == timedelta(seconds=30)
    clock.now += 30
    assert pace.turn("an") == 0


def test_chats_whose_turn_has_passed_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_pace, "MOST_CHATS", 10)
    clock = Clock()
    pace = ChatPace(1.0, clock=clock)
    for chat in range(30):
        clock.now += 0.5
        pace.turn(str(chat))
    assert len(pace._free) <= 10
