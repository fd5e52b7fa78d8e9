"""One-time codes: the vectors of the RFCs, clocks that are off, a code used twice."""

import base64
from datetime import UTC, datetime

import pytest

from console.totp import address, code_at, matching_step, new_secret, step_of

SECRET = base64.b32encode(b"12345678901234567890").decode()


# RFC 6238, appendix B (SHA-1, eight digits)
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(SECRET, step_of(datetime.fromtimestamp(seconds, UTC)), digits=8) == code


# RFC 4226, appendix D
def test_the_vectors_of_rfc_4226() -> None:
    codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    assert [code_at(SECRET, count) for count in range(10)] == codes


def test_a_code_is_good_once_and_while_clocks_are_a_little_off() -> None:
    now = datetime(2026, 11, 20, 9, 0, 10, tzinfo=UTC)
    step = step_of(now)
    late, early, far = (code_at(SECRET, step + n) for n in (-1, 1, 2))
    assert matching_step(SECRET, late, now=now, after=0) == step - 1
    assert matching_step(SECRET, early, now=now, after=0) == step + 1
    assert matching_step(SECRET, far, now=now, after=0) is None
    assert matching_step(SECRET, late, now=now, after=step - 1) is None
    assert matching_step(SECRET, f" {early[:3]} {early[3:]} ", now=now, after=0) == step + 1


@pytest.mark.parametrize("typed", ["", "12345", "ký tự", "１２３４５６", "\x00", "1" * 10_000])
def test_whatever_is_typed_is_only_wrong(typed: str) -> None:
    assert matching_step(SECRET, typed, now=datetime(2026, 11, 20, tzinfo=UTC), after=0) is None


def test_the_app_reads_secret_and_account() -> None:
    secret = new_secret()
    assert len(base64.b32decode(secret)) == 20
    read = address(secret, account="an@bacninh.gov.vn")
    assert read.startswith("otpauth://totp/M%E1%BB%99t%20M%C3%A3:an%40bacninh.gov.vn?secret=")
    assert f"secret={secret}" in read
