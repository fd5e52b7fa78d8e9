"""What receivers hear: each change, in order, again and again while they fail, and never after they said stop."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import WebhookVerificationError

from domain.message import DeliveryState
from domain.status import Status
from notifications.callbacks.courier import Answer, Call, Caller, sweep
from notifications.callbacks.deliveries import Progress
from notifications.callbacks.receivers import ReceiverState
from tests.lookup.sent import facts, hour
from tests.notifications.callbacks.conftest import QUICK, Hook, Stage

DELIVERED, DEAD, QUEUED = int(DeliveryState.DELIVERED), int(DeliveryState.DEAD), int(DeliveryState.QUEUED)
RECORDED_EARLIER = "UPDATE callback_change SET recorded_at = recorded_at - $1::interval"


def answering(status: int, **headers: str) -> Any:  # noqa: ANN401 - an Answering
    """Always this."""
    return lambda _heard: web.Response(status=status, headers=headers)


async def test_a_change_is_told_signed_and_verifies_with_the_standard_library(stage: Stage, hook: Hook) -> None:
    receiver, secret = await stage.listens(hook)
    code = await stage.changes(1, Status.ACCEPTED, Status.PROCESSING)
    first, second = await stage.once(hook, calls=2)
    said = second.opened_with(secret)
    assert said["type"] == "dossier.status_changed"
    told = said["data"]
    assert isinstance(told, dict)
    assert {name: told[name] for name in ("code", "agency", "version", "status", "previous_status", "stage")} == {
        "code": code,
        "agency": "H05.16",
        "version": 2,
        "status": 4,
        "previous_status": 2,
        "stage": "in_progress",
    }
    assert first.opened_with(secret)["type"] == "dossier.created"
    assert first.headers["content-type"] == "application/json"
    assert first.message_id != second.message_id
    with pytest.raises(WebhookVerificationError):
        second.opened_with("whsec_" + "A" * 44)
    page = await stage.deliveries.list(stage.tenant(), receiver.receiver_id, progress=None, cursor=None, limit=10)
    assert [(d.message_id, d.progress, d.answered) for d in page.items] == [
        (second.message_id, Progress.DELIVERED, 204),
        (first.message_id, Progress.DELIVERED, 204),
    ]


async def test_where_nobody_listens_no_journal_is_kept(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook, "H26")
    await stage.changes(1, Status.ACCEPTED)
    assert await stage.owner.fetchval("SELECT count(*) FROM callback_change") == 0


async def test_those_above_hear_strangers_and_test_keys_do_not(stage: Stage, hook: Hook, other_hook: Hook) -> None:
    await stage.listens(hook, "H05")
    await stage.listens(other_hook, "H26")
    await stage.listens(other_hook, test=True)
    await stage.changes(1, Status.ACCEPTED)
    assert len(await stage.once(hook, calls=1)) == 1
    assert await stage.states() == [DELIVERED]
    assert other_hook.heard == []


async def test_a_receiver_of_a_test_key_hears_of_test_dossiers_alone(
    stage: Stage, hook: Hook, other_hook: Hook
) -> None:
    _, secret = await stage.listens(hook, test=True)
    await stage.listens(other_hook)
    await stage.changes(1, Status.ACCEPTED, test=True)
    (heard,) = await stage.once(hook, calls=1)
    data = heard.opened_with(secret)["data"]
    assert isinstance(data, dict)
    assert data["test"] is True
    assert other_hook.heard == []


async def test_only_the_statuses_asked_for_are_told(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook, statuses=[Status.COMPLETED])
    code = await stage.changes(1, Status.ACCEPTED, Status.PROCESSING, Status.COMPLETED)
    heard = await stage.once(hook, calls=1)
    assert [one.told for one in heard] == [(code, 3)]


async def test_while_secrets_change_both_sign(stage: Stage, hook: Hook) -> None:
    receiver, old = await stage.listens(hook)
    _, lost = await stage.receivers.renew_secret(stage.tenant(), receiver.receiver_id)
    renewed, new = await stage.receivers.renew_secret(stage.tenant(), receiver.receiver_id)
    assert renewed.old_secret_until is not None
    await stage.changes(1, Status.ACCEPTED)
    (heard,) = await stage.once(hook, calls=1)
    assert heard.opened_with(old) == heard.opened_with(new)
    with pytest.raises(WebhookVerificationError):
        heard.opened_with(lost)
    await stage.later(timedelta(hours=25))
    await stage.changes(2, Status.ACCEPTED)
    *_, second = await stage.once(hook, calls=2)
    second.opened_with(new)
    with pytest.raises(WebhookVerificationError):
        second.opened_with(old)


async def test_order_is_kept_within_a_dossier_and_others_do_not_wait(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    stuck = await stage.changes(1, Status.ACCEPTED)
    hook.answer = lambda heard: web.Response(status=500 if heard.told[0] == stuck else 200)
    await stage.once(hook, calls=1)
    await stage.changes(1, Status.PROCESSING, Status.COMPLETED)
    free = await stage.changes(2, Status.ACCEPTED, Status.PROCESSING)
    await stage.later(timedelta(seconds=2))  # the receiver's peace
    await stage.once(hook, calls=3)
    assert [heard.told for heard in hook.heard] == [(stuck, 1), (free, 1), (free, 2)]
    hook.answer = answering(200)
    await stage.later(timedelta(minutes=10))
    await stage.once(hook, calls=6)
    assert [heard.told for heard in hook.heard[3:]] == [(stuck, 1), (stuck, 2), (stuck, 3)]
    assert hook.heard[0].message_id == hook.heard[3].message_id


class DiesBeforeWriting:
    """Calls, and never returns with the answer."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.answered = asyncio.Event()

    async def call(self, call: Call) -> Answer:
        """Until killed."""
        await self.caller.call(call)
        self.answered.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_killed_between_call_and_record_the_same_message_comes_again(stage: Stage, hook: Hook) -> None:
    _, secret = await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED)
    dying = DiesBeforeWriting(stage.caller)
    courier = stage.start(caller=dying)
    await dying.answered.wait()
    await stage.kill(courier)
    assert await stage.states() == [DeliveryState.CLAIMED]
    await stage.once(hook, calls=1)  # the lease still stands: nothing is sent
    assert len(hook.heard) == 1
    await stage.later(QUICK.lease)
    first, second = await stage.once(hook, calls=2)
    assert first.message_id == second.message_id
    assert first.body == second.body
    second.opened_with(secret)
    assert await stage.states() == [DELIVERED]


