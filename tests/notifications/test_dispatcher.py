"""What is queued goes out once, whatever the provider, the database or a neighbour message does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from database.pool import Database, Role, open_database
from database.supervision import RESTARTS
from domain.contact import ChannelName, Contact
from domain.errors import Gone, InDoubt, TryLater, Undeliverable
from domain.message import Choice, DeliveryState, HandedOver, Lane, Outgoing
from domain.status import Status
from notifications.claims import Claimed
from notifications.dispatcher import Dispatcher, Dispatching
from notifications.notices import Notices
from notifications.subscriptions import Subscriptions
from service.embedded import EmbeddedServers
from tests.notifications.conftest import PHONE, QUICK, Dispatch, Office, Phones

NEVER = timedelta(hours=1)


def raising(error: BaseException) -> Callable[[Outgoing], HandedOver]:
    """A provider that answers every call so."""

    def answer(message: Outgoing) -> HandedOver:
        raise error

    return answer


def restarts(loop: str) -> float:
    """How often the supervisor has started `loop` again."""
    value: float = RESTARTS.labels(loop)._value.get()
    return value


async def test_a_change_is_told_as_soon_as_it_is_committed(office: Office, dispatch: Dispatch) -> None:
    phones = Phones(lambda message: HandedOver(provider_id=f"p{message.message_id}"))
    dispatcher = dispatch.start(phones, Dispatching(poll=NEVER))
    await office.moves(await office.opens(), Status.PROCESSING)
    await phones.until(lambda phones: len(phones.told) == 1)
    (told,) = phones.told
    assert told.to == PHONE
    assert told.text.startswith("HS H05.16-261102-0001: dang giai quyet.")
    await dispatch.stop(dispatcher)
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["route"], row["provider_id"]) == (30, "phones", f"p{told.message_id}")
    assert row["handed_over_at"] is not None
    assert row["settled_at"] is None


async def test_a_reply_goes_out_as_it_was_written_from_the_number_that_was_asked(
    office: Office, dispatch: Dispatch, database: Database
) -> None:
    phones = Phones()
    async with database.transaction(Role.WORKER) as connection:
        await office.outbox.reply(connection, 1, PHONE, "Chưa rõ mã. Xin gửi lại.", our_sender="8088")
    await dispatch.once(phones)
    assert [(told.text, told.sender) for told in phones.told] == [("Chưa rõ mã. Xin gửi lại.", "8088")]


async def test_the_buttons_of_a_reply_and_the_last_word_of_a_chat_go_along(
    office: Office, dispatch: Dispatch, database: Database
) -> None:
    chat, choice = Contact(channel=ChannelName("zalo"), address="7"), Choice(label="Xem", says="H05.16-261102-0001")
    said_at = datetime(2026, 11, 2, 3, tzinfo=UTC)
    await office.owner.execute(
        "INSERT INTO inbound (channel, provider_id, sender_digest, sender_sealed, recipient, text_sealed, text_digest,"
        " received_at, handled_at) VALUES ('zalo', 'z1', $1, '', '', '', '', $2, now())",
        office.seal.contact(chat),
        said_at,
    )
    async with database.transaction(Role.WORKER) as connection:
        await office.outbox.reply(connection, 1, chat, "Chưa rõ mã.", choices=[choice])
    phones = Phones()
    await dispatch.once(phones, channel=chat.channel)
    assert [(told.choices, told.last_heard, told.facts) for told in phones.told] == [((choice,), said_at, {})]


async def test_a_notice_names_its_parts_for_templates(office: Office, dispatch: Dispatch) -> None:
    phones = Phones()
    await office.moves(await office.opens(), Status.PROCESSING)
    await dispatch.once(phones)
    (told,) = phones.told
    assert told.facts["code"] == "H05.16-261102-0001"
    assert told.facts["status"] == "Đang xử lý"
    assert [choice.says for choice in told.choices] == ["H05.16-261102-0001", "BO H05.16-261102-0001"]


async def test_whoever_has_left_a_channel_is_told_nothing_more_there(office: Office, dispatch: Dispatch) -> None:
    dossier = await office.opens()
    await office.moves(dossier, Status.PROCESSING)
    await dispatch.once(Phones(raising(Gone("bot was blocked"))))
    assert await office.states() == [DeliveryState.FAILED]
    assert await office.owner.fetchval("SELECT source FROM opt_out") == "left"
    assert await office.owner.fetchval("SELECT act FROM consent_act") == "stop_all"
    await office.moves(dossier, Status.COMPLETED)
    assert await office.states() == [DeliveryState.FAILED]


async def test_the_route_that_was_chosen_is_the_one_written_down(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    await dispatch.once(Phones(lambda _message: HandedOver(provider_id="x", route="second")))
    assert await office.owner.fetchval("SELECT route FROM message") == "second"


async def test_without_a_wake_up_the_poll_finds_what_waits(office: Office, dispatch: Dispatch) -> None:
    phones = Phones()
    dispatch.start(phones)
    await office.moves(await office.opens(), Status.PROCESSING)
    await phones.until(lambda phones: len(phones.told) == 1)
    await office.until("SELECT state = 30 FROM message")
    # Put back without a NOTIFY.
    await office.owner.execute("UPDATE message SET state = 0, run_at = now()")
    await phones.until(lambda phones: len(phones.told) == 2)


async def test_two_dispatchers_send_each_message_once(office: Office, dispatch: Dispatch) -> None:
    for inbound_id in range(1, 401):
        await office.answers("…", inbound_id=inbound_id)
    phones = Phones(concurrency=20)
    dispatchers = [dispatch.start(phones, Dispatching(batch=7)) for _ in range(2)]
    await phones.until(lambda phones: len(phones.told) >= 400)
    for dispatcher in dispatchers:
        await dispatch.stop(dispatcher)
    assert sorted(told.message_id for told in phones.told) == list(range(1, 401))
    assert set(await office.states()) == {DeliveryState.HANDED_OVER}


async def test_no_more_calls_are_open_than_the_route_allows(office: Office, dispatch: Dispatch) -> None:
    for inbound_id in range(1, 31):
        await office.answers("…", inbound_id=inbound_id)
    phones = Phones(concurrency=4, closed=True)
    dispatcher = dispatch.start(phones)
    await phones.until(lambda phones: phones.busy == 4)
    claimed = await office.owner.fetchval("SELECT count(*) FROM message WHERE state = 10")
    assert claimed == 4
    phones.opened.set()
    await phones.until(lambda phones: len(phones.told) == 30)
    await dispatch.stop(dispatcher)
    assert phones.most_busy == 4


async def test_a_full_route_still_has_places_for_replies(office: Office, dispatch: Dispatch) -> None:
    """G09: sixteen places, two of them kept for who is waiting."""
    for _ in range(20):
        await office.moves(await office.opens(), Status.PROCESSING)
    phones = Phones(concurrency=16, closed=True)
    dispatch.start(phones)
    await phones.until(lambda phones: phones.busy == 14)
    reply = await office.answers("HS: dung han.")
    await phones.until(lambda phones: reply in phones.called)
    assert phones.busy == 15


async def test_a_hanging_channel_delays_no_other(office: Office, dispatch: Dispatch, database: Database) -> None:
    """G34."""
    hanging, chat = Phones(name="hanging", concurrency=2, closed=True), Phones(name="chat")
    senders = {ChannelName.SMS: hanging, ChannelName("zalo"): chat}
    dispatcher = Dispatcher(database, senders, dispatch.notices, Dispatching(poll=NEVER))
    dispatch.running[dispatcher] = asyncio.create_task(dispatcher.run())
    for inbound_id in range(1, 11):
        await office.answers("…", inbound_id=inbound_id)
    await hanging.until(lambda phones: phones.busy == 2)
    for inbound_id in range(11, 31):
        await office.answers("…", inbound_id=inbound_id, to=Contact(channel=ChannelName("zalo"), address="7"))
    await chat.until(lambda phones: len(phones.told) == 20)
    assert len(hanging.called) == 2


async def test_a_refusal_for_good_ends_at_once(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    await dispatch.once(Phones(raising(Undeliverable("wrong number"))))
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["failure"], row["attempts"]) == (DeliveryState.FAILED, "wrong number", 1)
    assert row["settled_at"] is not None


@pytest.mark.parametrize("error", [TryLater("full"), ConnectionRefusedError(), TimeoutError()])
async def test_what_was_not_taken_is_tried_again_at_once_then_after_half_a_minute(
    office: Office, dispatch: Dispatch, error: Exception
) -> None:
    await office.answers("…")
    await dispatch.once(Phones(raising(error)), calls=2)
    row = await office.owner.fetchrow("SELECT *, extract(epoch FROM run_at - now()) AS wait FROM message")
    assert (row["state"], row["attempts"], row["faults"], row["doubts"]) == (DeliveryState.QUEUED, 2, 0, 0)
    assert 15 < row["wait"] <= 36


async def test_the_providers_wish_to_wait_is_kept(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    await dispatch.once(Phones(raising(TryLater("slow down", after=timedelta(minutes=20)))))
    row = await office.owner.fetchrow("SELECT *, extract(epoch FROM run_at - now()) AS wait FROM message")
    assert row["state"] == DeliveryState.QUEUED
    assert 1190 < row["wait"] <= 1201


async def test_a_message_that_cannot_be_tried_before_it_expires_is_expired(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    await dispatch.once(Phones(raising(TryLater("closed", after=timedelta(hours=2)))))
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["failure"]) == (DeliveryState.EXPIRED, "closed")


@pytest.mark.parametrize(("notice", "wait"), [(False, 60), (True, 600)])
async def test_a_message_in_doubt_waits_for_its_report_and_is_sent_again_once(
    office: Office, dispatch: Dispatch, *, notice: bool, wait: int
) -> None:
    """G32: never a blind retry, and never a third time."""
    if notice:
        await office.moves(await office.opens(), Status.PROCESSING)
    else:
        await office.answers("…")
    phones = Phones(raising(InDoubt("no answer")))
    await dispatch.once(phones)
    row = await office.owner.fetchrow("SELECT *, extract(epoch FROM run_at - now()) AS wait FROM message")
    assert (row["state"], row["doubts"]) == (DeliveryState.IN_DOUBT, 1)
    assert wait - 30 < row["wait"] <= wait
    await office.owner.execute("UPDATE message SET run_at = now()")
    await dispatch.once(phones, calls=2)
    assert await office.states() == [DeliveryState.NO_RECEIPT]
    await office.owner.execute("UPDATE message SET run_at = now()")
    marker = await office.answers("after it", inbound_id=2)
    await dispatch.once(phones, calls=3)
    assert phones.called.count(marker) == 1


async def test_a_call_that_never_ends_is_in_doubt(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    phones = Phones(closed=True)
    await dispatch.once(phones, Dispatching(call_limit=timedelta(milliseconds=50)))
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["failure"]) == (DeliveryState.IN_DOUBT, "no answer in time")
    assert phones.told == []


async def test_an_unknown_error_is_tried_five_times_and_then_dead(office: Office, dispatch: Dispatch) -> None:
    """Personal data in an error's text is not kept: its type is."""
    await office.answers("…")
    phones = Phones(raising(KeyError("0901234567")))
    for calls in (2, 3, 4, 5):
        await dispatch.once(phones, calls=calls)
        await office.owner.execute("UPDATE message SET run_at = now()")
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["faults"], row["failure"]) == (DeliveryState.DEAD, 5, "KeyError")
    assert len(phones.called) == 5


