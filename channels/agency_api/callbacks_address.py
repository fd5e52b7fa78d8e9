"""Which addresses agencies may have us call: public ones over TLS, nothing within our own network.

Names are looked at twice. What is written is checked when a receiver is made and before each call; where a name leads
is checked at every connect, on the very address the socket then connects to, so that a name that changes its mind
between two look-ups (DNS rebinding) gains nothing.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

from yarl import URL

from domain.errors import Invalid

LONGEST_URL = 2_000
DEFAULT_PORTS = frozenset({443, 8443})

_REACHABLE_V6 = IPv6Network("2000::/3")
# What lies within but leads elsewhere: Teredo and other special uses, documentation, 6to4.
_SPECIAL_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_SPECIAL_V4 = tuple(map(IPv4Network, ("192.88.99.0/24", "192.0.0.0/24")))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings:
    """MOTMA_CALLBACK_…"""

    ports: str = "443,8443"
    loopback: bool = False  # development: receivers on this machine, without TLS and at any port


class RefusedAddress(OSError):
    """A name leads to an address that is not called."""


def is_public(address: str) -> bool:
    """Whether an IP address is an ordinary one of the internet.

    Not: private, loopback, link-local, multicast, reserved, and whatever carries another address within (mapped,
    NAT64, 6to4, Teredo), since that may be any of these (RFC 6890, RFC 6052, RFC 4380).
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL_V4)
    if ip.scope_id is not None:
        return False
    return ip in _REACHABLE_V6 and not any(ip in network for network in _SPECIAL_V6)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Addresses:
    """The rule, for writing and for connecting."""

    def __init__(self, *, ports: Iterable[int] = DEFAULT_PORTS, loopback: bool = False) -> None:
        self._ports = frozenset(ports)
        self._loopback = loopback

    @classmethod
    def of(cls, settings: CallbackSettings) -> "Addresses":
        """Raises `ValueError` for ports that are none."""
        return cls(ports=[int(port) for port in settings.ports.split(",")], loopback=settings.loopback)

    def checked(self, written: str) -> URL:
        """The address as it is called. Raises `Invalid`."""
        url = _parsed(written)
        host = url.host or ""
        if self._loopback and _is_loopback(host) and url.scheme in {"http", "https"}:
            return url
        if url.scheme != "https":
            raise Invalid("A receiver has an https:// address.", field="url")
        if url.port not in self._ports:
            raise Invalid(f"Only these ports are called: {', '.join(map(str, sorted(self._ports)))}.", field="url")
        if not _may_be_public(host):
            raise Invalid("The address must be a public one.", field="url")
        return url

    def socket(self, info: tuple[int, int, int, str, tuple[str | int, ...]]) -> socket.socket:
        """The socket for one connect, made only to an address that is called. Raises `RefusedAddress`."""
        family, kind, protocol, _, where = info
        address = str(where[0])
        if not (is_public(address) or (self._loopback and _is_loopback(address))):
            raise RefusedAddress("this address is not called")
        return socket.socket(family, kind, protocol)


def _parsed(written: str) -> URL:
    refusal = Invalid("This is not an address that can be called.", field="url")
    if len(written) > LONGEST_URL or not written.isascii() or not written.isprintable() or set(written) & set(' \\"<>'):
        raise refusal
    try:
        url = URL(written)
        known = bool(url.host) and url.port is not None
    except ValueError:
        raise refusal from None
    if not known or url.user is not None or url.password is not None or url.fragment or url.port == 0:
        raise refusal
    return url


def _may_be_public(host: str) -> bool:
    """Whether a host as written may be called; a name has a dot, and none is a number in disguise (`127.1`, `0x7f`)."""
    try:
        ip_address(host)
    except ValueError:
        labels = host.rstrip(".").split(".")
        last = labels[-1].lower()
        inside = last in {"localhost", "local", "internal", "localdomain", "onion", "arpa", "home", "lan"}
        return len(labels) > 1 and all(labels) and not last[:1].isdigit() and not inside
    return is_public(host)
