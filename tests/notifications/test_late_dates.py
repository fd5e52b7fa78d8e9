"""A due date learned when its day is here or gone is told once, unless the notice of its change has said it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from database.pool import Database, Role
from domain.status import Status
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.apology_policies import Policy, set_policy
from notifications.deadlines import Watching
from notifications.kinds import EventKind
from notifications.rules import set_rule
from tests.notifications.calendar import Calendar, calendar_of, local

DUE, LATE, NEW_DATE = "due_tomorrow", "overdue", "new_due_date"
ONE_BY_ONE = Watching(batch=1, rest=timedelta(0), look=timedelta(0))
NOTED = "SELECT count(*) FROM date_stated_late"
DRAFTED = "SELECT d.code FROM apology a JOIN dossier d ON d.id = a.dossier_id WHERE a.state = 'drafted' ORDER BY a.id"
FAR = local(30, 9)


@pytest.fixture
async def calendar(database: Database, database_url: str, seal: Seal) -> AsyncIterator[Calendar]:
    """It is Friday, 20/11, and the walks have done their day. This office tells nobody of new dates."""
    registry = Registry(database)
    await registry.refresh()
    found = await calendar_of(database, database_url, seal, registry)
    office = found.tenant.agency_id
    async with database.transaction(Role.OPERATOR) as operator:
        await set_policy(operator, office, Policy.NONE)
        await set_rule(operator, EventKind.NEW_DUE_DATE, agency_id=office, procedure_id=None, told=False)
    await found.day(local(20))
    yield found
    await found.owner.close()


async def learned(calendar: Calendar, due_at: datetime, *, notify: bool = True) -> str:
    """A dossier of which another due date is learned."""
    code = await calendar.opens(FAR)
    await calendar.moves(code, Status.PROCESSING, local(19), due_at=due_at, notify=notify)
    return code


async def test_what_was_due_when_its_date_was_learned_is_told_once(calendar: Calendar) -> None:
    late, soon = await learned(calendar, local(18, 9)), await learned(calendar, local(23, 9))
    today, far = await learned(calendar, local(20, 17)), await learned(calendar, local(25, 9))
    await calendar.day(local(20, 10))
    assert await calendar.told() == [(DUE, soon), (LATE, late)]
    await calendar.moves(late, Status.ACCEPTED, local(19, 9), notify=True)
    await calendar.day(local(20, 11))
    told = [one for one in await calendar.told() if one[0] in {DUE, LATE}]
    assert told == [(DUE, soon), (LATE, late)]
    await calendar.day(local(23))
    told = [one for one in await calendar.told() if one[0] in {DUE, LATE}]
    assert told == [(DUE, soon), (LATE, late), (DUE, far), (LATE, today)]
    assert await calendar.owner.fetchval(NOTED) == 0


async def test_what_the_notice_of_the_change_says_is_not_told_twice(calendar: Calendar) -> None:
    async with calendar.database.transaction(Role.OPERATOR) as operator:
        agency_id = calendar.tenant.agency_id
        await set_rule(operator, EventKind.NEW_DUE_DATE, agency_id=agency_id, procedure_id=None, told=True)
        await set_policy(operator, agency_id, Policy.OFFICER)
    late, soon = await learned(calendar, local(18, 9)), await learned(calendar, local(23, 9))
    await calendar.day(local(20, 10))
    assert await calendar.told() == [(NEW_DATE, late), (NEW_DATE, soon)]
    assert [row["code"] for row in await calendar.owner.fetch(DRAFTED)] == [late]  # owed whatever was told


async def test_an_import_that_tells_nobody_brings_nothing(calendar: Calendar) -> None:
    await learned(calendar, local(18, 9), notify=False)
    await calendar.opens(local(18, 9))
    assert await calendar.owner.fetchval(NOTED) == 0
    await calendar.day(local(20, 10))
    assert await calendar.told() == []


async def test_a_dossier_under_way_again_after_its_day_is_late(calendar: Calendar) -> None:
    async with calendar.database.transaction(Role.OPERATOR) as operator:
        agency_id = calendar.tenant.agency_id
        await set_rule(operator, EventKind.MOVED_ON, agency_id=agency_id, procedure_id=None, told=False)
    code = await calendar.opens(local(18, 9), status=Status.SUPPLEMENT_REQUIRED)
    await calendar.day(local(20, 9))
    assert await calendar.told() == []
    await calendar.moves(code, Status.PROCESSING, local(20, 9), notify=True)
    await calendar.day(local(20, 10))
    assert await calendar.told() == [(LATE, code)]


async def test_what_is_learned_on_a_day_off_is_told_on_the_next_working_day(calendar: Calendar) -> None:
    code = await learned(calendar, local(18, 9))
    await calendar.day(local(21))
    await calendar.day(local(22))
    assert await calendar.told() == []
    await calendar.day(local(23))
    assert await calendar.told() == [(LATE, code)]


async def test_a_date_that_moved_on_or_ended_meanwhile_is_not_told(calendar: Calendar) -> None:
    moved, ended = await learned(calendar, local(18, 9)), await learned(calendar, local(18, 9))
    await calendar.moves(moved, Status.PROCESSING, local(19, 9), due_at=FAR)
    await calendar.moves(ended, Status.COMPLETED, local(19, 9))
    await calendar.day(local(20, 10))
    assert await calendar.told() == []


async def test_several_that_watch_and_one_that_dies_tell_each_once(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [await learned(calendar, local(18, 9)) for _ in range(6)]
    killed = calendar.watch(ONE_BY_ONE)

    async def dies(*_given: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(killed, "_tell", dies)
        with pytest.raises(asyncio.CancelledError):
            await killed.turn()
    watches = [calendar.watch(ONE_BY_ONE) for _ in range(3)]
    for _ in range(5):
        await asyncio.gather(*(watch.turn() for watch in watches))
    assert sorted(await calendar.told()) == [(LATE, code) for code in codes]


async def test_what_is_far_ahead_is_not_noted(calendar: Calendar) -> None:
    await learned(calendar, local(27, 9))
    assert await calendar.owner.fetchval(NOTED) == 0
