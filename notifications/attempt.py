"""One try at one message: asked about where it may have been taken before, called in its turn, and what came of it."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import prometheus_client
import structlog

from database.supervision import place
from domain.errors import CannotTell, Gone, InDoubt, NotItsTurn, ServiceError, TryLater, Undeliverable
from domain.message import Outgoing
from notifications.claims import Claimed
from notifications.outage import Outage
from notifications.pace import Turns
from notifications.sender import Asked, OwnTurns, Sender
from notifications.settlement import (
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
)

CALLS = prometheus_client.Histogram(
    "motma_provider_call_seconds", "How long providers take to answer one call.", ["route"]
)

DOUBTS = prometheus_client.Counter(
    "motma_doubts_resolved", "Messages in doubt of which the provider, asked, said that it had them.", ["route"]
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """By which sender, and what holds for each message. `dong` is its price where the provider does not say."""

    sender: Sender
    outage: Outage
    turns: Turns | None
    call_limit: timedelta
    dong: int | None

    @property
    def name(self) -> str:
        """The route's."""
        return self.sender.name


class Attempt:
    """What was tried with one leased message."""

    def __init__(self, way: Way, row: Claimed, message: Outgoing) -> None:
        self._way = way
        self._row = row
        self._message = message
        self._asked = False
        self._call: asyncio.Timeout | None = None

    async def made(self, latest: float) -> Ended:
        """Try it. No call is begun after `latest` (monotonic seconds): the lease might end before it does."""
        outage = self._way.outage
        try:
            return await self._tried(latest)
        except Undeliverable as error:
            outage.answered()
            return self._ended(refused(error.message), gone=isinstance(error, Gone))
        except NotItsTurn as error:
            return self._ended(not_its_turn(error.message, error.after))
        except TryLater as error:
            if error.after is None:  # a wish to wait may concern one person alone
                outage.failed()
            return self._ended(not_taken(self._row, error.message, error.after))
        except InDoubt as error:
            outage.failed()
            return self._ended(self._doubtful(error.message, error.dong), route=error.route)
        except OSError as error:
            outage.failed()
            if self._call is not None and self._call.expired():
                return self._ended(self._doubtful("no answer in time"))
            return self._ended(not_taken(self._row, type(error).__qualname__))
        except Exception as error:
            return fault(self._row, error, self._way.name)

    def cut_off(self) -> Ended:
        """What is to be written when it was stopped midway."""
        return self._ended(RELEASED if self._call is None else self._doubtful("stopped while sending"))

    async def _tried(self, latest: float) -> Ended:
        row = self._row
        known = await self._known()
        if known is not None:
            return self._ended(known, route=row.route)
        async with AsyncExitStack() as turn:
            if not await self._its_turn(turn, latest):
                late = not_answered(row, "too late to send again") if row.doubts else RELEASED
                return self._ended(late)
            # Made here: its time runs from its making, and what waited for its turn has not been called yet.
            self._call = asyncio.timeout(self._way.call_limit.total_seconds())
            with CALLS.labels(self._way.name).time():
                async with self._call:
                    taken = await self._way.sender.send(self._message)
        self._way.outage.answered()
        dong = self._way.dong if taken.dong is None else taken.dong
        return self._ended(handed_over(taken.provider_id, dong), route=taken.route)

    async def _its_turn(self, turn: AsyncExitStack, latest: float) -> bool:
        """Wait for the route's turn, which `turn` then holds; whether it came before `latest`."""
        sender, turns = self._way.sender, self._way.turns
        try:
            async with asyncio.timeout(max(0.0, latest - time.monotonic())):
                if turns is not None and sender.rate is not None and not isinstance(sender, OwnTurns):
                    await turn.enter_async_context(turns.turn(sender.name, sender.rate))
        except TimeoutError:
            return False
        return time.monotonic() <= latest

    async def _known(self) -> Outcome | None:
        """What became of a message that may have been taken before, if its provider knows. None: it is to be sent."""
        row, sender = self._row, self._way.sender
        if not (row.doubts or row.faults) or not isinstance(sender, Asked):
            return None
        self._asked = True
        try:
            async with asyncio.timeout(self._way.call_limit.total_seconds()):
                taken = await sender.ask(self._message, route=row.route, since=row.created_at)
        except CannotTell:
            self._asked = False
            return None
        except (ServiceError, OSError) as error:
            return not_answered(row, f"asked: {type(error).__qualname__}")
        self._way.outage.answered()
        if taken is None:
            return None
        DOUBTS.labels(self._way.name).inc()
        return handed_over(taken.provider_id, None if row.doubts else self._way.dong)  # a doubt has noted its price

    def _doubtful(self, reason: str, dong: int | None = None) -> Outcome:
        return in_doubt(self._row, reason, asked=self._asked, dong=self._way.dong if dong is None else dong)

    def _ended(self, outcome: Outcome, *, route: str | None = None, gone: bool = False) -> Ended:
        return Ended(self._row, route or self._way.name, outcome, gone)


def fault(row: Claimed, error: Exception, route: str) -> Ended:
    """A fault of ours met with this message: a step of it, and a line in the log."""
    outcome = faulty(row, error)
    log.warning("fault in a message", message_id=row.message_id, error=outcome.failure, at=place(error))
    return Ended(row, route, outcome)
