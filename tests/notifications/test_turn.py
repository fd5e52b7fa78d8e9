"""One process at a time tells the figures of the whole, and sums up what was paid, each message once."""

from datetime import timedelta

from database.pool import Database, Role
from domain.civil_time import civil_day, utc_now
from domain.status import Status
from notifications.operation import costs
from notifications.turn import Turn
from tests.notifications.conftest import OFFICE, Dispatch, Office, Phones

DAYS_AGO = timedelta(days=1, hours=1)


async def test_the_turn_is_one_processs_until_it_leaves_or_vanishes(office: Office, database: Database) -> None:
    first, second = Turn(), Turn()
    async with database.connection(Role.OPERATOR) as connection:
        assert [await turn.take(connection) for turn in (first, second, first)] == [True, False, True]
        await first.leave(connection)
        assert [await turn.take(connection) for turn in (second, first)] == [True, False]
        await office.owner.execute("UPDATE operation_turn SET until = now() - interval '1 second'")
        assert [await turn.take(connection) for turn in (first, second)] == [True, False]


async def test_what_was_paid_is_summed_up_once_by_day_and_agency(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    for _ in range(3):
        await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(Phones(), calls=3)
    await office.owner.execute("UPDATE message SET dong = 350")
    await office.owner.execute("UPDATE message SET handed_over_at = now() - interval '2 minutes' WHERE id = 2")
    await office.owner.execute("UPDATE message SET handed_over_at = now() - $1::interval WHERE id = 3", DAYS_AGO)
    await office.owner.execute("UPDATE operation_turn SET counted_until = now() - interval '2 days'")
    turn = Turn()
    async with database.connection(Role.OPERATOR) as connection:
        for _ in range(2):
            await turn.sum_up(connection)
        found = {day: await costs(connection, day) for day in {civil_day(utc_now()), civil_day(utc_now() - DAYS_AGO)}}
    assert sum(cost.messages for day in found.values() for cost in day) == 3
    assert sum(cost.dong for day in found.values() for cost in day) == 1050
    assert {cost.agency for day in found.values() for cost in day} == {OFFICE}
    assert await office.owner.fetchval("SELECT sum(messages) FROM message_cost") == 2  # the newest may have company
    assert await office.owner.fetchval("SELECT counted_until < now() - interval '59 seconds' FROM operation_turn")


async def test_a_process_says_which_routes_it_leaves_alone(office: Office, database: Database) -> None:
    first, second = Turn(), Turn()
    async with database.connection(Role.OPERATOR) as connection:
        await first.rest(connection, {"a", "b"})
        await second.rest(connection, {"b"})
        await first.rest(connection, {"b"})
        rows = await office.owner.fetch("SELECT route, count(*) AS n FROM provider_rest GROUP BY route")
        assert {row["route"]: row["n"] for row in rows} == {"b": 2}
        await office.owner.execute("UPDATE provider_rest SET seen_at = now() - interval '2 hours'")
        await first.rest(connection, set())
    assert await office.owner.fetchval("SELECT count(*) FROM provider_rest") == 0
