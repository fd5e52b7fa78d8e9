"""How fast queued notices leave when the provider costs nothing: claimed, judged, worded, handed over, written down."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from bench import store
from bench.measuring import Setting, in_time, interleaved, median, ratio_of_rounds
from bench.programs import WrongAnswers
from bench.report import Finding, say
from bench.service_under_test import SECRET
from database.pool import Connection, Database, open_database
from domain.contact import ChannelName, Contact
from domain.message import HandedOver, Outgoing
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.dispatcher import Dispatcher, Dispatching
from notifications.notices import Notices

BATCH = 50
GOAL = 50_000  # messages a second
BESIDE_A_SNAPSHOT = 0.9  # of the pace without one
AN_HOUR = 360_000  # notices, at a hundred a second
ROUND, QUICK_ROUND = 20_000, 5_000
ROUNDS, QUICK_ROUNDS = 7, 2
PATIENCE = 120.0  # seconds for one round
NOBODY = Contact(channel=ChannelName.SMS, address="+84901234567")

# One notice for each of so many dossiers, each to a phone of its own, as `notifications.outbox` queues them.
QUEUE = """
    INSERT INTO message (dossier_id, event_key, owner_agency, version, event, lane, run_at, expires_at, state, kind,
                         channel, language, proven, contact_digest, address_sealed)
    SELECT d.id, gen_random_uuid(), d.owner_agency, d.version, 'moved_on', 1, now(), now() + interval '24 hours', 0,
           'status_changed', 'sms', 'vi', true, decode(md5(random()::text), 'hex'), $2
      FROM (SELECT * FROM dossier WHERE status = 4 ORDER BY id OFFSET $3 LIMIT $1) d"""
# What the hour before left behind: each row was leased and written down, which makes three versions of it.
AGE = (
    "UPDATE message SET state = 10, attempts = 1, run_at = now() + interval '45 seconds' WHERE state = 0",
    "UPDATE message SET state = 30, handed_over_at = now() WHERE state = 10",
)
LEFT = "SELECT count(*) FROM message WHERE state <> 30"
VACUUM = "VACUUM (ANALYZE) message"
SNAPSHOT = "SELECT count(*) FROM agency"

# The least that survives a crash: a lease that runs out, one call, the row taken away.
BARE_TABLE = """
    CREATE TABLE bare_queue (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lease_until timestamptz NOT NULL,
                             attempts smallint NOT NULL, address bytea NOT NULL)"""
BARE_QUEUE = """
    INSERT INTO bare_queue (lease_until, attempts, address)
    SELECT '-infinity', 0, $2 FROM generate_series(1, $1::int)"""
BARE_LEASE = """
    UPDATE bare_queue SET lease_until = now() + interval '45 seconds', attempts = attempts + 1
     WHERE id IN (SELECT id FROM bare_queue WHERE lease_until <= now() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING id, address"""
BARE_END = "DELETE FROM bare_queue WHERE id = ANY ($1::bigint[])"
BARE_VACUUM = "VACUUM (ANALYZE) bare_queue"


class CostsNothing:
    """A provider that takes every message at once."""

    name = "bench"
    rate = None
    concurrency = 500

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self.all_taken = asyncio.Event()

    async def send(self, _message: Outgoing) -> HandedOver:
        """Take it."""
        self._missing -= 1
        if self._missing == 0:
            self.all_taken.set()
        return HandedOver(provider_id=None)


async def bench(setting: Setting) -> list[Finding]:
    """One dispatcher in this process, on one core; PostgreSQL where it likes. Rounds of all three take turns."""
    number = QUICK_ROUND if setting.quick else ROUND
    async with (
        _queue(setting, "dispatch", held=False) as plain,
        _queue(setting, "dispatch_held", held=True) as held,
    ):
        found = await interleaved(
            {
                "bare": lambda _: plain.bare(number),
                "ours": lambda _: plain.ours(number),
                "held": lambda _: held.ours(number),
            },
            QUICK_ROUNDS if setting.quick else ROUNDS,
            what="dispatch",
        )
    return _findings(setting, found, number)


class _Queue:
    """One database with an hour of notices behind it."""

    def __init__(self, owner: Connection, opened: Database, notices: Notices, address: bytes) -> None:
        self._owner = owner
        self._opened = opened
        self._notices = notices
        self._address = address
        self._rounds = 0

    async def grow_old(self) -> None:
        """Queue and end what an hour brings."""
        await self._owner.execute(QUEUE, AN_HOUR, self._address, 0)
        for statement in AGE:
            await self._owner.execute(statement)
        await self._owner.execute(VACUUM)

    async def ours(self, number: int) -> float:
        """Messages a second: from the start of a dispatcher to the commit of the last outcome."""
        await self._owner.execute(QUEUE, number, self._address, self._rounds * number)
        await self._owner.execute(VACUUM)
        self._rounds += 1
        provider = CostsNothing(number)
        dispatcher = Dispatcher(
            self._opened, {ChannelName.SMS: provider}, self._notices, Dispatching(batch=BATCH, grace=timedelta(0))
        )
        began = time.perf_counter()
        work = asyncio.create_task(dispatcher.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await provider.all_taken.wait()
        except TimeoutError:
            raise WrongAnswers(f"not all of {number:,} messages were handed over within {PATIENCE:.0f} s") from None
        finally:
            dispatcher.stop()
            await work
        taken = time.perf_counter() - began
        if left := await self._owner.fetchval(LEFT):
            raise WrongAnswers(f"{left:,} messages were not written down as handed over")
        return number / taken

    async def bare(self, number: int) -> float:
        """Messages a second of the least that survives a crash: no judging, no words, no history."""
        await self._owner.execute(BARE_QUEUE, number, self._address)
        await self._owner.execute(BARE_VACUUM)
        provider = CostsNothing(number)
        lease, end = await self._owner.prepare(BARE_LEASE), await self._owner.prepare(BARE_END)
        began = time.perf_counter()
        while rows := await lease.fetch(BATCH):
            for row in rows:
                await provider.send(Outgoing(message_id=row[0], to=NOBODY, text=""))
            await end.fetch([row[0] for row in rows])
        return number / (time.perf_counter() - began)


@asynccontextmanager
async def _queue(setting: Setting, name: str, *, held: bool) -> AsyncIterator[_Queue]:
    """A database whose hour of notices can be vacuumed away, or (`held`) cannot, for a snapshot is older than it."""
    say(f"dispatch: an hour of notices in {name}")
    source = await store.filled(setting.store, setting.dossiers)
    url = setting.store.url(await store.copied(setting.store, source, name))
    seal = Seal.from_secret(SECRET.encode())
    owner, reader = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with open_database(url, application="bench") as opened:
            registry = Registry(opened)
            await registry.refresh()
            await owner.execute(BARE_TABLE)
            async with reader.transaction(isolation="repeatable_read"):
                if held:
                    await reader.fetchval(SNAPSHOT)
                queue = _Queue(owner, opened, Notices(seal, registry), seal.seal(NOBODY.address))
                await queue.grow_old()
                yield queue
    finally:
        await reader.close()
        await owner.close()
        await store.drop(setting.store, name)


def _findings(setting: Setting, found: dict[str, list[float]], number: int) -> list[Finding]:
    ours, held, bare = (median(found[name]) for name in ("ours", "held", "bare"))
    beside = ratio_of_rounds(found["held"], found["ours"])
    goal = GOAL / setting.slower
    return [
        Finding(
            bench="dispatch",
            name="dispatcher",
            what=f"{number:,} queued notices through one dispatcher to a provider that costs nothing, batch {BATCH}: "
            "claimed, judged, worded, handed over, written down; beside it a bare queue (leased, handed over, deleted)",
            goal=in_time(f"≥ {GOAL:,}/s", f"≥ {goal:,.0f}/s", setting),
            measured=f"{ours:,.0f}/s = {ratio_of_rounds(found['ours'], found['bare']):.2f} of the bare queue "
            f"({bare:,.0f}/s)",
            reached=ours >= goal,
        ),
        Finding(
            bench="dispatch",
            name="dispatcher held",
            what=f"the same beside a snapshot that is older than the {AN_HOUR:,} notices before, so that nothing of "
            "them can be vacuumed away",
            goal=f"≥ {BESIDE_A_SNAPSHOT} × of it",
            measured=f"{beside:.2f} × ({held:,.0f}/s)",
            reached=beside >= BESIDE_A_SNAPSHOT,
        ),
    ]
