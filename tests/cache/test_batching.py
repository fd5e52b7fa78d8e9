"""Batches and the tasks that carry them."""

import asyncio

from structlog.testing import capture_logs

from cache.batching import LANES, Batches, Tasks
from tests.cache.waiting import until


async def test_what_is_added_in_one_turn_leaves_together() -> None:
    carried: list[list[int]] = []

    async def carry(items: list[int]) -> None:
        carried.append(items)

    tasks = Tasks()
    batches = Batches(carry, tasks, most=4)
    for number in range(6):
        batches.add(number)
    assert carried == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert carried == [[0, 1, 2, 3], [4, 5]]
    batches.add(6)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert carried[2:] == [[6]]
    await tasks.end()


async def test_under_overload_batches_grow_not_their_number() -> None:
    """Else every item would hold a connection of its own, and all of them would be late."""
    carried: list[int] = []
    under_way = most_under_way = 0

    async def carry(items: list[int]) -> None:
        nonlocal under_way, most_under_way
        under_way += 1
        most_under_way = max(most_under_way, under_way)
        carried.append(len(items))
        await asyncio.sleep(0.01)
        under_way -= 1

    tasks = Tasks()
    batches = Batches(carry, tasks)
    for _ in range(200):
        batches.add(1)
        await asyncio.sleep(0)
    await until(lambda: sum(carried) == 200)
    assert most_under_way == LANES
    assert len(carried) < 20
    await tasks.end()


async def test_a_failed_batch_does_not_hold_up_the_next() -> None:
    carried: list[int] = []

    async def carry(items: list[int]) -> None:
        await asyncio.sleep(0)
        if items[0] < 2 * LANES:
            raise ValueError("broken")
        carried.extend(items)

    tasks = Tasks()
    batches = Batches(carry, tasks, most=1)
    with capture_logs():
        for number in range(3 * LANES):
            batches.add(number)
        await until(lambda: len(carried) == LANES)
    await tasks.end()


async def test_the_error_of_a_task_is_logged_and_the_end_leaves_nothing_running() -> None:
    tasks = Tasks()
    cancelled = asyncio.Event()

    async def fail() -> None:
        raise ValueError("broken")

    async def wait_forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with capture_logs() as logs:
        tasks.start(fail())
        tasks.start(wait_forever())
        await asyncio.sleep(0.01)
        await tasks.end()
    assert cancelled.is_set()
    assert [entry["log_level"] for entry in logs] == ["error"]
