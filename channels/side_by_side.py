"""Many things at once, those of one person in their order."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def side_by_side(items: Iterable[tuple[str, T]], do: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """`do` each of (key, item): those of one key one after the other, those of different keys beside each other.

    `at_once` keys at most. A failure ends what its key has left and nothing else; the first is raised when all is over.
    """
    room = asyncio.Semaphore(at_once)
    lanes: dict[str, list[T]] = defaultdict(list)
    for key, item in items:
        lanes[key].append(item)

    async def walk(lane: list[T]) -> None:
        async with room:
            for item in lane:
                await do(item)

    for failure in await asyncio.gather(*(walk(lane) for lane in lanes.values()), return_exceptions=True):
        if failure is not None:
            raise failure
