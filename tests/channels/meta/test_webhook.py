"""Every call Meta's reference shows, and what nobody but Meta may say."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.meta.webhook import MOST_CALL, PATH
from domain.message import IncomingKind
from tests.channels.meta.conftest import PAYLOADS, VERIFY_TOKEN, Make, Wire, payload
from tests.channels.meta.graph_api import APP_SECRET, sign, signed_form

SENT = datetime(2026, 11, 6, 3, 40, 30, tzinfo=UTC)
TEXT, JOINED, LEFT = IncomingKind.TEXT, IncomingKind.JOINED, IncomingKind.LEFT
AN_ON_MESSENGER, AN_ON_WHATSAPP = "6701234567890123", "+84901234567"
# What each payload is recorded as; those not named here are recorded as nothing.
RECORDED = {
    "messenger_text": [(TEXT, "Tra cứu H05.16-261102-0001 246810")],
    "messenger_quick_reply": [(TEXT, "THEO DOI H05.16-261102-0001")],
    "messenger_image": [(TEXT, "")],
    "messenger_like": [(TEXT, "")],
    "messenger_voice": [(TEXT, "")],
    "messenger_postback": [(TEXT, "BO H05.16-261102-0001")],
    "messenger_get_started": [(JOINED, "")],
    "messenger_get_started_by_link": [(TEXT, "/start r_8FqT2mZk")],
    "messenger_link": [(TEXT, "/start r_8FqT2mZk")],
    "messenger_several": [(TEXT, "một"), (TEXT, "hai"), (TEXT, "ba")],
    "whatsapp_text": [(TEXT, "HS H05.16-261102-0001")],
    "whatsapp_button_reply": [(TEXT, "THEO DOI H05.16-261102-0001")],
    "whatsapp_list_reply": [(TEXT, "DANH GIA 5")],
    "whatsapp_template_button": [(TEXT, "BO H05.16-261102-0001")],
    "whatsapp_image": [(TEXT, "hồ sơ của tôi")],
    "whatsapp_image_as_document": [(TEXT, "")],
    "whatsapp_sticker": [(TEXT, "")],
    "whatsapp_contacts": [(TEXT, "")],
    "whatsapp_unsupported": [(TEXT, "")],
    "whatsapp_request_welcome": [(JOINED, "")],
    "whatsapp_number_changed": [(LEFT, "")],
    "whatsapp_number_kept": [(TEXT, "H05.16-261102-0001")],
}
REPORTS = {"messenger_delivery", "whatsapp_statuses", "whatsapp_status_failed"}


@pytest.mark.parametrize("name", [name for name in PAYLOADS if name not in REPORTS])
async def test_each_call_is_recorded_as_what_it_says(wire: Wire, name: str) -> None:
    body = signed_form(json.loads(payload(name)))
    for _ in range(2):
        assert (await wire.post(body)).status == 200
    assert sorted((incoming.kind, incoming.text) for incoming in wire.heard) == sorted(RECORDED.get(name, []))


@pytest.mark.parametrize(
    ("name", "channel", "person", "account"),
    [
        ("messenger_text", "messenger", AN_ON_MESSENGER, "104857600000001"),
        ("whatsapp_text", "whatsapp", AN_ON_WHATSAPP, "106540352242922"),
        ("whatsapp_number_kept", "whatsapp", "VN.13491208655302741918", "106540352242922"),
    ],
)
async def test_a_text_is_recorded_with_all_that_matters(
    wire: Wire, name: str, channel: str, person: str, account: str
) -> None:
    await wire.post(payload(name))
    heard = wire.heard[0]
    assert (heard.sender.channel, heard.sender.address, heard.recipient) == (channel, person, account)
    assert heard.received_at == SENT
    assert heard.external_id.startswith(f"{channel}:")
    assert "HBgLODQ5MDEyMzQ1NjcV" not in heard.external_id  # WhatsApp's ids hold the phone number, in base64


async def test_one_person_is_recorded_in_order_and_what_cannot_be_read_hides_nobody(wire: Wire) -> None:
    await wire.post(payload("messenger_several"))
    assert [heard.text for heard in wire.heard if heard.sender.address == AN_ON_MESSENGER] == ["một", "ba"]
    assert len(wire.heard) == 3


@pytest.mark.parametrize("told", [0, -5, SENT.timestamp() - 9 * 86400, SENT.timestamp() + 3600, 1e15])
async def test_a_time_that_cannot_be_is_now(wire: Wire, told: float) -> None:
    call = json.loads(payload("whatsapp_text"))
    call["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = str(int(told))
    await wire.post(signed_form(call))
    assert wire.heard[0].received_at == SENT + timedelta(seconds=30)


async def test_half_an_emoji_is_left_out(wire: Wire) -> None:
    call = json.loads(payload("messenger_text"))
    call["entry"][0]["messaging"][0]["message"]["text"] = "mã hồ sơ \ud83d"
    assert (await wire.post(signed_form(call))).status == 200
    assert wire.heard[0].text == "mã hồ sơ"


# --- who may speak ---


async def test_the_bytes_are_verified_as_they_came(wire: Wire) -> None:
    call = json.loads(payload("messenger_text"))
    escaped = signed_form(call)
    assert b"\\u1ee9" in escaped
    assert (await wire.post(escaped)).status == 200
    written_again = json.dumps(call, ensure_ascii=False).encode()
    assert (await wire.post(written_again, sign(escaped))).status == 401


@pytest.mark.parametrize(
    "signature",
    [None, "sha256=", "sha1=" + "0" * 40, "sha256=" + "0" * 64, "sha256=" + "g" * 64, "0" * 64, "sha256=" + "é" * 64],
)
async def test_who_cannot_sign_is_refused(wire: Wire, signature: str | None) -> None:
    assert (await wire.post(payload("messenger_text"), signature)).status == 401
    assert wire.heard == []


async def test_every_flipped_bit_is_refused(wire: Wire) -> None:
    body = signed_form(json.loads(payload("whatsapp_text")))
    digest = bytearray(bytes.fromhex(sign(body).removeprefix("sha256=")))
    statuses = set()
    for bit in range(0, len(digest) * 8, 3):
        digest[bit // 8] ^= 1 << bit % 8
        statuses.add((await wire.post(body, f"sha256={digest.hex()}")).status)
        digest[bit // 8] ^= 1 << bit % 8
    changed = bytearray(body)
    for place in range(0, 100, 3):
        changed[place] ^= 1
        statuses.add((await wire.post(bytes(changed), sign(body))).status)
        changed[place] ^= 1
    assert statuses == {401}
    assert wire.heard == []


async def test_while_a_secret_is_replaced_both_are_good(make: Make) -> None:
    wire = await make(app_secret=f"fedcba9876543210fedcba9876543210, {APP_SECRET}")
    assert (await wire.post(payload("messenger_text"))).status == 200
    body = payload("whatsapp_text")
    assert (await wire.post(body, sign(body, "fedcba9876543210fedcba9876543210"))).status == 200
    assert (await wire.post(body, sign(body, "a third secret of somebody else"))).status == 401
    assert len(wire.heard) == 2


async def test_the_handshake_gives_the_challenge_back(wire: Wire) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    response = await wire.client.get(PATH, params=query)
    assert (response.status, await response.text(), response.content_type) == (200, "1158201444", "text/plain")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"hub.mode": "subscribe", "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "wrong", "hub.challenge": "1"},
        {"hub.mode": "unsubscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "é", "hub.challenge": "1"},
    ],
)
async def test_a_handshake_without_our_token_finds_nothing(wire: Wire, query: dict[str, str]) -> None:
    response = await wire.client.get(PATH, params=query)
    nowhere = await wire.client.get("/no/such/address")
    assert (response.status, await response.read()) == (nowhere.status, await nowhere.read())


@pytest.mark.parametrize(
    ("closed", "kept"), [({"page_token": None}, "whatsapp"), ({"whatsapp_token": None}, "messenger")]
)
async def test_what_is_not_set_up_is_not_heard(make: Make, closed: dict[str, None], kept: str) -> None:
    wire = await make(**closed)
    for name in ("messenger_text", "whatsapp_text"):
        assert (await wire.post(payload(name))).status == 200
    assert [heard.sender.channel for heard in wire.heard] == [kept]


# --- what cannot be ---


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"object":' + b"9" * 5000 + b"}"])
async def test_what_is_no_json_is_refused(wire: Wire, body: bytes) -> None:
    assert (await wire.post(body)).status == 400


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b"null", b'{"object":"page","entry":7}', b'{"object":"page","entry":[7]}']
)
async def test_what_says_nothing_is_taken(wire: Wire, body: bytes) -> None:
    assert (await wire.post(body)).status == 200
    assert wire.heard == []


async def test_what_cannot_be_recorded_comes_again(wire: Wire) -> None:
    wire.database_is_away = True
    response = await wire.post(payload("messenger_several"))
    assert response.status == 503
    wire.database_is_away = False
    assert (await wire.post(payload("messenger_several"))).status == 200
    assert len(wire.heard) == 3


async def test_a_call_over_the_limit_is_refused(wire: Wire) -> None:
    body = b" " * (MOST_CALL + 1)
    headers = {"X-Hub-Signature-256": sign(body)}
    assert (await wire.client.post(PATH, data=BytesIO(body), headers=headers)).status == 413


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def _mutated(call: Any, path: list[int], value: object) -> Any:  # noqa: ANN401
    """`call` with one of its values, chosen by `path`, replaced."""
    if not path or not isinstance(call, (dict, list)) or not call:
        return value
    keys = list(call) if isinstance(call, dict) else list(range(len(call)))
    key = keys[path[0] % len(keys)]
    changed = dict(call) if isinstance(call, dict) else list(call)
    changed[key] = _mutated(call[key], path[1:], value)
    return changed


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([name for name in PAYLOADS if name not in REPORTS]),
    st.lists(st.integers(0, 20), min_size=2, max_size=10),
    _JSON | st.sampled_from(["\x00\u202ea", "\ud800", "VN.1", "https://127.0.0.1/", "9" * 40]),
)
async def test_no_call_whatever_it_holds_gets_a_5xx(wire: Wire, name: str, path: list[int], value: object) -> None:
    call = _mutated(json.loads(payload(name)), path, value)
    assert (await wire.post(json.dumps(call).encode())).status in {200, 400}
    for incoming in wire.heard:
        stored = incoming.text + incoming.external_id + incoming.sender.address + incoming.recipient
        assert "\x00" not in stored
        stored.encode()
        assert len(incoming.external_id) < 64
        assert len(incoming.sender.address) <= 140
    wire.heard.clear()
