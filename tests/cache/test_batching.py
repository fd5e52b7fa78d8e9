"""Batches and the tasks that carry them."""

import asyncio

from structlog.testing import capture_logs

from cache.batching import Batches, Tasks


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