async def test_a_row_that_cannot_be_worded_stops_nobody_else(office: Office, dispatch: Dispatch) -> None:
    """G08: one poisoned row among a hundred."""
    for inbound_id in range(1, 101):
        await office.answers("…", inbound_id=inbound_id)
    await office.owner.execute("UPDATE message SET address_sealed = $1 WHERE id = 50", b"\x01" + bytes(40))
    phones = Phones()
    dispatcher = dispatch.start(phones)
    await phones.until(lambda phones: len(phones.told) == 99)
    for faults in range(2, 6):
        await office.owner.execute("UPDATE message SET run_at = now() WHERE id = 50 AND state = 0")
        await office.until("SELECT faults >= $1 AND state <> 10 FROM message WHERE id = 50", faults)
    await dispatch.stop(dispatcher)
    row = await office.owner.fetchrow("SELECT state, faults, failure FROM message WHERE id = 50")
    assert (row["state"], row["faults"], row["failure"]) == (DeliveryState.DEAD, 5, "Unsealable")
    assert 50 not in phones.called


async def test_a_notice_of_a_dossier_that_is_gone_is_not_sent(office: Office, dispatch: Dispatch) -> None:
    await office.moves(await office.opens(), Status.PROCESSING)
    await office.owner.execute("DELETE FROM dossier")
    phones = Phones()
    await office.answers("after it")
    await dispatch.once(phones)
    assert await office.states() == [DeliveryState.EXPIRED, DeliveryState.HANDED_OVER]


