"""What agencies send, made in advance: new dossiers with all their facts, and changes of status of known ones."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count

import aiohttp
import msgspec

from bench import fill
from bench.programs import Program, WrongAnswers

BATCH = 500  # items per call
LANES = 4  # calls at a time
NEW_OF_TEN = 3
RECEIVING, RESOLVING = "H05.16", "H05.16.11"
_ZONE = timezone(timedelta(hours=7))  # as senders in Vietnam write their times
_MOVES = (2, 4, 5, 6, 9)

_DOSSIER = (
    '{"code":"%s","reference":"MC-%08d","procedure":{"code":"1.004199","name":"Cấp Giấy chứng nhận quyền sử dụng đất"},'
    '"receiving_agency":"%s","resolving_agency":"%s","filing_channel":2,'
    '"applicant":{"name":"Nguyễn Văn An","phone":"%s","kind":"citizen"},"secret":"%06d",'
    '"received_at":"%s","due_at":"2027-01-15T17:00:00+07:00","status":2,"status_at":"%s","notify":%s}'
)
_EVENT = '{"id":"%s","code":"%s","status":%d,"at":"%s","office":"Bộ phận Một cửa","officer":"Trần Thị Bình"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST of an array."""

    path: str
    body: bytes
    items: int


class _Tally(msgspec.Struct):
    stored: int


def phone_of(n: int) -> str:
    """A phone of its own for every n below ten million."""
    return f"+8490{n % 10_000_000:07d}"


def dossier(n: int, *, notify: bool = True) -> str:
    """The facts of dossier n as its agency sends them, with a phone and a secret."""
    at = _stamp(time.time() - 3600)
    told = "true" if notify else "false"
    return _DOSSIER % (fill.code_of(n), n, RECEIVING, RESOLVING, phone_of(n), n % 1_000_000, at, at, told)


def event(event_id: str, n: int, status: int, at: float) -> str:
    """A change of the status of dossier n at a time (seconds since 1970)."""
    return _EVENT % (event_id, fill.code_of(n), status, _stamp(at))


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, _ZONE).isoformat()


def uniform(dossiers: int) -> Callable[[random.Random], int]:
    """Any dossier of the store."""
    return lambda chance: chance.randrange(dossiers)


def newest(dossiers: int) -> Callable[[random.Random], int]:
    """As offices work: nine of ten changes concern the newest twentieth."""
    recent = dossiers - dossiers // 20

    def pick(chance: random.Random) -> int:
        return chance.randrange(recent, dossiers) if chance.random() < 0.9 else chance.randrange(dossiers)

    return pick


class Changes:
    """Makes changes that nobody has sent before; the first new dossier has the number `first_new`."""

    def __init__(self, first_new: int) -> None:
        self._numbers = count(first_new)
        self._events = count()
        self._run = f"{time.time_ns():x}"
        self._chance = random.Random(7)

    def calls(self, items: int, pick: Callable[[random.Random], int]) -> list[Call]:
        """So many items in calls of `BATCH`: three calls of ten bring new dossiers, the others changes."""
        return [self._new() if n * NEW_OF_TEN % 10 < NEW_OF_TEN else self._moved(pick) for n in range(items // BATCH)]

    def single(self, pick: Callable[[random.Random], int]) -> Iterator[str]:
        """Changes one by one, as JSON objects, for ever."""
        while True:
            yield self._event(pick(self._chance))

    def _new(self) -> Call:
        items = [dossier(next(self._numbers)) for _ in range(BATCH)]
        return Call(path="/api/v1/dossiers", body=_array(items), items=BATCH)

    def _moved(self, pick: Callable[[random.Random], int]) -> Call:
        items = [self._event(pick(self._chance)) for _ in range(BATCH)]
        return Call(path="/api/v1/events", body=_array(items), items=BATCH)

    def _event(self, n: int) -> str:
        number = next(self._events)
        # Each later than the one before, so that each moves its dossier on.
        return event(f"{self._run}-{number}", n, _MOVES[number % len(_MOVES)], time.time() - 60 + number / 1e6)


def _array(items: Iterable[str]) -> bytes:
    return f"[{','.join(items)}]".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What it took to have all calls acknowledged."""

    items: int
    seconds: float
    server_cpu: float  # seconds
    calls: list[float]  # seconds each

    @property
    def per_second(self) -> float:
        """Items acknowledged a second."""
        return self.items / self.seconds


async def send(program: Program, key: str, calls: list[Call]) -> Sent:
    """Send the calls over `LANES` connections, each the next as soon as one is acknowledged. Raises `WrongAnswers`."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    waiting = iter(calls)
    taken: list[float] = []
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=LANES)) as http:

        async def lane() -> None:
            for call in waiting:
                began = time.perf_counter()
                async with http.post(program.url + call.path, data=call.body) as answer:
                    said = await answer.read()
                    if answer.status != 200 or msgspec.json.decode(said, type=_Tally).stored != call.items:
                        raise WrongAnswers(f"{call.path} answered {answer.status}: {said[:500].decode()}")
                taken.append(time.perf_counter() - began)

        cpu, began = program.cpu_seconds(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(lane())
        seconds = time.perf_counter() - began
    return Sent(
        items=sum(call.items for call in calls),
        seconds=seconds,
        server_cpu=program.cpu_seconds() - cpu,
        calls=sorted(taken),
    )
