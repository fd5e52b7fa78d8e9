"""A message in, a message out, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from domain.contact import Contact
from domain.language import Language


class IncomingKind(StrEnum):
    """What reached us."""

    TEXT = "text"  # words, a button's words, what a code in a picture says
    JOINED = "joined"  # opened the chat for the first time, or again: follow, /start
    RETURNED = "returned"  # can be written to again, and says nothing yet: unblocked
    LEFT = "left"  # left the chat: unfollow, block
    OWN_PHONE = "own_phone"  # the platform vouches that the number in `text` (E.164) is the sender's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One message a person sent us."""

    sender: Contact
    recipient: str  # our own number or account it was sent to
    text: str = field(repr=False)
    external_id: str  # the provider's id: a webhook sent twice is recorded once
    received_at: datetime
    kind: IncomingKind = IncomingKind.TEXT


LONGEST_CHOICE = 64  # bytes of what a choice says: what Telegram carries behind a button


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something a person may answer with one tap: what the button shows, and the words it stands for."""

    label: str
    says: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to hand to a provider. `message_id` is our row: the reference given to the provider.

    `choices` become buttons where the channel has them; elsewhere the text names them already. `facts` are the parts a
    notice is made of, by name, for channels that outside a conversation take templates only; an answer has none.
    """

    message_id: int
    to: Contact
    text: str = field(repr=False)
    sender: str | None = None  # our number or brand the person wrote to, where the answer must come from it
    language: Language = Language.VIETNAMESE
    choices: tuple[Choice, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    last_heard: datetime | None = None  # when this person last wrote to us in this channel; not known for SMS


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """A provider took the message; `provider_id` is its own name for it, if it gave one.

    `route` is set where a sender chooses between routes: the one it went by. `dong` is what it costs, where the sender
    can reckon it.
    """

    provider_id: str | None
    route: str | None = None
    dong: int | None = None


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
    DEADLINE = "deadline"  # a due date that comes or has passed
    FEEDBACK = "feedback"  # what became of what a person filed
    CODE = "code"  # a one-time code that the person is waiting for
