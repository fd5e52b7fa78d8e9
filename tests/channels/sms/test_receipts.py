"""What gateways report of our messages: late, twice, out of order, about others, or never (guarantees G36)."""

import random
from dataclasses import dataclass
from datetime import timedelta

import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from domain.message import DeliveryState, MessageKind
from lookup.sealing import Seal
from notifications.outbox import Outbox
from notifications.reports import Reports
from tests.channels.sms.callers import (
    ACCOUNT,
    CALLERS,
    ESMS,
    INFOBIP,
    SECRET,
    esms_status,
    from_infobip,
    recorded,
    signed_by_twilio,
    signed_by_vonage,
)
from tests.channels.sms.calling import Around, Call, Caller
from tests.channels.sms.conftest import Line, Serve

calling = pytest.mark.parametrize("caller", CALLERS, ids=str)
PROVIDERS_OWN_NAME = "speedsms"  # names messages by its own id only
SETTLE = """
    UPDATE message SET state = 30, route = $2, handed_over_at = now(), provider_id = $1::bigint::text WHERE id = $1"""
STATES = "SELECT id, state, settled_at FROM message ORDER BY id"


@dataclass
class Sent:
    """Messages handed over by one route."""

    database: Database
    seal: Seal
    route: str

    async def some(self, many: int) -> list[int]:
        """Their ids."""
        ids = []
        for _ in range(many):
            async with self.database.transaction(Role.WORKER) as connection:
                queued = await Outbox(self.seal).queue(
                    connection,
                    Contact(channel=ChannelName.SMS, address="+84901234567"),
                    "text",
                    kind=MessageKind.REPLY,
                    expires_in=timedelta(hours=1),
                )
                await connection.execute(SETTLE, queued, self.route)
            assert queued is not None
            ids.append(queued)
        return ids

    async def states(self) -> dict[int, DeliveryState]:
        """What each came to."""
        async with self.database.connection(Role.WORKER) as connection:
            return {row["id"]: DeliveryState(row["state"]) for row in await connection.fetch(STATES)}

    async def reports(self) -> int:
        """How many reports are kept."""
        async with self.database.connection(Role.WORKER) as connection:
            return int(await connection.fetchval("SELECT count(*) FROM delivery_report"))


async def opened(caller: Caller, stored: Around, serve: Serve) -> tuple[Line, Sent]:
    return await serve(caller.opened(stored)), Sent(stored.database, stored.seal, caller.name)


@calling
async def test_every_word_of_the_provider_is_understood(caller: Caller, stored: Around, serve: Serve) -> None:
    line, sent = await opened(caller, stored, serve)
    ids = await sent.some(len(caller.words))
    for message_id, word in zip(ids, caller.words, strict=True):
        assert (await line.call(caller.status(word, message_id)))[0] == 200
    states = await sent.states()
    expected = dict(zip(ids, caller.words.values(), strict=True))
    assert states == {message_id: max(DeliveryState.HANDED_OVER, state) for message_id, state in expected.items()}


@calling
async def test_reports_five_times_in_any_order_with_some_missing_and_some_about_others(
    caller: Caller, stored: Around, serve: Serve
) -> None:
    line, sent = await opened(caller, stored, serve)
    ids = await sent.some(10)
    dice = random.Random(3)
    rising = sorted(caller.words, key=lambda word: caller.words[word])
    told = {message_id: [word for word in rising if dice.random() > 0.2] for message_id in ids}
    calls = [caller.status(word, message_id) for message_id in ids for word in told[message_id] * 5]
    strangers = [caller.status(rising[-1], 900_000 + number) for number in range(3)]
    calls = [*reversed(calls), *strangers]
    dice.shuffle(calls)
    ranks: dict[int, DeliveryState] = {}
    for call in calls:
        assert (await line.call(call))[0] == 200
        now = await sent.states()
        assert all(now[message_id] >= rank for message_id, rank in ranks.items()), "a state fell"
        ranks = now
    assert ranks == {
        message_id: max((caller.words[word] for word in told[message_id]), default=DeliveryState.HANDED_OVER)
        for message_id in ids
    }
    assert await sent.reports() == len(calls) - len(strangers)


