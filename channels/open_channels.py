"""The one table of all channels. A channel whose secret is not set is not opened.

A new channel is a file with its settings and its class, a function here that makes it, and a line in `TABLE`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp import web

from channels.channel import Channel, Gateway, Heard
from channels.conversation.turn import Manner
from channels.sms.generic import GenericSmsChannel, GenericSmsSettings
from channels.sms.kannel import KannelChannel, KannelSettings
from channels.sms.manner import SMS_MANNER
from domain.contact import ChannelName
from lookup.sealing import Seal
from notifications.reports import Reports
from notifications.sender import Sender

# How one talks in each channel; a chat not named here has room for whole sentences.
MANNERS: Mapping[ChannelName, Manner] = MappingProxyType({ChannelName.SMS: SMS_MANNER})


# Reads a settings dataclass, each field under a prefix and its name in upper case: `service.settings.read`, bound to an
# environment.
ReadSettings = Callable[[type, str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What channels work with."""

    http: aiohttp.ClientSession
    heard: Heard
    reports: Reports
    seal: Seal
    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One line of the table: where its settings stand, which field opens it, and what makes it."""

    prefix: str
    settings: type
    secret: str
    make: Callable[[Any, Surroundings], Channel]


def _kannel(settings: KannelSettings, around: Surroundings) -> Channel:
    return KannelChannel(
        settings,
        http=around.http,
        heard=around.heard,
        reports=around.reports,
        seal=around.seal,
        public_url=around.public_url,
    )


def _generic_sms(settings: GenericSmsSettings, around: Surroundings) -> Channel:
    return GenericSmsChannel(settings, heard=around.heard)


TABLE = (
    Opening(prefix="MOTMA_KANNEL_", settings=KannelSettings, secret="hook_secret", make=_kannel),  # noqa: S106
    Opening(prefix="MOTMA_SMS_", settings=GenericSmsSettings, secret="hook_secret", make=_generic_sms),  # noqa: S106
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChannels:
    """The channels that are open."""

    channels: tuple[Channel, ...]

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every webhook."""
        return [route for channel in self.channels for route in channel.routes()]

    def senders(self) -> dict[ChannelName, Sender]:
        """Who sends in each channel: of several gateways the one first in the table."""
        senders: dict[ChannelName, Sender] = {}
        for channel in self.channels:
            if isinstance(channel, Gateway):
                senders.setdefault(channel.reaches, channel)
        return senders


def open_channels(read: ReadSettings, around: Surroundings) -> OpenChannels:
    """Open every channel whose secret is set. Raises `Malformed` for one whose settings are incomplete."""
    opened = []
    for opening in TABLE:
        settings = read(opening.settings, opening.prefix)
        if getattr(settings, opening.secret):
            opened.append(opening.make(settings, around))
    return OpenChannels(channels=tuple(opened))


def hook_secrets(read: ReadSettings) -> dict[str, str | None]:
    """The secret that guards each channel, by its environment name; None where it is not set."""
    return {
        opening.prefix + opening.secret.upper(): getattr(read(opening.settings, opening.prefix), opening.secret)
        for opening in TABLE
    }
