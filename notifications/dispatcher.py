"""Hands queued messages to the channels' senders: leased, judged, sent outside any transaction, then written down.

Two connections and no lock: one loop claims what the channels have room for, and looks now and then for what must go
another way (`notifications.ladder`); sends run side by side; one loop settles. A message counts against its sender's
`concurrency` from its claim until its outcome is committed, so a process that dies can make at most that many messages
of a route go out twice. Within a process the order of loops is: claim, send, settle; across processes the lease, on the
database's clock, and its fencing number keep them apart.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import prometheus_client
import structlog

from database.pool import Connection, Database, Role
from database.supervision import supervised
from domain.contact import ChannelName
from domain.message import DeliveryState, Lane
from notifications.attempt import Attempt, Way, fault
from notifications.claims import PLAN_ONCE, Claimed, Front, Room, claim
from notifications.ladder import Ladder, climb
from notifications.notices import NoLongerTrue, Notices
from notifications.outage import Outage
from notifications.outbox import WAKE_UP
from notifications.pace import Pace, Turns
from notifications.sender import Sender
from notifications.settlement import MOST_AT_ONCE, NO_LONGER_TRUE, NOTHING_TO_TELL, Ended, settle
from notifications.timing import AT_ONCE, Timing
from notifications.wakeup import listen

__all__ = ["Dispatcher", "Dispatching", "Sender"]

MESSAGES = prometheus_client.Counter(
    "motma_messages", "Messages by route and the state they came to.", ["route", "state"]
)

WRITING_DOWN = 5.0  # seconds that a stopping dispatcher tries to write its last outcomes
# Seconds between two writings, for a commit costs the same for one outcome as for twenty. What a provider gave a name
# is written at once: its report may follow on the heel and says that name only.
GATHERING = 0.02

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatching:
    """How the dispatcher works. `lease` must outlast `call_limit` with room for claiming and settling.

    The lease is shorter than the minute in which a dead process's messages must have gone out (guarantees G03).
    """

    lease: timedelta = timedelta(seconds=45)
    call_limit: timedelta = timedelta(seconds=10)
    poll: timedelta = timedelta(milliseconds=250)
    climb: timedelta = timedelta(seconds=2)
    refresh: timedelta = timedelta(seconds=15)
    batch: int = 50
    grace: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        """Raises `ValueError` when the lease cannot cover a call."""
        if self.lease <= self.call_limit:
            raise ValueError("the lease must be longer than a call may take")


@dataclass(slots=True, kw_only=True)
class _Line:
    """One channel's way out and what this process holds of it."""

    channel: ChannelName
    way: Way
    held: int = 0
    suspects: int = 0
    pace: Pace | None = field(init=False)
    backlog: bool = False  # the last claim filled the room there was
    reserved: int = field(init=False)  # places that only urgent messages may take
    front: Front = field(default_factory=Front)

    def __post_init__(self) -> None:
        self.reserved = self.concurrency // 8
        self.pace = None if self.way.sender.rate is None else Pace(self.way.sender.rate)

    @property
    def concurrency(self) -> int:
        """How many messages may be on their way by it."""
        return self.way.sender.concurrency

    @property
    def crowded(self) -> bool:
        """Whether messages may have to wait for a place."""
        return self.held >= self.concurrency - self.reserved

    def room(self, batch: int) -> Room | None:
        """What may be claimed now; None when nothing."""
        free = self.way.outage.most(min(batch, self.concurrency - self.held))
        if self.pace is not None:
            free = min(free, self.pace.ready())
        if free <= 0:
            return None
        other = max(0, min(free, self.concurrency - self.held - self.reserved))
        return Room(
            channel=self.channel,
            total=free,
            urgent=free,
            other=other,
            suspect=0 if self.suspects else min(1, other),
            since=self.front.begin(),
        )


