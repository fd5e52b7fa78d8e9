"""An office with dossiers whose changes are announced, and senders that say what reached them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import asyncpg
import pytest

from database.pool import Connection, Database, Role
from domain.contact import ChannelName, Contact
from domain.message import HandedOver, Outgoing
from domain.status import Status
from lookup.changes import Announcement, Standing
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.dispatcher import Dispatcher, Dispatching
from notifications.notices import Notices
from notifications.outbox import Outbox
from notifications.pace import Turns
from notifications.sender import Sender
from notifications.timing import Timing

OFFICE = "H05.16"
PHONE = Contact(channel=ChannelName.SMS, address="+84901234567")
MORNING = datetime(2026, 11, 2, 2, tzinfo=UTC)

ADD_DOSSIER = """
    INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, received_at, due_at,
                         code, phone_digest, phone_sealed, asked)
    VALUES (nextval('dossier_id'), 1, $1, $1, $2, $3, $4, $4, $5, $6, $7, $8, $9) RETURNING id"""
ADD_EVENT = """
    INSERT INTO dossier_event
           (dossier_id, event_key, at, owner_agency, sender_agency, status, test, from_facts, event_id)
    VALUES ($1, $2, $3, $4, $4, $5, false, false, 'e')"""
MOVE = """
    UPDATE dossier SET status = $2, status_at = $3, due_at = coalesce($4, due_at), asked = coalesce($5, asked),
                       version = version + 1
     WHERE id = $1"""
STANDING = "SELECT status, due_at, asked FROM dossier WHERE id = $1"


@dataclass
class Office:
    """What an office's system does to the store, and what the store then holds."""

    agency_id: int
    owner: Connection  # works as the schema's owner: sees and writes everything
    database: Database
    seal: Seal
    outbox: Outbox
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def opens(
        self,
        *,
        phone: Contact | None = PHONE,
        status: Status = Status.ACCEPTED,
        at: datetime = MORNING,
        due_at: datetime | None = None,
        asked: str | None = None,
        test: bool = False,
    ) -> int:
        """A dossier's id; its first status is in the history."""
        number = await self.owner.fetchval(
            ADD_DOSSIER,
            self.agency_id,
            int(status),
            test,
            at,
            due_at,
            f"{OFFICE}-261102-{next(self.numbers):04}",
            phone and self.seal.contact(phone),
            phone and self.seal.seal(phone.address),
            asked,
        )
        await self.owner.execute(ADD_EVENT, number, uuid4(), at, self.agency_id, int(status))
        return int(number)

    async def moves(
        self,
        dossier_id: int,
        status: Status,
        *,
        at: datetime | None = None,
        due_at: datetime | None = None,
        asked: str | None = None,
    ) -> UUID:
        """Change a dossier's status and announce it, in one transaction as the office's system does."""
        key, at = uuid4(), at or datetime.now(UTC)
        before = await self.standing(dossier_id)
        async with self.database.tenant(self.agency_id, test=False) as connection:
            await self.owner.execute(ADD_EVENT, dossier_id, key, at, self.agency_id, int(status))
            await self.owner.execute(MOVE, dossier_id, int(status), at, due_at, asked)
            after = await self.standing(dossier_id)
            change = self.change(dossier_id, key=key, at=at, before=before, after=after)
            await self.outbox.announce(connection, [change])
        return key

    def keeps(self, timing: Timing) -> None:
        """From now on notices of the office are queued by `timing`."""
        self.outbox = Outbox(self.seal, timing=timing)

    async def standing(self, dossier_id: int) -> Standing:
        """How a dossier stands."""
        row = await self.owner.fetchrow(STANDING, dossier_id)
        return Standing(Status(row["status"]), row["due_at"], row["asked"])

    def change(
        self,
        dossier_id: int,
        *,
        key: UUID | None = None,
        at: datetime = MORNING,
        newest: bool = True,
        before: Standing | None = None,
        after: Standing = Standing(Status.PROCESSING),  # noqa: B008 - a value
    ) -> Announcement:
        """What the ingest says of a change."""
        return Announcement(
            dossier_id=dossier_id,
            event_key=(key or uuid4()).bytes,
            owner_agency=self.agency_id,
            at=at,
            newest=newest,
            before=before,
            after=after,
        )

    async def announces(self, *changes: Announcement, test: bool = False) -> None:
        """Announce changes alone, in a transaction of the office."""
        async with self.database.tenant(self.agency_id, test=test) as connection:
            await self.outbox.announce(connection, list(changes))

    async def answers(self, text: str, *, inbound_id: int = 1, to: Contact = PHONE) -> int:
        """Queue a reply to a citizen; its id."""
        async with self.database.transaction(Role.WORKER) as connection:
            queued = await self.outbox.reply(connection, inbound_id, to, text)
        assert queued is not None
        return queued

    async def until(self, question: str, *values: object) -> None:
        """Ask until the answer is true; the store has no signal for it."""
        async with asyncio.timeout(20):
            while not await self.owner.fetchval(question, *values):
                pass

    async def states(self) -> list[int]:
        """The states of all messages, oldest message first."""
        return [row["state"] for row in await self.owner.fetch("SELECT state FROM message ORDER BY id")]


