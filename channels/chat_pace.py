"""How often one chat may be written to: platforms count that beside what all messages together may be."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from domain.errors import TryLater

MOST_WAIT = 1.5  # seconds a message waits here for its turn; one whose turn is further off goes back into the queue
MOST_CHATS = 10_000  # remembered at once, beyond which those whose turn has passed are forgotten


@dataclass(slots=True)
class _Chat:
    """One chat: when it may be written to again (monotonic seconds), when the next one put back should come."""

    free: float = 0.0
    back: float = 0.0
    waiting: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ChatPace:
    """Turns of each chat in this process, one at a time, `spacing` seconds after the one before was over.

    After its end, not its beginning: however long a call is on its way, the platform sees them no closer.
    """

    def __init__(self, spacing: float) -> None:
        self._spacing = spacing
        self._chats: dict[str, _Chat] = {}

    @asynccontextmanager
    async def turn(self, chat: str) -> AsyncIterator[None]:
        """Wait for the chat's turn and hold it while inside.

        Raises `TryLater` when somebody waits for it already, or it is further off than `MOST_WAIT`. Each message put
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
            try:
                yield
            finally:
                state.free = max(state.free, time.monotonic() + self._spacing)
        finally:
            state.turn.release()

    def _put_back(self, state: _Chat) -> TryLater:
        now = time.monotonic()
        told = max(now + self._spacing, state.free, state.back)
        state.back = told + self._spacing
        return TryLater("This chat is being written to already.", after=timedelta(seconds=told - now))

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
