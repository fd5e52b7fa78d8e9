"""Whatever bytes a caller sends, signed or not: an answer below 500, and nothing the store could not hold (G39g)."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.sms.calls import fields, json_as, mended, pairs
from channels.sms.shortcode import ShortcodeChannel
from domain.errors import Malformed
from tests.channels.sms.callers import (
    CALLERS,
    FORM,
    JSON,
    PUBLIC_URL,
    SECRET,
    open_infobip,
    open_twilio,
    open_vonage,
    open_vonage_messages,
    signed_by_vonage,
    with_token,
)
from tests.channels.sms.calling import Around, Call, Caller
from tests.channels.sms.conftest import Line, Serve
from tests.channels.sms.test_shortcode import PASSWORD, open_shortcode

fuzzed = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ANYTHING = st.text(st.characters(), max_size=60)  # lone surrogates included
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANYTHING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANYTHING, inner, max_size=4),
    max_leaves=8,
)
LOOK_LIKE = st.sampled_from(
    ["true", "2", "1", "255", "256", "0", "-1", "delivered", "84901234567", "+84901234567", "+8100", "\x00", "sms", "٣"]
)
VALUE = st.one_of(ANYTHING, LOOK_LIKE)


TWILIO_PATHS = ("/webhooks/twilio", "/webhooks/twilio/status?mid=1", "/webhooks/twilio/status?mid=x")
TWILIO_FIELDS = ("MessageSid", "AccountSid", "From", "To", "Body", "MessageStatus", "ErrorCode", "OptOutType")


def storable(line_around: Around) -> None:
    """What was heard fits the store."""
    for heard in line_around.ear.heard:
        for text in (heard.text, heard.external_id, heard.recipient, heard.sender.address):
            assert "\x00" not in text
            text.encode()


async def fine(line: Line, call: Call, around: Around) -> None:
    status, _ = await line.call(call)
    assert status < 500, (status, call)
    storable(around)


@fuzzed
@given(given_fields=st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=60)), max_size=8), data=st.data())
async def test_twilio(
    given_fields: list[tuple[bytes, bytes]], data: st.DataObject, stored: Around, serve: Serve
) -> None:
    named = data.draw(
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("MessageSid", "AccountSid", "From", "To", "Body", "MessageStatus", "ErrorCode", "OptOutType"), VALUE
            ),
        )
    )
    all_fields = [*given_fields, *((n.encode(), v.encode("utf-8", "replace")) for n, v in named.items())]
    path = data.draw(st.sampled_from(TWILIO_PATHS))
    covered = PUBLIC_URL.encode() + path.encode() + b"".join(n + v for n, v in sorted(set(all_fields)))
    signature = base64.b64encode(hmac.new(SECRET.encode(), covered, "sha1").digest()).decode()
    body = "&".join(f"{quote_from_bytes(n)}={quote_from_bytes(v)}" for n, v in all_fields).encode()
    line = await serve(open_twilio(stored))
    await fine(line, Call("POST", path, {**FORM, "X-Twilio-Signature": signature}, body), stored)


@fuzzed
@given(value=JSON_VALUES)
async def test_twilio_by_json(value: object, stored: Around, serve: Serve) -> None:
    body = json.dumps(value).encode()
    path = f"/webhooks/twilio?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = base64.b64encode(hmac.new(SECRET.encode(), (PUBLIC_URL + path).encode(), "sha1").digest()).decode()
    line = await serve(open_twilio(stored))
    await fine(line, Call("POST", path, {**JSON, "X-Twilio-Signature": signature}, body), stored)


VONAGE_FIELDS = (
    "msisdn",
    "to",
    "messageId",
    "text",
    "type",
    "concat",
    "concat-ref",
    "concat-total",
    "concat-part",
    "status",
    "err-code",
    "client-ref",
    "timestamp",
    "api-key",
)


@fuzzed
@given(
    given_fields=st.fixed_dictionaries({}, optional=dict.fromkeys(VONAGE_FIELDS, VALUE)),
    path=st.sampled_from(["/webhooks/vonage", "/webhooks/vonage/status"]),
)
async def test_vonage(given_fields: dict[str, str], path: str, stored: Around, serve: Serve) -> None:
    line = await serve(open_vonage(stored))
    await fine(line, signed_by_vonage(path, given_fields), stored)


@fuzzed
@given(
    value=JSON_VALUES
    | st.fixed_dictionaries(
        {"message_uuid": VALUE, "channel": st.just("sms")},
        optional=dict.fromkeys(("from", "to", "text", "status", "client_ref", "error"), VALUE | JSON_VALUES),
    )
)
async def test_vonage_messages(value: object, stored: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(stored))
    await fine(line, with_token(json.dumps(value).encode()), stored)


@fuzzed
@given(
    value=JSON_VALUES
    | st.fixed_dictionaries(
        {
            "results": st.lists(
                st.fixed_dictionaries(
                    {"messageId": VALUE},
                    optional={
                        **dict.fromkeys(("from", "to", "text", "callbackData"), VALUE),
                        "status": st.fixed_dictionaries({"groupId": st.integers(0, 9), "name": VALUE}),
                        "error": st.fixed_dictionaries({"name": VALUE}),
                    },
                ),
                max_size=3,
            )
        }
    ),
    path=st.sampled_from(["/webhooks/infobip/mo", "/webhooks/infobip/reports"]),
)
async def test_infobip(value: object, path: str, stored: Around, serve: Serve) -> None:
    who = base64.b64encode(f"infobip:{SECRET}".encode()).decode()
    line = await serve(open_infobip(stored))
    await fine(line, Call("POST", path, {**JSON, "Authorization": f"Basic {who}"}, json.dumps(value).encode()), stored)


@fuzzed
@given(
    names=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("SMSID", "SendStatus", "SendFailed", "SendSuccess", "RequestId", "error_info"), VALUE),
    ),
    body=JSON_VALUES
    | st.fixed_dictionaries({"type": st.just("report")}, optional={"tranId": VALUE, "status": JSON_VALUES}),
)
async def test_esms_and_speedsms(names: dict[str, str], body: object, stored: Around, serve: Serve) -> None:
    for caller in CALLERS:
        line = await serve(caller.opened(stored))
        query = "&".join(f"{n}={quote_from_bytes(v.encode('utf-8', 'replace'))}" for n, v in names.items())
        if caller.name == "esms":
            await fine(line, Call("GET", f"/webhooks/esms/{SECRET}?{query}"), stored)
        elif caller.name == "speedsms":
            await fine(line, Call("POST", f"/webhooks/speedsms/{SECRET}", JSON, json.dumps(body).encode()), stored)


@pytest.fixture
async def shortcode(stored: Around) -> ShortcodeChannel:
    return open_shortcode(stored.ear, stored.seal, stored.database, wait=0.0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sender=st.binary(max_size=40), number=st.binary(max_size=40), info=st.binary(max_size=200))
async def test_shortcode(
    sender: bytes, number: bytes, info: bytes, shortcode: ShortcodeChannel, stored: Around, serve: Serve
) -> None:
    line = await serve(shortcode)
    given_fields = {"userId": sender, "serviceNumber": number, "info": info}
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in given_fields.items())
    status, _ = await line.call(Call("GET", f"/webhooks/shortcode?user=gateway&password={PASSWORD}&{query}"))
    assert status in {400, 503}  # nobody answers here
    storable(stored)


@pytest.mark.parametrize("caller", CALLERS, ids=str)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), header=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
async def test_strangers_with_any_bytes(caller: Caller, body: bytes, header: str, around: Around, serve: Serve) -> None:
    line = await serve(caller.opened(around))
    for kind in (FORM, JSON, {}):
        headers = {**kind, "Authorization": header, "X-Twilio-Signature": header}
        call = caller.text() if caller.text else caller.status(next(iter(caller.words)), 1, "wrong-secret")
        status, _ = await line.call(Call(call.method, call.path, headers, body))
        assert 400 <= status < 500
    assert around.ear.heard == []


@given(st.binary(max_size=400))
def test_reading_never_fails_and_keeps_every_field(octets: bytes) -> None:
    found = pairs(octets)
    assert set(fields(octets)) == {name.decode("utf-8", "replace") for name, _ in found}
    with suppress(Malformed):
        json_as(dict[str, str | bool], octets)


@given(st.text(st.characters(), max_size=100))
def test_mending_is_done_once(text: str) -> None:
    once = mended(text)
    once.encode()
    assert mended(once) == once
    assert mended(text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")) == once
