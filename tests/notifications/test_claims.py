"""Which messages a claim takes, what it says of the others, and who may write what became of them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from database.pool import Connection, Database, Role
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.message import DeliveryState, Lane, MessageKind
from domain.status import Status
from lookup.sealing import Seal
from notifications.claims import CLAIM, PLAN_ONCE, Claimed, Front, Room, claim
from notifications.retries import MOST_FAULTS
from notifications.settlement import Ended, Outcome, handed_over, in_doubt, not_taken, settle
from notifications.subscriptions import Subscriptions
from tests.notifications.conftest import PHONE, Office

LEASE = timedelta(seconds=45)
NEIGHBOUR = Contact(channel=ChannelName.SMS, address="+84912000111")


def room(total: int = 50, *, other: int | None = None, suspect: int = 1, channel: str = "sms") -> Room:
    """Room for so many messages."""
    other = total if other is None else other
    return Room(channel=channel, total=total, urgent=total, other=other, suspect=suspect, since=Front().begin())


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[Connection]:
    """A connection as the dispatcher's."""
    async with database.connection(Role.WORKER) as connection:
        await connection.execute(PLAN_ONCE)
        yield connection


async def vanish(office: Office) -> None:
    """The holder of all leases is gone, and their time is up."""
    await office.owner.execute("UPDATE message SET run_at = now() WHERE state = 10")


async def one(office: Office, worker: Connection) -> Claimed:
    """The only message there is, claimed."""
    (row,) = await claim(worker, [room()], LEASE)
    assert row.state == DeliveryState.CLAIMED
    return row


async def test_a_claim_leases_by_the_databases_clock_and_reads_what_the_message_speaks_of(
    office: Office, worker: Connection
) -> None:
    dossier_id = await office.opens(asked="bản sao Giấy khai sinh")
    await office.moves(dossier_id, Status.SUPPLEMENT_REQUIRED)
    row = await one(office, worker)
    assert (row.fence, row.faults, row.kind, row.channel, row.proven) == (1, 0, "status_changed", "sms", True)
    assert (row.status, row.status_before) == (Status.SUPPLEMENT_REQUIRED, Status.ACCEPTED)
    assert (row.agency_id, row.asked, row.version) == (office.agency_id, "bản sao Giấy khai sinh", 2)
    assert row.text_sealed is None
    kept = await office.owner.fetchrow("SELECT state, attempts, run_at, now() FROM message")
    assert (kept["state"], kept["attempts"]) == (DeliveryState.CLAIMED, 1)
    assert kept["run_at"] == row.at + LEASE
    assert await claim(worker, [room()], LEASE) == []


async def test_the_text_is_of_the_dossier_as_it_stands_at_the_claim(office: Office, worker: Connection) -> None:
    dossier_id = await office.opens()
    await office.moves(dossier_id, Status.PROCESSING)
    await office.owner.execute("UPDATE dossier SET due_at = '2026-12-24 10:00Z'")
    row = await one(office, worker)
    assert row.due_at is not None
    assert row.due_at.day == 24


async def test_the_persons_last_chosen_language_wins(office: Office, worker: Connection, seal: Seal) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await office.owner.execute(
        "INSERT INTO conversation (contact_digest, state_sealed, language, expires_at) VALUES ($1, '', 'en', now())",
        seal.contact(PHONE),
    )
    assert (await one(office, worker)).language == Language.ENGLISH


async def test_lanes_are_served_in_order_and_within_a_lane_the_oldest_first(office: Office, worker: Connection) -> None:
    for inbound_id in range(1, 9):
        await office.answers("…", inbound_id=inbound_id)
    await office.owner.execute("UPDATE message SET lane = id % 3, run_at = now() - id * interval '1 second'")
    taken = await claim(worker, [room(5)], LEASE)
    assert sorted((row.lane, -row.message_id) for row in taken) == [(0, -6), (0, -3), (1, -7), (1, -4), (1, -1)]


