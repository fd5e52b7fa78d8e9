"""Whether what stands in Redis may be believed, and the floors that make it so."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import NamedTuple

import structlog

from cache.batching import Batches, Tasks
from cache.redis_connection import RedisAway
from cache.shared_answers import SharedAnswers

log = structlog.get_logger(__name__)

RECENT = 10.0  # seconds: longer than a writer takes between announcing its floors and committing
MOST_RECENT = 100_000
PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)  # seconds between tries to raise the epoch; the last one repeats
REST = 0.2  # seconds between two epochs: each makes every process ask the store anew


class _Telling(NamedTuple):
    """The floors of one writer, and where it waits."""

    floors: Mapping[bytes, int]
    told: "asyncio.Future[None]"


class Trust:
    """Writes floors; once one may be missing, believes nothing until the epoch is raised and recent floors stand again.

    Doubt begins with the process (what its predecessor left undone nobody knows), with the loss of the tracking link
    (the server may have restarted from an old copy), with a flush, and with every floor that Redis did not confirm.
    """

    def __init__(self, shared: SharedAnswers, tasks: Tasks) -> None:
        self._shared = shared
        self._tellings: Batches[_Telling] = Batches(self._tell, tasks, most=16)
        self._doubts = 1
        self._settled_doubts = 0
        self._doubted = asyncio.Event()
        self._doubted.set()
        # The floors of the last `RECENT` seconds and of those before: a commit may still follow them.
        self._recent: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}
        self._turned = monotonic()
        self._untold: set[bytes] = set()  # those of them that Redis did not confirm
        self._all_lost = False  # Redis may have lost those it confirmed

    @property
    def holds(self) -> bool:
        """Whether Redis may be believed now."""
        return self._doubts == self._settled_doubts

    def doubt(self) -> None:
        """Believe nothing written so far, and take the floors for lost."""
        self._all_lost = True
        self._raise_doubt()

    def _raise_doubt(self) -> None:
        self._doubts += 1
        self._doubted.set()

    async def expect(self, floors: Mapping[bytes, int]) -> None:
        """Write floors (version by key); when Redis cannot be told in time, doubt. Never raises."""
        if monotonic() - self._turned > RECENT or len(self._recent) > MOST_RECENT:
            self._older, self._recent, self._turned = self._recent, {}, monotonic()
            self._untold &= self._older.keys()
        self._recent.update(floors)
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tellings.add(_Telling(floors, told))
        await told

    async def _tell(self, tellings: list[_Telling]) -> None:
        """Write the floors of several writers at once."""
        floors: dict[bytes, int] = {}
        for telling in tellings:
            for key, version in telling.floors.items():
                floors[key] = max(version, floors.get(key, 0))
        try:
            await self._shared.write_floors(floors)
        except RedisAway:
            self._untold |= floors.keys()
            self._raise_doubt()
        finally:
            for telling in tellings:
                if not telling.told.done():
                    telling.told.set_result(None)

    async def run(self) -> None:
        """Settle doubts, one after the other; ends only when cancelled."""
        attempt = 0
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            try:
                await self._settle()
            except RedisAway:
                self._doubted.set()
                await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1
            except Exception:
                log.exception("raising the epoch failed")
                self._doubted.set()
                await asyncio.sleep(PAUSES[-1])
            else:
                attempt = 0
                await asyncio.sleep(REST)

    async def _settle(self) -> None:
        """Tell the floors again that may be missing, and raise the epoch."""
        doubts, all_lost, untold = self._doubts, self._all_lost, self._untold
        floors = {**self._older, **self._recent}
        if not all_lost:
            floors = {key: floors[key] for key in untold if key in floors}
        self._all_lost, self._untold = False, set()
        try:
            await self._shared.write_floors(floors, patient=True)
            await self._shared.raise_epoch()
        except BaseException:
            self._all_lost, self._untold = self._all_lost or all_lost, self._untold | untold
            raise
        self._settled_doubts = doubts