async def test_a_killed_dispatchers_messages_go_out_after_the_lease(office: Office, dispatch: Dispatch) -> None:
    """The lease runs by the database's clock; what was in flight goes out again, as nobody can know."""
    for inbound_id in range(1, 4):
        await office.answers("…", inbound_id=inbound_id)
    dying, living = Phones(closed=True), Phones()
    dispatcher = dispatch.start(dying, Dispatching(lease=timedelta(seconds=2), call_limit=timedelta(seconds=1.5)))
    await dying.until(lambda phones: phones.busy == 3)
    await dispatch.kill(dispatcher)
    assert await office.states() == [DeliveryState.CLAIMED] * 3
    leased = {row["id"]: row for row in await office.owner.fetch("SELECT id, run_at, attempts FROM message")}
    await dispatch.once(living, calls=3)
    for row in await office.owner.fetch("SELECT * FROM message"):
        assert (row["state"], row["faults"]) == (DeliveryState.HANDED_OVER, 1)
        assert row["attempts"] == leased[row["id"]]["attempts"] + 1
        assert row["handed_over_at"] > leased[row["id"]]["run_at"]


async def test_a_dispatcher_that_slept_through_its_lease_writes_nothing(office: Office, dispatch: Dispatch) -> None:
    """G03: stopped for two minutes and woken; another has long sent the message."""
    await office.answers("…")
    sleeping = Phones(raising(Undeliverable("wrong number")), concurrency=1, closed=True)
    awake = Phones()
    sleeper = dispatch.start(sleeping, Dispatching(poll=NEVER))
    await sleeping.until(lambda phones: phones.busy == 1)
    await office.owner.execute("UPDATE message SET run_at = now()")
    await dispatch.once(awake)
    sleeping.opened.set()
    await dispatch.stop(sleeper)
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["attempts"], row["failure"]) == (DeliveryState.HANDED_OVER, 2, None)


