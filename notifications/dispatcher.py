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
from database.supervision import place, supervised
from domain.contact import ChannelName
from domain.errors import CannotTell, Gone, InDoubt, NotItsTurn, ServiceError, TryLater, Undeliverable
from domain.message import DeliveryState, Lane, Outgoing
from notifications.claims import PLAN_ONCE, Claimed, Front, Room, claim
from notifications.ladder import Ladder, climb
from notifications.notices import NoLongerTrue, Notices
from notifications.outage import Outage
from notifications.outbox import WAKE_UP
from notifications.pace import Pace, Turns
from notifications.sender import Asked, Sender
from notifications.settlement import (
    MOST_AT_ONCE,
    NO_LONGER_TRUE,
    NOTHING_TO_TELL,
    RELEASED,
    Ended,
    Outcome,
    faulty,
    handed_over,
    in_doubt,
    not_answered,
    not_its_turn,
    not_taken,
    refused,
    settle,
)
from notifications.timing import AT_ONCE, Timing
from notifications.wakeup import listen

__all__ = ["Dispatcher", "Dispatching", "Sender"]

MESSAGES = prometheus_client.Counter(
    "motma_messages", "Messages by route and the state they came to.", ["route", "state"]
)

CALLS = prometheus_client.Histogram(
    "motma_provider_call_seconds", "How long providers take to answer one call.", ["route"]
)

DOUBTS = prometheus_client.Counter(
    "motma_doubts_resolved", "Messages in doubt of which the provider, asked, said that it had them.", ["route"]
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
    sender: Sender
    pace: Pace | None
    held: int = 0
    suspects: int = 0
    outage: Outage = field(default_factory=Outage)
    backlog: bool = False  # the last claim filled the room there was
    reserved: int = field(init=False)  # places that only urgent messages may take
    front: Front = field(default_factory=Front)

    def __post_init__(self) -> None:
        self.reserved = self.sender.concurrency // 8

    @property
    def crowded(self) -> bool:
        """Whether messages may have to wait for a place."""
        return self.held >= self.sender.concurrency - self.reserved

    def room(self, batch: int) -> Room | None:
        """What may be claimed now; None when nothing."""
        free = self.outage.most(min(batch, self.sender.concurrency - self.held))
        if self.pace is not None:
            free = min(free, self.pace.ready())
        if free <= 0:
            return None
        other = max(0, min(free, self.sender.concurrency - self.held - self.reserved))
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
        self._turns = turns
        self._lines = {
            channel: _Line(channel=channel, sender=sender, pace=None if sender.rate is None else Pace(sender.rate))
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
        return {line.sender.name: line.outage.open for line in self._lines.values()}

    def in_flight(self) -> dict[str, int]:
        """By route, how many messages this process holds: claimed, on their way, or to be written down."""
        return {line.sender.name: line.held for line in self._lines.values()}

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
                self._done(line, row, NOTHING_TO_TELL)
                continue
            try:
                message = self._notices.outgoing(row)
            except NoLongerTrue:
                self._done(line, row, NO_LONGER_TRUE)
            except Exception as error:
                self._done(line, row, faulty(row, error), place(error))
            else:
                line.outage.trying()
                turn = 0.0 if line.pace is None else line.pace.take()
                send = asyncio.create_task(self._send(line, row, message, turn, latest))
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
            limit = min(limit, line.outage.wait() or limit)
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._wake.wait()
        self._wake.clear()

    async def _send(self, line: _Line, row: Claimed, message: Outgoing, turn: float, latest: float) -> None:
        """After `turn` seconds, one call to the provider, and its outcome.

        No call is begun after `latest`: the lease might end before it.
        """
        called = asked = False
        limit = asyncio.timeout(None)
        at, route, gone = "", line.sender.name, False
        try:
            if turn:
                await asyncio.sleep(turn)
            known, asked = await self._asked(line, row, message)
            await self._turn(line, latest)
            if known is not None:
                outcome, route = known, row.route or route
            elif time.monotonic() > latest:
                outcome = RELEASED if not row.doubts else not_answered(row, "too late to send again")
            else:
                # Made here: its time runs from its making, and what waited for its turn has not been called yet.
                limit = asyncio.timeout(self._how.call_limit.total_seconds())
                async with limit:
                    called = True
                    with CALLS.labels(line.sender.name).time():
                        taken = await line.sender.send(message)
                    line.outage.answered()
                    dong = self._ladder.prices.get(row.channel) if taken.dong is None else taken.dong
                    outcome, route = handed_over(taken.provider_id, dong), taken.route or route
        except Undeliverable as error:
            line.outage.answered()
            outcome, gone = refused(error.message), isinstance(error, Gone)
        except NotItsTurn as error:
            outcome = not_its_turn(error.message, error.after)
        except TryLater as error:
            if error.after is None:  # a wish to wait may concern one person alone
                line.outage.failed()
            outcome = not_taken(row, error.message, error.after)
        except InDoubt as error:
            line.outage.failed()
            outcome, route = in_doubt(row, error.message, asked=asked), error.route or route
        except OSError as error:
            line.outage.failed()
            late = limit.expired()
            outcome = (
                in_doubt(row, "no answer in time", asked=asked) if late else not_taken(row, type(error).__qualname__)
            )
        except asyncio.CancelledError:
            self._done(line, row, in_doubt(row, "stopped while sending", asked=asked) if called else RELEASED)
            raise
        except Exception as error:
            outcome, at = faulty(row, error), place(error)
        self._done(line, row, outcome, at, route=route, gone=gone)

    async def _asked(self, line: _Line, row: Claimed, message: Outgoing) -> tuple[Outcome | None, bool]:
        """What became of a message that may have been taken before, if its provider knows; and whether it could tell.

        None: it is to be sent.
        """
        if not (row.doubts or row.faults) or not isinstance(line.sender, Asked):
            return None, False
        try:
            async with asyncio.timeout(self._how.call_limit.total_seconds()):
                taken = await line.sender.ask(message, route=row.route, since=row.created_at)
        except CannotTell:
            return None, False
        except (ServiceError, OSError) as error:
            return not_answered(row, f"asked: {type(error).__qualname__}"), True
        line.outage.answered()
        if taken is None:
            return None, True
        DOUBTS.labels(line.sender.name).inc()
        return handed_over(taken.provider_id, self._ladder.prices.get(row.channel)), True

    def _done(
        self, line: _Line, row: Claimed, outcome: Outcome, at: str = "", *, route: str = "", gone: bool = False
    ) -> None:
        if outcome.fault:
            log.warning("fault in a message", message_id=row.message_id, error=outcome.failure, at=at)
        self._ended.append(Ended(row, route or line.sender.name, outcome, gone))
        self._settling.set()
        if outcome.provider_id is not None or line.crowded:
            self._hurry.set()

    async def _turn(self, line: _Line, latest: float) -> None:
        """Wait for the route's turn among all processes, but not beyond `latest`."""
        if self._turns is None or line.sender.rate is None:
            return
        while (wait := await self._turns.wait(line.sender.name, line.sender.rate)) > 0:
            await asyncio.sleep(wait)
            if time.monotonic() > latest:
                return

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
    MESSAGES.labels(line.sender.name, DeliveryState(row.state).name.lower()).inc()
    if row.state == DeliveryState.DEAD:
        log.error("message dead", message_id=row.message_id, reason="the processes that sent it vanished")
