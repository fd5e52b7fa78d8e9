"""Delivery reports: the state only rises, every report is kept, and what is not ours changes nothing."""

import asyncio
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database.pool import Database
from domain.message import DeliveryState
from domain.status import Status
from notifications.reports import LARGEST_ID, Reports
from tests.notifications.conftest import Office

REPORTABLE = [state for state in DeliveryState if state >= DeliveryState.HANDED_OVER]


@pytest.fixture
def reports(database: Database) -> Reports:
    """The face the channels' webhooks use."""
    return Reports(database)


async def a_message(office: Office) -> int:
    """A message that waits."""
    await office.moves(await office.opens(), Status.PROCESSING)
    return int(await office.owner.fetchval("SELECT max(id) FROM message"))


async def test_a_report_before_our_own_note_of_the_hand_over_is_believed(office: Office, reports: Reports) -> None:
    message_id = await a_message(office)
    assert await reports.report(route="kannel", state=DeliveryState.DELIVERED, provider_word="1", message_id=message_id)
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert row["state"] == DeliveryState.DELIVERED
    assert row["route"] == "kannel"
    assert row["handed_over_at"] is not None
    assert row["settled_at"] is not None


async def test_every_order_of_the_same_reports_ends_in_the_highest(office: Office, reports: Reports) -> None:
    told = [DeliveryState.ON_ITS_WAY, DeliveryState.FAILED, DeliveryState.DELIVERED, DeliveryState.HANDED_OVER]
    for order in permutations(told):
        message_id = await a_message(office)
        for state in order:
            await reports.report(route="r", state=state, provider_word=state.name, message_id=message_id)
        row = await office.owner.fetchrow(
            """SELECT m.state, array_agg(r.state ORDER BY r.id) AS history
                 FROM message m JOIN delivery_report r ON r.message_id = m.id WHERE m.id = $1 GROUP BY m.id""",
            message_id,
        )
        assert row["state"] == DeliveryState.DELIVERED
        assert row["history"] == list(order)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.sampled_from(REPORTABLE), min_size=1, max_size=8))
async def test_the_state_never_goes_down(office: Office, reports: Reports, told: list[DeliveryState]) -> None:
    message_id = await a_message(office)
    seen = []
    for state in told:
        await reports.report(route="r", state=state, provider_word="w", message_id=message_id)
        seen.append(await office.owner.fetchval("SELECT state FROM message WHERE id = $1", message_id))
    assert seen == sorted(seen)
    assert seen[-1] == max(told)
    assert await office.owner.fetchval("SELECT count(*) FROM delivery_report WHERE message_id = $1", message_id) == len(
        told
    )


async def test_a_message_is_found_by_the_providers_name_on_its_route_only(office: Office, reports: Reports) -> None:
    await a_message(office)
    await office.owner.execute("UPDATE message SET state = 30, route = 'esms', provider_id = 'abc'")
    delivered = DeliveryState.DELIVERED
    assert not await reports.report(route="twilio", state=delivered, provider_word="5", provider_id="abc")
    assert await office.states() == [DeliveryState.HANDED_OVER]
    assert await reports.report(route="esms", state=delivered, provider_word="5", provider_id="abc")
    assert await office.states() == [DeliveryState.DELIVERED]


@pytest.mark.parametrize("message_id", [999_999, 0, -1, LARGEST_ID, LARGEST_ID + 1, 10**30])
async def test_an_unknown_id_creates_nothing(office: Office, reports: Reports, message_id: int) -> None:
    await a_message(office)
    assert not await reports.report(
        route="kannel", state=DeliveryState.DELIVERED, provider_word="1", message_id=message_id
    )
    assert await office.owner.fetchval("SELECT count(*) FROM delivery_report") == 0
    assert await office.states() == [DeliveryState.QUEUED]


@pytest.mark.parametrize("provider_id", [None, "", "unknown", "nul\x00", "\ud800"])
async def test_an_unknown_provider_id_creates_nothing(
    office: Office, reports: Reports, provider_id: str | None
) -> None:
    await a_message(office)
    assert not await reports.report(
        route="esms", state=DeliveryState.DELIVERED, provider_word="5", provider_id=provider_id
    )
    assert await office.owner.fetchval("SELECT count(*) FROM delivery_report") == 0


async def test_whatever_a_provider_says_can_be_kept(office: Office, reports: Reports) -> None:
    message_id = await a_message(office)
    word = "Đ\x00\ud800" + "x" * 5000
    assert await reports.report(route="r", state=DeliveryState.FAILED, provider_word=word, message_id=message_id)
    kept = await office.owner.fetchval("SELECT provider_word FROM delivery_report")
    assert kept.startswith("Đxx")
    assert len(kept) == 200


async def test_a_provider_cannot_report_what_only_we_know(reports: Reports) -> None:
    with pytest.raises(ValueError, match="CLAIMED"):
        await reports.report(route="r", state=DeliveryState.CLAIMED, provider_word="?", message_id=1)


async def test_many_at_once_are_kept_in_order_and_each_is_answered_for_itself(office: Office, reports: Reports) -> None:
    ours = [await a_message(office) for _ in range(3)]
    await office.owner.execute("UPDATE message SET provider_id = 'name-' || id, route = 'r'")
    told = [DeliveryState.DELIVERED, DeliveryState.ON_ITS_WAY, DeliveryState.FAILED]
    answers = await asyncio.gather(
        *(reports.report(route="r", state=state, provider_word=str(state), message_id=id_)
          for id_ in [*ours, 999_999] for state in told),
        *(reports.report(route="r", state=DeliveryState.DELIVERED, provider_word="d", provider_id=name)
          for name in (f"name-{ours[0]}", "name-of-nobody")),
    )  # fmt: skip
    assert answers == [True] * 9 + [False] * 3 + [True, False]
    rows = await office.owner.fetch("SELECT m.state FROM message m ORDER BY id")
    assert [row["state"] for row in rows] == [DeliveryState.DELIVERED] * 3
    kept = "SELECT array_agg(state ORDER BY id) FROM delivery_report WHERE message_id = $1 AND provider_word <> 'd'"
    assert [await office.owner.fetchval(kept, id_) for id_ in ours] == [told] * 3


async def test_a_report_of_a_message_in_somebodys_hands_waits_for_it_alone(office: Office, reports: Reports) -> None:
    """Neither does the rest of its batch wait, nor is it lost."""
    held, free = await a_message(office), await a_message(office)
    for _ in range(3):  # so that reports and messages have other numbers
        assert await reports.report(route="r", state=DeliveryState.ON_ITS_WAY, provider_word="0", message_id=free)
    holding = office.owner.transaction()
    await holding.start()
    await office.owner.execute("UPDATE message SET failure = 'x' WHERE id = $1", held)
    told = [
        asyncio.create_task(reports.report(route="r", state=DeliveryState.DELIVERED, provider_word="1", message_id=id_))
        for id_ in (held, free)
    ]
    await office.until("SELECT state = $2 FROM message WHERE id = $1", free, DeliveryState.DELIVERED)
    assert not told[0].done()
    await holding.commit()
    assert await asyncio.gather(*told) == [True, True]
    assert await office.states() == [DeliveryState.DELIVERED] * 2
