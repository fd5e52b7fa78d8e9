"""What Zalo tells an Official Account, read: who did what (OA webhooks; ids are strings beyond 2^53)."""

import json
from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from domain.errors import Malformed
from domain.vietnamese import clean

MOST_ID = 64  # characters; ids have about twenty
MOST_REPORTED = 100  # messages in one event

_Id = str | int | None


class EventKind(Enum):
    """What an event means to us."""

    WORDS = auto()
    LINK = auto()
    PICTURE = auto()
    JOINED = auto()
    LEFT = auto()
    ARRIVED = auto()  # a message of ours is on a phone
    SEEN = auto()
    ABOUT_OURSELVES = auto()  # a template's or the account's standing changed
    NOTHING = auto()


_KIND = {
    # A pressed button comes as user_send_text with its payload; some accounts see user_click_button.
    **dict.fromkeys(("user_send_text", "user_click_button"), EventKind.WORDS),
    "user_send_link": EventKind.LINK,
    **dict.fromkeys(("user_send_audio", "user_send_video", "user_send_sticker", "user_send_gif"), EventKind.WORDS),
    **dict.fromkeys(("user_send_location", "user_send_file", "user_send_business_card"), EventKind.WORDS),
    "user_send_image": EventKind.PICTURE,
    **dict.fromkeys(("follow", "user_click_chatnow"), EventKind.JOINED),
    # Who withdraws consent to have data processed is written to no more; erasing is an officer's act.
    **dict.fromkeys(("unfollow", "user_withdraw"), EventKind.LEFT),
    "user_received_message": EventKind.ARRIVED,
    "user_seen_message": EventKind.SEEN,
    **dict.fromkeys(("change_template_status", "change_template_quality"), EventKind.ABOUT_OURSELVES),
    **dict.fromkeys(("change_oa_daily_quota", "change_oa_template_tags"), EventKind.ABOUT_OURSELVES),
}


class _Party(msgspec.Struct, frozen=True):
    id: _Id = None


class _Message(msgspec.Struct, frozen=True):
    msg_id: _Id = None
    msg_ids: list[_Id] | None = None
    text: str | None = None
    tracking_id: _Id = None
    attachments: msgspec.Raw = msgspec.Raw(b"[]")


class _Event(msgspec.Struct, frozen=True):
    """The members we read; Zalo sends more, and more with time."""

    event_name: str = ""
    sender: _Party | None = None
    recipient: _Party | None = None
    follower: _Party | None = None
    user_id: _Id = None
    oa_id: _Id = None
    message: _Message | None = None


class _Payload(msgspec.Struct, frozen=True):
    url: str | None = None


class _Attachment(msgspec.Struct, frozen=True):
    payload: _Payload | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `person` is the user's id in this account; `url` where a picture or link leads."""

    name: str
    kind: EventKind
    person: str = field(default="", repr=False)
    account: str = ""
    message_ids: tuple[str, ...] = ()
    tracking_id: str = ""
    text: str = field(default="", repr=False)
    url: str = field(default="", repr=False)


def read(body: bytes) -> Event:
    """An event from its raw body. Raises `Malformed`."""
    try:
        event = _decoded(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise Malformed("The event cannot be read.") from None
    message = event.message or _Message()
    sender, recipient = _id_of(event.sender), _id_of(event.recipient)
    kind = _KIND.get(event.event_name, EventKind.NOTHING)
    return Event(
        name=clean(event.event_name)[:MOST_ID],
        kind=kind,
        person=_id_of(event.follower) or sender or _id(event.user_id),
        account=_id(event.oa_id) or recipient,
        message_ids=_ids(message),
        tracking_id=_id(message.tracking_id),
        text=clean(message.text or ""),
        url=_url_in(message.attachments),
    )


def _decoded(body: bytes) -> _Event:
    try:
        return msgspec.json.decode(body, type=_Event)
    except ValueError:  # perhaps half an emoji, which JSON may hold and no text can
        mended = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.json.decode(mended, type=_Event)


def _ids(message: _Message) -> tuple[str, ...]:
    named = (message.msg_id, *(message.msg_ids or ())[:MOST_REPORTED])
    return tuple(found for found in map(_id, named) if found)


def _id_of(party: _Party | None) -> str:
    return _id(party.id) if party is not None else ""


def _id(value: _Id) -> str:
    return "" if value is None else clean(str(value))[:MOST_ID]


def _url_in(attachments: msgspec.Raw) -> str:
    """The address in the first attachment; attachments are of many shapes, and a shape we do not know is no fault."""
    try:
        found = msgspec.json.decode(attachments, type=list[_Attachment])
    except (ValueError, RecursionError):
        return ""
    return next((clean(one.payload.url) for one in found if one.payload is not None and one.payload.url), "")
