"""Signatures of Standard Webhooks: the published example, and everything a forger may try."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.standard_webhooks import Verifier, key_of, sign
from domain.errors import Malformed, Unauthenticated

KEY = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NOW = datetime(2021, 2, 25, 3, 4, 11, tzinfo=UTC)
STAMP = int(NOW.timestamp())
BODY = b'{"test": 2432232314}'
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"


def headers(signature: str, *, message_id: str = ID, timestamp: str = str(STAMP)) -> dict[str, str]:
    """The three headers."""
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def verify(given_headers: dict[str, str], body: bytes = BODY, *, now: datetime = NOW) -> str:
    """The id of a genuine call."""
    return Verifier((KEY,), clock=lambda: now).message_id(given_headers, body)


def test_the_published_example() -> None:
    """The test vector of the specification's reference implementations."""
    stamp, signature = 1614265330, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(KEY, ID, stamp, BODY) == signature
    assert verify(headers(signature, timestamp=str(stamp)), now=datetime.fromtimestamp(stamp, UTC)) == ID


def test_several_signatures_and_unknown_versions() -> None:
    good = sign(KEY, ID, STAMP, BODY)
    old = sign(b"another key", ID, STAMP, BODY)
    assert verify(headers(f"v1a,AAAA {old} {good} v2,whatever")) == ID


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_call_of_five_minutes_either_way_is_taken(seconds: int) -> None:
    assert verify(headers(sign(KEY, ID, STAMP, BODY)), now=NOW + timedelta(seconds=seconds)) == ID


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_an_older_or_newer_one_is_not(seconds: int) -> None:
    with pytest.raises(Unauthenticated):
        verify(headers(sign(KEY, ID, STAMP, BODY)), now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("timestamp", ["", f"{STAMP}.5", f" {STAMP}", f"+{STAMP}", "1e9", "abc", "٣", "9" * 40, "-1"])
def test_a_timestamp_is_digits(timestamp: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(headers(sign(KEY, ID, STAMP, BODY), timestamp=timestamp))


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "é", "a\x00", "x" * 257])
def test_an_id_that_could_shift_the_dots_is_refused(message_id: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(headers(sign(KEY, message_id, STAMP, BODY), message_id=message_id))


@pytest.mark.parametrize(
    "signature", ["", "v1", "v1,", "g0hM9SsE", "v1,é", "v1,\udcff", "  ", "v2,AAAA", "v1,AAAA v1", "V1,AAAA"]
)
def test_a_signature_that_cannot_be_read_is_refused(signature: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(headers(signature))


def test_one_unreadable_entry_spoils_the_right_one() -> None:
    with pytest.raises(Unauthenticated):
        verify(headers(f"{sign(KEY, ID, STAMP, BODY)} nonsense"))


def test_missing_headers_are_refused() -> None:
    with pytest.raises(Unauthenticated):
        verify({})


def test_every_bit_of_signature_and_body_counts() -> None:
    raw = base64.b64decode(sign(KEY, ID, STAMP, BODY).removeprefix("v1,"))
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unauthenticated):
            verify(headers(f"v1,{base64.b64encode(flipped).decode()}"))
    for bit in range(len(BODY) * 8):
        body = bytearray(BODY)
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unauthenticated):
            verify(headers(sign(KEY, ID, STAMP, BODY)), bytes(body))


def test_while_a_secret_is_replaced_both_sign() -> None:
    new = key_of("whsec_" + base64.b64encode(b"n" * 32).decode())
    verifier = Verifier((new, KEY), clock=lambda: NOW)
    for key in (new, KEY):
        assert verifier.message_id(headers(sign(key, ID, STAMP, BODY)), BODY) == ID
    with pytest.raises(Unauthenticated):
        Verifier((new,), clock=lambda: NOW).message_id(headers(sign(KEY, ID, STAMP, BODY)), BODY)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", "not base64 at all"])
def test_a_secret_that_is_no_key_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(Malformed):
        key_of(secret)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60), st.binary(max_size=60))
def test_no_forged_call_gets_through_or_breaks_anything(
    message_id: str, stamp: str, signature: str, body: bytes
) -> None:
    with pytest.raises(Unauthenticated):
        verify(headers(signature, message_id=message_id, timestamp=stamp), body)