async def test_places_kept_for_urgent_messages_are_not_given_to_others(office: Office, worker: Connection) -> None:
    for inbound_id in range(1, 7):
        await office.answers("…", inbound_id=inbound_id)
    await office.owner.execute("UPDATE message SET lane = CASE WHEN id <= 2 THEN 0 ELSE 1 END")
    taken = await claim(worker, [room(5, other=1)], LEASE)
    assert sorted(row.lane for row in taken) == [0, 0, 1]


async def test_a_channel_takes_its_own_messages_only(office: Office, worker: Connection) -> None:
    await office.answers("sms", inbound_id=1)
    await office.answers("chat", inbound_id=2, to=Contact(channel=ChannelName("zalo"), address="7"))
    await office.answers("chat", inbound_id=3, to=Contact(channel=ChannelName("telegram"), address="8"))
    taken = await claim(worker, [room(channel="zalo"), room(channel="sms")], LEASE)
    assert {row.channel for row in taken} == {"zalo", "sms"}


async def test_nobody_is_told_who_stopped_between_queueing_and_claim(
    office: Office, worker: Connection, seal: Seal
) -> None:
    """G45: whatever was queued before, the claim and the look at the opt-outs are one statement."""
    for _ in range(3):
        await office.moves(await office.opens(), Status.PROCESSING)
    await Subscriptions(seal).stop_all(worker, PHONE, source="keyword")
    assert {row.state for row in await claim(worker, [room()], LEASE)} == {DeliveryState.OPTED_OUT}
    row = await office.owner.fetchrow("SELECT * FROM message LIMIT 1")
    assert (row["state"], row["attempts"]) == (DeliveryState.OPTED_OUT, 0)
    assert row["settled_at"] is not None


async def test_nobody_is_told_of_a_dossier_muted_between_queueing_and_claim(
    office: Office, worker: Connection, seal: Seal
) -> None:
    muted, other = await office.opens(), await office.opens()
    await office.moves(muted, Status.PROCESSING)
    await office.moves(other, Status.PROCESSING)
    await Subscriptions(seal).mute(worker, PHONE, muted)
    await claim(worker, [room()], LEASE)
    states = await office.owner.fetch("SELECT dossier_id, state FROM message")
    assert dict(map(tuple, states)) == {muted: DeliveryState.OPTED_OUT, other: DeliveryState.CLAIMED}


async def test_who_stopped_still_gets_answers_to_their_own_messages(
    office: Office, worker: Connection, seal: Seal
) -> None:
    await Subscriptions(seal).stop_all(worker, PHONE, source="keyword")
    await office.answers("Da dung moi tin.")
    assert (await one(office, worker)).kind == MessageKind.REPLY


async def test_what_has_expired_is_never_sent(office: Office, worker: Connection) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await office.owner.execute("UPDATE message SET expires_at = now()")
    (row,) = await claim(worker, [room()], LEASE)
    assert row.state == DeliveryState.EXPIRED
    assert await office.states() == [DeliveryState.EXPIRED]


async def test_a_waiting_notice_gives_way_to_a_newer_one_for_the_same_person(
    office: Office, worker: Connection, seal: Seal
) -> None:
    dossier_id = await office.opens()
    await Subscriptions(seal).follow(worker, NEIGHBOUR, dossier_id, proven=False)
    await office.moves(dossier_id, Status.PROCESSING)
    await Subscriptions(seal).mute(worker, NEIGHBOUR, dossier_id)
    await office.moves(dossier_id, Status.COMPLETED)
    await claim(worker, [room()], LEASE)
    states = await office.owner.fetch("SELECT contact_digest, state FROM message ORDER BY id")
    mine = [row["state"] for row in states if row["contact_digest"] == seal.contact(PHONE)]
    assert mine == [DeliveryState.SUPERSEDED, DeliveryState.CLAIMED]


