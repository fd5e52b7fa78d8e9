"""The holder of a dossier's phone is reached by one way after another, and no more than needed."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from channels.linked_phones import LinkedPhones, LinkSource
from database.pool import Connection, Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from domain.message import DeliveryState
from domain.status import Status
from lookup.changes import StatedEmail
from notifications.claims import PLAN_ONCE, claim
from notifications.ladder import Ladder, climb, drop_ladder, rungs_of, set_ladder
from notifications.outbox import Outbox
from notifications.registered_emails import EMAIL, RegisteredEmails
from notifications.settlement import Ended, not_taken, settle
from notifications.subscriptions import Subscriptions
from tests.notifications.conftest import PHONE, Office
from tests.notifications.test_claims import LEASE, room

CHAT = Contact(channel=ChannelName("telegram"), address="42")
LADDER = Ladder(rungs=("chat", "zns", "sms"), prices={"zns": 300, "sms": 350})
TOLD = "SELECT id, channel, ways, state, climbed_from FROM message ORDER BY id"
FAIL_OF = "UPDATE message SET state = 70, handed_over_at = now() WHERE dossier_id = $1"
FAIL = "UPDATE message SET state = 70, handed_over_at = now() WHERE id = $1"


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[Connection]:
    """A connection as the dispatcher's."""
    async with database.connection(Role.WORKER) as connection:
        await connection.execute(PLAN_ONCE)
        yield connection


@pytest.fixture
def climbing(office: Office) -> Office:
    """The office, whose notices go by chat, then ZNS, then SMS."""
    office.outbox = Outbox(office.seal, rungs=LADDER.rungs)
    return office


async def told(office: Office) -> list[tuple[int, str, list[str] | None]]:
    """Each message, its channel, and the rungs it has left."""
    return [(row["id"], row["channel"], row["ways"]) for row in await office.owner.fetch(TOLD)]


async def links(worker: Connection, office: Office, chat: Contact = CHAT) -> None:
    """The chat is that of the phone's holder."""
    await LinkedPhones(office.seal).link(worker, chat, PHONE.address, source=LinkSource.PLATFORM)


async def test_each_rung_that_fails_leads_to_the_next(climbing: Office, worker: Connection) -> None:
    await links(worker, climbing)
    await climbing.moves(await climbing.opens(), Status.PROCESSING)
    assert await told(climbing) == [(1, "telegram", ["zns", "sms"])]
    assert await climb(worker, LADDER) == 0
    await climbing.owner.execute(FAIL, 1)
    assert await climb(worker, LADDER) == 1
    assert await told(climbing) == [(1, "telegram", None), (2, "zns", ["sms"])]
    await climbing.owner.execute(FAIL, 2)
    assert await climb(worker, LADDER) == 1
    assert await told(climbing) == [(1, "telegram", None), (2, "zns", None), (3, "sms", None)]
    await climbing.owner.execute(FAIL, 3)
    assert await climb(worker, LADDER) == 0
    rows = await climbing.owner.fetch("SELECT * FROM message ORDER BY id")
    assert [row["climbed_from"] for row in rows] == [None, 1, 2]
    assert {row["event_key"] for row in rows} == {rows[0]["event_key"]}
    phone = climbing.seal.contact(PHONE)
    assert [row["contact_digest"] for row in rows] == [climbing.seal.contact(CHAT), phone, phone]
    assert [row["person_digest"] for row in rows] == [phone, None, None]
    assert [climbing.seal.open(row["address_sealed"]) for row in rows] == ["42", PHONE.address, PHONE.address]


async def test_without_a_chat_the_ladder_begins_at_the_phone(climbing: Office) -> None:
    await climbing.moves(await climbing.opens(), Status.PROCESSING)
    assert await told(climbing) == [(1, "zns", ["sms"])]


async def test_who_follows_in_the_linked_chat_is_told_there_once(climbing: Office, worker: Connection) -> None:
    dossier = await climbing.opens()
    await links(worker, climbing)
    await Subscriptions(climbing.seal).follow(worker, CHAT, dossier, proven=True)
    await climbing.moves(dossier, Status.PROCESSING)
    assert await told(climbing) == [(1, "telegram", ["zns", "sms"])]


