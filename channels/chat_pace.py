"""How often one chat may be written to: platforms count that beside what all messages together may be."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

from cache.limits import Limit, Limits
from domain.errors import NotItsTurn

MOST_WAIT = 1.5  # seconds a message waits here for its turn; one whose turn is further off goes back into the queue
FURTHEST = 8  # turns ahead that a message put back is told: what comes back meanwhile must not push it off for ever
MOST_CHATS = 10_000  # remembered at once, beyond which those whose turn has passed are forgotten


@dataclass(slots=True)
class _Chat:
    """One chat: when it may be written to again (monotonic seconds), when the next one put back should come."""

    free: float = 0.0
    back: float = 0.0
    waiting: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ChatPace:
    """Turns of each chat, one at a time, `spacing` seconds after the one before was over.

    After its end, not its beginning: however long a call is on its way, the platform sees them no closer. With
    `limits`, turns are counted among all processes too, from beginning to beginning.
    """

    def __init__(self, spacing: float, limits: Limits | None = None, *, name: str = "chat") -> None:
        self._spacing = spacing
        self._limits = limits if spacing > 0 else None
        self._limit = Limit(name=f"{name}-chat", count=1, period=timedelta(seconds=max(spacing, 0.001)), burst=1)
        self._chats: dict[str, _Chat] = {}

    @asynccontextmanager
    async def turn(
        self, chat: str, first: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    ) -> AsyncIterator[None]:
        """Wait for the chat's turn and hold it while inside.

        `first` is entered before the turn is counted among all processes, for that counts from now and not from when
        something else has been waited for.

        Raises `NotItsTurn` when somebody waits for it already, or it is further off than `MOST_WAIT`. Each message put
        back is told a time of its own, so that they do not all come back at once.
        """
        state = self._known(chat)
        if state.waiting:
            raise self._put_back(state)
        state.waiting = True
        try:
            async with asyncio.timeout(MOST_WAIT):
                await state.turn.acquire()
        except TimeoutError:
            raise self._put_back(state) from None
        finally:
            state.waiting = False
        try:
            pause = state.free - time.monotonic()
            if pause > MOST_WAIT:
                raise self._put_back(state)
            await asyncio.sleep(max(0.0, pause))
            async with first():
                await self._turn_among_all(chat, state)
                try:
                    yield
                finally:
                    state.free = max(state.free, time.monotonic() + self._spacing)
        finally:
            state.turn.release()

    async def _turn_among_all(self, chat: str, state: _Chat) -> None:
        """Raises `NotItsTurn` when another process has just written there."""
        if self._limits is None:
            return
        verdict = await self._limits.take(self._limit, chat)
        if not verdict.allowed:
            state.free = max(state.free, time.monotonic() + verdict.retry_after)
            raise self._put_back(state)

    def _put_back(self, state: _Chat) -> NotItsTurn:
        now = time.monotonic()
        told = max(now + self._spacing, state.free, min(state.back, now + FURTHEST * self._spacing))
        state.back = told + self._spacing
        return NotItsTurn("This chat is being written to already.", after=timedelta(seconds=told - now))

    def hold(self, chat: str, pause: timedelta) -> None:
        """Write nothing to the chat for `pause`: the platform said so."""
        state = self._known(chat)
        state.free = max(state.free, time.monotonic() + pause.total_seconds())

    def _known(self, chat: str) -> _Chat:
        state = self._chats.get(chat)
        if state is None:
            if len(self._chats) >= MOST_CHATS:
                self._forget()
            state = self._chats[chat] = _Chat()
        return state

    def _forget(self) -> None:
        now = time.monotonic()
        for chat, state in list(self._chats.items()):
            if max(state.free, state.back) <= now and not state.turn.locked() and not state.waiting:
                del self._chats[chat]
