"""The producer: dossiers of its own, events about them, and a log of what was acknowledged."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.faults.rig import AGENCY, Rig

BEGIN = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
TRY_AGAIN_SECONDS = 0.1
STATUSES = (2, 4, 5, 4, 6, 4, 9, 10)


@dataclass(slots=True)
class Producer:
    """Pushes until told to stop; sends again what was not acknowledged, with the same ids."""

    rig: Rig
    acked: set[str] = field(default_factory=set)  # event ids
    newest: dict[str, int] = field(default_factory=dict)  # code -> step of its newest acked event
    refused: list[str] = field(default_factory=list)
    retries: int = 0

    async def dossiers(self, count: int, *, day: str = "261102") -> list[str]:
        """Store `count` dossiers, each with a phone of its own; their codes."""
        codes = [f"{AGENCY}-{day}-{n:06d}" for n in range(1, count + 1)]
        for start in range(0, count, 500):
            await self.push("dossiers", [self._facts(c, start + n) for n, c in enumerate(codes[start : start + 500])])
        return codes

    def _facts(self, code: str, number: int) -> dict[str, Any]:
        return {
            "code": code,
            "procedure": {"code": "1.005129"},
            "receiving_agency": AGENCY,
            "filing_channel": 1,
            "applicant": {"name": "Nguyễn Văn An", "phone": f"+8490{number:07d}"},
            "received_at": BEGIN.isoformat(),
            "status": 1,
            "status_at": BEGIN.isoformat(),
        }

    async def push(self, kind: str, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """POST items until they are acknowledged, whatever dies meanwhile; the answer."""
        while True:
            try:
                async with self.rig.http.post(
                    f"{self.rig.url}/api/v1/{kind}", json=list(items), headers=self.rig.headers
                ) as response:
                    if response.status == 200:
                        answer: dict[str, Any] = await response.json()
                        self._note(kind, items, answer)
                        return answer
                    await response.read()
            except (aiohttp.ClientError, TimeoutError):
                pass  # in doubt: sent again below
            self.retries += 1
            await asyncio.sleep(TRY_AGAIN_SECONDS)

    def _note(self, kind: str, items: Sequence[dict[str, Any]], answer: dict[str, Any]) -> None:
        bad = {i["index"] for i in answer["items"] if i["result"] != "duplicate"}
        self.refused += [str(i) for i in answer["items"] if i["result"] != "duplicate"]
        if kind == "events":
            for index, item in enumerate(items):
                if index not in bad:
                    self.acked.add(item["id"])
                    step = int(item["id"].rpartition("/")[2])
                    self.newest[item["code"]] = max(step, self.newest.get(item["code"], -1))

    async def events(self, codes: Sequence[str], *, rate: float, seconds: float, batch: int = 20) -> None:
        """Events about `codes` in turn, `rate` a second in batches, for so long: each newer than the one before."""
        loop = asyncio.get_running_loop()
        began, sent, calls = loop.time(), 0, set[asyncio.Task[dict[str, Any]]]()
        while loop.time() - began < seconds:
            items = [event(codes[n % len(codes)], n // len(codes)) for n in range(sent, sent + batch)]
            sent += batch
            calls.add(asyncio.create_task(self.push("events", items)))
            calls = {call for call in calls if not call.done()} if len(calls) > 50 else calls
            await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))
        await asyncio.gather(*calls)


def event(code: str, step: int) -> dict[str, Any]:
    """The `step`-th event of a dossier, each a minute after the one before."""
    status = STATUSES[step % len(STATUSES)]
    return {"id": f"{code}/{step}", "code": code, "status": status, "at": at_step(step).isoformat()}


def at_step(step: int) -> datetime:
    """When the `step`-th event of a dossier happened."""
    return BEGIN + timedelta(minutes=step + 1)


def shuffled(items: Sequence[dict[str, Any]], *, twice: float, choice: random.Random) -> list[dict[str, Any]]:
    """All items, a share of them twice, in any order."""
    again = [item for item in items if choice.random() < twice]
    mixed = [*items, *again]
    choice.shuffle(mixed)
    return mixed
