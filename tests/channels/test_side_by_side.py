"""Each person's things in their order, people beside each other."""

import asyncio

import pytest

from channels.side_by_side import side_by_side


async def test_one_persons_things_come_in_order_and_others_do_not_wait_for_them() -> None:
    done: list[str] = []
    later = asyncio.Event()

    async def do(what: str) -> None:
        if what == "an 1":
            await later.wait()
        if what == "binh 2":
            later.set()
        done.append(what)

    items = [("an", "an 1"), ("binh", "binh 1"), ("an", "an 2"), ("binh", "binh 2")]
    await side_by_side(items, do, at_once=2)
    assert done == ["binh 1", "binh 2", "an 1", "an 2"]


async def test_a_failure_ends_what_its_person_has_left_and_is_told_at_the_end() -> None:
    done: list[str] = []

    async def do(what: str) -> None:
        if what == "an 1":
            raise ValueError(what)
        done.append(what)

    with pytest.raises(ValueError, match="an 1"):
        await side_by_side([("an", "an 1"), ("an", "an 2"), ("binh", "binh 1")], do, at_once=1)
    assert done == ["binh 1"]


async def test_no_more_at_once_than_said() -> None:
    running = most = 0

    async def do(_what: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await side_by_side(((str(n), n) for n in range(50)), do, at_once=4)
    assert most == 4
