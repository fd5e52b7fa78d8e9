"""Sealing for a browser: the example of RFC 8291, and whatever else fits."""

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from channels.web_push.encryption import LONGEST, encrypted, point_of
from channels.web_push.vapid import b64url, from_b64url
from tests.channels.web_push.stand_in import Browser

# RFC 8291, section 5 and appendix A.
PLAIN = b"When I grow up, I want to be a watermelon"
SENDERS_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
BROWSERS_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def key(written: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(from_b64url(written), "big"), ec.SECP256R1())


def test_the_example_of_the_rfc() -> None:
    body = encrypted(
        PLAIN,
        browser=from_b64url(BROWSER),
        auth=from_b64url(AUTH),
        ours=key(SENDERS_KEY),
        salt=from_b64url(SALT),
        padded_to=0,
    )
    assert b64url(body) == BODY
    assert Browser("", private=key(BROWSERS_KEY), auth=from_b64url(AUTH)).opened(body) == PLAIN


@given(plain=st.binary(max_size=LONGEST))
def test_its_browser_opens_what_is_sealed_for_it(plain: bytes) -> None:
    browser = Browser("")
    body = encrypted(plain, browser=point_of(browser.private.public_key()), auth=browser.auth)
    assert len(body) <= 4_096
    assert browser.opened(body) == plain


def test_usual_notices_are_all_as_long_and_no_other_browser_opens_them() -> None:
    browser = Browser("")
    short, long = (
        encrypted(plain, browser=point_of(browser.private.public_key()), auth=browser.auth)
        for plain in (b"x", b"x" * 1_000)
    )
    assert len(short) == len(long)
    with pytest.raises(InvalidTag):
        Browser("").opened(short)


@pytest.mark.parametrize("browser", [b"", b"\x04" + bytes(64), os.urandom(64), b"\x02" + bytes(32)])
def test_what_is_no_key_is_refused(browser: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encrypted(b"x", browser=browser, auth=bytes(16))


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="3993"):
        encrypted(bytes(LONGEST + 1), browser=from_b64url(BROWSER), auth=bytes(16))