async def test_an_outcome_that_comes_after_the_lease_is_not_written(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED)
    hook.open.clear()
    hook.answer = answering(500)
    slow = stage.start()
    await hook.hears(1)
    await stage.later(QUICK.lease)
    quick = stage.start()
    await hook.hears(2)
    await stage.owner.execute("UPDATE callback_delivery SET fence = fence + 1")  # a third took it over
    hook.open.set()
    await stage.stop(slow)
    await stage.stop(quick)
    assert await stage.states() == [DeliveryState.CLAIMED]


async def test_a_receiver_away_for_three_days_is_suspended_and_hears_all_when_it_asks(stage: Stage, hook: Hook) -> None:
    receiver, _ = await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED)
    hook.answer = answering(503)
    waited = timedelta(0)
    for call in range(1, 11):
        await stage.once(hook, calls=call)
        left = await stage.owner.fetchval("SELECT run_at - now() FROM callback_delivery WHERE state = 0")
        if left is not None:
            waited += left
            await stage.later(left)
    assert timedelta(hours=75) < waited < timedelta(hours=91)
    assert await stage.states() == [DEAD]
    seen = await stage.receivers.get(stage.tenant(), receiver.receiver_id)
    assert (seen.state, seen.failures) == (ReceiverState.SUSPENDED, 10)
    assert seen.reason == "No call succeeded for three days."
    await stage.changes(2, Status.ACCEPTED)
    hook.answer = answering(200)
    replayed = await stage.deliveries.replay(stage.tenant(), receiver.receiver_id)
    assert replayed.queued == 1
    await stage.once(hook, calls=12)
    assert len({heard.message_id for heard in hook.heard[:11]}) == 1
    assert await stage.states() == [DELIVERED, DELIVERED]