@pytest.fixture
async def office(database: Database, database_url: str, seal: Seal) -> AsyncIterator[Office]:
    """One office of the reference data."""
    owner = await asyncpg.connect(database_url)
    agency_id = await owner.fetchval("SELECT id FROM agency WHERE code = $1 ORDER BY valid_from DESC LIMIT 1", OFFICE)
    yield Office(agency_id=agency_id, owner=owner, database=database, seal=seal, outbox=Outbox(seal))
    await owner.close()


@pytest.fixture
async def notices(database: Database, seal: Seal) -> Notices:
    """The wording of notices, with the reference data read."""
    registry = Registry(database)
    await registry.refresh()
    return Notices(seal, registry)


def taken(message: Outgoing) -> HandedOver:
    """The answer of a provider without names of its own."""
    return HandedOver(provider_id=None)


class Phones:
    """A sender that keeps what reached the phones, and does as told with each message."""

    def __init__(
        self,
        answer: Callable[[Outgoing], HandedOver] = taken,
        *,
        name: str = "phones",
        concurrency: int = 10,
        rate: float | None = None,
        closed: bool = False,
    ) -> None:
        self.name = name
        self.concurrency = concurrency
        self.rate = rate
        self.called: list[int] = []
        self.told: list[Outgoing] = []
        self.busy = 0
        self.most_busy = 0
        self.opened = asyncio.Event()
        self._answer = answer
        self._changed = asyncio.Condition()
        if not closed:
            self.opened.set()

    async def send(self, message: Outgoing) -> HandedOver:
        """Answer once opened."""
        self.called.append(message.message_id)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        await self._tell()
        try:
            await self.opened.wait()
            answer = self._answer(message)
            self.told.append(message)
            return answer
        finally:
            self.busy -= 1
            await self._tell()

    async def until(self, come: Callable[["Phones"], bool]) -> None:
        """Wait until `come` holds, looked at whenever a call begins or ends."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: come(self))

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


QUICK = Dispatching(poll=timedelta(milliseconds=20), grace=timedelta(seconds=5))


@dataclass
class Dispatch:
    """Starts dispatchers, and ends them the two ways there are."""

    database: Database
    notices: Notices
    running: dict[Dispatcher, "asyncio.Task[None]"] = field(default_factory=dict)

    def start(
        self,
        sender: Sender,
        how: Dispatching = QUICK,
        *,
        notices: Notices | None = None,
        channel: ChannelName = ChannelName.SMS,
        turns: Turns | None = None,
    ) -> Dispatcher:
        """A dispatcher that sends by `sender`."""
        dispatcher = Dispatcher(self.database, {channel: sender}, notices or self.notices, how, turns=turns)
        self.running[dispatcher] = asyncio.create_task(dispatcher.run())
        return dispatcher

    async def stop(self, dispatcher: Dispatcher) -> None:
        """As at the end of a deploy."""
        dispatcher.stop()
        async with asyncio.timeout(20):
            await self.running.pop(dispatcher)

    async def kill(self, dispatcher: Dispatcher) -> None:
        """As kill -9: nothing is written any more."""
        task = self.running.pop(dispatcher)
        task.cancel()
        await asyncio.wait({task})

    async def once(
        self, sender: Phones, how: Dispatching = QUICK, *, calls: int = 1, channel: ChannelName = ChannelName.SMS
    ) -> None:
        """Run until the sender was called `calls` times, then stop in order: all outcomes are written."""
        dispatcher = self.start(sender, how, channel=channel)
        await sender.until(lambda phones: len(phones.called) >= calls)
        await self.stop(dispatcher)


@pytest.fixture
async def dispatch(database: Database, notices: Notices) -> AsyncIterator[Dispatch]:
    """Dispatchers that are killed at the end of the test if they still run."""
    dispatch = Dispatch(database, notices)
    yield dispatch
    for dispatcher in list(dispatch.running):
        await dispatch.kill(dispatcher)
