"""What the calendar brings is told once, on the right day, whoever watches and however long nobody did."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from prometheus_client import REGISTRY

from database.pool import Database, Role
from domain.civil_time import CIVIL_ZONE
from domain.status import Status
from lookup.changes import Tenant
from lookup.deadlines import LEGAL_CLOCKS
from lookup.reference_data import day_overrides
from lookup.registry import Registry
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar
from notifications import deadlines
from notifications.apology_policies import Policy, set_policy
from notifications.deadlines import DeadlineWatch, Watching
from notifications.kinds import EventKind
from tests.notifications.calendar import NO_REST, Calendar, calendar_of, local

ONE_BY_ONE = Watching(batch=1, rest=timedelta(0), look=timedelta(0))
DUE, LATE, PAPERS = "due_tomorrow", "overdue", "supplement_overdue"


@pytest.fixture
async def calendar(database: Database, database_url: str, seal: Seal) -> AsyncIterator[Calendar]:
    """An office that makes no drafts of apologies."""
    registry = Registry(database)
    await registry.refresh()
    found = await calendar_of(database, database_url, seal, registry)
    async with database.transaction(Role.OPERATOR) as operator:
        await set_policy(operator, found.tenant.agency_id, Policy.NONE)
    yield found
    await found.owner.close()


async def test_what_falls_due_is_told_on_the_last_working_day_before(calendar: Calendar) -> None:
    monday = await calendar.opens(local(23, 17))
    await calendar.opens(local(25, 17))
    await calendar.opens(local(23, 17), status=Status.COMPLETED)
    await calendar.opens(local(23, 17), status=Status.SUPPLEMENT_REQUIRED)
    await calendar.day(local(19))
    assert await calendar.told() == []
    await calendar.day(local(20, 0))
    await calendar.day(local(21))
    assert await calendar.told() == [(DUE, monday)]


async def test_what_is_due_across_days_off_is_told_before_them(calendar: Calendar) -> None:
    saturday, wednesday = await calendar.opens(local(21, 9)), await calendar.opens(local(25, 17))
    await calendar.day(local(20))
    await calendar.day(local(23))  # 24/11 is a day off
    await calendar.day(local(24))
    assert [told for told in await calendar.told() if told[0] == DUE] == [(DUE, saturday), (DUE, wednesday)]


async def test_what_is_overdue_is_told_on_the_next_working_day(calendar: Calendar) -> None:
    late = await calendar.opens(local(20, 9))
    await calendar.opens(local(20, 9), status=Status.COMPLETED)
    await calendar.opens(local(20, 9), status=Status.PAYMENT_REQUIRED)
    today = await calendar.opens(local(23, 9))
    await calendar.day(local(20, 23, 59))
    await calendar.day(local(21, 12))
    assert LATE not in {event for event, _ in await calendar.told()}
    await calendar.day(local(23, 0))  # 17:00 of the day before by UTC
    assert [told for told in await calendar.told() if told[0] == LATE] == [(LATE, late)]
    await calendar.day(local(25))
    assert [told for told in await calendar.told() if told[0] == LATE] == [(LATE, late), (LATE, today)]


async def test_a_date_that_was_moved_is_found_by_the_one_that_counts(calendar: Calendar) -> None:
    code = await calendar.opens(local(20, 9))
    await calendar.moves(code, Status.PROCESSING, local(10), due_at=local(25, 9))
    await calendar.day(local(20))
    await calendar.day(local(23))
    assert await calendar.told() == [(DUE, code)]


async def test_a_watch_that_ends_anywhere_is_followed_by_one_that_goes_on_there(calendar: Calendar) -> None:
    codes = [await calendar.opens(local(23, 8, n)) for n in range(5)]
    calendar.now = local(20)
    for _ in range(20):
        await calendar.watch(ONE_BY_ONE).turn()  # a new process each time
    assert await calendar.told() == [(DUE, code) for code in codes]


async def test_a_watch_killed_in_the_middle_of_a_batch_leaves_it_to_the_next(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await calendar.opens(local(23))
    calendar.now = local(20)
    await calendar.watch().turn()
    killed = calendar.watch()

    async def dies(*_given: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(killed, "_tell", dies)
        with pytest.raises(asyncio.CancelledError):
            await killed.turn()
    assert await calendar.told() == []
    await calendar.watch().turn()
    assert await calendar.told() == [(DUE, code)]


async def test_several_that_watch_at_once_tell_each_once(calendar: Calendar) -> None:
    codes = [await calendar.opens(local(23, 8, n)) for n in range(12)]
    calendar.now = local(20)
    watches = [calendar.watch(ONE_BY_ONE) for _ in range(4)]
    for _ in range(15):
        await asyncio.gather(*(watch.turn() for watch in watches))
    assert sorted(await calendar.told()) == [(DUE, code) for code in codes]


async def test_the_rest_after_a_batch_is_kept_by_all_together(calendar: Calendar) -> None:
    codes = [await calendar.opens(local(23, 8, n)) for n in range(3)]
    calendar.now = local(20)
    resting = Watching(batch=1, rest=timedelta(hours=1), look=timedelta(0))
    for _ in range(5):
        await calendar.watch(resting).turn()
    assert await calendar.told() == [(DUE, codes[0])]
    await calendar.owner.execute("UPDATE deadline_walk SET rest_until = now()")
    await calendar.watch(resting).turn()
    assert await calendar.told() == [(DUE, codes[0]), (DUE, codes[1])]


async def test_after_an_outage_only_what_is_still_worth_it_is_told_oldest_first(calendar: Calendar) -> None:
    await calendar.day(local(2))
    long_ago = await calendar.opens(local(5, 9))
    later, first = await calendar.opens(local(17, 9)), await calendar.opens(local(16, 9))
    yesterday, today = await calendar.opens(local(25, 9)), await calendar.opens(local(26, 9))
    tomorrow = await calendar.opens(local(27, 9))
    await calendar.day(local(26), ONE_BY_ONE)
    told = await calendar.told()
    assert [code for event, code in told if event == DUE] == [tomorrow]
    assert [code for event, code in told if event == LATE] == [first, later, yesterday]
    assert not {long_ago, today} & {code for _, code in told}


async def test_a_walk_sent_back_tells_what_came_late_and_nothing_twice(calendar: Calendar) -> None:
    told = await calendar.opens(local(20, 9))
    await calendar.day(local(23))
    late = await calendar.opens(local(19, 9))
    await calendar.day(local(23, 9))
    assert await calendar.told() == [(LATE, told)]
    async with calendar.database.transaction(Role.OPERATOR) as operator:
        assert await deadlines.go_back(operator, EventKind.OVERDUE, local(18).date())
    await calendar.day(local(23, 10))
    assert await calendar.told() == [(LATE, told), (LATE, late)]


async def test_a_service_set_up_late_does_not_tell_of_the_past(calendar: Calendar) -> None:
    await calendar.opens(local(16, 9))
    await calendar.opens(local(5), status=Status.SUPPLEMENT_REQUIRED, at=local(2))
    await calendar.day(local(26))
    assert await calendar.told() == []


async def test_a_test_keys_dossier_reaches_nobody(calendar: Calendar) -> None:
    test = Tenant(agency_id=calendar.tenant.agency_id, agency_code="H05.16", test=True, api_key_id="key")
    await calendar.opens(local(23), tenant=test)
    await calendar.day(local(20))
    assert await calendar.told() == []


async def test_papers_not_brought_in_fifteen_days_are_told_on_the_next_working_day(calendar: Calendar) -> None:
    asked = partial(calendar.opens, None, status=Status.SUPPLEMENT_REQUIRED, at=local(5))  # + 15 days: Friday, 20/11
    waiting, restated, brought = await asked(), await asked(), await asked()
    older_law = await asked(received_at=datetime(2025, 6, 2, tzinfo=CIVIL_ZONE))
    await calendar.moves(restated, Status.SUPPLEMENT_REQUIRED, local(12))
    await calendar.moves(brought, Status.PROCESSING, local(12))
    await calendar.moves(brought, Status.SUPPLEMENT_REQUIRED, local(16))  # from now on anew
    await calendar.day(local(20))
    assert await calendar.told() == []
    await calendar.day(local(23))
    assert await calendar.told() == [(PAPERS, waiting), (PAPERS, restated)]
    await calendar.day(local(1, month=12))  # the 15th day of the second request
    assert older_law not in {code for _, code in await calendar.told()}
    await calendar.day(local(2, month=12))
    assert (await calendar.told())[2:] == [(PAPERS, brought)]


async def test_every_process_tells_how_far_the_walk_is_whoever_walks(calendar: Calendar) -> None:
    def ahead() -> float | None:
        return REGISTRY.get_sample_value("motma_deadlines_ahead_seconds", {"event": LATE})

    for n in range(2):
        await calendar.opens(local(19, 9, n))
    calendar.now = local(20)
    await calendar.watch().turn()
    await calendar.watch(Watching(batch=1, rest=timedelta(hours=1), look=timedelta(0))).turn()
    assert ahead() == timedelta(hours=15).total_seconds()  # from nine to midnight
    deadlines.AHEAD.labels(LATE).set(0)
    await calendar.watch().turn()  # the walk rests, or another process is at it
    assert ahead() == timedelta(hours=15).total_seconds()
    calendar.now = local(21)  # on days off nothing is to be told
    await calendar.watch().turn()
    assert ahead() == 0


async def test_the_databases_clock_decides_unless_another_is_given(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[datetime] = []
    watch = DeadlineWatch(
        calendar.database, calendar.registry, calendar.outbox, calendar.watch()._drafts, watching=NO_REST
    )

    def noting(at: datetime) -> date:
        seen.append(at)
        return at.date()

    monkeypatch.setattr(deadlines, "civil_day", noting)
    before = await calendar.owner.fetchval("SELECT clock_timestamp()")
    await watch.turn()
    assert before <= seen[0] <= await calendar.owner.fetchval("SELECT clock_timestamp()")


@pytest.mark.parametrize("walk", deadlines.WALKS, ids=lambda walk: walk.event)
def test_one_days_window_ends_where_the_next_begins(walk: deadlines._Walk) -> None:
    """Walked day by day, no date is passed over and none is met twice."""
    days = WorkingCalendar(overrides=day_overrides())
    working = [local(2).date() + timedelta(days=n) for n in range(150)]
    windows = [walk.window(day, days) for day in working if days.is_working_day(day)]
    for before, after in pairwise(windows):
        assert before.until == after.first
        assert after.since <= after.first <= after.until


def test_papers_may_be_brought_on_their_last_day() -> None:
    days = WorkingCalendar(overrides=day_overrides())
    today = local(23).date()
    until = deadlines.supplement_overdue(today, days).until
    clock = LEGAL_CLOCKS[-1]
    before, after = clock.supplement_by(until - timedelta(seconds=1), days), clock.supplement_by(until, days)
    assert before is not None
    assert after is not None
    assert before < today <= after
