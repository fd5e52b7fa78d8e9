"""Single calls done together: callers that wait at one time share their statements and their commit."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import timedelta
from typing import Generic, NamedTuple, TypeVar

from domain.errors import Unavailable

MOST_WAITING = 2000  # callers per lane: about a tenth of a second of work
COME_BACK = timedelta(seconds=1)

G = TypeVar("G", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


class _Caller(NamedTuple, Generic[T, R]):
    item: T
    answer: asyncio.Future[R]


class Lane(Generic[G, T, R]):
    """One batch at a time: whoever comes meanwhile waits and makes up the next one.

    A batch has items of one group and at most `most` of them. `do` does it in one transaction and returns the results
    in order. It may raise `Unavailable`, which every caller of the batch hears; where it raises anything else, one item
    broke it, and the others are done without that one.
    """

    def __init__(
        self, do: Callable[[G, Sequence[T]], Awaitable[Sequence[R]]], *, most: int, most_waiting: int = MOST_WAITING
    ) -> None:
        self._do_all = do
        self._most = most
        self._most_waiting = most_waiting
        self._waiting: dict[G, list[_Caller[T, R]]] = {}
        self._count = 0
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    async def do(self, group: G, item: T) -> R:
        """The result of `item`, after its batch. Raises `Unavailable`: then nothing was done."""
        if self._closed:
            raise Unavailable("The service is shutting down.", after=COME_BACK)
        if self._count >= self._most_waiting:
            raise Unavailable("The service is full at the moment. Please send more slowly.", after=COME_BACK)
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, []).append(_Caller(item, answer))
        self._count += 1
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="lane")
        return await answer

    async def close(self) -> None:
        """Take no more, and do what was taken."""
        self._closed = True
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        """Do batch after batch until nobody waits; groups take turns."""
        try:
            while self._waiting:
                group = next(iter(self._waiting))
                callers = self._waiting.pop(group)
                if len(callers) > self._most:
                    self._waiting[group] = callers[self._most :]
                    del callers[self._most :]
                self._count -= len(callers)
                # A caller that gave up before its turn wants nothing done.
                await self._do(group, [caller for caller in callers if not caller.answer.done()])
        finally:
            self._running = None

    async def _do(self, group: G, callers: list[_Caller[T, R]]) -> None:
        if not callers:
            return
        try:
            results = await self._do_all(group, [caller.item for caller in callers])
        except Unavailable as error:
            _fail(callers, error)
        except Exception as error:  # whatever one item breaks, the others are done without it
            if len(callers) == 1:
                _fail(callers, error)
                return
            middle = len(callers) // 2
            await self._do(group, callers[:middle])
            await self._do(group, callers[middle:])
        else:
            for caller, result in zip(callers, results, strict=True):
                if not caller.answer.done():
                    caller.answer.set_result(result)


def _fail(callers: list[_Caller[T, R]], error: Exception) -> None:
    for caller in callers:
        if not caller.answer.done():
            caller.answer.set_exception(error)
