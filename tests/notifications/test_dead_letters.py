"""What was given up is listed with its reason, and sent again when asked."""

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Undeliverable
from domain.message import DeliveryState, HandedOver, MessageKind, Outgoing
from domain.status import Status
from notifications.dead_letters import Which, dead_letters, reasons, replay
from notifications.outbox import REPLY_EXPIRY
from notifications.subscriptions import Subscriptions
from tests.notifications.conftest import OFFICE, PHONE, Dispatch, Office, Phones

OTHER = Contact(channel=ChannelName.SMS, address="+84912000111")


def refuses(message: Outgoing) -> HandedOver:
    """A provider without money."""
    raise Undeliverable("no credit")


async def test_what_was_refused_is_listed_and_goes_out_when_replayed(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    dossier = await office.opens()
    await office.moves(dossier, Status.PROCESSING)
    await dispatch.once(Phones(refuses))
    async with database.connection(Role.OPERATOR) as operator:
        (letter,) = await dead_letters(operator, Which(agency_id=office.agency_id))
        assert (letter.state, letter.failure, letter.event) == (DeliveryState.FAILED, "no credit", "moved_on")
        assert (letter.agency, letter.dossier) == (OFFICE, "H05.16-261102-0001")
        (reason,) = await reasons(operator, letter.created_at)
        assert (reason.channel, reason.failure, reason.number) == ("sms", "no credit", 1)
        assert await dead_letters(operator, Which(channel="zalo")) == []
        assert await dead_letters(operator, Which(states=(DeliveryState.DEAD,))) == []
        assert await dead_letters(operator, Which(before=letter.message_id)) == []
        assert await replay(operator, [letter.message_id, 999]) == {letter.message_id}
        assert await replay(operator, [letter.message_id]) == set()
        assert await dead_letters(operator, Which()) == []
    phones = Phones()
    await dispatch.once(phones)
    assert [told.message_id for told in phones.told] == [letter.message_id]


async def test_a_replay_asks_again_whether_its_person_wants_it(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await office.owner.execute("UPDATE message SET state = 63, faults = 5, lane = 3, attempts = 5, settled_at = now()")
    async with database.transaction(Role.WORKER) as worker:
        await Subscriptions(office.seal).stop_all(worker, PHONE, source="keyword")
    async with database.connection(Role.OPERATOR) as operator:
        assert await replay(operator, [1]) == {1}
    await office.answers("after it", to=OTHER)
    await dispatch.once(Phones())
    assert await office.states() == [DeliveryState.OPTED_OUT, DeliveryState.HANDED_OVER]


async def test_a_code_nobody_waits_for_is_not_sent_again(office: Office, database: Database) -> None:
    async with database.transaction(Role.WORKER) as worker:
        await office.outbox.queue(worker, PHONE, "123456", kind=MessageKind.CODE, expires_in=REPLY_EXPIRY)
    await office.owner.execute("UPDATE message SET state = 70")
    async with database.connection(Role.OPERATOR) as operator:
        assert await replay(operator, [1]) == set()
