"""Waiting for what a test can see, with an end."""

import asyncio
from collections.abc import Callable
from time import monotonic

from cache.answers import CachedDossiers
from domain.dossier import PublicDossier


async def until(condition: Callable[[], bool], *, within: float = 5.0) -> float:
    """Wait until `condition` holds; the seconds it took. Fails after `within` seconds."""
    started = monotonic()
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for gives no signal
            await asyncio.sleep(0.001)
    return monotonic() - started


async def at_hand(cached: CachedDossiers, code: str) -> PublicDossier:
    """Ask until this process holds the answer fresh: a fill comes back as a change of its key and is read once more."""
    async with asyncio.timeout(5):
        while (found := cached.at_hand(code)) is None:
            await cached.find(code)
            await asyncio.sleep(0.001)
    return found
