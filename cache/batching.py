"""Work gathered within one turn of the event loop, and the tasks that carry it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

# As many as the failures that open the breaker, or more: when Redis stands still, those who wait are then released by
# it.
LANES = 4
CANCEL_AGAIN = 0.1  # seconds

Item = TypeVar("Item")


class Tasks:
    """Tasks nobody awaits: kept from the garbage collector, their errors logged, ended together."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the caller."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the cache failed", exc_info=error)

    async def end(self) -> None:
        """Cancel what still runs, and wait for it.

        Again and again, because a task may begin another, and `asyncio.wait_for`, by which libraries wait, loses a
        cancellation that meets its result before Python 3.12.
        """
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(set(self._running), timeout=CANCEL_AGAIN)


class Batches(Generic[Item]):
    """Hands over together what was added within one turn of the event loop, at most `most` items at a time.

    Asking Redis for many things at once costs a tenth of asking one by one (docs/performance.md), and within one turn
    nobody waits for it. At most `LANES` batches are under way: under overload the batches grow, not their number.
    """

    def __init__(
        self, carry: Callable[[list[Item]], Coroutine[Any, Any, None]], tasks: Tasks, *, most: int = 64
    ) -> None:
        self._carry = carry
        self._tasks = tasks
        self._most = most
        self._waiting: list[Item] = []
        self._under_way = 0

    def add(self, item: Item) -> None:
        """Put `item` into the batch that leaves at the end of this turn, or as soon as there is a lane."""
        if not self._waiting and self._under_way < LANES:
            asyncio.get_running_loop().call_soon(self._leave)
        self._waiting.append(item)

    def _leave(self) -> None:
        while self._waiting and self._under_way < LANES:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._under_way += 1
            self._tasks.start(self._travel(batch))

    async def _travel(self, batch: list[Item]) -> None:
        try:
            await self._carry(batch)
        finally:
            self._under_way -= 1
            self._leave()
