"""Calls the receivers: claims what is due, hands each to the caller of addresses, writes down what came of it.

At least once: a call whose outcome was not written comes again after its lease, under the same `webhook-id`. In order
per dossier: a change waits for the earlier ones of its dossier to be delivered or given up. A receiver that is slow or
away holds up nobody else: each has a few places of its own, and no connection of the store is held while it answers.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import msgspec
import prometheus_client
import structlog

from database.pool import DATABASE_AWAY, Connection, Database, Role
from database.supervision import place, supervised
from domain.contact import Contact
from domain.errors import ServiceError, Unavailable
from domain.language import Language
from domain.message import DeliveryState, MessageKind
from domain.status import STAGE_OF, Status
from lookup.registry import Registry
from lookup.sealing import Seal
from lookup.wording import Words
from notifications.callbacks.claims import Claimed, Outcome, catch_up, claim, release, settle
from notifications.callbacks.deliveries import message_name
from notifications.callbacks.journal import (
    FORGET_CHANGES,
    FORGET_DELIVERIES,
    FORGET_RECEIVERS,
    MOST_AT_ONCE,
    UNLISTEN,
    WAKE_UP,
    spread,
)
from notifications.callbacks.receivers import ReceiverState
from notifications.callbacks.retries import rest, wait_before_retry
from notifications.outbox import Outbox
from notifications.registered_emails import EMAIL
from notifications.wakeup import listen

CALLS = prometheus_client.Counter("motma_callbacks", "Calls to agencies' receivers by what came of them.", ["outcome"])
STOPPED = prometheus_client.Counter(
    "motma_callback_receivers_stopped", "Receivers no longer called, by their new state.", ["state"]
)

WORDS = Words("notifications.callbacks")
LETTER_EXPIRY = timedelta(days=3)
KEPT = timedelta(days=35)
SWEEP_EVERY = 600.0  # seconds
SWEPT_AT_ONCE = 2_000
PAUSE_STORE_AWAY = 0.5  # seconds
_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)
OK = range(200, 300)
UNCALLED = frozenset({ReceiverState.SUSPENDED, ReceiverState.DISABLED})
GONE = 410

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to make: `body` as it is to be signed, with every secret that is good now, the newest first."""

    url: str = field(repr=False)
    message_id: str
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver answered. `retry_after` is its own wish."""

    status: int
    retry_after: timedelta | None = None


class NoAnswer(ServiceError):
    """The call brought no answer: no connection, no permitted address, broken off, too slow."""

    code = "no_answer"


class Caller(Protocol):
    """Makes one call, once, and follows nothing; `channels.agency_api.callbacks_post` fulfils it."""

    async def call(self, call: Call) -> Answer:
        """The answer. Raises `NoAnswer`, whose message the receiver's agency may read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """How the courier works. `lease` must outlast `call_limit`."""

    lease: timedelta = timedelta(seconds=45)
    call_limit: timedelta = timedelta(seconds=20)
    poll: timedelta = timedelta(seconds=1)
    per_receiver: int = 4
    at_once: int = 256
    grace: timedelta = timedelta(seconds=10)


