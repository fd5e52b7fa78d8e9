"""The short-code gateway: a question by GET, its answer in the body; one message in, at most one out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from channels.channel import Gateway
from channels.sms.routing import RoutedSender, RoutingSettings
from channels.sms.shortcode import ShortcodeChannel, ShortcodeSettings
from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from domain.message import DeliveryState, Outgoing
from lookup.sealing import Seal
from service.wiring import Core
from tests.channels.sms.calling import Around, Call
from tests.channels.sms.conftest import Line, Serve
from tests.channels.sms.mouths import Mouth
from tests.channels.story import CODE, SECRET, Office, make_inbox, running

PASSWORD, OLD_PASSWORD = "password-of-the-tests", "old-password-of-the-tests"
STRANGER = "84987654321"


def call(info: str = f"HS {CODE} {SECRET}", sender: str = STRANGER, **changed: str) -> Call:
    given = {
        "userId": sender,
        "serviceNumber": "8788",
        "commandCode": info.partition(" ")[0],
        "info": info,
        "user": "gateway",
        "password": PASSWORD,
        **changed,
    }
    return Call("GET", f"/webhooks/shortcode?{urlencode(given)}")


def open_shortcode(
    heard: Any,  # noqa: ANN401 - Heard, or an ear
    seal: Seal,
    database: Database,
    password: str | None = PASSWORD,
    user: str | None = "gateway",
    wait: float = 5.0,
) -> ShortcodeChannel:
    return ShortcodeChannel(
        ShortcodeSettings(user=user, password=password),
        heard=heard,
        seal=seal,
        database=database,
        wait=timedelta(seconds=wait),
    )


@dataclass
class Service:
    """The whole service behind the gateway, and another gateway beside it."""

    line: Line
    office: Office
    other: Mouth
    channel: ShortcodeChannel
    core: Core

    async def asks(self, one: Call) -> str:
        """The body of the answer to a call."""
        status, body = await self.line.call(one)
        assert status == 200, body
        return body.decode()

    async def messages(self) -> list[dict[str, Any]]:
        """The rows of what was said."""
        async with self.core.database.connection(Role.WORKER) as connection:
            rows = await connection.fetch("SELECT state, route FROM message WHERE kind = 'reply' ORDER BY id")
        return [dict(row) for row in rows]

    async def handed_over(self) -> bool:
        """Whether the first reply is."""
        return bool((await self.messages())[0]["state"] >= DeliveryState.HANDED_OVER)


@asynccontextmanager
async def service(
    core: Core, serve: Serve, *, wait: float = 5.0, others: Sequence[Gateway] | None = None
) -> AsyncIterator[Service]:
    inbox = make_inbox(core)
    other = Mouth("kannel", "8088")
    channel = open_shortcode(inbox.heard, core.seal, core.database, wait=wait)
    settings = RoutingSettings(per_number="off", spend_per_number="off", spend_per_prefix="off", spend="off")
    sender = RoutedSender(
        [channel, *([other] if others is None else others)], settings, limits=core.limits, database=core.database
    )
    async with running(core, inbox, {ChannelName.SMS: sender}):
        yield Service(await serve(channel), Office(core), other, channel, core)


@pytest.fixture
async def served(core: Core, serve: Serve) -> AsyncIterator[Service]:
    async with service(core, serve) as opened:
        yield opened


async def test_the_answer_travels_in_the_body_of_the_call(served: Service) -> None:
    await served.office.files()
    body = await served.asks(call())
    content_type, message_type, info = body.split(";")
    assert (content_type, message_type) == ("0", "71")
    assert info.startswith(f"HS {CODE}: dang giai quyet, dung han. Hen tra 20/11/2036.")
    assert served.other.sent == []


async def test_its_message_is_handed_over_by_this_route(served: Service) -> None:
    await served.office.files()
    await served.asks(call())
    await until(served.handed_over)  # the dispatcher writes it down after the call was answered
    assert await served.messages() == [{"state": DeliveryState.HANDED_OVER, "route": "shortcode"}]


async def test_a_call_made_again_gets_the_same_answer_and_no_second_message(served: Service) -> None:
    await served.office.files()
    first = await served.asks(call())
    again = await asyncio.gather(*(served.asks(call()) for _ in range(4)))
    assert set(again) == {first}
    assert len(await served.messages()) == 1
    assert served.other.sent == []


async def test_calls_at_the_same_moment_get_one_answer(served: Service) -> None:
    await served.office.files()
    answers = await asyncio.gather(*(served.asks(call()) for _ in range(5)))
    assert len(set(answers)) == 1
    assert len(await served.messages()) == 1


async def test_the_same_words_after_a_minute_are_a_new_question(served: Service) -> None:
    await served.office.files()
    await served.asks(call())
    async with served.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE sms_call SET made_at = made_at - interval '61 seconds'")
    await served.asks(call())
    assert len(await served.messages()) == 2


async def test_different_people_and_words_get_their_own_answers(served: Service) -> None:
    await served.office.files()
    answers = await asyncio.gather(
        served.asks(call(info=f"HS {CODE}")),
        served.asks(call(info=f"HS {CODE}", sender="84901234567")),
        served.asks(call(info="HELP", sender="84912345678")),
    )
    assert len(set(answers)) == 3
    assert len(await served.messages()) == 3


async def test_marks_that_part_the_answer_stand_nowhere_in_it(core: Core, serve: Serve) -> None:
    seal, database = core.seal, core.database

    async def heard(incoming: object) -> bool:
        async with database.transaction(Role.WORKER) as connection:
            await connection.execute(
                "INSERT INTO inbound (channel, provider_id, sender_digest, sender_sealed, recipient, text_sealed,"
                " text_digest, received_at) VALUES ('sms', $1, '', '', '8788', '', '', now())",
                incoming.external_id,  # type: ignore[attr-defined]
            )
            await connection.execute(
                "INSERT INTO message (inbound_id, expires_at, kind, channel, contact_digest, address_sealed,"
                " text_sealed) SELECT id, now(), 'reply', 'sms', '', '', $1 FROM inbound",
                seal.seal("Hồ sơ; phí: 5.000 | 0;72;"),
            )
            await connection.execute("UPDATE sms_call SET message_id = (SELECT max(id) FROM message)")
        return True

    line = await serve(open_shortcode(heard, seal, database))
    assert await line.call(call()) == (200, b"0;71;Ho so, phi: 5.000 / 0,72,")


async def test_who_may_not_be_answered_is_paid_back(served: Service) -> None:
    assert await served.asks(call(sender="821012345678")) == "0;72;"
    assert await served.messages() == []


async def test_an_answer_that_is_late_goes_by_another_gateway_and_only_by_it(core: Core, serve: Serve) -> None:
    async with AsyncExitStack() as stack:
        inbox = make_inbox(core)
        channel = open_shortcode(inbox.heard, core.seal, core.database, wait=0.3)
        line = await serve(channel)
        office = Office(core)
        await office.files()
        status, _ = await line.call(call())  # nobody works yet
        assert status == 503
        other = Mouth("kannel", "8088")
        sender = RoutedSender([channel, other], RoutingSettings(), limits=core.limits, database=core.database)
        await stack.enter_async_context(running(core, inbox, {ChannelName.SMS: sender}))
        async with asyncio.timeout(10):
            await other.has_sent.wait()
        assert [message.to.address for message in other.sent] == [f"+{STRANGER}"]
        async with asyncio.timeout(5):
            while True:
                status, body = await line.call(call())  # the gateway calls again
                if status == 200:
                    break
        assert body == b"0;72;"
        assert len(other.sent) == 1


async def test_a_second_call_that_waits_gets_the_answer_the_first_gave_up_on(core: Core, serve: Serve) -> None:
    inbox = make_inbox(core)
    channel = open_shortcode(inbox.heard, core.seal, core.database, wait=0.3)
    line = await serve(channel)
    await Office(core).files()
    assert (await line.call(call()))[0] == 503
    other = Mouth("kannel", "8088")
    patient = open_shortcode(inbox.heard, core.seal, core.database, wait=8.0)
    patient_line = await serve(patient)
    waiting = asyncio.create_task(patient_line.call(call()))
    await until(lambda: _a_call_waits(core))
    sender = RoutedSender([patient, other], RoutingSettings(), limits=core.limits, database=core.database)
    async with running(core, inbox, {ChannelName.SMS: sender}):
        status, body = await waiting
    assert status == 200
    assert body.startswith(b"0;71;HS ")
    assert other.sent == []


async def test_with_no_other_gateway_a_late_answer_fails_and_is_not_kept_trying(core: Core, serve: Serve) -> None:
    async with service(core, serve, others=[]) as only:
        await only.office.files()
        assert (await only.asks(call())).startswith("0;71;")
        async with core.database.connection(Role.WORKER) as connection:
            await connection.execute("UPDATE sms_call SET message_id = NULL, waits_until = now()")
            message = await connection.fetchval("SELECT id FROM message")
    late = Outgoing(message_id=message, to=_contact(), text="", sender="8788")
    assert await only.channel.answer(late) is None


def _contact() -> Contact:
    return Contact(channel=ChannelName.SMS, address=f"+{STRANGER}")


async def test_a_notice_answers_no_call(served: Service) -> None:
    assert await served.channel.answer(Outgoing(message_id=1, to=_contact(), text="x")) is None


@pytest.mark.parametrize(
    "changed",
    [{"password": "wrong"}, {"password": ""}, {"user": "other"}, {"user": ""}, {"password": "é", "user": "é"}],
    ids=str,
)
async def test_who_does_not_know_both_words_is_refused_alike(
    changed: dict[str, str], around: Around, serve: Serve
) -> None:
    line = await serve(open_shortcode(around.ear, around.seal, around.database))
    status, body = await line.call(call(**changed))
    assert (status, body) == await line.call(Call("GET", "/webhooks/shortcode"))
    assert status == 401
    assert around.ear.heard == []


async def test_while_the_password_is_replaced_both_are_good(stored: Around, serve: Serve) -> None:
    line = await serve(
        open_shortcode(stored.ear, stored.seal, stored.database, f"{PASSWORD},{OLD_PASSWORD}", wait=0.05)
    )
    for password in (PASSWORD, OLD_PASSWORD):
        assert (await line.call(call(password=password)))[0] == 503  # let in, and nobody answers
    assert len(stored.ear.heard) == 1


@pytest.mark.parametrize("password", [None, "", " , "])
async def test_without_a_password_there_is_no_channel(password: str | None, around: Around) -> None:
    with pytest.raises(Malformed, match="MOTMA_SHORTCODE_PASSWORD"):
        open_shortcode(around.ear, around.seal, around.database, password)
    with pytest.raises(Malformed, match="MOTMA_SHORTCODE_USER"):
        open_shortcode(around.ear, around.seal, around.database, user="")


@pytest.mark.parametrize("missing", ["userId", "serviceNumber"])
async def test_a_call_from_nobody_or_to_nobody_is_refused(missing: str, stored: Around, serve: Serve) -> None:
    line = await serve(open_shortcode(stored.ear, stored.seal, stored.database))
    assert (await line.call(call(**{missing: ""})))[0] == 400
    assert stored.ear.heard == []


async def test_what_cannot_be_recorded_is_to_be_called_again(stored: Around, serve: Serve) -> None:
    line = await serve(open_shortcode(stored.ear, stored.seal, stored.database, wait=0.05))
    stored.ear.database_is_away = True
    assert (await line.call(call()))[0] == 503


async def test_calls_of_yesterday_are_forgotten(stored: Around, serve: Serve) -> None:
    line = await serve(open_shortcode(stored.ear, stored.seal, stored.database, wait=0.05))
    await line.call(call())
    async with stored.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE sms_call SET made_at = made_at - interval '25 hours'")
        await line.call(call(info="another"))
        assert await connection.fetchval("SELECT count(*) FROM sms_call") == 1


async def _a_call_waits(core: Core) -> bool:
    async with core.database.connection(Role.WORKER) as connection:
        return bool(await connection.fetchval("SELECT waits_until > now() FROM sms_call"))


async def until(ready: Callable[[], Awaitable[bool]], *, within: float = 5.0) -> None:
    """Wait for what only the store can say."""
    async with asyncio.timeout(within):
        while not await ready():  # noqa: ASYNC110 - another connection writes it
            await asyncio.sleep(0.02)
