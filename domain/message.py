"""A message in, a message out, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from domain.contact import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One message a person sent us."""

    sender: Contact
    recipient: str  # our own number or account it was sent to
    text: str = field(repr=False)
    external_id: str  # the provider's id: a webhook sent twice is recorded once
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to hand to a provider. `message_id` is our row: the reference given to the provider."""

    message_id: int
    to: Contact
    text: str = field(repr=False)
    sender: str | None = None  # our number or brand the person wrote to, where the answer must come from it


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A provider took the message; `provider_id` is its own name for it, if it gave one."""

    provider_id: str | None


class DeliveryState(IntEnum):
    """The life of one message. The number is a rank: from HANDED_OVER on, a state is only replaced by a higher one.

    Up to IN_DOUBT the message is the dispatcher's work, and whoever holds its newest lease may put it back.
    """

    QUEUED = 0
    CLAIMED = 10
    IN_DOUBT = 20
    HANDED_OVER = 30
    ON_ITS_WAY = 40  # the network has it
    NO_RECEIPT = 50
    EXPIRED = 60
    SUPERSEDED = 61
    OPTED_OUT = 62
    DEAD = 63  # tried too often; an operator may replay it
    FAILED = 70
    DELIVERED = 80


class Lane(IntEnum):
    """Queues by urgency, most urgent first."""

    URGENT = 0
    NORMAL = 1
    BULK = 2
    SUSPECT = 3  # was in flight at more than one crash: sent one at a time, so that it takes nobody with it


class MessageKind(StrEnum):
    """Why a message exists."""

    REPLY = "reply"
    STATUS_CHANGED = "status_changed"
