"""The generic webhook: signed JSON in, everything else refused in the stable words."""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from channels.sms.generic import GenericSmsChannel, GenericSmsSettings
from channels.standard_webhooks import key_of, sign
from domain.contact import ChannelName, Contact
from domain.errors import Malformed, Unavailable
from domain.message import Incoming
from tests.channels.edge import edge

Client = TestClient[web.Request, web.Application]
SECRET = "whsec_" + base64.b64encode(b"a key of the tests, 32 bytes ok!").decode()
NOW = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)
GOOD = {"id": "m1", "from": "+84901234567", "to": "8088", "text": "HS H05.16-261102-0001"}


@dataclass
class Caller:
    """A gateway that signs."""

    client: Client
    heard: list[Incoming] = field(default_factory=list)
    database_is_away: bool = False

    async def posts(self, body: bytes | dict[str, Any], *, secret: str = SECRET, message_id: str = "msg_1") -> int:
        """The status of a signed call."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = int(NOW.timestamp())
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(key_of(secret), message_id, stamp, body),
            "Content-Type": "application/json",
        }
        response = await self.client.post("/webhooks/sms", data=body, headers=headers)
        if response.status != 200:
            self.error = (await response.json())["error"]["code"]
        return response.status

    error: str = ""


@pytest.fixture
async def caller(aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> Caller:
    async def heard(incoming: Incoming) -> bool:
        if made.database_is_away:
            raise Unavailable("The message could not be recorded.")
        made.heard.append(incoming)
        return True

    channel = GenericSmsChannel(GenericSmsSettings(hook_secret=SECRET), heard=heard, clock=lambda: NOW)
    made = Caller(client=await aiohttp_client(edge(channel.routes())))
    return made


async def test_a_signed_text_is_taken(caller: Caller) -> None:
    assert await caller.posts(GOOD | {"at": "2026-11-10T09:59:58+07:00", "operator": "a field we do not know"}) == 200
    assert caller.heard == [
        Incoming(
            sender=Contact(channel=ChannelName.SMS, address="+84901234567"),
            recipient="8088",
            text="HS H05.16-261102-0001",
            external_id="sms:m1",
            received_at=NOW - timedelta(seconds=2),
        )
    ]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-11-10T10:00:00", None])
async def test_an_impossible_time_is_ours_instead(caller: Caller, at: str | None) -> None:
    assert await caller.posts(GOOD | {"at": at}) == 200
    assert caller.heard[0].received_at == NOW


async def test_what_the_store_cannot_hold_is_taken_out(caller: Caller) -> None:
    body = b'{"id":"m\\u00001","from":"84901234567","to":"80\\u000088","text":"a\\u0000b\\u0007 e\\u0302\\u0301 "}'
    assert await caller.posts(body) == 200
    assert (caller.heard[0].text, caller.heard[0].recipient, caller.heard[0].external_id) == ("ab ế", "8088", "sms:m1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"id":"\\ud800","from":"0901234567","to":"8088","text":"\\udc00"}',
        b'{"id":1,"from":"0901234567","to":"8088","text":"a"}',
        b'{"id":"1","from":"0901234567","to":"8088"}',
        b'{"id":"1","from":"","to":"8088","text":"a"}',
        b'{"id":"1","from":"0901234567","to":"8088","text":"a","at":"yesterday"}',
        b"[" * 30_000,
        b'{"id":' * 5_000,
    ],
)
async def test_signed_nonsense_is_refused_and_recorded_nowhere(caller: Caller, body: bytes) -> None:
    assert await caller.posts(body) == 400
    assert caller.error == "malformed"
    assert caller.heard == []


async def test_an_unsigned_or_wrongly_signed_text_is_refused_before_it_is_read(caller: Caller) -> None:
    other = "whsec_" + base64.b64encode(b"another key of 32 bytes, as long").decode()
    assert await caller.posts(GOOD, secret=other) == 401
    assert await caller.posts(GOOD, message_id="a.b") == 401
    response = await caller.client.post("/webhooks/sms", data=b"[" * 30_000)
    assert response.status == 401
    assert caller.heard == []


async def test_a_body_over_the_limit_is_refused(caller: Caller) -> None:
    assert await caller.posts(b"x" * 32_769) == 413


async def test_what_cannot_be_recorded_is_to_be_sent_again(caller: Caller) -> None:
    caller.database_is_away = True
    assert await caller.posts(GOOD) == 503
    assert caller.error == "unavailable"


async def test_a_text_without_an_id_of_its_own_has_that_of_the_call(caller: Caller) -> None:
    assert await caller.posts(GOOD | {"id": " "}) == 200
    assert caller.heard[0].external_id == "sms:msg_1"


@pytest.mark.parametrize("secret", [None, "", " , ", "whsec_***"])
def test_without_a_secret_the_channel_does_not_open(secret: str | None) -> None:
    async def heard(incoming: Incoming) -> bool:
        raise AssertionError(incoming)

    with pytest.raises(Malformed):
        GenericSmsChannel(GenericSmsSettings(hook_secret=secret), heard=heard)