async def test_a_wish_for_less_reaches_what_is_waiting(office: Office, worker: Connection, seal: Seal) -> None:
    dossier_id = await office.opens()
    await office.moves(dossier_id, Status.PROCESSING)
    await Subscriptions(seal).follow(worker, PHONE, dossier_id, proven=False, less=True)
    (row,) = await claim(worker, [room()], LEASE)
    assert row.state == DeliveryState.OPTED_OUT


async def test_a_change_overtaken_in_its_batch_does_not_silence_the_newest(office: Office, worker: Connection) -> None:
    dossier_id = await office.opens()
    await office.announces(office.change(dossier_id), office.change(dossier_id, newest=False))
    await claim(worker, [room()], LEASE)
    assert await office.states() == [DeliveryState.CLAIMED, DeliveryState.SUPERSEDED]


async def test_a_lease_that_ran_out_is_taken_over_and_its_first_holder_writes_nothing(
    office: Office, worker: Connection
) -> None:
    """G03: the fencing number, not a clock of ours, says whose outcome counts."""
    await office.moves(await office.opens(), Status.PROCESSING)
    first = await one(office, worker)
    await vanish(office)
    second = await one(office, worker)
    assert (second.message_id, second.fence, second.faults) == (first.message_id, 2, 1)
    assert await settle(worker, [Ended(first, "r", handed_over("first"))]) == set()
    assert await office.states() == [DeliveryState.CLAIMED]
    assert await settle(worker, [Ended(second, "r", handed_over("second"))]) == {second.message_id}
    assert await office.owner.fetchval("SELECT provider_id FROM message") == "second"


async def test_an_outcome_written_twice_counts_once(office: Office, worker: Connection) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    row = await one(office, worker)
    ended = [Ended(row, "r", in_doubt(row, "no answer"))]
    assert await settle(worker, ended) == {row.message_id}
    assert await settle(worker, ended) == set()
    assert await office.owner.fetchval("SELECT doubts FROM message") == 1


async def test_a_report_that_came_before_the_outcome_stays(office: Office, worker: Connection) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    row = await one(office, worker)
    await office.owner.execute("UPDATE message SET state = 80, settled_at = now()")
    await settle(worker, [Ended(row, "r", handed_over("id"))])
    kept = await office.owner.fetchrow("SELECT * FROM message")
    assert (kept["state"], kept["provider_id"]) == (DeliveryState.DELIVERED, "id")
    assert kept["handed_over_at"] is not None


async def test_a_report_is_not_undone_by_a_retry(office: Office, worker: Connection) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    row = await one(office, worker)
    await office.owner.execute("UPDATE message SET state = 80")
    await settle(worker, [Ended(row, "r", not_taken(row, "busy"))])
    assert await office.states() == [DeliveryState.DELIVERED]


@pytest.mark.parametrize(
    ("outcome", "becomes"),
    [
        (Outcome(DeliveryState.QUEUED, timedelta(hours=23)), DeliveryState.QUEUED),
        (Outcome(DeliveryState.QUEUED, timedelta(hours=25)), DeliveryState.EXPIRED),
        (Outcome(DeliveryState.IN_DOUBT, timedelta(hours=23)), DeliveryState.IN_DOUBT),
        (Outcome(DeliveryState.IN_DOUBT, timedelta(hours=25)), DeliveryState.NO_RECEIPT),
    ],
)
async def test_no_try_is_put_off_beyond_the_expiry(
    office: Office, worker: Connection, outcome: Outcome, becomes: DeliveryState
) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await settle(worker, [Ended(await one(office, worker), "r", outcome)])
    row = await office.owner.fetchrow("SELECT state, settled_at FROM message")
    assert row["state"] == becomes
    assert (row["settled_at"] is not None) == (becomes >= DeliveryState.NO_RECEIPT)