async def test_a_call_is_not_begun_when_the_lease_may_end_before_it(office: Office, dispatch: Dispatch) -> None:
    """The process stands still between claim and call, once: the message goes back unsent and is claimed anew."""
    await office.answers("…")
    stood_still: list[int] = []

    class Standing(Notices):
        def outgoing(self, row: Claimed) -> Outgoing:
            if not stood_still:
                stood_still.append(row.fence)
                time.sleep(0.6)
            return super().outgoing(row)

    phones = Phones()
    how = Dispatching(lease=timedelta(seconds=5), call_limit=timedelta(seconds=4.5))
    dispatcher = dispatch.start(phones, how, notices=Standing(office.seal, dispatch.notices._registry))
    await phones.until(lambda phones: len(phones.told) == 1)
    await dispatch.stop(dispatcher)
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert stood_still == [1]
    assert (row["state"], row["faults"]) == (DeliveryState.HANDED_OVER, 0)
    assert row["attempts"] >= 2


def test_a_lease_that_cannot_cover_a_call_is_refused() -> None:
    with pytest.raises(ValueError, match="lease"):
        Dispatching(lease=timedelta(seconds=10), call_limit=timedelta(seconds=10))


@pytest.mark.parametrize("word", ["nul \x00, half a pair \ud800", "x" * 5000])
async def test_nothing_a_provider_says_keeps_an_outcome_from_being_written(
    office: Office, dispatch: Dispatch, word: str
) -> None:
    def answer(message: Outgoing) -> HandedOver:
        if message.message_id == 1:
            raise Undeliverable(word)
        return HandedOver(provider_id=word)

    for inbound_id in (1, 2):
        await office.answers("…", inbound_id=inbound_id)
    await dispatch.once(Phones(answer), calls=2)
    assert await office.states() == [DeliveryState.FAILED, DeliveryState.HANDED_OVER]


