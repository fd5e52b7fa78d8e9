"""The producer and the reader: events of dossiers of its own with a log of what was acknowledged; look-ups."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from tests.faults.rig import AGENCY, Rig

BEGIN = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
TRY_AGAIN_SECONDS = 0.1
DAYS = 25  # that dossiers are spread over: nobody asks for hundreds of one office and day at once
STATUSES = (2, 4, 5, 4, 6, 4, 9, 10)
TO_COME_BACK = {429, 503}


class Refused(RuntimeError):
    """A whole call was refused for good: the proof itself is wrong."""


@dataclass(slots=True)
class Producer:
    """Pushes until told to stop; sends again what was not acknowledged, with the same ids, when it is told to."""

    rig: Rig
    acked: set[str] = field(default_factory=set)  # event ids
    newest: dict[str, int] = field(default_factory=dict)  # code -> step of its newest acked event
    faults: list[str] = field(default_factory=list)  # items refused, and answers that should not be
    failed: list[str] = field(default_factory=list)  # what came of calls that were made again

    @property
    def retries(self) -> int:
        """Calls that were made again."""
        return len(self.failed)

    async def dossiers(self, count: int) -> list[str]:
        """Store `count` dossiers of several days, each with a phone of its own; their codes."""
        codes = [f"{AGENCY}-2610{n % DAYS + 1:02d}-{n:06d}" for n in range(1, count + 1)]
        for start in range(0, count, 500):
            await self.push("dossiers", [facts(c, start + n) for n, c in enumerate(codes[start : start + 500])])
        return codes

    async def one_each(self, codes: Sequence[str], step: int = 0, *, batch: int = 500) -> None:
        """The `step`-th event of every one of `codes`, in batches."""
        for start in range(0, len(codes), batch):
            await self.push("events", [event(code, step) for code in codes[start : start + batch]])

    async def push(self, kind: str, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """POST items until they are acknowledged, whatever dies meanwhile; the answer."""
        while True:
            wait = TRY_AGAIN_SECONDS
            try:
                async with self.rig.http.post(
                    f"{self.rig.url}/api/v1/{kind}", json=list(items), headers=self.rig.headers
                ) as response:
                    body = await response.read()
                    if response.status == 200:
                        answer: dict[str, Any] = await response.json()
                        self._note(kind, items, answer)
                        return answer
                    wait = self._wait(response.status, response.headers, body)
                    self.failed.append(f"{response.status} {body[:200].decode('utf-8', 'replace')}")
            except (aiohttp.ClientError, TimeoutError) as error:  # in doubt: sent again below
                self.failed.append(type(error).__name__)
            await asyncio.sleep(wait)

    def _wait(self, status: int, headers: Mapping[str, str], body: bytes) -> float:
        """How long the service asks to wait. Raises `Refused`."""
        if status < 500 and status not in TO_COME_BACK:
            raise Refused(f"{status} {body[:300].decode('utf-8', 'replace')}")
        if status in TO_COME_BACK and "Retry-After" in headers:
            return float(headers["Retry-After"])
        self.faults.append(f"answered {status} without Retry-After")
        return TRY_AGAIN_SECONDS

    def _note(self, kind: str, items: Sequence[dict[str, Any]], answer: dict[str, Any]) -> None:
        bad = {i["index"]: str(i) for i in answer["items"] if i["result"] != "duplicate"}
        self.faults += bad.values()
        if kind == "events":
            for index, item in enumerate(items):
                if index not in bad:
                    self.acked.add(item["id"])
                    step = int(item["id"].rpartition("/")[2])
                    self.newest[item["code"]] = max(step, self.newest.get(item["code"], -1))

    async def events(self, codes: Sequence[str], *, rate: float, seconds: float, batch: int = 20) -> None:
        """Events about `codes` in turn, `rate` a second in batches, for so long: each newer than the one before."""
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        async with asyncio.TaskGroup() as calls:
            while loop.time() - began < seconds:
                items = [event(codes[n % len(codes)], n // len(codes)) for n in range(sent, sent + batch)]
                sent += batch
                calls.create_task(self.push("events", items))
                await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))


@dataclass(slots=True)
class Reader:
    """Looks up, whether or not earlier look-ups were answered, and notes how long each took."""

    rig: Rig
    codes: Sequence[str]
    rate: float
    seconds: list[float] = field(default_factory=list)  # of those that were answered
    failed: list[str] = field(default_factory=list)

    async def read(self, done: asyncio.Event) -> None:
        """Look-ups at `rate` a second until `done`; returns when each has ended."""
        choice, loop = random.Random(2), asyncio.get_running_loop()
        began, sent = loop.time(), 0
        async with asyncio.TaskGroup() as calls:
            while not done.is_set():
                sent += 1
                calls.create_task(self._one(choice.choice(self.codes)))
                await asyncio.sleep(max(0.0, began + sent / self.rate - loop.time()))

    async def _one(self, code: str) -> None:
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            async with self.rig.http.get(f"{self.rig.url}/api/v1/lookup/{code}") as response:
                await response.read()
                if response.status == 200:
                    self.seconds.append(clock() - asked)
                else:
                    self.failed.append(str(response.status))
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failed.append(type(error).__name__)


def facts(code: str, number: int) -> dict[str, Any]:
    """A dossier as an agency's system states it, with the phone of its `number`."""
    return {
        "code": code,
        "procedure": {"code": "1.005129"},
        "receiving_agency": AGENCY,
        "filing_channel": 1,
        "applicant": {"name": "Nguyễn Văn An", "phone": phone(number)},
        "received_at": BEGIN.isoformat(),
        "status": 1,
        "status_at": BEGIN.isoformat(),
    }


def phone(number: int) -> str:
    """The phone of the `number`-th dossier."""
    return f"+8490{number:07d}"


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
