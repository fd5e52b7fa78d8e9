"""Whoever waits for the next change of one dossier: the page that is open while its status changes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from domain.dossier import PublicDossier
from domain.errors import Unavailable

# A change is heard before it commits, so a watcher looks again after these pauses (seconds).
LOOK_AGAIN = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
LOOK_ANYWAY = 15.0  # seconds: how often a watcher looks when nothing is heard, as when Redis is away


class Watchers:
    """Those who watch, by Redis key."""

    def __init__(self, find: Callable[[str], Awaitable[PublicDossier | None]]) -> None:
        self._find = find
        self._waiting: dict[bytes, set[asyncio.Event]] = {}

    def wake(self, key: bytes) -> None:
        """The answer under `key` is changing."""
        for changed in self._waiting.get(key, ()):
            changed.set()

    def wake_all(self) -> None:
        """Anything may have changed."""
        for key in self._waiting:
            self.wake(key)

    async def watch(self, code: str, key: bytes, seen: int) -> AsyncGenerator[PublicDossier, None]:
        """Each version of the dossier above `seen`, as it becomes visible."""
        changed = asyncio.Event()
        self._waiting.setdefault(key, set()).add(changed)
        try:
            while True:
                changed.clear()
                for pause in LOOK_AGAIN:
                    await asyncio.sleep(pause)
                    found = await self._look(code)
                    if found is not None and found.version > seen:
                        seen = found.version
                        yield found
                        break
                try:
                    async with asyncio.timeout(LOOK_ANYWAY):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._waiting[key].discard(changed)
            if not self._waiting[key]:
                del self._waiting[key]

    async def _look(self, code: str) -> PublicDossier | None:
        try:
            return await self._find(code)
        except Unavailable:
            return None
