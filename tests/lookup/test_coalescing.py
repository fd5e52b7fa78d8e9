"""Single calls that share commits: each gets its own answer, whatever becomes of the others."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from database.pool import Database, Role
from domain.errors import Unavailable
from domain.status import Status
from lookup.changes import DossierFacts, ItemResult, StatusEvent, Tenant
from lookup.coalescing import CoalescingWriter
from lookup.ingest import DossierWriter
from tests.lookup.sent import CODE, event, facts, held, hour, outcomes, row_of

Change = DossierFacts | StatusEvent


class Counting:
    """The real writer, and how many items each of its batches had. Breaks on an item whose id is 'breaks'."""

    def __init__(self, writer: DossierWriter) -> None:
        self._writer = writer
        self.batches: list[int] = []
        self.begun = asyncio.Event()

    async def store(self, tenant: Tenant, items: Sequence[Change]) -> list[ItemResult]:
        """Store them, unless one of them breaks us."""
        self.batches.append(len(items))
        self.begun.set()
        if any(isinstance(item, StatusEvent) and item.event_id == "breaks" for item in items):
            raise ZeroDivisionError
        return await self._writer.store(tenant, items)


def code_of(n: int) -> str:
    return f"H05.16-261102-{n:04d}"


async def test_callers_of_one_moment_share_batches_and_each_is_answered(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    counting = Counting(writer)
    async with CoalescingWriter(counting) as single:
        results = await asyncio.gather(
            *(single.store_event(tenant, event("e", Status.PROCESSING, hour(1), code=code_of(n))) for n in range(100)),
            single.store_event(tenant, event("e", Status.PROCESSING, hour(1), code=code_of(7))),
            single.store_facts(tenant, facts(tenant, Status.ACCEPTED, hour(0), code=code_of(7), reference="BN-7")),
        )
    assert outcomes(list(results)) == ["stored"] * 100 + ["duplicate", "stored"]
    assert len(counting.batches) == 2
    assert (await row_of(database, tenant, code_of(7)))["reference"] == "BN-7"


async def test_who_comes_while_a_batch_is_stored_makes_up_the_next(writer: DossierWriter, tenant: Tenant) -> None:
    counting = Counting(writer)
    async with CoalescingWriter(counting, lanes=1) as single:
        first = asyncio.create_task(single.store_event(tenant, event("e0", Status.PROCESSING, hour(1))))
        await counting.begun.wait()
        rest = [single.store_event(tenant, event(f"e{n}", Status.PROCESSING, hour(n))) for n in range(1, 20)]
        await asyncio.gather(first, *rest)
    assert counting.batches == [1, 19]


async def test_one_item_that_breaks_us_fails_alone(writer: DossierWriter, tenant: Tenant) -> None:
    async with CoalescingWriter(Counting(writer), lanes=1) as single:
        calls = [
            single.store_event(tenant, event("breaks" if n == 5 else "e", Status.ACCEPTED, hour(1), code=code_of(n)))
            for n in range(9)
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results.pop(5), ZeroDivisionError)
    assert outcomes([r for r in results if isinstance(r, ItemResult)]) == ["stored"] * 8


async def test_two_tenants_never_share_a_transaction(
    writer: DossierWriter, database: Database, tenant: Tenant, stranger: Tenant
) -> None:
    counting = Counting(writer)
    async with CoalescingWriter(counting, lanes=1) as single:
        ours, theirs = await asyncio.gather(
            single.store_event(tenant, event("e", Status.PROCESSING, hour(1))),
            single.store_event(stranger, event("e", Status.STOPPED, hour(2))),
        )
    assert outcomes([ours, theirs]) == ["stored", "not_yours"]
    assert counting.batches == [1, 1]


async def test_a_full_lane_sends_callers_away_and_the_rest_is_stored(
    writer: DossierWriter, database: Database, tenant: Tenant, database_url: str
) -> None:
    await writer.store_events(tenant, [event("e", Status.ACCEPTED, hour(1))])
    counting = Counting(writer)
    holder = await asyncpg.connect(database_url)
    try:
        async with (
            CoalescingWriter(counting, lanes=1, most_waiting=3) as single,
            asyncio.TaskGroup() as tasks,
            holder.transaction(),
        ):
            await holder.execute("SELECT FROM dossier FOR UPDATE")
            stuck = tasks.create_task(single.store_event(tenant, event("f", Status.PROCESSING, hour(2))))
            await counting.begun.wait()  # the lane has taken the first and waits for its row
            waiting = [
                tasks.create_task(single.store_event(tenant, event(f"g{n}", Status.PROCESSING, hour(3 + n))))
                for n in range(3)
            ]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as full:
                await single.store_event(tenant, event("h", Status.COMPLETED, hour(9)))
            assert full.value.after.total_seconds() > 0
    finally:
        await holder.close()
    assert outcomes([stuck.result(), *(task.result() for task in waiting)]) == ["stored"] * 4
    assert (await row_of(database, tenant))["status"] == Status.PROCESSING


async def test_a_caller_that_gives_up_takes_nobody_with_it(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    async with CoalescingWriter(writer, lanes=1) as single:
        calls = [
            asyncio.create_task(single.store_event(tenant, event("e", Status.ACCEPTED, hour(1), code=code_of(n))))
            for n in range(5)
        ]
        await asyncio.sleep(0)
        calls[2].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[2], asyncio.CancelledError)
    assert outcomes([r for r in results if isinstance(r, ItemResult)]) == ["stored"] * 4
    assert await held(database, tenant, code_of(3)) is not None


async def test_closing_stores_what_was_taken_and_takes_no_more(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    single = CoalescingWriter(writer)
    async with single:
        taken = asyncio.create_task(single.store_event(tenant, event("e", Status.PROCESSING, hour(1))))
        await asyncio.sleep(0)
    assert outcomes([taken.result()]) == ["stored"]
    assert (await row_of(database, tenant))["code"] == CODE
    with pytest.raises(Unavailable):
        await single.store_event(tenant, event("f", Status.PROCESSING, hour(2)))


async def test_the_store_away_reaches_every_caller(writer: DossierWriter, database: Database, tenant: Tenant) -> None:
    await database.pools[Role.APP].close()
    async with CoalescingWriter(writer) as single:
        calls = [single.store_event(tenant, event("e", Status.ACCEPTED, hour(1), code=code_of(n))) for n in range(10)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
