"""Every update Telegram's documentation shows, and what nobody but Telegram may say."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.open_channels import manners
from channels.telegram.channel import MOST_UPDATE, PATH, SECRET_HEADER
from channels.telegram.opening import TELEGRAM
from domain.contact import Contact
from domain.message import Incoming, IncomingKind
from tests.channels.telegram.conftest import PAYLOADS, SECRET, Make, Wire, payload

AN = Contact(channel=TELEGRAM, address="5550001")
SENT = datetime(2026, 11, 6, 3, 40, 30, tzinfo=UTC)
TEXT, JOINED, LEFT, OWN_PHONE = IncomingKind.TEXT, IncomingKind.JOINED, IncomingKind.LEFT, IncomingKind.OWN_PHONE
# What each payload is recorded as; those not named here are recorded as nothing.
RECORDED = {
    "text": (TEXT, "HS H05.16-261102-0001 246810"),
    "start": (JOINED, ""),
    "start_deep_link": (TEXT, "/start r_8FqT2mZk"),
    "command": (TEXT, "/theodoi@motma_bot H05.16-261102-0001"),
    "callback_query": (TEXT, "THEO DOI H05.16-261102-0001"),
    "callback_query_old_message": (TEXT, "BO H05.16-261102-0001"),
    "blocked": (LEFT, ""),
    "unblocked": (IncomingKind.RETURNED, ""),
    "contact_own": (OWN_PHONE, "+84901234567"),
    "contact_of_another": (TEXT, ""),
    "contact_without_account": (TEXT, ""),
    "photo": (TEXT, ""),
    "photo_with_caption": (TEXT, "H05.16-261102-0001"),
    "image_as_file": (TEXT, ""),
    "file_too_large": (TEXT, ""),
    "sticker": (TEXT, ""),
    "voice": (TEXT, ""),
    "location": (TEXT, ""),
    "edited_text": (TEXT, "H05.16-261102-0001"),
    "group_added": (JOINED, ""),
}
ANSWERED_AT_ONCE = {
    "callback_query": ("answerCallbackQuery", "23837123456789012"),
    "callback_query_old_message": ("answerCallbackQuery", "23837123456789013"),
    "callback_query_in_group": ("answerCallbackQuery", "23837123456789014"),
    "group_added": ("sendMessage", -1001234567890),
}


@pytest.mark.parametrize("name", PAYLOADS)
async def test_each_update_is_recorded_as_what_it_says(wire: Wire, name: str) -> None:
    response = await wire.post(payload(name))
    assert response.status == 200
    assert [(incoming.kind, incoming.text) for incoming in wire.heard] == ([RECORDED[name]] if name in RECORDED else [])
    body = await response.read()
    if name in ANSWERED_AT_ONCE:
        method, about = ANSWERED_AT_ONCE[name]
        answer = msgspec.json.decode(body)
        assert (answer["method"], answer.get("callback_query_id") or answer["chat_id"]) == (method, about)
    else:
        assert body == b""


async def test_a_text_is_recorded_with_all_that_matters(wire: Wire) -> None:
    await wire.post(payload("text"))
    assert wire.heard == [
        Incoming(
            sender=AN,
            recipient="123456789",
            text="HS H05.16-261102-0001 246810",
            external_id="telegram:123456789:817000001",
            received_at=SENT,
        )
    ]


async def test_an_update_sent_again_is_recorded_once_and_its_button_still_let_go(wire: Wire) -> None:
    for name in ("callback_query", "group_added"):
        first, second = [await (await wire.post(payload(name))).read() for _ in range(2)]
        assert len(first) > 0
        assert second == (first if name == "callback_query" else b"")
    assert len(wire.heard) == 2


async def test_the_word_to_a_group_tells_nothing_and_a_group_is_never_answered(wire: Wire) -> None:
    hint = msgspec.json.decode(await (await wire.post(payload("group_added"))).read())["text"]
    assert "không trả lời trong nhóm" in hint
    assert "do not answer in groups" in hint
    may_be_answered = manners()[TELEGRAM].may_be_answered
    assert not may_be_answered(wire.heard[0].sender.address)
    assert may_be_answered(AN.address)


@pytest.mark.parametrize(
    "told", [SENT.timestamp() - timedelta(days=3).total_seconds(), SENT.timestamp() + 3600, 0, 253402300799]
)
async def test_a_time_that_cannot_be_is_now(wire: Wire, told: float) -> None:
    update = msgspec.json.decode(payload("text"))
    update["message"]["date"] = int(told)
    await wire.post(msgspec.json.encode(update))
    assert wire.heard[0].received_at == SENT + timedelta(seconds=30)


# --- who may speak ---


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", "bí mật"])
async def test_who_does_not_know_the_secret_finds_nothing(wire: Wire, secret: str | None) -> None:
    response = await wire.post(payload("text"), secret)
    nowhere = await wire.client.post("/no/such/address")
    assert (response.status, await response.read()) == (nowhere.status, await nowhere.read())
    assert response.status == 404
    assert wire.heard == []


async def test_every_flipped_bit_of_the_secret_is_refused(wire: Wire) -> None:
    refused = 0
    for place in range(len(SECRET)):
        for bit in range(7):
            wrong = SECRET[:place] + chr(ord(SECRET[place]) ^ (1 << bit)) + SECRET[place + 1 :]
            if wrong.isprintable():
                refused += (await wire.post(payload("text"), wrong)).status == 404
    assert refused > 100
    assert wire.heard == []


async def test_while_a_secret_is_replaced_both_are_good(make: Make) -> None:
    wire = await make(webhook_secret=f"brand-new-secret-0123, {SECRET}")
    assert (await wire.post(payload("text"))).status == 200
    assert (await wire.post(payload("start"), "brand-new-secret-0123")).status == 200
    assert len(wire.heard) == 2


async def test_without_a_secret_there_is_no_webhook(make: Make) -> None:
    wire = await make(webhook_secret=None)
    assert (await wire.client.post(PATH, data=payload("text"))).status == 404


# --- what cannot be ---


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"7", b'"text"', b"{}", b"[" * 5000, b"\xff\xfe", b'{"update_id":1,"a":"\\ud800"}'),
        *(b'{"update_id":' + number + b"}" for number in (b'"1"', b"-1", b"1.5", b"9e99", b"9" * 400, b"null")),
    ],
)
async def test_what_is_no_update_is_refused(wire: Wire, body: bytes) -> None:
    assert (await wire.post(body)).status == 400
    assert wire.heard == []


async def test_what_cannot_be_recorded_comes_again(wire: Wire) -> None:
    wire.database_is_away = True
    response = await wire.post(payload("text"))
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1


async def test_a_body_over_the_limit_is_refused(wire: Wire) -> None:
    headers = {SECRET_HEADER: SECRET}
    response = await wire.client.post(PATH, data=BytesIO(b" " * (MOST_UPDATE + 1)), headers=headers)
    assert response.status == 413


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def _mutated(update: Any, path: list[int], value: object) -> Any:  # noqa: ANN401
    """`update` with one of its values, chosen by `path`, replaced."""
    if not path or not isinstance(update, (dict, list)) or not update:
        return value
    keys = list(update) if isinstance(update, dict) else list(range(len(update)))
    key = keys[path[0] % len(keys)]
    changed = dict(update) if isinstance(update, dict) else list(update)
    changed[key] = _mutated(update[key], path[1:], value)
    return changed


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PAYLOADS), st.lists(st.integers(0, 20), min_size=1, max_size=5), _JSON | st.just("\x00\u202ea"))
async def test_no_update_whatever_it_holds_gets_a_5xx(wire: Wire, name: str, path: list[int], value: object) -> None:
    update = _mutated(msgspec.json.decode(payload(name)), path, value)
    response = await wire.post(msgspec.json.encode(update))
    assert response.status in {200, 400}
    for incoming in wire.heard:
        assert "\x00" not in incoming.text + incoming.external_id + incoming.sender.address
        assert len(incoming.external_id) < 64
    wire.heard.clear()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
async def test_no_bytes_get_a_5xx(wire: Wire, body: bytes) -> None:
    assert (await wire.post(body)).status in {200, 400}