async def test_a_receiver_that_returns_is_caught_up_with_at_once(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    hook.answer = answering(500)
    for number in range(1, 4):
        await stage.changes(number, Status.ACCEPTED)
        await stage.once(hook, calls=number)
        await stage.later(timedelta(seconds=20))
    await stage.owner.execute("UPDATE callback_delivery SET run_at = now() + interval '20 hours' WHERE state = 0")
    await stage.later(timedelta(minutes=2))
    hook.answer = answering(200)
    await stage.changes(4, Status.ACCEPTED)
    await stage.once(hook, calls=7)
    assert await stage.states() == [DELIVERED] * 4


async def test_one_that_fails_is_asked_by_one_call_at_a_time(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    hook.answer = answering(500)
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    for number in range(2, 8):
        await stage.changes(number, Status.ACCEPTED)
    await stage.later(timedelta(seconds=1))
    await stage.once(hook, calls=2)
    assert len(hook.heard) == 2
    assert await stage.owner.fetchval("SELECT rest_until > now() + interval '1 s' FROM callback_receiver")


async def test_410_disables(stage: Stage, hook: Hook) -> None:
    receiver, _ = await stage.listens(hook)
    hook.answer = answering(410)
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    await stage.changes(2, Status.ACCEPTED)
    await stage.later(timedelta(hours=1))
    courier = stage.start()
    await stage.until("SELECT count(*) = 2 FROM callback_delivery")
    await stage.stop(courier)
    assert len(hook.heard) == 1
    assert await stage.states() == [DEAD, QUEUED]
    seen = await stage.receivers.get(stage.tenant(), receiver.receiver_id)
    assert (seen.state, seen.reason) == (ReceiverState.DISABLED, "The receiver answered 410 Gone.")


async def test_whoever_is_named_is_written_to_when_calls_end(stage: Stage, hook: Hook) -> None:
    receiver, _ = await stage.receivers.add(
        stage.tenant(), f"{hook.url}/named", statuses=None, description="", email="truc@example.gov.vn"
    )
    hook.answer = answering(410)
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    (row,) = await stage.owner.fetch("SELECT * FROM message")
    assert (row["channel"], stage.seal.open(row["address_sealed"])) == ("email", "truc@example.gov.vn")
    said = stage.seal.open(row["text_sealed"])
    assert "410" in said
    assert f"POST /api/v1/callbacks/{receiver.receiver_id}/replay" in said


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(stage: Stage, hook: Hook, other_hook: Hook, status: int) -> None:
    await stage.listens(hook)
    hook.answer = answering(status, Location=other_hook.url)
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    assert (len(hook.heard), other_hook.heard) == (1, [])
    assert await stage.states() == [QUEUED]


async def test_retry_after_is_kept(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    hook.answer = answering(429, **{"Retry-After": "600"})
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    row = await stage.owner.fetchrow(
        "SELECT d.run_at - now() AS wait, r.rest_until - now() AS rest FROM callback_delivery d, callback_receiver r"
    )
    assert timedelta(seconds=595) < row["wait"] < timedelta(seconds=602)
    assert timedelta(seconds=595) < row["rest"] < timedelta(seconds=602)


async def test_a_slow_receiver_has_four_places_and_holds_up_nobody(stage: Stage, hook: Hook, other_hook: Hook) -> None:
    slow, quick = hook, other_hook
    slow.open.clear()
    await stage.listens(slow)
    await stage.listens(quick)
    for number in range(1, 21):
        await stage.changes(number, Status.ACCEPTED)
    first, second = stage.start(), stage.start()
    await quick.hears(20)
    assert (len(slow.heard), slow.most_busy) == (4, 4)
    slow.open.set()
    await slow.hears(20)
    assert slow.most_busy == 4
    await stage.stop(first)
    await stage.stop(second)


async def test_everything_after_a_message_is_told_again_in_order(stage: Stage, hook: Hook) -> None:
    receiver, _ = await stage.listens(hook)
    code = await stage.changes(1, Status.ACCEPTED, Status.PROCESSING, Status.COMPLETED)
    heard = list(await stage.once(hook, calls=3))
    replayed = await stage.deliveries.replay(stage.tenant(), receiver.receiver_id, after=heard[0].message_id)
    assert (replayed.queued, replayed.last, replayed.more) == (2, heard[2].message_id, False)
    again = (await stage.once(hook, calls=5))[3:]
    assert [(one.message_id, one.told) for one in again] == [
        (heard[1].message_id, (code, 2)),
        (heard[2].message_id, (code, 3)),
    ]
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    assert (await stage.deliveries.replay(stage.tenant(), receiver.receiver_id, since=long_ago)).queued == 3
    assert (await stage.deliveries.replay(stage.tenant(), receiver.receiver_id, since=datetime.now(UTC))).queued == 0


async def test_a_receiver_that_is_new_may_ask_for_what_was_before_it(
    stage: Stage, hook: Hook, other_hook: Hook
) -> None:
    await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED, Status.PROCESSING)
    await stage.once(hook, calls=2)
    late, _ = await stage.listens(other_hook, statuses=[Status.PROCESSING])
    await stage.deliveries.replay(stage.tenant(), late.receiver_id, since=datetime(2026, 1, 1, tzinfo=UTC))
    (heard,) = await stage.once(other_hook, calls=1)
    assert heard.told[1] == 2


async def test_a_deleted_receiver_hears_no_more_and_is_forgotten(stage: Stage, hook: Hook) -> None:
    receiver, _ = await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED)
    await stage.receivers.delete(stage.tenant(), receiver.receiver_id)
    courier = stage.start()
    await stage.until("SELECT count(*) = 0 FROM callback_listener")
    await stage.stop(courier)
    assert hook.heard == []
    await stage.owner.execute("UPDATE callback_receiver SET changed_at = now() - interval '1 day'")
    await sweep(stage.database)
    assert await stage.owner.fetchval("SELECT count(*) FROM callback_receiver") == 0


async def test_what_is_older_than_35_days_is_forgotten(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    await stage.owner.execute(RECORDED_EARLIER, timedelta(days=34))
    await sweep(stage.database)
    assert await stage.states() == [DELIVERED]
    await stage.owner.execute(RECORDED_EARLIER, timedelta(days=2))
    await sweep(stage.database)
    assert await stage.states() == []
    assert await stage.owner.fetchval("SELECT count(*) FROM callback_change") == 0


async def test_no_person_is_named(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    named = facts(
        stage.tenant(), Status.ACCEPTED, hour(1), phone="+84901234567", email="an@example.vn", note="Trần Thị Bình"
    )
    await stage.writer.store(stage.tenant(), [named])
    (heard,) = await stage.once(hook, calls=1)
    said = heard.body.decode() + str(heard.headers)
    assert [word for word in ("Nguyễn", "Bình", "84901234567", "example.vn") if word in said] == []
