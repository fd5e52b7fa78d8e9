"""A browser's subscription: where its push service takes messages, and the keys they are sealed with."""

from dataclasses import dataclass, field

import msgspec

from channels.agency_api.callbacks_address import LONGEST_URL, Addresses
from channels.web_push.encryption import AUTH_BYTES, browser_key
from channels.web_push.vapid import b64url, from_b64url
from domain.contact import ChannelName, Contact
from domain.errors import Malformed

WEB_PUSH = ChannelName("web_push")


class Keys(msgspec.Struct, frozen=True):
    """`keys` of a subscription."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """What `PushSubscription.toJSON()` gives (Push API)."""

    endpoint: str
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One browser. Whoever knows all three may write to it, so they are sealed in the store like a phone number."""

    endpoint: str = field(repr=False)
    browser: bytes = field(repr=False)
    auth: bytes = field(repr=False)

    @classmethod
    def of(cls, given: Subscription, addresses: Addresses) -> "Device":
        """The browser that `given` describes. Raises `Malformed`, and `Invalid` for an address that is not called."""
        try:
            browser, auth = from_b64url(given.keys.p256dh), from_b64url(given.keys.auth)
            browser_key(browser)
        except ValueError:
            raise Malformed("The subscription's keys cannot be read.") from None
        if len(auth) != AUTH_BYTES or len(given.endpoint) > LONGEST_URL:
            raise Malformed("The subscription cannot be read.")
        return cls(endpoint=str(addresses.checked(given.endpoint)), browser=browser, auth=auth)

    @classmethod
    def at(cls, address: str) -> "Device":
        """The browser of a stored address. Raises `ValueError`."""
        browser, auth, endpoint = address.split(" ", 2)
        return cls(endpoint=endpoint, browser=from_b64url(browser), auth=from_b64url(auth))

    @property
    def contact(self) -> Contact:
        """As subscriptions keep it."""
        return Contact(channel=WEB_PUSH, address=f"{b64url(self.browser)} {b64url(self.auth)} {self.endpoint}")
