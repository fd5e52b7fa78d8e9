"""What a provider says it has when it is asked about a message whose answer never came (guarantees G32)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.channel import Asked
from domain.contact import ChannelName, Contact
from domain.errors import CannotTell, InDoubt, Malformed, TryLater
from domain.message import HandedOver, Outgoing
from tests.channels.sms.calling import Around
from tests.channels.sms.mouths import Mouth, Routed, text
from tests.channels.sms.providers import PROVIDERS, Provider

SENT_AT = datetime(2026, 11, 20, 3, tzinfo=UTC)
TEXT = "Ho so H05.16-261102-0001: dung han"
BY_NAME = {str(provider): provider for provider in PROVIDERS}
ASKED = ("twilio", "infobip")
BY_ID = ("vonage",)


def message(**more: Any) -> Outgoing:  # noqa: ANN401 - any field
    to = Contact(channel=ChannelName.SMS, address="+84901234567")
    return Outgoing(message_id=17, to=to, text="Hồ sơ H05.16-261102-0001: đúng hạn", **more)


def said(provider: str, *bodies: str, at: datetime = SENT_AT) -> dict[str, Any]:
    """The list of messages as the provider writes it."""
    if provider == "twilio":
        made = format_datetime(at, usegmt=True).replace("GMT", "+0000")
        rows = [
            {"sid": f"SM{n}", "body": body, "status": "queued", "direction": "outbound-api", "date_created": made}
            for n, body in enumerate(bodies)
        ]
        return {"messages": [{**rows[0], "sid": "SMin", "direction": "inbound"} if rows else {}][: len(rows)] + rows}
    return {
        "results": [
            {"messageId": f"SM{n}", "destination": "84901234567", "content": {"text": body}, "status": {"groupId": 1}}
            for n, body in enumerate(bodies)
        ]
    }


class Listing:
    """A provider that is asked what it has."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.status = 200
        self.asked: list[web.Request] = []

    async def take(self, request: web.Request) -> web.Response:
        """One question."""
        self.asked.append(request)
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def listing(around: Around) -> AsyncIterator[Listing]:
    provider, app = Listing(), web.Application()
    app.router.add_get("/{path:.*}", provider.take)
    async with TestServer(app) as server:
        around.api_url = str(server.make_url("")).rstrip("/")
        yield provider


def asked_of(provider: str, around: Around) -> Asked:
    gateway = BY_NAME[provider].opened(around)
    assert isinstance(gateway, Asked)
    return gateway


@pytest.mark.parametrize("name", ASKED)
async def test_the_message_that_says_the_same_is_the_one(name: str, around: Around) -> None:
    async with listing(around) as provider:
        provider.answer = said(name, "Ma xac nhan: 123456", TEXT)
        assert await asked_of(name, around).find(message(), SENT_AT) == HandedOver(provider_id="SM1")
        (question,) = provider.asked
    number = question.query.get("To") or question.query.get("destination") or ""
    assert number.removeprefix("+") == "84901234567"


@pytest.mark.parametrize("name", ASKED)
async def test_what_it_does_not_have_was_not_taken(name: str, around: Around) -> None:
    async with listing(around) as provider:
        for bodies in ((), ("Ma xac nhan: 123456",)):
            provider.answer = said(name, *bodies)
            assert await asked_of(name, around).find(message(), SENT_AT) is None


@pytest.mark.parametrize("name", ASKED)
async def test_a_notice_worded_otherwise_meanwhile_is_known_by_its_code(name: str, around: Around) -> None:
    notice = message(facts={"code": "H05.16-261102-0001"})
    async with listing(around) as provider:
        provider.answer = said(name, "HS H05.16-261102-0001: qua han 2 ngay lam viec.")
        assert await asked_of(name, around).find(notice, SENT_AT) == HandedOver(provider_id="SM0")
        assert await asked_of(name, around).find(message(), SENT_AT) is None


async def test_an_older_message_that_said_the_same_is_another(around: Around) -> None:
    async with listing(around) as provider:
        provider.answer = said("twilio", TEXT, at=SENT_AT - timedelta(hours=1))
        assert await asked_of("twilio", around).find(message(), SENT_AT) is None
        provider.answer = said("infobip")
        await asked_of("infobip", around).find(message(), SENT_AT)
        assert provider.asked[-1].query["sentSince"] == "2026-11-20T02:59:00.000+0000"


@pytest.mark.parametrize("name", ASKED)
async def test_a_question_without_an_answer_says_nothing(name: str, around: Around) -> None:
    async with listing(around) as provider:
        for status in (401, 404, 429, 500):
            provider.status = status
            with pytest.raises(TryLater):
                await asked_of(name, around).find(message(), SENT_AT)
        provider.status, provider.answer = 200, {"odd": 1}
        with pytest.raises(Malformed):
            await asked_of(name, around).find(message(), SENT_AT)


@pytest.mark.parametrize("at", [provider for provider in PROVIDERS if str(provider) not in (*ASKED, *BY_ID)], ids=str)
async def test_the_others_cannot_be_asked(at: Provider, around: Around) -> None:
    around.api_url = "http://127.0.0.1:9"
    assert not isinstance(at.opened(around), Asked)


async def test_vonage_is_asked_for_our_own_id_where_its_reports_are_paid_for(around: Around) -> None:
    async with listing(around) as provider:
        gateway = BY_NAME["vonage"].opened(around, reports_url=around.api_url)
        assert isinstance(gateway, Asked)
        provider.answer = {
            "records": [{"message_id": "a", "client_ref": "16"}, {"message_id": "b", "client_ref": "17"}]
        }
        assert await gateway.find(message(), SENT_AT) == HandedOver(provider_id="b")
        provider.answer = {"records": [{"message_id": "a"}]}
        assert await gateway.find(message(), SENT_AT) is None
        query = provider.asked[0].query
        assert (query["product"], query["to"]) == ("SMS", "84901234567")
        assert query["date_start"] <= "2026-11-20T03:00:00Z"
        provider.status = 402
        with pytest.raises(TryLater):
            await gateway.find(message(), SENT_AT)
    with pytest.raises(CannotTell):
        await asked_of("vonage", around).find(message(), SENT_AT)


class KnowingMouth(Mouth):
    """A gateway that knows its messages."""

    async def find(self, message: Outgoing, since: datetime) -> HandedOver | None:
        """As it was sent here."""
        return HandedOver(provider_id="found") if message in self.sent else None


async def test_the_route_by_which_it_went_is_asked_and_no_other(routed: Routed) -> None:
    knowing, mute = KnowingMouth("twilio", "8100"), Mouth("kannel", "8200")
    sender = routed(knowing, mute)
    await sender.send(text())
    assert await sender.ask(text(), route="twilio", since=SENT_AT) == HandedOver(provider_id="found", route="twilio")
    assert await sender.ask(text(2), route="twilio", since=SENT_AT) is None
    for route in ("kannel", "sms", None):
        with pytest.raises(CannotTell):
            await sender.ask(text(), route=route, since=SENT_AT)


async def test_with_one_route_there_is_no_doubt_by_which_it_went(routed: Routed) -> None:
    sender = routed(KnowingMouth("twilio"))
    await sender.send(text())
    found = await sender.ask(text(), route=None, since=SENT_AT)  # a process vanished before it could say
    assert found == HandedOver(provider_id="found", route="twilio")


async def test_what_is_in_doubt_names_its_route(routed: Routed) -> None:
    first, second = Mouth("esms", error=InDoubt("silent")), Mouth("kannel", "8100")
    with pytest.raises(InDoubt) as doubt:
        await routed(first, second).send(text(50))
    assert doubt.value.route == "esms"