async def test_a_message_that_kills_its_process_is_dead_after_five(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    for _ in range(5):
        phones = Phones(closed=True)
        dispatcher = dispatch.start(phones)
        await phones.until(lambda phones: phones.busy == 1)
        await dispatch.kill(dispatcher)
        await office.owner.execute("UPDATE message SET run_at = now()")
    phones = Phones()
    await office.answers("after it", inbound_id=2)
    await dispatch.once(phones)
    assert await office.states() == [DeliveryState.DEAD, DeliveryState.HANDED_OVER]


async def test_stopping_finishes_what_is_on_its_way_and_takes_nothing_new(office: Office, dispatch: Dispatch) -> None:
    """G11."""
    for inbound_id in range(1, 6):
        await office.answers("…", inbound_id=inbound_id)
    phones = Phones(concurrency=2, closed=True)
    dispatcher = dispatch.start(phones)
    await phones.until(lambda phones: phones.busy == 2)
    dispatcher.stop()
    phones.opened.set()
    await dispatch.stop(dispatcher)
    assert len(phones.told) == 2
    assert sorted(await office.states()) == [DeliveryState.QUEUED] * 3 + [DeliveryState.HANDED_OVER] * 2


async def test_stopping_waits_its_grace_and_then_leaves_what_hangs_in_doubt(office: Office, dispatch: Dispatch) -> None:
    await office.answers("…")
    phones = Phones(closed=True)
    await dispatch.once(phones, Dispatching(grace=timedelta(milliseconds=50)))
    row = await office.owner.fetchrow("SELECT * FROM message")
    assert (row["state"], row["failure"]) == (DeliveryState.IN_DOUBT, "stopped while sending")


async def test_a_limited_route_leases_no_more_than_it_may_send(office: Office, dispatch: Dispatch) -> None:
    for inbound_id in range(1, 4):
        await office.answers("…", inbound_id=inbound_id)
    await dispatch.once(Phones(rate=0.01))
    rows = await office.owner.fetch("SELECT state, attempts FROM message ORDER BY id")
    assert [tuple(row) for row in rows] == [(DeliveryState.HANDED_OVER, 1), (DeliveryState.QUEUED, 0), (0, 0)]


async def test_a_routes_rate_is_kept_and_used(office: Office, dispatch: Dispatch) -> None:
    for inbound_id in range(1, 81):
        await office.answers("…", inbound_id=inbound_id)
    clock = asyncio.get_running_loop().time
    at: list[float] = []

    def answer(message: Outgoing) -> HandedOver:
        at.append(clock())
        return HandedOver(provider_id=None)

    phones = Phones(answer, rate=40, concurrency=40)
    await dispatch.once(phones, Dispatching(), calls=80)
    # What was due before the machine stood still may leave together with what was due after: one burst, no more.
    burst = 2
    assert max(sum(start <= other < start + 1 for other in at) for start in at) <= 40 + burst
    assert len(at) == 80


async def test_nobody_is_told_who_stops_while_messages_wait(office: Office, dispatch: Dispatch) -> None:
    """G45, checker C5: after the commit of the opt-out nothing is claimed any more."""
    for _ in range(30):
        await office.moves(await office.opens(), Status.PROCESSING)
    phones = Phones(concurrency=8, closed=True)
    dispatcher = dispatch.start(phones)
    await phones.until(lambda phones: phones.busy == 7)
    async with dispatch.database.transaction(Role.WORKER) as connection:
        await Subscriptions(office.seal).stop_all(connection, PHONE, source="keyword")
    phones.opened.set()
    await office.until("SELECT NOT EXISTS (SELECT FROM message WHERE state = 0)")
    await dispatch.stop(dispatcher)
    assert len(phones.called) == 7
    assert sorted(await office.states()) == [DeliveryState.HANDED_OVER] * 7 + [DeliveryState.OPTED_OUT] * 23


@asynccontextmanager
async def own_connections(dispatch: Dispatch, url: str, phones: Phones, name: str) -> AsyncIterator[Dispatcher]:
    """A dispatcher whose connections the database knows by `name`, so that they can be cut."""
    async with open_database(url, roles=(Role.WORKER,), application=name) as database:
        dispatcher = Dispatcher(database, {ChannelName.SMS: phones}, dispatch.notices, QUICK)
        dispatch.running[dispatcher] = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            if dispatcher in dispatch.running:
                await dispatch.kill(dispatcher)


async def until_restarted(office: Office, since: dict[str, float], times: int = 1) -> None:
    """Wait until the supervisor has started every loop of `since` again so often."""
    async with asyncio.timeout(20):
        while any(restarts(loop) < since[loop] + times for loop in since):
            await office.states()


async def test_lost_connections_are_replaced_and_nothing_is_lost(
    office: Office, dispatch: Dispatch, database_url: str
) -> None:
    since = {loop: restarts(loop) for loop in ("outbox listener", "outbox claiming", "outbox settling")}
    phones = Phones(closed=True)
    async with own_connections(dispatch, database_url, phones, "doomed") as dispatcher:
        for inbound_id in range(1, 4):
            await office.answers("…", inbound_id=inbound_id)
        await phones.until(lambda phones: phones.busy == 3)
        theirs = """FROM pg_stat_activity WHERE datname = current_database()
                     AND (application_name LIKE 'motma doomed %' OR application_name LIKE 'motma listener %')"""
        await office.until(f"SELECT count(*) = {len(since)} {theirs}")
        cut = await office.owner.fetch(f"SELECT pg_terminate_backend(pid) {theirs}")
        assert len(cut) == len(since)
        phones.opened.set()
        await office.answers("after it", inbound_id=4)
        await phones.until(lambda phones: len(phones.told) == 4)
        await until_restarted(office, since)
        await dispatch.stop(dispatcher)
    assert set(await office.states()) == {DeliveryState.HANDED_OVER}
    assert sorted(phones.called) == [1, 2, 3, 4]


async def test_stopping_does_not_wait_for_a_database_that_is_away(
    office: Office, dispatch: Dispatch, database_url: str, servers: EmbeddedServers
) -> None:
    elsewhere = await asyncpg.connect(servers.database_url)
    name = await office.owner.fetchval("SELECT current_database()")
    async with own_connections(dispatch, database_url, Phones(), "away") as dispatcher:
        since = {"outbox claiming": restarts("outbox claiming")}
        await elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await office.owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'motma away %'"
        )
        await until_restarted(office, since, times=2)
        await dispatch.stop(dispatcher)
    await elsewhere.close()


async def test_suspects_are_sent_one_at_a_time(office: Office, dispatch: Dispatch) -> None:
    for inbound_id in range(1, 5):
        await office.answers("…", inbound_id=inbound_id)
    await office.owner.execute("UPDATE message SET lane = $1, faults = 2", int(Lane.SUSPECT))
    phones = Phones()
    await dispatch.once(phones, calls=4)
    assert phones.most_busy == 1
    assert await office.states() == [DeliveryState.HANDED_OVER] * 4
