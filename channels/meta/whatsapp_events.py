"""WhatsApp's part of a call: `entry[].changes[].value`, with messages, statuses and errors."""

import re
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import msgspec

from channels.meta.events import WHATSAPP, Event, Passed, Reported, Said, Trouble, items, moment, part, read_as
from domain.message import DeliveryState, IncomingKind
from domain.vietnamese import clean

_STATES = MappingProxyType(
    {
        "sent": DeliveryState.ON_ITS_WAY,
        "delivered": DeliveryState.DELIVERED,
        "read": DeliveryState.DELIVERED,
        "played": DeliveryState.DELIVERED,
        "failed": DeliveryState.FAILED,
    }
)
# A number that may belong to somebody else by now must not be told what its former holder asked for.
_NUMBER_GIVEN_UP = frozenset({"user_changed_number", "customer_changed_number"})
_NOT_SAID = frozenset({"reaction", "system"})
# Fields by which Meta tells of our account, number and templates.
_OF_OURSELVES = re.compile(r"account_|business_|message_template_|phone_number_|security|template_category", re.ASCII)
_PHONE = re.compile("[0-9]{6,15}", re.ASCII)
_SCOPED_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}", re.ASCII)
_MESSAGE_ID = re.compile("[0-9]{1,19}", re.ASCII)


class _Text(msgspec.Struct, frozen=True):
    body: str = ""


class _Button(msgspec.Struct, frozen=True):
    payload: str = ""
    text: str = ""


class _Reply(msgspec.Struct, frozen=True):
    id: str = ""
    title: str = ""


class _Interactive(msgspec.Struct, frozen=True):
    button_reply: _Reply = _Reply()
    list_reply: _Reply = _Reply()


class _Media(msgspec.Struct, frozen=True):
    id: str = ""
    mime_type: str = ""
    caption: str = ""


class _System(msgspec.Struct, frozen=True):
    type: str = ""


class _Message(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """One message. Whoever keeps the number to himself (a username) has `from_user_id` alone."""

    id: str = ""
    type: str = ""
    sender: str = ""
    from_user_id: str = ""
    group_id: str | None = None
    timestamp: int = 0  # seconds
    text: _Text = _Text()
    button: _Button = _Button()
    interactive: _Interactive = _Interactive()
    image: _Media = _Media()
    document: _Media = _Media()
    system: _System = _System()


class _Fault(msgspec.Struct, frozen=True):
    code: int = 0
    title: str = ""


class _Status(msgspec.Struct, frozen=True):
    id: str = ""
    status: str = ""
    biz_opaque_callback_data: str = ""
    errors: tuple[_Fault, ...] = ()


def of_whatsapp(field: str, value: object) -> Iterator[Event]:
    """What one change says."""
    if field != "messages":
        ours = _OF_OURSELVES.match(field)
        yield Trouble(clean(f"{field}: {part(value, 'event')}")[:100]) if ours else Passed("kind")
        return
    account = clean(str(part(part(value, "metadata"), "phone_number_id") or ""))
    for item in items(value, "messages"):
        message = read_as(_Message, item)
        yield Passed("unreadable") if message is None else _said(account, message) or Passed("kind")
    for item in items(value, "statuses"):
        status = read_as(_Status, item)
        yield Passed("unreadable") if status is None else _reported(account, status) or Passed("kind")
    for item in items(value, "errors"):
        fault = read_as(_Fault, item)
        yield Passed("unreadable") if fault is None else Trouble(f"{fault.code} {clean(fault.title)[:100]}")


def address(sender: str, scoped_id: str) -> str:
    """Whom a message is from: a phone as E.164, the id Meta gives us of whoever keeps it to himself, or ''."""
    if _PHONE.fullmatch(sender):
        return f"+{sender}"
    return scoped_id if _SCOPED_ID.fullmatch(scoped_id) else ""


def _said(account: str, message: _Message) -> Said | None:
    """Groups are not answered: what is for one would be read by all."""
    person = address(message.sender, message.from_user_id)
    if not person or message.group_id or not message.id:
        return None
    said = Said(
        channel=WHATSAPP, account=account, person=person, item_id=clean(message.id), at=moment(message.timestamp)
    )
    match message.type:
        case "text":
            return replace(said, text=clean(message.text.body))
        case "button":  # of a template
            return replace(said, text=clean(message.button.payload or message.button.text))
        case "interactive":
            pressed = message.interactive.button_reply.id or message.interactive.list_reply.id
            return replace(said, text=clean(pressed))
        case "image":
            return replace(said, text=clean(message.image.caption), picture=message.image.id)
        case "document":
            picture = message.document.id if message.document.mime_type.startswith("image/") else ""
            return replace(said, text=clean(message.document.caption), picture=picture)
        case "request_welcome":
            return replace(said, kind=IncomingKind.JOINED)
        case "system" if message.system.type in _NUMBER_GIVEN_UP:
            return replace(said, kind=IncomingKind.LEFT)
        case kind if kind in _NOT_SAID:
            return None
    return said  # a voice, a sticker, a place, what Meta itself cannot pass on: the person waits for an answer


def _reported(account: str, status: _Status) -> Reported | None:
    state = _STATES.get(status.status)
    if state is None:
        return None
    fault = next(iter(status.errors), None)
    ours = status.biz_opaque_callback_data
    return Reported(
        channel=WHATSAPP,
        account=account,
        item_id=clean(status.id),
        state=state,
        word=clean(status.status if fault is None else f"{status.status} {fault.code} {fault.title}"),
        message_id=int(ours) if _MESSAGE_ID.fullmatch(ours) else None,
    )
