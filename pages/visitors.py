"""Whose request it is: the client's address behind the proxies we trust, and how it may be written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from lookup.sealing import Seal

Network = IPv4Network | IPv6Network
MOST_KNOWN = 100_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """One client address. `address` counts against limits (of IPv6 the /64); `shown` is its digest, for logs."""

    address: str
    shown: bytes


def networks(text: str) -> tuple[Network, ...]:
    """The networks of a comma-separated list like `10.0.0.0/8, ::1`. Raises `ValueError`."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class Visitors:
    """Tells visitors apart. X-Forwarded-For counts only as far as our own proxies wrote it."""

    def __init__(self, seal: Seal, trusted: Sequence[Network] = ()) -> None:
        self._seal = seal
        self._trusted = tuple(trusted)
        self._direct: dict[str, Visitor] = {}  # by peer, of peers that are no proxies of ours
        self._known: dict[str, Visitor] = {}

    def of(self, request: web.BaseRequest) -> Visitor:
        """Who sent `request`. On a local socket that is its proxy, or `local`."""
        peer = request.remote or "local"
        return self._direct.get(peer) or self.behind(peer, request.headers.getall("X-Forwarded-For", ()))

    def behind(self, peer: str, forwarded: Sequence[str]) -> Visitor:
        """Who sent a request with these X-Forwarded-For headers over a connection from `peer`."""
        if not self._is_proxy(peer):
            visitor = self._visitor(peer)
            if len(self._direct) >= MOST_KNOWN:
                self._direct.clear()
            self._direct[peer] = visitor
            return visitor
        # The right-most address that none of our proxies has: what stands left of it anybody may have written.
        hops = ",".join(forwarded).split(",")
        address = peer
        for hop in reversed(hops):
            hop = hop.strip()
            if not _is_address(hop):
                break
            address = hop
            if not self._is_proxy(hop):
                break
        return self._visitor(address)

    def _visitor(self, address: str) -> Visitor:
        known = self._known.get(address)
        if known is None:
            counted = _counted(address)
            known = Visitor(counted, self._seal.digest("address", counted).hex()[:16].encode())
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[address] = known
        return known

    def _is_proxy(self, address: str) -> bool:
        if not self._trusted:
            return False
        if not _is_address(address):
            return address == "local"  # a local socket is reached through a proxy only
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted if network.version == parsed.version)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _counted(address: str) -> str:
    """One household has a /64 of IPv6, and as many addresses as it likes."""
    if not _is_address(address):
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
