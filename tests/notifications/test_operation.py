"""What an operator watches: queues by lane and agency, providers, costs of a day, refusals, what was given up."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from database.pool import Database, Role
from domain.civil_time import civil_day
from domain.contact import ChannelName, Contact
from domain.message import Lane
from domain.status import Status
from notifications import operation, timeline, turn
from notifications.operation import Figures, figures
from notifications.subscriptions import Subscriptions
from tests.notifications.conftest import OFFICE, PHONE, Dispatch, Office, Phones

OTHER = Contact(channel=ChannelName.SMS, address="+84912000111")


async def read(database: Database) -> Figures:
    async with database.connection(Role.OPERATOR) as connection:
        return await figures(connection)


async def test_nothing_is_to_be_seen_of_a_store_without_messages(database: Database) -> None:
    found = await read(database)
    assert (found.queues, found.providers, found.costs, found.oldest_due) == ((), (), (), None)
    assert (found.refusals.week, found.given_up.dead, found.given_up.failed_today) == (0, 0, 0)


async def test_what_waits_is_counted_by_channel_lane_and_agency(office: Office, database: Database) -> None:
    dossiers = [await office.opens(phone=Contact(channel=ChannelName.SMS, address=f"+8491200000{n}")) for n in range(3)]
    for dossier in dossiers:
        await office.moves(dossier, Status.PROCESSING)
    await office.answers("an answer")
    await office.owner.execute("UPDATE message SET run_at = now() + interval '1 hour' WHERE id = 2")
    await office.owner.execute("UPDATE message SET run_at = now() - interval '1 minute' WHERE id = 3")
    found = await read(database)
    assert [(q.channel, q.lane, q.agency, q.waiting, q.due) for q in found.queues] == [
        ("sms", Lane.URGENT, None, 1, 1),
        ("sms", Lane.NORMAL, OFFICE, 3, 2),
    ]
    assert found.oldest_due is not None
    assert timedelta(seconds=59) < found.as_of - found.oldest_due < timedelta(seconds=90)
    assert not any(queue.at_least for queue in found.queues)


async def test_a_provider_is_judged_by_its_last_minutes(office: Office, database: Database, dispatch: Dispatch) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(Phones(name="line"))
    await office.owner.execute(
        """INSERT INTO message_step (message_id, attempt, state, route, reason)
           VALUES (1, 1, 0, 'line', '503'), (1, 2, 20, 'line', 'no answer'), (1, 3, 0, 'line', NULL)"""
    )
    await office.owner.execute(
        """INSERT INTO provider_rest (route, process, seen_at)
           VALUES ('line', gen_random_uuid(), now()), ('line', gen_random_uuid(), now() - interval '5 minutes')"""
    )
    (provider,) = (await read(database)).providers
    assert (provider.route, provider.handed_over, provider.not_taken, provider.in_doubt) == ("line", 1, 1, 1)
    assert (provider.resting, provider.slow, round(provider.error_share, 2)) == (1, None, 0.67)


async def test_the_day_is_paid_by_agency(office: Office, database: Database, dispatch: Dispatch) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(Phones())
    await office.owner.execute("UPDATE message SET dong = 700")
    today = civil_day(datetime.now(UTC))
    await office.owner.execute(
        """INSERT INTO message_cost
           VALUES ($1, $2, 'sms', 10, 3500), ($1, NULL, 'sms', 2, 900), ($1 - 1, NULL, 'sms', 9, 9)""",
        today,
        office.agency_id,
    )
    costs = (await read(database)).costs
    assert [(c.agency, c.channel, c.messages, c.dong) for c in costs] == [
        (OFFICE, "sms", 11, 4200),
        (None, "sms", 2, 900),
    ]


async def test_refusals_and_dead_letters_of_the_day(office: Office, database: Database) -> None:
    async with database.transaction(Role.WORKER) as worker:
        await Subscriptions(office.seal).stop_all(worker, PHONE, source="keyword")
        await Subscriptions(office.seal).left(worker, OTHER)
    await office.answers("a", inbound_id=1)
    await office.answers("b", inbound_id=2)
    await office.answers("c", inbound_id=3)
    await office.owner.execute("UPDATE message SET state = 63, settled_at = now() WHERE id = 1")
    await office.owner.execute("UPDATE message SET state = 63, settled_at = now() - interval '2 days' WHERE id = 2")
    await office.owner.execute("UPDATE message SET state = 70, settled_at = now() WHERE id = 3")
    await office.owner.execute("UPDATE opt_out SET since = now() - interval '2 days' WHERE source = 'keyword'")
    found = await read(database)
    assert (found.refusals.today, found.refusals.left_today, found.refusals.week) == (1, 1, 2)
    assert (found.given_up.dead_today, found.given_up.failed_today, found.given_up.dead) == (1, 1, 2)


LOOKED_AT = {
    "queues": (operation.QUEUES, "10"),
    "providers": (operation.PROVIDERS, "'10 min', '60 s'"),
    "costs": (operation.COSTS, "'2026-11-22', '2026-11-21', '2026-11-22'"),
    "refusals": (operation.REFUSALS, "'2026-11-22'"),
    "given_up": (operation.GIVEN_UP, "'2026-11-22', 10"),
    "sum_up": (turn.SUM_UP, "'1 min', '1 h'"),
    "first_since": (timeline.FIRST_SINCE, "'2026-11-22'"),
    "of_dossier": (timeline.LIST_OF_DOSSIER, "'x', null, null, null, null, 10"),
    "of_contact": (timeline.LIST_OF_CONTACT, "'x', null, null, null, null, 10"),
}
# Walked from one end, and no further than a limit says: what waits, and the ends of the key.
FROM_AN_END = {"message_waiting", "message_pkey", "message_given_up"}


@pytest.mark.parametrize("name", LOOKED_AT)
async def test_no_figure_walks_the_messages(database: Database, name: str) -> None:
    statement, given = LOOKED_AT[name]
    async with database.connection(Role.OPERATOR) as connection:
        await connection.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', false)")
        await connection.execute(f"PREPARE {name} AS {statement}")
        lines = [row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE {name} ({given})")]
        await connection.execute(f"DEALLOCATE {name}")
    assert not [line for line in lines if "Seq Scan on message" in line]
    scans = [
        (found[1], following)
        for line, following in pairwise([*lines, ""])
        if (found := re.search(r"Scan(?: Backward)? using (message_\w+) on ", line))
    ]
    assert [index for index, following in scans if "Cond" not in following and index not in FROM_AN_END] == []
