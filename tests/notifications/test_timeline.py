"""One timeline per message, each step with its time, whatever came after it."""

from datetime import timedelta

import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import InDoubt, TryLater, Undeliverable
from domain.message import DeliveryState, HandedOver, Outgoing
from domain.status import Status
from notifications.dead_letters import replay
from notifications.reports import Reports
from notifications.timeline import Message, Timeline, Wanted, What, masked_contact
from tests.notifications.conftest import PHONE, Dispatch, Office, Phones, taken

OTHER = Contact(channel=ChannelName.SMS, address="+84912000111")


async def lives(office: Office, database: Database, wanted: Wanted | None = None) -> list[Message]:
    async with database.connection(Role.OPERATOR) as connection:
        return await Timeline(office.seal).messages(connection, wanted or Wanted())


def told(message: Message) -> list[tuple[str, str | None]]:
    return [(step.what, step.word) for step in message.steps]


async def test_from_the_event_to_the_receipt(office: Office, database: Database, dispatch: Dispatch) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(Phones(lambda _: HandedOver(provider_id="p-1", dong=700), name="line"))
    reports = Reports(database)
    await reports.report(route="line", state=DeliveryState.DELIVERED, provider_word="DELIVRD", message_id=1)
    await reports.report(route="line", state=DeliveryState.ON_ITS_WAY, provider_word="ACCEPTD", message_id=1)
    (message,) = await lives(office, database)
    assert told(message) == [
        (What.QUEUED, None),
        (What.CLAIMED, None),
        (What.HANDED_OVER, None),
        (What.REPORTED, "DELIVRD"),
        (What.REPORTED, "ACCEPTD"),
    ]
    assert message.steps[0].at == message.created_at
    assert [step.at for step in message.steps] == sorted(step.at for step in message.steps)
    assert (message.state, message.dong, message.provider_id) == (DeliveryState.DELIVERED, 700, "p-1")
    assert message.contact == "+84…67"


async def test_an_attempt_that_did_not_end_it_stays_in_its_life(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    answers = iter([TryLater("The provider answered 503."), InDoubt("The provider did not answer."), None])

    def answer(message: Outgoing) -> HandedOver:
        if error := next(answers):
            raise error
        return taken(message)

    await office.moves(await office.opens(), Status.PROCESSING)
    phones = Phones(answer, name="line")
    for _ in range(3):
        await dispatch.once(phones, calls=len(phones.called) + 1)
        await office.owner.execute("UPDATE message SET run_at = now()")
    (message,) = await lives(office, database)
    assert told(message) == [
        (What.QUEUED, None),
        (What.CLAIMED, None),
        (What.NOT_TAKEN, "The provider answered 503."),
        (What.CLAIMED, None),
        (What.IN_DOUBT, "The provider did not answer."),
        (What.CLAIMED, None),
        (What.HANDED_OVER, None),
    ]
    assert [step.attempt for step in message.steps] == [None, 1, 1, 2, 2, 3, None]


async def test_an_attempt_whose_process_died_is_said_to_be_cut_off(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    closed = Phones(closed=True)
    dying = dispatch.start(closed)
    await closed.until(lambda phones: bool(phones.called))
    await dispatch.kill(dying)
    await office.owner.execute("UPDATE message SET run_at = now()")
    await dispatch.once(Phones())
    (message,) = await lives(office, database)
    assert [step.what for step in message.steps] == [
        What.QUEUED,
        What.CLAIMED,
        What.CUT_OFF,
        What.CLAIMED,
        What.HANDED_OVER,
    ]


async def test_a_replay_takes_nothing_from_the_life_before_it(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    def refuses(message: Outgoing) -> HandedOver:
        raise Undeliverable("no credit")

    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(Phones(refuses))
    async with database.connection(Role.OPERATOR) as connection:
        await replay(connection, [1])
    await dispatch.once(Phones())
    (message,) = await lives(office, database)
    assert told(message) == [
        (What.QUEUED, None),
        (What.CLAIMED, None),
        (What.ENDED, "no credit"),
        (What.REPLAYED, None),
        (What.CLAIMED, None),
        (What.HANDED_OVER, None),
    ]


async def test_the_way_climbed_is_told_from_both_ends(office: Office, database: Database) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await office.owner.execute(
        """INSERT INTO message (dossier_id, expires_at, kind, channel, contact_digest, address_sealed, climbed_from)
           SELECT dossier_id, expires_at, kind, channel, contact_digest, address_sealed, id FROM message"""
    )
    await office.owner.execute("UPDATE message SET state = 70, settled_at = now(), failure = 'off' WHERE id = 1")
    above, below = await lives(office, database)
    assert [(step.what, step.other) for step in above.steps][1:] == [(What.CLIMBED_FROM, 1)]
    assert (What.CLIMBED_TO, above.message_id) in [(step.what, step.other) for step in below.steps]


async def test_messages_are_found_by_dossier_contact_state_channel_agency_and_time(
    office: Office, database: Database
) -> None:
    first, second = await office.opens(), await office.opens(phone=OTHER)
    await office.moves(first, Status.PROCESSING)
    await office.moves(second, Status.PROCESSING)
    await office.owner.execute(
        """INSERT INTO inbound (channel, provider_id, sender_digest, sender_sealed, recipient, text_sealed, text_digest,
                                received_at)
           VALUES ('sms', '1', $1, '', '', '', '', now())""",
        office.seal.contact(PHONE),
    )
    await office.answers("an answer", inbound_id=await office.owner.fetchval("SELECT max(id) FROM inbound"))
    await office.owner.execute("UPDATE message SET created_at = now() - interval '2 days' WHERE id = 1")
    await office.owner.execute("UPDATE message SET state = 63, settled_at = now() WHERE id = 2")

    async def found(**wanted: object) -> list[int]:
        return [message.message_id for message in await lives(office, database, Wanted(**wanted))]  # type: ignore[arg-type]

    code = await office.owner.fetchval("SELECT code FROM dossier WHERE id = $1", first)
    await office.owner.execute(
        "INSERT INTO dossier_code (code, dossier_id, test, owner_agency) VALUES ($1, $2, false, $3)",
        code,
        first,
        office.agency_id,
    )
    now = await office.owner.fetchval("SELECT now()")
    assert await found() == [3, 2, 1]
    assert await found(dossier=code) == [1]
    assert await found(contact=office.seal.contact(PHONE)) == [3, 1]
    assert await found(states=(DeliveryState.DEAD,)) == [2]
    assert await found(channel="zalo") == []
    assert await found(agency_id=office.agency_id) == [2, 1]
    assert await found(since=now - timedelta(hours=1)) == [3, 2]
    assert await found(since=now + timedelta(hours=1)) == []
    assert await found(before=2) == [1]


@pytest.mark.parametrize(
    ("channel", "address", "shown"),
    [
        ("sms", "+84901234567", "+84…67"),
        ("telegram", "5000001234567", "…67"),
        ("telegram", "12345", "…"),
        ("email", "nguyen.van.an@example.vn", "n…@example.vn"),
    ],
)
def test_a_contact_shows_less_than_proves_anything(channel: str, address: str, shown: str) -> None:
    assert masked_contact(channel, address) == shown
