"""Keeps a loop alive: a loop that fails is started again, ever more slowly, and every restart is counted and logged."""

import asyncio
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter

FIRST_PAUSE = 0.05  # seconds
LONGEST_PAUSE = 10.0
HEALTHY_AFTER = 30.0  # a loop that ran this long has recovered: its next failure counts as the first

RESTARTS = Counter("motma_loop_restarts", "Background loops started again after an error.", ["loop"])

log = structlog.get_logger()


async def supervised(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    on_restart: Callable[[BaseException], None] | None = None,
) -> None:
    """Run `work()` until it returns; after any `Exception` again, with pauses that double up to `LONGEST_PAUSE` s.

    `on_restart` hears of each failure before the pause. The log names the error's type and place, never its text, which
    may hold what a person wrote.
    """
    clock = asyncio.get_running_loop().time
    failures = 0
    while True:
        started = clock()
        try:
            return await work()
        except Exception as error:
            failures = 1 if clock() - started > HEALTHY_AFTER else failures + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (min(failures, 16) - 1)) * _jitter()
            RESTARTS.labels(name).inc()
            log.warning(
                "loop restarted",
                loop=name,
                error=type(error).__qualname__,
                at=place(error),
                failures=failures,
                pause=round(pause, 3),
            )
            if on_restart is not None:
                on_restart(error)
        await asyncio.sleep(pause)


@asynccontextmanager
async def beside(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep `work()` running, supervised, while inside; at the end it is cancelled wherever it stands."""
    task = asyncio.create_task(supervised(name, work), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def place(error: BaseException) -> str:
    """Where `error` was raised, as file:line."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"


def _jitter() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311  # spreads restarts, guards nothing
