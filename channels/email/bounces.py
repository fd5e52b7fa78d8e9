"""What a mail server writes back about a letter of ours: delivery reports (RFC 3464) and complaints (RFC 5965).

Anybody can write such a letter to the mailbox, and numbers can be guessed. So one is believed only where it brings the
returned letter's own link to stop, which is sealed, and known to whoever had that letter and to nobody else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import Message
from enum import StrEnum

from channels.email.server import NO_SUCH_ADDRESS
from channels.email.stopping import PLACE

_LINK = re.compile(rf"{PLACE}/([A-Za-z0-9_\-]+)")
MOST_PARTS = 50


class BounceKind(StrEnum):
    """What a mail server or provider has to say of a letter."""

    DELIVERED = "delivered"
    DELAYED = "delayed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


_KIND_OF_ACTION = {
    "failed": BounceKind.BOUNCED,
    "delayed": BounceKind.DELAYED,
    "delivered": BounceKind.DELIVERED,
    "relayed": BounceKind.DELIVERED,
    "expanded": BounceKind.DELIVERED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A report of one letter: its Message-ID as written there, and the token of its own link to stop."""

    kind: BounceKind
    message_id: str
    token: str = field(repr=False)
    status: str = ""  # RFC 3463, where the server gave one

    @property
    def no_such_address(self) -> bool:
        """Whether the address will never take a letter."""
        return self.kind is BounceKind.BOUNCED and self.status in NO_SUCH_ADDRESS


def returned(raw: bytes) -> Returned | None:
    """What the letter `raw` reports of one of ours; None for every other letter. Never raises for what is in it."""
    parts = list(_parts(message_from_bytes(raw, policy=policy.compat32)))
    told = next((report for part in parts if (report := _told(part)) is not None), None)
    original = next((part for part in parts if part.get("List-Unsubscribe") and part.get("Message-ID")), None)
    if told is None or original is None:
        return None
    link = _LINK.search("".join(str(original["List-Unsubscribe"]).split()))
    if link is None:
        return None
    kind, status = told
    return Returned(kind=kind, message_id=str(original["Message-ID"]).strip(), token=link[1], status=status)


def _parts(message: Message) -> Iterator[Message]:
    """All parts, and the headers that stand in parts of the type text/rfc822-headers."""
    for number, part in enumerate(message.walk()):
        if number >= MOST_PARTS:
            return
        yield part
        if part.get_content_type() == "text/rfc822-headers":
            content = part.get_payload(decode=True)
            yield message_from_bytes(content if isinstance(content, bytes) else b"", policy=policy.compat32)


def _told(part: Message) -> tuple[BounceKind, str] | None:
    """What a part of a report says, and the status it gives; None for a part that says nothing of it."""
    kind = part.get_content_type()
    if kind == "message/feedback-report":
        return BounceKind.COMPLAINED, ""
    if kind != "message/delivery-status":
        return None
    blocks = part.get_payload()
    for block in blocks if isinstance(blocks, list) else ():
        if not isinstance(block, Message):
            continue
        action = str(block.get("Action", "")).strip().lower()
        if (said := _KIND_OF_ACTION.get(action)) is not None:
            return said, str(block.get("Status", "")).split(" ")[0].strip()
    return None