async def test_a_message_whose_holders_keep_vanishing_is_dead_after_five_leases(
    office: Office, worker: Connection
) -> None:
    """G08: attempts and faults count at the lease, so a message that kills its process is counted too."""
    await office.moves(await office.opens(), Status.PROCESSING)
    leases = []
    while (await office.states())[0] < DeliveryState.NO_RECEIPT:
        leases += [row for row in await claim(worker, [room()], LEASE) if row.state == DeliveryState.CLAIMED]
        await vanish(office)
    assert await office.states() == [DeliveryState.DEAD]
    assert [row.fence for row in leases] == [1, 2, 3, 4, 5]
    assert len(leases) == MOST_FAULTS


async def test_messages_twice_in_a_crash_are_taken_one_at_a_time(office: Office, worker: Connection) -> None:
    """So that the one that kills takes nobody with it: four bystanders, one killer, and nobody else dies."""
    for _ in range(5):
        await office.moves(await office.opens(), Status.PROCESSING)
    for _ in range(2):
        taken = await claim(worker, [room()], LEASE)
        assert [row.state for row in taken] == [DeliveryState.CLAIMED] * 5
        await vanish(office)
    moved = await claim(worker, [room()], LEASE)
    assert {(row.state, row.lane) for row in moved} == {(DeliveryState.QUEUED, Lane.SUSPECT)}
    alone = await claim(worker, [room()], LEASE)
    assert len(alone) == 1
    assert await claim(worker, [room(suspect=0)], LEASE) == []
    await settle(worker, [Ended(alone[0], "r", handed_over(None))])
    assert len(await claim(worker, [room()], LEASE)) == 1


async def test_a_claim_begins_where_the_last_one_ended_and_now_and_then_at_the_beginning(
    office: Office, worker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for inbound_id in range(1, 4):
        await office.answers("…", inbound_id=inbound_id)
    front = Front()
    here = room()
    front.move(here, await claim(worker, [here], LEASE))
    later = Room(channel="sms", total=50, urgent=50, other=50, suspect=1, since=front.begin())
    # A transaction that began long ago commits only now.
    late = await office.answers("late", inbound_id=9)
    await office.owner.execute("UPDATE message SET run_at = now() - interval '1 minute' WHERE id = $1", late)
    assert await claim(worker, [later], LEASE) == []
    monkeypatch.setattr(Front, "WALK_ALL", -1.0)
    later = Room(channel="sms", total=50, urgent=50, other=50, suspect=1, since=front.begin())
    assert [row.message_id for row in await claim(worker, [later], LEASE)] == [late]


async def test_a_full_claim_leaves_the_rest_in_front(office: Office, worker: Connection) -> None:
    for inbound_id in range(1, 11):
        await office.answers("…", inbound_id=inbound_id)
    await office.owner.execute("UPDATE message SET created_at = now() - interval '1 hour'")
    await office.owner.execute("UPDATE message SET created_at = created_at + id * interval '1 minute'")
    await office.owner.execute("UPDATE message SET run_at = created_at")
    front, taken = Front(), []
    for _ in range(4):
        here = Room(channel="sms", total=3, urgent=3, other=3, suspect=1, since=front.begin())
        rows = await claim(worker, [here], LEASE)
        front.move(here, rows)
        taken += [row.message_id for row in rows]
    assert taken == list(range(1, 11))


async def test_a_claim_walks_the_queues_index_and_joins_nothing(office: Office, worker: Connection) -> None:
    """Planned when the tables were empty and nothing was known of them, the worst time there is."""
    await office.owner.execute("VACUUM ANALYZE message")
    await worker.execute(f"PREPARE claim AS {CLAIM}")
    rows = await worker.fetch(
        "EXPLAIN EXECUTE claim ('{sms}', '{50}', '{1,1,1,1}', '{}', '45 s', 5, '{}', 3, '3 h', '10 h')"
    )
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan using message_waiting on message q" in plan
    assert "Tid Scan on message m" in plan
    assert "Hash" not in plan
    assert "Merge" not in plan
