"""What is committed is queued for everybody entitled to it, once, and wakes the dispatcher."""

import asyncio
import time
from uuid import uuid4

import asyncpg
import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.message import DeliveryState, Lane
from domain.status import Status
from lookup.sealing import Seal
from notifications.outbox import WAKE_UP
from notifications.subscriptions import Subscriptions
from tests.notifications.conftest import PHONE, Office

NEIGHBOUR = Contact(channel=ChannelName.SMS, address="+84912000111")
CHAT = Contact(channel=ChannelName("telegram"), address="42")


async def test_the_registered_phone_is_told_by_duty(office: Office, seal: Seal) -> None:
    dossier_id = await office.opens()
    key = await office.moves(dossier_id, Status.PROCESSING)
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["dossier_id"], row["event_key"], row["owner_agency"]) == (dossier_id, key, office.agency_id)
    assert (row["state"], row["lane"], row["kind"]) == (DeliveryState.QUEUED, Lane.NORMAL, "status_changed")
    assert (row["channel"], row["proven"], row["language"]) == ("sms", True, "vi")
    assert row["contact_digest"] == seal.contact(PHONE)
    assert seal.open(row["address_sealed"]) == PHONE.address
    assert (row["expires_at"] - row["created_at"]).total_seconds() == 24 * 3600


async def test_followers_are_told_beside_the_registered_phone(office: Office, database: Database, seal: Seal) -> None:
    dossier_id = await office.opens()
    subscriptions = Subscriptions(seal)
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=False)
        await subscriptions.follow(connection, CHAT, dossier_id, proven=True)
    await office.moves(dossier_id, Status.PROCESSING)
    rows = await office.owner.fetch("SELECT contact_digest, channel, proven FROM message")
    assert {(row["contact_digest"], row["channel"], row["proven"]) for row in rows} == {
        (seal.contact(PHONE), "sms", True),
        (seal.contact(NEIGHBOUR), "sms", False),
        (seal.contact(CHAT), "telegram", True),
    }


async def test_the_registered_phone_is_proven_even_where_it_follows_without_proof(
    office: Office, database: Database, seal: Seal
) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await Subscriptions(seal).follow(connection, PHONE, dossier_id, proven=False)
    await office.moves(dossier_id, Status.PROCESSING)
    assert await office.owner.fetchval("SELECT array_agg(proven) FROM message") == [True]


@pytest.mark.parametrize("wish", ["mute", "stop_all"])
async def test_who_has_opted_out_is_not_queued_for(office: Office, database: Database, seal: Seal, wish: str) -> None:
    muted, other = await office.opens(), await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        if wish == "mute":
            await Subscriptions(seal).mute(connection, PHONE, muted)
        else:
            await Subscriptions(seal).stop_all(connection, PHONE, source="keyword")
    await office.moves(muted, Status.PROCESSING)
    await office.moves(other, Status.PROCESSING)
    told = await office.owner.fetchval("SELECT coalesce(array_agg(dossier_id), '{}') FROM message")
    assert told == ([other] if wish == "mute" else [])


async def test_who_wishes_less_is_told_what_matters_only(office: Office, database: Database, seal: Seal) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        for contact in (PHONE, NEIGHBOUR):
            await Subscriptions(seal).follow(connection, contact, dossier_id, proven=False, less=True)
    await office.moves(dossier_id, Status.PROCESSING)
    assert await office.states() == []
    await office.moves(dossier_id, Status.SUPPLEMENT_REQUIRED)
    assert await office.states() == [DeliveryState.QUEUED] * 2
    async with database.transaction(Role.WORKER) as connection:
        await Subscriptions(seal).follow(connection, PHONE, dossier_id, proven=False)
    await office.moves(dossier_id, Status.PROCESSING)
    told = await office.owner.fetch("SELECT contact_digest FROM message WHERE event = 'moved_on'")
    assert [row[0] for row in told] == [seal.contact(PHONE)]
    acts = await office.owner.fetch("SELECT act FROM consent_act ORDER BY id")
    assert [row["act"] for row in acts] == ["follow_less", "follow_less", "follow"]


