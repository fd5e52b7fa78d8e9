"""Messenger's part of a call: `entry[].messaging[]` of a page."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from channels.meta.events import MESSENGER, Event, Passed, Reported, Said, moment, read_as
from domain.message import DeliveryState, IncomingKind
from domain.vietnamese import clean

GET_STARTED = "GET_STARTED"  # what the button of a chat never opened before says; docs/channels/messenger.md sets it so

_PAGE_SCOPED_ID = re.compile("[0-9]{1,32}", re.ASCII)


class _Party(msgspec.Struct, frozen=True):
    id: str | int = ""


class _Referral(msgspec.Struct, frozen=True):
    ref: str | None = None


class _QuickReply(msgspec.Struct, frozen=True):
    payload: str = ""


class _Source(msgspec.Struct, frozen=True):
    url: str | None = None
    sticker_id: Any = None


class _Attachment(msgspec.Struct, frozen=True):
    type: str = ""
    payload: _Source | None = None


class _Message(msgspec.Struct, frozen=True):
    mid: str = ""
    text: str = ""
    is_echo: bool = False
    is_deleted: bool = False
    quick_reply: _QuickReply | None = None
    referral: _Referral | None = None
    attachments: tuple[_Attachment, ...] = ()


class _Postback(msgspec.Struct, frozen=True):
    mid: str = ""
    payload: str = ""
    title: str = ""
    referral: _Referral | None = None


class _Delivery(msgspec.Struct, frozen=True):
    mids: tuple[str, ...] = ()


class _Item(msgspec.Struct, frozen=True):
    sender: _Party = _Party()
    timestamp: int = 0  # milliseconds
    message: _Message | None = None
    postback: _Postback | None = None
    referral: _Referral | None = None
    delivery: _Delivery | None = None


def of_page(account: str, item: object) -> Iterator[Event]:
    """What one item says. Reads, reactions, edits, echoes of our own words and hand-overs say nothing to us."""
    heard = read_as(_Item, item)
    if heard is None:
        yield Passed("unreadable")
    elif heard.delivery is not None:
        # What names its messages is used; a watermark alone says that 'all sent before it' were delivered.
        for mid in heard.delivery.mids:
            yield Reported(
                channel=MESSENGER,
                account=account,
                item_id=clean(mid),
                state=DeliveryState.DELIVERED,
                word="delivered",
            )
    else:
        yield _said(account, heard) or Passed("kind")


def _said(account: str, heard: _Item) -> Said | None:
    person = str(heard.sender.id)
    if not _PAGE_SCOPED_ID.fullmatch(person):
        return None
    said = Said(channel=MESSENGER, account=account, person=person, at=moment(heard.timestamp / 1000))
    if heard.message is not None:
        return _words(said, heard.message)
    if heard.postback is not None:
        return _pressed(said, heard.postback)
    if link := _link(heard.referral):
        return replace(said, text=link)
    return None


def _words(said: Said, message: _Message) -> Said | None:
    if message.is_echo or message.is_deleted:
        return None
    pictures = [
        source.url
        for attachment in message.attachments
        if attachment.type == "image" and (source := attachment.payload) and source.url and source.sticker_id is None
    ]
    pressed = message.quick_reply.payload if message.quick_reply else ""
    return replace(
        said,
        item_id=clean(message.mid),
        text=clean(pressed or message.text) or _link(message.referral),
        picture=pictures[0] if pictures and not pressed else "",
    )


def _pressed(said: Said, postback: _Postback) -> Said:
    said = replace(said, item_id=clean(postback.mid))
    if link := _link(postback.referral):
        return replace(said, text=link)
    if postback.payload == GET_STARTED:
        return replace(said, kind=IncomingKind.JOINED)
    return replace(said, text=clean(postback.payload or postback.title))


def _link(referral: _Referral | None) -> str:
    """What a link `m.me/PAGE?ref=…` carried, as Telegram's deep links say it; '' where there was none."""
    ref = clean(referral.ref or "") if referral else ""
    return f"/start {ref}" if ref else ""
