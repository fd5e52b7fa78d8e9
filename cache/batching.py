"""Work gathered within one turn of the event loop, and the tasks that carry it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

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
        """Cancel what still runs, and wait for it."""
        while self._running:
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


class Batches(Generic[Item]):
    """Hands over together what was added within one turn of the event loop, at most `most` items at a time.

    Asking Redis for many things at once costs a tenth of asking one by one (docs/performance.md), and within one turn
    nobody waits for it.
    """

    def __init__(
        self, carry: Callable[[list[Item]], Coroutine[Any, Any, None]], tasks: Tasks, *, most: int = 64
    ) -> None:
        self._carry = carry
        self._tasks = tasks
        self._most = most
        self._waiting: list[Item] = []

    def add(self, item: Item) -> None:
        """Put `item` into the batch that leaves at the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._leave)
        self._waiting.append(item)

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), self._most):
            self._tasks.start(self._carry(waiting[first : first + self._most]))
