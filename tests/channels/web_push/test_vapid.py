"""The key pair by which push services know us."""

import os

import pytest

from channels.web_push.encryption import browser_key
from channels.web_push.vapid import VapidKey, b64url, from_b64url
from domain.errors import Malformed


def test_the_public_key_is_that_of_the_setting() -> None:
    """RFC 8291's example pair: another maker of keys must come to the same."""
    key = VapidKey.of(" yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw=\n")
    assert key.public == "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    assert browser_key(from_b64url(key.public))
    assert "yfWP" not in repr(key)


@pytest.mark.parametrize(
    "setting",
    ["", "x", "a" * 42, b64url(bytes(32)), b64url(b"\xff" * 32), b64url(os.urandom(33)), "é" * 43, "-----BEGIN EC"],
)
def test_what_is_no_key_is_refused_by_name(setting: str) -> None:
    with pytest.raises(Malformed, match="MOTMA_VAPID_KEY"):
        VapidKey.of(setting)
