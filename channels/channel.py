"""What a channel is: routes by which providers reach us, and where it can, a sender by which we reach people."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import aiohttp
from aiohttp import web
from prometheus_client import Counter

from cache.limits import Limits
from channels.conversation.turn import Manner
from database.pool import Database
from domain.contact import ChannelName, Contact
from domain.message import HandedOver, Incoming, Outgoing
from lookup.sealing import Seal
from notifications.reports import Reports
from notifications.sender import Sender

# Records a message before its provider is answered; False when it was recorded before. Raises `Unavailable` when it
# could not be recorded: then the provider must hear so, and send it again.
Heard = Callable[[Incoming], Awaitable[bool]]

# Keeps a picture with the feedback its sender is filing; the feedback's number, or '' for a picture nobody asked for.
KeepPicture = Callable[[Contact, bytes], Awaitable[str]]

# Platforms tell more than we have a use for, and invent new kinds of events: they are acknowledged and counted.
IGNORED = Counter("motma_events_ignored", "What platforms told us that says nothing to us.", ["channel", "why"])


class Channel(Protocol):
    """One provider's wire. `channels/open_channels.py` lists them all."""

    @property
    def name(self) -> str:
        """The route's name in messages, reports, figures and logs."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The webhooks. Each verifies its caller, records, answers; nothing a caller sends makes it fail with a 5xx."""


@runtime_checkable
class Gateway(Channel, Sender, Protocol):
    """A channel that also sends."""

    @property
    def reaches(self) -> ChannelName:
        """Whose contacts it reaches."""


@runtime_checkable
class Asked(Gateway, Protocol):
    """A gateway that can be asked whether it took a message whose answer never came (guarantees G32)."""

    async def find(self, message: Outgoing, since: datetime) -> HandedOver | None:
        """How it took `message` at or after `since`; None when it did not.

        Raises `CannotTell` where it is not set up to be asked, and as `send` does when the question has no answer now.
        """


@runtime_checkable
class Polled(Channel, Protocol):
    """A channel that can also fetch what people sent, where its provider cannot reach us. The role `bot` runs it."""

    async def poll(self) -> None:
        """Fetch and record until cancelled."""


@runtime_checkable
class Registered(Channel, Protocol):
    """A channel whose provider must be told where we are. The first process of the role `web` does so at its start."""

    async def register(self) -> None:
        """Tell the provider; returns once it knows. Telling it again changes nothing."""


@runtime_checkable
class Tended(Channel, Protocol):
    """A channel with work of its own beside its webhooks. The first process of the role `web` does it."""

    async def tend(self) -> None:
        """Do it until cancelled."""


@runtime_checkable
class Examined(Channel, Protocol):
    """A channel that can ask its provider whether all is well, for `motma doctor`."""

    async def examine(self) -> str:
        """What the provider says, in a few words. Raises `ServiceError` with what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What channels work with. `limits` and `keep_picture` are missing only where nothing is sent or heard: while they
    are examined."""

    http: aiohttp.ClientSession
    heard: Heard
    reports: Reports
    seal: Seal
    database: Database
    public_url: str
    limits: Limits | None = None
    keep_picture: KeepPicture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a channel is opened: each channel's file has one, named `OPENING`.

    The fields of the dataclass `settings` stand in the environment under `prefix` and their name in upper case. The
    channel is off until the field `secret` is set, which guards it, or else the field `switch`, which guards nothing;
    with neither it is always open. `make` raises `Malformed` for settings that are incomplete.
    `manner` is how one talks with the contacts it `reaches`, or says so by the settings; None where another file says
    so.
    """

    prefix: str
    settings: type
    secret: str | None
    make: Callable[[Any, Surroundings], Channel]
    reaches: ChannelName
    manner: Manner | Callable[[Any], Manner] | None = None
    switch: str | None = None
