"""What Meta's webhook says, in our words; and reading its JSON piece by piece, so that one bad piece hides no other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from domain.contact import ChannelName
from domain.message import DeliveryState, IncomingKind
from lookup.sealing import Seal

MESSENGER = ChannelName("messenger")
WHATSAPP = ChannelName("whatsapp")

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Somebody did something. `account` is the page's or the number's id; `item_id` is Meta's, '' where there is none.

    `picture` may show a code: on Messenger its address, on WhatsApp the id of a file; what it says goes before `text`.
    """

    channel: ChannelName
    account: str
    person: str
    item_id: str = ""
    kind: IncomingKind = IncomingKind.TEXT
    text: str = field(default="", repr=False)
    at: datetime | None = None
    picture: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What became of a message of ours, named by our number where Meta gives it back, and by Meta's own name."""

    channel: ChannelName
    account: str
    item_id: str
    state: DeliveryState
    word: str
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Meta speaks of our account, its number or its templates: for an operator."""

    what: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that says nothing to us, and why."""

    why: str


Event = Said | Reported | Trouble | Passed


def item_digest(seal: Seal, *names: str) -> str:
    """How Meta's name of an item stands in our store: a digest, for in WhatsApp's the phone number can be read."""
    return seal.digest("meta item", *names).hex()


def read_as(kind: type[S], value: object) -> S | None:
    """`value` as `kind`; None when it is of another form. Fields we do not know are ignored."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):  # the second for half an emoji
        return None


def part(value: object, name: str) -> Any:  # noqa: ANN401 - JSON
    """The field `name` of a JSON object; None of anything else."""
    return value.get(name) if isinstance(value, dict) else None


def items(value: object, name: str) -> Iterable[Any]:
    """The list `name` of a JSON object; empty where it is none."""
    found = part(value, name)
    return found if isinstance(found, list) else ()


def moment(seconds: float) -> datetime | None:
    """A time that Meta tells; None for one that cannot be."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
