"""The one table of all channels. A channel whose secret is not set is not opened, unless it needs none.

A new channel is a file with its `OPENING`, and its line in `TABLE`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from aiohttp import web

from channels.channel import Channel, Gateway, Opening, Surroundings
from channels.conversation.turn import Manner
from channels.sms.numbers import allowed_numbers
from channels.sms.routing import SETTINGS_PREFIX, RoutedSender, RoutingSettings
from domain.contact import ChannelName
from notifications.sender import Sender

TABLE = (
    "channels.web.chat.channel",
    "channels.sms.kannel",
    "channels.sms.esms",
    "channels.sms.speedsms",
    "channels.sms.infobip",
    "channels.sms.vonage",
    "channels.sms.vonage_messages",
    "channels.sms.twilio",
    "channels.sms.shortcode",
    "channels.sms.generic",
    "channels.telegram.opening",
    "channels.zalo.oa",
    "channels.zalo.zns",
    "channels.zalo.bot",
    "channels.meta.webhook",
    "channels.meta.messenger",
    "channels.meta.whatsapp",
    "channels.email.channel",
    "channels.web_push.channel",
)

# Reads a settings dataclass, each field under a prefix and its name in upper case: `service.settings.read`, bound to an
# environment.
ReadSettings = Callable[[type, str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChannels:
    """The channels that are open. `texts` makes one sender of all SMS gateways."""

    channels: tuple[Channel, ...]
    texts: Callable[[Sequence[Gateway]], Sender] | None = None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every webhook."""
        return [route for channel in self.channels for route in channel.routes()]

    def senders(self) -> dict[ChannelName, Sender]:
        """Who sends in each channel: for SMS all gateways together, elsewhere the one first in the table."""
        gateways: dict[ChannelName, list[Gateway]] = {}
        for channel in self.channels:
            if isinstance(channel, Gateway):
                gateways.setdefault(channel.reaches, []).append(channel)
        senders: dict[ChannelName, Sender] = {name: several[0] for name, several in gateways.items()}
        if self.texts is not None and ChannelName.SMS in gateways:
            senders[ChannelName.SMS] = self.texts(gateways[ChannelName.SMS])
        return senders


def open_channels(read: ReadSettings, around: Surroundings) -> OpenChannels:
    """Open every channel whose secret is set. Raises `Malformed` for one whose settings are incomplete."""
    opened = []
    for opening in _openings():
        settings = read(opening.settings, opening.prefix)
        key = opening.secret or opening.switch
        if key is None or getattr(settings, key):
            opened.append(opening.make(settings, around))
    texts = None
    if around.limits is not None:
        routing: RoutingSettings = read(RoutingSettings, SETTINGS_PREFIX)
        texts = partial(RoutedSender, settings=routing, limits=around.limits, database=around.database)
    return OpenChannels(channels=tuple(opened), texts=texts)


def manners(read: ReadSettings | None = None) -> dict[ChannelName, Manner]:
    """How one talks in each channel; a chat not named here has room for whole sentences.

    `read` tells what the operator has set; without it all is as it is unless set.
    """
    found = {opening.reaches: manner for opening in _openings() if (manner := _manner(opening, read)) is not None}
    if read is not None:
        prefixes = read(RoutingSettings, SETTINGS_PREFIX).prefixes
        found[ChannelName.SMS] = replace(found[ChannelName.SMS], may_be_answered=allowed_numbers(prefixes))
    return found


def reached() -> tuple[ChannelName, ...]:
    """Every channel that some file of the table reaches, open or not, in its order."""
    return tuple(dict.fromkeys(opening.reaches for opening in _openings()))


def hook_secrets(read: ReadSettings) -> dict[str, str | None]:
    """The secret that guards each channel, by its environment name; None where it is not set."""
    return {
        opening.prefix + opening.secret.upper(): getattr(read(opening.settings, opening.prefix), opening.secret)
        for opening in _openings()
        if opening.secret is not None
    }


def _manner(opening: Opening, read: ReadSettings | None) -> Manner | None:
    if not callable(opening.manner):
        return opening.manner
    return opening.manner(opening.settings() if read is None else read(opening.settings, opening.prefix))


def _openings() -> Iterator[Opening]:
    for module in TABLE:
        opening = import_module(module).OPENING
        if not isinstance(opening, Opening):
            raise TypeError(f"{module}.OPENING is no Opening")
        yield opening
