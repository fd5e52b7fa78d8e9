"""Passwords: strong enough a digest, few at once, the same time for nobody as for somebody."""

import asyncio
from time import perf_counter

import pytest

from console.passwords import Passwords, checked, given, outdated
from domain.errors import Invalid


async def test_a_password_fits_its_own_digest_only() -> None:
    passwords = Passwords()
    kept = await passwords.digest("mưa rào tháng sáu")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.fits("mưa rào tháng sáu", kept)
    assert not await passwords.fits("mưa rào tháng bảy", kept)
    assert not await passwords.fits("mưa rào tháng sáu", None)
    assert not outdated(kept)
    assert outdated("$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$b3FoDcj1yf7tSHnRXN0+VFRrJxrtpYsDP3CrckmRpgI")


async def test_it_takes_as_long_where_there_is_no_account() -> None:
    passwords = Passwords()
    kept = await passwords.digest("mưa rào tháng sáu")

    async def takes(digest: str | None) -> float:
        began = perf_counter()
        await passwords.fits("một mật khẩu sai", digest)
        return perf_counter() - began

    known = min([await takes(kept) for _ in range(4)])
    unknown = min([await takes(None) for _ in range(4)])
    assert 0.5 < unknown / known < 2


async def test_a_flood_waits_its_turn() -> None:
    passwords = Passwords()
    answers = await asyncio.gather(*(passwords.fits("x" * 5000, None) for _ in range(8)))
    assert answers == [False] * 8


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("ngắn quá", "password.short"),
        ("x" * 129, "password.long"),
        ("matkhau123456", "password.guessable"),
        ("aaaaaaaaaaaaaaaa", "password.guessable"),
        ("nguyenvanan2026", "password.guessable"),
        ("Password12345!", "password.guessable"),
    ],
)
def test_what_is_easily_guessed_is_refused(password: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        checked(password, email="nguyenvanan@bacninh.gov.vn")


def test_length_is_enough() -> None:
    assert checked("mưa rào tháng sáu", email="an@bacninh.gov.vn") == "mưa rào tháng sáu"
    assert checked(given(), email="an@bacninh.gov.vn")
    assert given() != given()