@pytest.mark.parametrize("caller", [caller for caller in CALLERS if caller.name != PROVIDERS_OWN_NAME], ids=str)
async def test_a_report_that_overtakes_our_own_note_is_kept(caller: Caller, stored: Around, serve: Serve) -> None:
    line, sent = await opened(caller, stored, serve)
    (message_id,) = await sent.some(1)
    async with stored.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE message SET state = 10, route = NULL, provider_id = NULL")
    final = max(caller.words, key=lambda word: caller.words[word])
    assert (await line.call(caller.status(final, message_id)))[0] == 200
    assert await sent.states() == {message_id: DeliveryState.DELIVERED}


@pytest.mark.parametrize("caller", [caller for caller in CALLERS if caller.name in {"twilio", "vonage"}], ids=str)
async def test_a_report_without_our_id_is_found_by_the_providers(caller: Caller, stored: Around, serve: Serve) -> None:
    line, sent = await opened(caller, stored, serve)
    (message_id,) = await sent.some(1)
    provider_id = {"twilio": f"SM{77:032x}", "vonage": f"D{77:015X}"}[caller.name]
    async with stored.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE message SET provider_id = $1", provider_id)
    if caller.name == "twilio":
        words = [("MessageSid", provider_id), ("AccountSid", ACCOUNT), ("MessageStatus", "delivered")]
        call = signed_by_twilio("/webhooks/twilio/status", words)
    else:
        call = signed_by_vonage("/webhooks/vonage/status", {"messageId": provider_id, "status": "delivered"})
    assert (await line.call(call))[0] == 200
    assert await sent.states() == {message_id: DeliveryState.DELIVERED}


@pytest.mark.parametrize("receipt", recorded("esms_receipts.json")["receipts"], ids=lambda receipt: receipt["kind"])
async def test_esms_own_samples(receipt: dict[str, str], stored: Around, serve: Serve) -> None:
    """'SendStatus=5' alone says that it is over, not that it went well."""
    line, sent = await opened(ESMS, stored, serve)
    (message_id,) = await sent.some(1)
    sms_id = receipt["query"].partition("&")[0].removeprefix("SMSID=")
    async with stored.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE message SET provider_id = $1", sms_id)
    assert (await line.raw(Call("GET", f"/webhooks/esms/{SECRET}?{receipt['query']}"))) == 200
    assert await sent.states() == {message_id: DeliveryState[receipt["state"]]}


@pytest.mark.parametrize("reference", ["1-0000000000000000", "1", "1-", "-", "1-é", "999-x", "01-0000000000000000"])
async def test_a_reference_that_is_not_ours_names_no_message(reference: str, stored: Around, serve: Serve) -> None:
    line, sent = await opened(ESMS, stored, serve)
    await sent.some(1)
    assert (await line.call(esms_status("5 arrived", 1, reference=reference)))[0] == 200
    assert set((await sent.states()).values()) == {DeliveryState.HANDED_OVER}
    assert await sent.reports() == 0


async def test_infobips_own_samples(stored: Around, serve: Serve) -> None:
    payload = recorded("infobip.json")
    line, sent = await opened(INFOBIP, stored, serve)
    await sent.some(3)
    call = from_infobip("/webhooks/infobip/reports", payload["reports"]["results"])
    assert (await line.call(call))[0] == 200
    assert list((await sent.states()).values()) == [
        DeliveryState.DELIVERED,
        DeliveryState.ON_ITS_WAY,  # the operator has it, no phone does
        DeliveryState.HANDED_OVER,
    ]
    call = from_infobip("/webhooks/infobip/mo", payload["texts"]["results"])
    assert (await line.call(call))[0] == 200
    assert [(heard.external_id, heard.text) for heard in stored.ear.heard] == [
        ("infobip:817790313235066447", "QUIZ Correct answer is Paris"),
        ("infobip:817790313235066448", ""),
    ]


@calling
async def test_a_store_that_is_away_has_the_report_sent_again(caller: Caller, around: Around, serve: Serve) -> None:
    class Away(Reports):
        async def report(self, **_: object) -> bool:
            raise Unavailable("away")

    channel = caller.opened(around)
    vars(channel)["_reports"] = Away(around.database)
    line = await serve(channel)
    assert (await line.call(caller.status(next(iter(caller.words)), 1)))[0] == 503


@calling
async def test_ids_that_can_be_nobodys_are_taken_and_create_nothing(
    caller: Caller, stored: Around, serve: Serve
) -> None:
    line, sent = await opened(caller, stored, serve)
    await sent.some(1)
    word = next(iter(caller.words))
    for number in (0, 2, 2**63 - 1, 2**63, 10**30):
        call = caller.status(word, number)
        assert (await line.call(call))[0] == 200
    assert await sent.reports() == 0