class Dispatcher:
    """Sends what is queued, until stopped. Any number may run on one database."""

    def __init__(
        self,
        database: Database,
        senders: Mapping[ChannelName, Sender],
        notices: Notices,
        dispatching: Dispatching | None = None,
        *,
        timing: Timing = AT_ONCE,
        ladder: Ladder | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._notices = notices
        self._how = dispatching or Dispatching()
        self._timing = timing
        self._ladder = ladder or Ladder()
        self._lines = {
            channel: _Line(
                channel=channel,
                way=Way(
                    sender=sender,
                    outage=Outage(),
                    turns=turns,
                    call_limit=self._how.call_limit,
                    dong=self._ladder.prices.get(channel),
                ),
            )
            for channel, sender in senders.items()
        }
        self._wake = asyncio.Event()
        self._settling, self._hurry = asyncio.Event(), asyncio.Event()
        self._ended: list[Ended] = []
        self._sends: set[asyncio.Task[None]] = set()
        self._climbed = self._refreshed = float("-inf")
        self._stopping = False
        self._all_sent = False

    async def run(self) -> None:
        """Work until `stop()`; then finish what is being sent, write it down and return.

        Cancelling the task instead is a crash: nothing more is written, and the leases run out.
        """
        listener = asyncio.create_task(supervised("outbox listener", self._listen))
        settler = asyncio.create_task(supervised("outbox settling", self._settle))
        try:
            await supervised("outbox claiming", self._claim)
            await self._finish_sends()
            self._all_sent = True
            self._settling.set()
            self._hurry.set()
            await asyncio.wait({settler}, timeout=WRITING_DOWN)
        finally:
            tasks = (listener, settler, *self._sends)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def resting(self) -> dict[str, bool]:
        """By route, whether this process leaves it alone because it failed several times in a row."""
        return {line.way.name: line.way.outage.open for line in self._lines.values()}

    def in_flight(self) -> dict[str, int]:
        """By route, how many messages this process holds: claimed, on their way, or to be written down."""
        return {line.way.name: line.held for line in self._lines.values()}

    def stop(self) -> None:
        """Claim nothing more; `run` returns once what is on its way has been sent or given up, and written down."""
        self._stopping = True
        self._wake.set()

    async def _listen(self) -> None:
        await listen(self._database.url, WAKE_UP, lambda _: self._wake.set())

    async def _claim(self) -> None:
        if self._stopping:
            return
        async with self._database.connection(Role.WORKER) as connection:
            await connection.execute(PLAN_ONCE)
            while not self._stopping:
                await self._climb(connection)
                await self._refresh(connection)
                rooms = [room for line in self._lines.values() if (room := line.room(self._how.batch))]
                more = False
                if rooms:
                    asked_at = time.monotonic()
                    rows = await claim(connection, rooms, self._how.lease, self._timing)
                    self._start(rows, asked_at)
                    more = self._more(rooms, rows)
                if not more:
                    await self._until_woken()

    async def _refresh(self, connection: Connection) -> None:
        """Now and then read the words agencies use."""
        if time.monotonic() - self._refreshed >= self._how.refresh.total_seconds():
            self._refreshed = time.monotonic()
            await self._notices.refresh(connection)

    async def _climb(self, connection: Connection) -> None:
        """Now and then queue the next way for what did not arrive by the last; costs nothing where nothing waits."""
        if time.monotonic() - self._climbed >= self._how.climb.total_seconds():
            self._climbed = time.monotonic()
            await climb(connection, self._ladder, self._timing)

    def _start(self, rows: Sequence[Claimed], asked_at: float) -> None:
        """Start sending what was leased."""
        latest = asked_at + (self._how.lease - self._how.call_limit).total_seconds()
        for row in rows:
            line = self._lines[ChannelName(row.channel)]
            if row.state != DeliveryState.CLAIMED:
                _judged(line, row)
                continue
            line.held += 1
            line.suspects += row.lane == Lane.SUSPECT
            if row.speaks_of_nothing:
                self._done(line, Ended(row, line.way.name, NOTHING_TO_TELL))
                continue
            try:
                message = self._notices.outgoing(row)
            except NoLongerTrue:
                self._done(line, Ended(row, line.way.name, NO_LONGER_TRUE))
            except Exception as error:
                self._done(line, fault(row, error, line.way.name))
            else:
                line.way.outage.trying()
                turn = 0.0 if line.pace is None else line.pace.take()
                send = asyncio.create_task(self._send(line, Attempt(line.way, row, message), turn, latest))
                self._sends.add(send)
                send.add_done_callback(self._sends.discard)

    def _more(self, rooms: Sequence[Room], rows: Sequence[Claimed]) -> bool:
        """Whether more may be waiting than the room there was, and there is room for it now."""
        more = False
        for room in rooms:
            line = self._lines[ChannelName(room.channel)]
            found = [row for row in rows if row.channel == room.channel]
            line.front.move(room, found)
            full = len(found) >= room.total
            full_but_urgent = sum(row.lane != Lane.URGENT for row in found) >= room.other
            line.backlog = full or full_but_urgent
            free = line.room(self._how.batch)
            more |= free is not None and (full or (full_but_urgent and free.other > 0))
        return more

    async def _until_woken(self) -> None:
        """Wait for a NOTIFY, a freed place, the next token of a limited route, or the poll."""
        limit = self._how.poll.total_seconds()
        for line in self._lines.values():
            if line.backlog and line.pace is not None:
                limit = min(limit, line.pace.wait() or limit)
            limit = min(limit, line.way.outage.wait() or limit)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._wake.wait()
        self._wake.clear()

    async def _send(self, line: _Line, attempt: Attempt, turn: float, latest: float) -> None:
        """After `turn` seconds, one try, and its outcome."""
        try:
            if turn:
                await asyncio.sleep(turn)
            self._done(line, await attempt.made(latest))
        except asyncio.CancelledError:
            self._done(line, attempt.cut_off())
            raise

    def _done(self, line: _Line, ended: Ended) -> None:
        self._ended.append(ended)
        self._settling.set()
        if ended.outcome.provider_id is not None or line.crowded:
            self._hurry.set()

    async def _settle(self) -> None:
        async with self._database.connection(Role.WORKER) as connection:
            await connection.execute(PLAN_ONCE)
            while self._ended or not self._all_sent:
                if self._ended:
                    began = asyncio.get_running_loop().time()
                    self._hurry.clear()
                    batch = self._ended[:MOST_AT_ONCE]
                    written = await settle(connection, batch)
                    del self._ended[: len(batch)]
                    self._free(batch, written)
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(began + GATHERING):
                            await self._hurry.wait()
                else:
                    await self._settling.wait()
                    self._settling.clear()

    def _free(self, batch: Sequence[Ended], written: set[int]) -> None:
        """Give the places of settled messages free again."""
        for row, _, outcome, _ in batch:
            line = self._lines[ChannelName(row.channel)]
            line.held -= 1
            line.suspects -= row.lane == Lane.SUSPECT
            if line.backlog or row.lane == Lane.SUSPECT:
                self._wake.set()
            if row.message_id not in written:
                log.warning("outcome came after the lease", message_id=row.message_id, state=outcome.state.name)
            elif outcome.state is DeliveryState.DEAD:
                log.error("message dead", message_id=row.message_id, reason=outcome.failure)
        ended = Counter((route, outcome.state) for row, route, outcome, _ in batch if row.message_id in written)
        for (route, state), number in ended.items():
            MESSAGES.labels(route, state.name.lower()).inc(number)

    async def _finish_sends(self) -> None:
        """Let what is on its way come to its end, for `grace`; what is left is in doubt."""
        if self._sends:
            await asyncio.wait(self._sends, timeout=self._how.grace.total_seconds())
        for send in self._sends:
            send.cancel()
        await asyncio.gather(*self._sends, return_exceptions=True)


def _judged(line: _Line, row: Claimed) -> None:
    """Count what the claim itself ended or put aside."""
    MESSAGES.labels(line.way.name, DeliveryState(row.state).name.lower()).inc()
    if row.state == DeliveryState.DEAD:
        log.error("message dead", message_id=row.message_id, reason="the processes that sent it vanished")