@pytest.mark.parametrize("wish", ["left", "mute"])
async def test_a_chat_that_does_not_want_it_is_passed_over(climbing: Office, worker: Connection, wish: str) -> None:
    dossier = await climbing.opens()
    await links(worker, climbing)
    if wish == "left":
        await Subscriptions(climbing.seal).left(worker, CHAT)
    else:
        await Subscriptions(climbing.seal).mute(worker, CHAT, dossier)
    await climbing.moves(dossier, Status.PROCESSING)
    assert await told(climbing) == [(1, "zns", ["sms"])]


@pytest.mark.parametrize("wish", ["stop", "mute"])
async def test_who_stopped_on_the_phone_is_told_nothing_in_the_chat(
    climbing: Office, worker: Connection, wish: str
) -> None:
    """Whether it comes before the notice is queued, before it is claimed, or before the next rung."""
    dossier, later = await climbing.opens(), await climbing.opens()
    await links(worker, climbing)
    await climbing.moves(dossier, Status.PROCESSING)
    await climbing.moves(later, Status.PROCESSING)
    await climbing.owner.execute(FAIL, 2)
    for number in (dossier, later):
        if wish == "stop":
            await Subscriptions(climbing.seal).stop_all(worker, PHONE, source="keyword")
        else:
            await Subscriptions(climbing.seal).mute(worker, PHONE, number)
    (row,) = await claim(worker, [room(channel="telegram")], LEASE)
    assert row.state == DeliveryState.OPTED_OUT
    assert await climb(worker, LADDER) == 0
    await climbing.moves(dossier, Status.COMPLETED)
    assert len(await told(climbing)) == 2


@pytest.mark.parametrize(("wait", "climbs"), [(timedelta(minutes=5), 0), (timedelta(hours=6), 1)])
async def test_what_can_be_sent_only_much_later_goes_the_next_way(
    climbing: Office, worker: Connection, wait: timedelta, climbs: int
) -> None:
    """A day's allowance that is used up; the last way waits for as long as it must."""
    await climbing.moves(await climbing.opens(), Status.PROCESSING)
    (row,) = await claim(worker, [room(channel="zns")], LEASE)
    await settle(worker, [Ended(row, "zns", not_taken(row, "Zalo refused with -144.", wait))])
    assert await climb(worker, LADDER) == climbs
    if climbs:
        (row,) = await claim(worker, [room(channel="sms")], LEASE)
        await settle(worker, [Ended(row, "sms", not_taken(row, "full", wait))])
        assert await climbing.owner.fetchval("SELECT state FROM message WHERE channel = 'sms'") == DeliveryState.QUEUED
        assert await climb(worker, LADDER) == 0


LETTERS = Contact(channel=EMAIL, address="an@example.com")


async def writes_letters(office: Office, dossier: int) -> None:
    """The agency stated an e-mail address with the dossier."""
    agency = await office.owner.fetchval("SELECT owner_agency FROM dossier WHERE id = $1", dossier)
    stated = StatedEmail(dossier_id=dossier, owner_agency=agency, email=LETTERS.address)
    async with office.database.tenant(agency, test=False) as connection:
        await RegisteredEmails(office.seal).keep(connection, [stated])


async def test_a_letter_is_a_rung_and_told_in_its_turn_alone(office: Office, worker: Connection) -> None:
    office.outbox = Outbox(office.seal, rungs=("email", "sms"))
    dossier = await office.opens()
    await writes_letters(office, dossier)
    await office.moves(dossier, Status.PROCESSING)
    assert await told(office) == [(1, "email", ["sms"])]
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["contact_digest"], row["person_digest"]) == (office.seal.contact(LETTERS), office.seal.contact(PHONE))
    assert office.seal.open(row["address_sealed"]) == LETTERS.address
    await office.owner.execute(FAIL, 1)
    assert await climb(worker, LADDER) == 1
    assert await told(office) == [(1, "email", None), (2, "sms", None)]


async def test_without_an_address_or_after_a_stop_the_ladder_begins_after_the_letter(
    office: Office, worker: Connection
) -> None:
    office.outbox = Outbox(office.seal, rungs=("email", "sms"))
    dossier = await office.opens()
    await office.moves(dossier, Status.PROCESSING)
    await writes_letters(office, dossier)
    await Subscriptions(office.seal).stop_all(worker, LETTERS, source="unsubscribe")
    await office.moves(dossier, Status.COMPLETED)
    assert [(channel, ways) for _, channel, ways in await told(office)] == [("sms", None)] * 2


