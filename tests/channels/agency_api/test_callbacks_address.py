"""What may be called: public addresses over TLS, at few ports; nothing that leads inside, however it is written."""

import socket

import pytest

from channels.agency_api.callbacks_address import Addresses, CallbackSettings, RefusedAddress, is_public
from domain.errors import Invalid

INSIDE = [
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "2400:cb00::1%eth0",
    "no address",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_on_the_open_internet_is_not_called(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(RefusedAddress):
        Addresses().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)))


@pytest.mark.parametrize("address", ["8.8.8.8", "103.1.208.5", "2400:cb00:2048::1", "2606:4700::1111"])
def test_ordinary_addresses_are(address: str) -> None:
    assert is_public(address)
    info = (socket.AF_INET if "." in address else socket.AF_INET6, socket.SOCK_STREAM, 0, "", (address, 443))
    Addresses().socket(info).close()


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example.gov.vn/",
        "ftp://hook.example.gov.vn/",
        "https://user:password@hook.example.gov.vn/",
        "https://user@hook.example.gov.vn/",
        "https://hook.example.gov.vn/#fragment",
        "https://hook.example.gov.vn:22/",
        "https://hook.example.gov.vn:0/",
        "https://hook.example.gov.vn:99999/",
        "https://localhost/",
        "https://printer/",
        "https://db.internal/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://017700000001/",
        "https://a..b/",
        "https://hook.example.gov.vn/a b",
        "https://hook.example.gov.vn\\@127.0.0.1/",
        "https://hook.example.gov.vn/\n",
        "https://hồ-sơ.example.vn/",
        "https://",
        "https:///path",
        "//hook.example.gov.vn/",
        "hook.example.gov.vn",
        "https://[::1",
        "",
        "https://hook.example.gov.vn/" + "a" * 2000,
    ],
)
def test_what_cannot_be_called_is_told_when_it_is_written(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        Addresses().checked(url)
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    "url",
    [
        "https://hook.example.gov.vn/",
        "https://hook.example.gov.vn:8443/a/b?key=1",
        "https://8.8.8.8/",
        "https://xn--hs-5ja.example.vn/",
    ],
)
def test_a_public_address_over_tls_is_taken_as_it_is(url: str) -> None:
    assert str(Addresses().checked(url)) == url


def test_in_development_this_machine_may_be_called_if_it_is_said() -> None:
    addresses = Addresses.of(CallbackSettings(loopback=True))
    for url in ("http://127.0.0.1:9999/x", "http://localhost:1/", "https://[::1]:5/"):
        assert str(addresses.checked(url)) == url
    for url in ("http://192.168.1.1/", "http://hook.example.gov.vn/", "https://10.0.0.1/"):
        with pytest.raises(Invalid):
            addresses.checked(url)
    with pytest.raises(RefusedAddress):
        addresses.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("10.0.0.1", 80)))


def test_ports_are_a_setting() -> None:
    addresses = Addresses.of(CallbackSettings(ports="443, 9443"))
    addresses.checked("https://hook.example.gov.vn:9443/")
    with pytest.raises(Invalid):
        addresses.checked("https://hook.example.gov.vn:8443/")
    with pytest.raises(ValueError, match="invalid literal"):
        Addresses.of(CallbackSettings(ports="https"))
