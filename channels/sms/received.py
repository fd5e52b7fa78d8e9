"""A text as a gateway tells it, made the message that is recorded: one spelling of everything, nothing unstorable."""

from datetime import datetime

from channels.sms.calls import mended
from channels.sms.numbers import sender_address
from domain.contact import ChannelName, Contact
from domain.errors import Malformed
from domain.message import Incoming
from domain.vietnamese import clean

LONGEST_NUMBER = 64
LONGEST_ID = 128


def received(route: str, *, sender: str, recipient: str, text: str, message_id: str, at: datetime) -> Incoming:
    """What the gateway of `route` calls `message_id`. Raises `Malformed` for one of nobody or without an id."""
    address, name = sender_address(mended(sender)), clean(mended(message_id))[:LONGEST_ID]
    if not address or not name:
        raise Malformed("The message names no sender, or has no id.", field="from")
    return Incoming(
        sender=Contact(channel=ChannelName.SMS, address=address),
        recipient=clean(mended(recipient))[:LONGEST_NUMBER],
        text=clean(mended(text)),
        external_id=f"{route}:{name}",
        received_at=at,
    )
