"""Whose request it is: by the peer, by our proxies, by household."""

import pytest
from aiohttp.test_utils import make_mocked_request

from lookup.sealing import Seal
from pages.visitors import Visitors, networks


class Peer:
    """A transport that comes from an address."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The peer's name, as asyncio tells it."""
        if name == "peername":
            return (self._address, 1234) if self._address else self._address
        return default

    def is_closing(self) -> bool:
        """Never."""
        return False


def address(peer: str, forwarded: str | None, trusted: str, seal: Seal) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("GET", "/", headers=headers, transport=Peer(peer))
    return Visitors(seal, networks(trusted)).of(request).address


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("198.51.100.7", None, "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.1", "", "198.51.100.7"),
        ("10.0.0.2", "203.0.113.1", "10.0.0.0/8", "203.0.113.1"),
        ("10.0.0.2", "1.2.3.4, 203.0.113.1, 10.0.0.9", "10.0.0.0/8", "203.0.113.1"),
        ("10.0.0.2", None, "10.0.0.0/8", "10.0.0.2"),
        ("10.0.0.2", "unknown", "10.0.0.0/8", "10.0.0.2"),
        ("10.0.0.2", "203.0.113.1, junk", "10.0.0.0/8", "10.0.0.2"),
        ("::1", "2001:db8:1:2:3:4:5:6", "::1/128", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", None, "", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", None, "", "198.51.100.7"),
        ("", None, "", "local"),
        ("", "203.0.113.1", "127.0.0.1", "203.0.113.1"),
    ],
)
def test_the_address_that_counts(peer: str, forwarded: str | None, trusted: str, expected: str, seal: Seal) -> None:
    assert address(peer, forwarded, trusted, seal) == expected


def test_what_is_written_down_is_a_digest(seal: Seal) -> None:
    request = make_mocked_request("GET", "/", transport=Peer("198.51.100.7"))
    visitor = Visitors(seal).of(request)
    assert len(visitor.shown) == 16
    assert visitor.shown == Visitors(seal).of(request).shown
    assert visitor.shown != Visitors(Seal.from_secret(b"u" * 32)).of(request).shown


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="not-a-network"):
        networks("10.0.0.0/8, not-a-network")
