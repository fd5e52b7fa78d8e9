"""Vonage's signatures and tokens, against vectors made by its own libraries, and what those leave unchecked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.channels.sms.callers import (
    open_vonage,
    open_vonage_messages,
    recorded,
    signed_by_vonage,
    token,
    vonage_messages_text,
    vonage_text,
    with_token,
)
from tests.channels.sms.calling import NOW, Around, Call
from tests.channels.sms.conftest import Serve

SIGNATURES = recorded("vonage_signatures.json")
TOKENS = recorded("vonage_messages_tokens.json")
BOTH = f"{SIGNATURES['secret']},{SIGNATURES['old_secret']}"


def by_name(vectors: Any, start: str) -> list[Any]:  # noqa: ANN401 - JSON
    return [case for case in vectors["cases"] if case["name"].startswith(start)]


@pytest.mark.parametrize("case", by_name(SIGNATURES, "a text"), ids=lambda case: case["name"])
@pytest.mark.parametrize("method", ["sha256", "sha512"])
@pytest.mark.parametrize("way", ["get", "form", "json"])
async def test_what_vonages_library_signed_is_genuine_if_by_the_method_of_the_settings(
    case: dict[str, Any], method: str, way: str, around: Around, serve: Serve
) -> None:
    line = await serve(open_vonage(around, BOTH, signature_method=method))
    unsigned = {name: value for name, value in case["fields"].items() if name != "sig"}
    call = signed_by_vonage("/webhooks/vonage", unsigned, way=way)
    right, wrong = case["fields"]["sig"], _sig(call, way)
    call = replace(call, path=call.path.replace(wrong, right), body=call.body.replace(wrong.encode(), right.encode()))
    status, _ = await line.call(call)
    assert status == (200 if case["method"] == method else 401)
    if status == 200:
        assert [heard.text for heard in around.ear.heard] == ["Tra cứu & H05.16=261102 😀"]


def _sig(call: Call, way: str) -> str:
    carried = call.path if way == "get" else call.body.decode()
    start = carried.index("sig")
    return carried[start:].lstrip('sig"=: ')[:64]


async def test_a_signature_in_capitals_is_one_too(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage(around))
    call = vonage_text(way="form")
    assert (await line.call(replace(call, body=call.body[:-64] + call.body[-64:].upper())))[0] == 200


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"timestamp": f"{NOW - timedelta(hours=24):%s}"}, 200),
        ({"timestamp": f"{NOW - timedelta(hours=26):%s}"}, 401),
        ({"timestamp": f"{NOW + timedelta(minutes=4):%s}"}, 200),
        ({"timestamp": f"{NOW + timedelta(minutes=6):%s}"}, 401),
        ({"timestamp": ""}, 401),
        ({"timestamp": "now"}, 401),
        ({"timestamp": None}, 401),
        ({"api-key": "other"}, 401),
        ({"api-key": None}, 200),
        ({"a&b": "c"}, 401),
        ({"text=x&a": "c"}, 401),
        ({"concat": "true"}, 200),
        ({"concat": "true", "concat-part": "3", "concat-total": "2", "concat-ref": "1"}, 200),
        ({"concat": "true", "concat-part": "1", "concat-total": "1", "concat-ref": "1"}, 200),
        ({"messageId": ""}, 400),
    ],
)
async def test_a_signed_call_must_be_ours_and_of_these_days(
    changed: dict[str, Any], status: int, around: Around, serve: Serve
) -> None:
    line = await serve(open_vonage(around))
    given = {"msisdn": "84901234567", "to": "84588888888", "messageId": "0B1", "text": "a", **changed}
    assert (await line.call(signed_by_vonage("/webhooks/vonage", given)))[0] == status
    assert len(around.ear.heard) == (status == 200)


async def test_a_field_given_twice_is_refused(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage(around))
    call = vonage_text(way="form")
    assert (await line.call(replace(call, body=call.body + b"&msisdn=84987654321")))[0] == 401


async def test_json_truths_and_numbers_are_signed_as_they_are_written(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage(around))
    call = vonage_text(number=7, price="0.03330000", flag="true")
    body = call.body.replace(b'"0.03330000"', b"0.03330000").replace(b'"true"', b"true")
    assert (await line.call(replace(call, body=body)))[0] == 200


async def test_a_binary_message_is_taken_and_has_no_words(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage(around))
    call = signed_by_vonage(
        "/webhooks/vonage",
        {
            "msisdn": "84901234567",
            "to": "84588888888",
            "messageId": "0B1",
            "type": "binary",
            "data": "00ff",
            "udh": "05",
        },
    )
    assert (await line.call(call))[0] == 200
    assert [heard.text for heard in around.ear.heard] == [""]


# --- the Messages API ---


@pytest.mark.parametrize("case", by_name(TOKENS, "a text"), ids=lambda case: case["name"])
async def test_a_token_of_vonages_is_genuine(case: dict[str, Any], around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around, BOTH))
    assert (await line.call(_with(case)))[0] == 200
    assert [heard.text for heard in around.ear.heard] == ["Tra cứu 😀"]


@pytest.mark.parametrize("case", by_name(TOKENS, "good for the library alone"), ids=lambda case: case["name"])
async def test_what_the_library_lets_pass_is_looked_at_too(case: dict[str, Any], around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around, BOTH))
    assert (await line.call(_with(case)))[0] == 401
    assert around.ear.heard == []


def _with(case: dict[str, Any]) -> Call:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {case['token']}"}
    return Call("POST", "/webhooks/vonage/messages", headers, case["body"].encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS512"}},
        {"header": {"alg": "RS256"}},
        {"header": {}},
        {"header": {"alg": None}},
        {"iat": "yesterday"},
        {"iat": None},
        {"iat": NOW.timestamp() - 26 * 3600},
        {"iat": NOW.timestamp() + 600},
        {"jti": ""},
        {"payload_hash": ""},
        {"payload_hash": "é"},
        {"api_key": None},
    ],
    ids=str,
)
async def test_a_token_must_say_all_that_is_asked_of_it(changed: dict[str, Any], around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around))
    body = vonage_messages_text().body
    assert (await line.call(with_token(body, **changed)))[0] == 401
    assert around.ear.heard == []


@pytest.mark.parametrize("bearer", ["", "Bearer", "Bearer .", "Bearer ..", "Bearer a.b.c", "Bearer é.é.é", "Basic x"])
async def test_no_token_no_call(bearer: str, around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around))
    call = vonage_messages_text()
    assert await line.raw(replace(call, headers={**call.headers, "Authorization": bearer})) in {400, 401}


async def test_a_signature_by_no_key_at_all_is_none(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around))
    body = vonage_messages_text().body
    unsigned = token(body).rpartition(".")[0] + "."
    assert (await line.call(Call("POST", "/webhooks/vonage/messages", {"Authorization": f"Bearer {unsigned}"}, body)))[
        0
    ] == 401


async def test_the_application_counts_where_it_is_named(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around, application_id="another"))
    assert (await line.call(vonage_messages_text()))[0] == 401
    line = await serve(open_vonage_messages(around, application_id="aaaaaaaa-bbbb-cccc-dddd-0123456789ab"))
    assert (await line.call(vonage_messages_text()))[0] == 200


async def test_other_channels_of_the_account_are_taken_and_not_heard(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around))
    for channel in ("whatsapp", "mms", ""):
        assert (await line.call(vonage_messages_text(channel=channel)))[0] == 200
    assert around.ear.heard == []


async def test_a_text_of_another_kind_has_no_words(around: Around, serve: Serve) -> None:
    line = await serve(open_vonage_messages(around))
    assert (await line.call(vonage_messages_text(text=None, message_type="unsupported")))[0] == 200  # type: ignore[arg-type]
    assert [heard.text for heard in around.ear.heard] == [""]