async def test_a_dossier_without_a_phone_is_told_to_nobody(office: Office) -> None:
    await office.moves(await office.opens(phone=None), Status.PROCESSING)
    assert await office.states() == []


async def test_a_dossier_of_a_test_key_reaches_nobody(office: Office) -> None:
    dossier_id = await office.opens(test=True)
    await office.announces(office.change(dossier_id), test=True)
    assert await office.states() == []


async def test_a_foreign_offices_dossier_is_told_to_nobody(office: Office) -> None:
    dossier_id = await office.opens()
    await office.owner.execute("UPDATE dossier SET owner_agency = (SELECT id FROM agency WHERE code = 'H26' LIMIT 1)")
    await office.announces(office.change(dossier_id))
    assert await office.states() == []


async def test_a_change_overtaken_in_its_own_batch_is_kept_but_not_told(office: Office) -> None:
    dossier_id = await office.opens()
    newest = office.change(dossier_id)
    await office.announces(newest, office.change(dossier_id, newest=False), office.change(dossier_id, newest=False))
    rows = await office.owner.fetch("SELECT state, settled_at, event_key FROM message ORDER BY id")
    assert [row["state"] for row in rows] == [
        DeliveryState.QUEUED,
        DeliveryState.SUPERSEDED,
        DeliveryState.SUPERSEDED,
    ]
    assert [row["settled_at"] is None for row in rows] == [True, False, False]
    assert rows[0]["event_key"].bytes == newest.event_key


async def test_what_is_rolled_back_was_never_queued(office: Office) -> None:
    dossier_id = await office.opens()

    async def fails_after_announcing() -> None:
        async with office.database.tenant(office.agency_id, test=False) as connection:
            await office.outbox.announce(connection, [office.change(dossier_id)])
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fails_after_announcing()
    assert await office.states() == []


async def test_a_batch_of_500_is_queued_in_one_statement_and_one_wake_up(
    office: Office, database: Database, database_url: str
) -> None:
    first = await office.opens()
    await office.owner.execute(
        """INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code,
                                phone_digest, phone_sealed)
           SELECT $1 + n, 1, owner_agency, receiving_agency, status, false, status_at, code || '-' || n, phone_digest,
                  phone_sealed FROM dossier, generate_series(1, 2999) n WHERE id = $1""",
        first,
    )
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(WAKE_UP, lambda *said: heard.put_nowait(said[-1]))
    took = []
    for batch in range(6):
        changes = [office.change(first + batch * 500 + n, key=uuid4()) for n in range(500)]
        async with database.tenant(office.agency_id, test=False) as connection:
            began = time.perf_counter()
            await office.outbox.announce(connection, changes)
            took.append(time.perf_counter() - began)
    assert len(await office.states()) == 3000
    assert [await asyncio.wait_for(heard.get(), 5) for _ in range(6)] == [""] * 6
    await listener.execute("SELECT 1")
    assert heard.empty()
    await listener.close()
    # The best of six, and a wide bound: a call per message would take longer on any machine.
    assert min(took) <= 0.15


async def test_only_what_is_to_be_sent_wakes_the_dispatcher(office: Office, database_url: str) -> None:
    silent, told = await office.opens(phone=None), await office.opens()
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(WAKE_UP, lambda *said: heard.put_nowait(said[-1]))
    await office.announces(office.change(silent), office.change(told, newest=False))
    await office.owner.execute(f"NOTIFY {WAKE_UP}, 'the next thing said'")
    assert await asyncio.wait_for(heard.get(), 5) == "the next thing said"
    await listener.close()


async def test_an_inbound_message_has_one_reply(office: Office, database: Database, seal: Seal) -> None:
    queued = await office.answers("HS: dung han.", inbound_id=7)
    async with database.transaction(Role.WORKER) as connection:
        again = await office.outbox.reply(connection, 7, PHONE, "HS: dung han.", our_sender="8088")
    assert again is None
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["id"], row["inbound_id"], row["lane"], row["kind"]) == (queued, 7, Lane.URGENT, "reply")
    assert (row["expires_at"] - row["created_at"]).total_seconds() == 3600
    assert seal.open(row["text_sealed"]) == "HS: dung han."
    assert PHONE.address.encode() not in row["address_sealed"]
