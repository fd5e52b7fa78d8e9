"""A person's wishes hold, survive what agencies send, and leave evidence."""

import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import NotFound
from domain.language import Language
from domain.status import Status
from lookup.sealing import Seal
from notifications.subscriptions import Subscriptions
from tests.notifications.conftest import PHONE, Office

NEIGHBOUR = Contact(channel=ChannelName.SMS, address="+84912000111")


@pytest.fixture
def subscriptions(seal: Seal) -> Subscriptions:
    """The wishes of the test's people."""
    return Subscriptions(seal)


async def test_every_act_leaves_evidence(
    office: Office, database: Database, subscriptions: Subscriptions, seal: Seal
) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=False, inbound_id=1)
        await subscriptions.mute(connection, NEIGHBOUR, dossier_id, inbound_id=2)
        await subscriptions.stop_all(connection, NEIGHBOUR, source="keyword", inbound_id=3)
        await subscriptions.resume(connection, NEIGHBOUR, inbound_id=4)
    acts = await office.owner.fetch("SELECT * FROM consent_act ORDER BY id")
    assert [(act["act"], act["dossier_id"], act["inbound_id"]) for act in acts] == [
        ("follow", dossier_id, 1),
        ("mute", dossier_id, 2),
        ("stop_all", None, 3),
        ("resume", None, 4),
    ]
    assert {act["contact_digest"] for act in acts} == {seal.contact(NEIGHBOUR)}


async def test_evidence_cannot_be_changed_by_the_service(database: Database) -> None:
    async with database.connection(Role.WORKER) as connection:
        rights = await connection.fetchval(
            """SELECT has_table_privilege(current_user, 'consent_act', 'UPDATE')
                   OR has_table_privilege(current_user, 'consent_act', 'DELETE')"""
        )
    assert rights is False


async def test_following_tells_whether_anything_will_be_sent(
    office: Office, database: Database, subscriptions: Subscriptions
) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.stop_all(connection, NEIGHBOUR, source="keyword")
        assert await subscriptions.stopped(connection, NEIGHBOUR)
        assert not await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=True)
        await subscriptions.resume(connection, NEIGHBOUR)
        assert not await subscriptions.stopped(connection, NEIGHBOUR)
        assert await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=True)


async def test_a_proof_once_given_stays(office: Office, database: Database, subscriptions: Subscriptions) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=True)
        await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=False, language=Language.ENGLISH)
    row = await office.owner.fetchrow("SELECT proven, language, state FROM subscription")
    assert (row["proven"], row["language"], row["state"]) == (True, "en", "active")


async def test_resuming_does_not_unmute_a_dossier(
    office: Office, database: Database, subscriptions: Subscriptions
) -> None:
    muted, other = await office.opens(), await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.mute(connection, PHONE, muted)
        await subscriptions.stop_all(connection, PHONE, source="keyword")
        await subscriptions.resume(connection, PHONE)
    await office.moves(muted, Status.PROCESSING)
    await office.moves(other, Status.PROCESSING)
    assert await office.owner.fetchval("SELECT array_agg(dossier_id) FROM message") == [other]


async def test_following_again_unmutes(office: Office, database: Database, subscriptions: Subscriptions) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.mute(connection, PHONE, dossier_id)
        await subscriptions.follow(connection, PHONE, dossier_id, proven=True)
    await office.moves(dossier_id, Status.PROCESSING)
    assert len(await office.states()) == 1


async def test_a_mute_survives_a_new_phone_and_back(
    office: Office, database: Database, subscriptions: Subscriptions, seal: Seal
) -> None:
    dossier_id = await office.opens()
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.mute(connection, PHONE, dossier_id)
    set_phone = "UPDATE dossier SET phone_digest = $2, phone_sealed = $3 WHERE id = $1"
    await office.owner.execute(set_phone, dossier_id, seal.contact(NEIGHBOUR), seal.seal(NEIGHBOUR.address))
    await office.moves(dossier_id, Status.PROCESSING)
    await office.owner.execute(set_phone, dossier_id, seal.contact(PHONE), seal.seal(PHONE.address))
    await office.moves(dossier_id, Status.COMPLETED)
    told = await office.owner.fetch("SELECT contact_digest FROM message")
    assert [row["contact_digest"] for row in told] == [seal.contact(NEIGHBOUR)]


async def test_there_is_no_following_what_is_not_there(
    office: Office, database: Database, subscriptions: Subscriptions
) -> None:
    hidden = await office.opens(test=True)
    async with database.connection(Role.WORKER) as connection:
        for dossier_id in (hidden, hidden + 1000):
            with pytest.raises(NotFound):
                await subscriptions.follow(connection, NEIGHBOUR, dossier_id, proven=False)
            with pytest.raises(NotFound):
                await subscriptions.mute(connection, NEIGHBOUR, dossier_id)


async def test_addresses_are_kept_sealed(office: Office, database: Database, subscriptions: Subscriptions) -> None:
    async with database.transaction(Role.WORKER) as connection:
        await subscriptions.follow(connection, NEIGHBOUR, await office.opens(), proven=False)
        await subscriptions.stop_all(connection, NEIGHBOUR, source="keyword")
    for table in ("subscription", "opt_out", "consent_act"):
        stored = await office.owner.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")  # noqa: S608
        assert "912000111" not in stored
        assert NEIGHBOUR.address.encode().hex() not in stored