async def test_where_letters_are_no_rung_they_are_told_beside_it(climbing: Office) -> None:
    dossier = await climbing.opens()
    await writes_letters(climbing, dossier)
    await climbing.moves(dossier, Status.PROCESSING)
    assert sorted(channel for _, channel, _ in await told(climbing)) == ["email", "zns"]


async def test_silence_counts_as_failure_where_delivery_is_told(climbing: Office, worker: Connection) -> None:
    await climbing.moves(await climbing.opens(), Status.PROCESSING)
    await climbing.owner.execute("UPDATE message SET state = 30, handed_over_at = now() - interval '9 minutes'")
    assert await climb(worker, LADDER) == 0
    await climbing.owner.execute("UPDATE message SET handed_over_at = now() - interval '11 minutes'")
    silent_for_ever = Ladder(rungs=LADDER.rungs, silence={"whatsapp": timedelta(0)})
    assert await climb(worker, silent_for_ever) == 0
    assert await climb(worker, LADDER) == 1


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.SUPERSEDED, DeliveryState.EXPIRED])
async def test_what_arrived_or_is_no_longer_true_ends_the_ladder(
    climbing: Office, worker: Connection, state: DeliveryState
) -> None:
    await climbing.moves(await climbing.opens(), Status.PROCESSING)
    await climbing.owner.execute("UPDATE message SET state = $1", int(state))
    assert await climb(worker, LADDER) == 0
    assert await told(climbing) == [(1, "zns", None)]


@pytest.mark.parametrize("reason", ["seen", "newer", "late", "other phone"])
async def test_the_ladder_ends_where_there_is_nothing_left_to_tell(
    climbing: Office, worker: Connection, reason: str
) -> None:
    dossier = await climbing.opens()
    await climbing.moves(dossier, Status.PROCESSING)
    await climbing.owner.execute(FAIL, 1)
    match reason:
        case "seen":
            await climbing.owner.execute("INSERT INTO shown SELECT phone_digest, id, version FROM dossier")
        case "newer":
            await climbing.moves(dossier, Status.COMPLETED)
        case "late":
            await climbing.owner.execute("UPDATE message SET expires_at = now()")
        case "other phone":
            await climbing.owner.execute("UPDATE dossier SET phone_digest = $1", climbing.seal.contact(CHAT))
    assert await climb(worker, LADDER) == 0


async def test_a_dossier_that_has_cost_enough_takes_no_further_rung(
    climbing: Office, database: Database, worker: Connection
) -> None:
    first, second, third = [await climbing.opens() for _ in range(3)]
    for dossier in (first, second, third):
        await climbing.moves(dossier, Status.PROCESSING)
        await climbing.owner.execute(FAIL_OF, dossier)
        if dossier == third:
            async with database.connection(Role.OPERATOR) as operator:
                await set_ladder(operator, climbing.agency_id, ["sms"], dong=10_000)
        limit = {first: 649, second: 650, third: 0}[dossier]
        climbed = await climb(worker, Ladder(rungs=LADDER.rungs, prices=LADDER.prices, dong=limit))
        assert climbed == (0 if dossier == first else 1)


async def test_an_agency_has_a_ladder_of_its_own(climbing: Office, database: Database) -> None:
    above = await climbing.owner.fetchval("SELECT parent_id FROM agency WHERE id = $1", climbing.agency_id)
    dossier = await climbing.opens()
    async with database.connection(Role.OPERATOR) as operator:
        await set_ladder(operator, above, ["zns"])
        await set_ladder(operator, climbing.agency_id, ["sms"])
        await climbing.moves(dossier, Status.PROCESSING)
        assert await drop_ladder(operator, climbing.agency_id)
        await climbing.moves(dossier, Status.COMPLETED)
    assert [(channel, ways) for _, channel, ways in await told(climbing)] == [("sms", None), ("zns", None)]


@pytest.mark.parametrize("text", ["", ",", "sms,sms", "zns,chat", "SMS", "sms;zns"])
def test_a_ladder_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        rungs_of(text)


def test_a_ladder_is_written_as_a_list() -> None:
    assert rungs_of(" chat, zns,sms ") == ("chat", "zns", "sms")
