"""What a channel is: routes by which providers reach us, and where it can, a sender by which we reach people."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, runtime_checkable

from aiohttp import web

from domain.contact import ChannelName
from domain.message import Incoming
from notifications.sender import Sender

# Records a message before its provider is answered; False when it was recorded before. Raises `Unavailable` when it
# could not be recorded: then the provider must hear so, and send it again.
Heard = Callable[[Incoming], Awaitable[bool]]


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