class Courier:
    """Calls until stopped. Any number may run on one database."""

    def __init__(
        self, database: Database, seal: Seal, registry: Registry, caller: Caller, calling: Calling | None = None
    ) -> None:
        self._database = database
        self._seal = seal
        self._registry = registry
        self._caller = caller
        self._how = calling or Calling()
        self._outbox = Outbox(seal)
        self._wake = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop()`; then let calls come to their end, for `grace`, and return. Cancelling is a crash."""
        beside = [
            asyncio.create_task(supervised("callback listener", self._listen)),
            asyncio.create_task(supervised("callback sweeping", self._sweep)),
        ]
        try:
            await supervised("callback claiming", self._work)
            if self._calls:
                await asyncio.wait(self._calls, timeout=self._how.grace.total_seconds())
        finally:
            tasks = (*beside, *self._calls)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Claim nothing more; `run` returns once the calls on their way are over."""
        self._stopping = True
        self._wake.set()

    async def _listen(self) -> None:
        await listen(self._database.url, WAKE_UP, lambda _: self._wake.set())

    async def _work(self) -> None:
        while not self._stopping:
            async with self._database.transaction(Role.WORKER) as connection:
                more = await spread(connection) == MOST_AT_ONCE
            room, asked_at = self._how.at_once - len(self._calls), time.monotonic()
            if room > 0:
                async with self._database.transaction(Role.WORKER) as connection:
                    rows = await claim(
                        connection, per_receiver=self._how.per_receiver, most=room, lease=self._how.lease
                    )
                latest = asked_at + (self._how.lease - self._how.call_limit).total_seconds()
                for row in rows:
                    task = asyncio.create_task(self._deliver(row, latest))
                    self._calls.add(task)
                    task.add_done_callback(self._ended)
            if not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._how.poll.total_seconds()):
                        await self._wake.wait()
                self._wake.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._wake.set()  # there is a place, and perhaps a next change of its dossier
        if not task.cancelled() and (error := task.exception()):
            log.error("callback not settled", error=type(error).__qualname__, at=place(error))

    async def _deliver(self, row: Claimed, latest: float) -> None:
        """One call and its outcome. None is begun after `latest`: the lease might end before it."""
        outcome: Outcome | None
        try:
            call = self._call(row)
            if time.monotonic() > latest:
                outcome = None
            else:
                async with asyncio.timeout(self._how.call_limit.total_seconds()):
                    outcome = _judged(row, await self._caller.call(call))
        except NoAnswer as error:
            outcome = _failed(row, failure=error.message)
        except TimeoutError:
            outcome = _failed(row, failure="No answer in time.")
        except Exception as error:
            log.warning("fault in a callback", error=type(error).__qualname__, at=place(error))
            outcome = _failed(row, failure="A fault on our side.")
        await self._settle(row, outcome, latest + self._how.call_limit.total_seconds())

    async def _settle(self, row: Claimed, outcome: Outcome | None, until: float) -> None:
        """Write it down; while the store is away again and again, up to the end of the lease."""
        while True:
            try:
                async with self._database.transaction(Role.WORKER) as connection:
                    if outcome is None:
                        return await release(connection, row)
                    settled = await settle(connection, row, outcome)
                    stopped = (
                        settled.state
                        if settled.state in UNCALLED and settled.state_before == ReceiverState.ACTIVE
                        else None
                    )
                    if stopped is not None and settled.email_sealed is not None:
                        await self._tell_stopped(connection, row, stopped, self._seal.open(settled.email_sealed))
                break
            except _AWAY:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(PAUSE_STORE_AWAY)
        CALLS.labels(_named(outcome)).inc()
        if not settled.written:
            log.warning("outcome of a callback came after the lease", receiver=row.receiver_id)
        if stopped is not None:
            STOPPED.labels(stopped).inc()
            log.error("callback receiver stopped", receiver=row.receiver_id, state=stopped)
        while settled.recovered:
            async with self._database.transaction(Role.WORKER) as connection:
                if not await catch_up(connection, row.receiver_id):
                    return None
        return None

    async def _tell_stopped(self, connection: Connection, row: Claimed, state: str, email: str) -> None:
        """Queue a letter to whoever the agency named, in both languages."""
        said = "\n".join(
            WORDS.say(language, key, url=row.url, id=row.receiver_id)
            for language in Language
            for key in (f"stopped.{state}", "stopped.next")
        )
        to = Contact(channel=EMAIL, address=email)
        await self._outbox.queue(connection, to, said, kind=MessageKind.REPLY, expires_in=LETTER_EXPIRY)

    def _call(self, row: Claimed) -> Call:
        secrets = [row.secret_sealed] if row.old_secret_sealed is None else [row.secret_sealed, row.old_secret_sealed]
        return Call(
            url=row.url,
            message_id=message_name(row.message_id),
            body=msgspec.json.encode(self._told(row)),
            secrets=tuple(self._seal.open(sealed) for sealed in secrets),
        )

    def _told(self, row: Claimed) -> dict[str, Any]:
        """The body of a call: what the change made of the dossier. No person is named; the rest is read by code."""
        agency = self._registry.agency(row.owner_agency)
        status = Status(row.status)
        data = {
            "code": row.code,
            "agency": agency.code if agency else None,
            "version": row.version,
            "status": int(status),
            "stage": STAGE_OF[status],
            "previous_status": row.status_before,
            "status_at": row.status_at,
            "due_at": row.due_at,
            "finished_at": row.finished_at,
            "delivered_at": row.delivered_at,
            "test": row.test or None,
        }
        return {
            "type": kind_of(row.version, row.status, row.status_before),
            "timestamp": row.recorded_at,
            "data": {name: value for name, value in data.items() if value is not None},
        }

    async def _sweep(self) -> None:
        while True:
            await sweep(self._database)
            await asyncio.sleep(SWEEP_EVERY)


def kind_of(version: int, status: int, status_before: int | None) -> str:
    """What kind of change a delivery tells of."""
    if version == 1:
        return "dossier.created"
    return "dossier.changed" if status == status_before else "dossier.status_changed"


async def sweep(database: Database, kept: timedelta = KEPT) -> None:
    """Forget what is older than `kept`, and what belongs to deleted receivers; some at a time."""
    for statement, values in ((FORGET_CHANGES, (kept, SWEPT_AT_ONCE)), (FORGET_DELIVERIES, (SWEPT_AT_ONCE,))):
        forgotten = SWEPT_AT_ONCE
        while forgotten == SWEPT_AT_ONCE:
            async with database.transaction(Role.WORKER) as connection:
                forgotten = await connection.fetchval(statement, *values)
    async with database.transaction(Role.WORKER) as connection:
        await connection.execute(FORGET_RECEIVERS)
        await connection.execute(UNLISTEN)


def _judged(row: Claimed, answer: Answer) -> Outcome:
    if answer.status in OK:
        return Outcome(DeliveryState.DELIVERED, answered=answer.status)
    if answer.status == GONE:
        return Outcome(DeliveryState.DEAD, answered=GONE)
    return _failed(row, answered=answer.status, after=answer.retry_after)


def _failed(
    row: Claimed, *, answered: int | None = None, failure: str | None = None, after: timedelta | None = None
) -> Outcome:
    wait = wait_before_retry(row.tries, row.age, after)
    peace = rest(row.failures + 1, after)
    if wait is None:
        return Outcome(DeliveryState.DEAD, rest=peace, answered=answered, failure=failure)
    return Outcome(DeliveryState.QUEUED, wait=wait, rest=peace, answered=answered, failure=failure)


def _named(outcome: Outcome) -> str:
    """For the metric: no more names than there are kinds of answers."""
    if outcome.answered is None:
        return "no answer"
    return str(outcome.answered) if outcome.answered in {GONE, 429} else f"{outcome.answered // 100}xx"


__all__ = ["Answer", "Call", "Caller", "Calling", "Courier", "NoAnswer", "kind_of", "sweep"]
