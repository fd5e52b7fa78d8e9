"""What an update says: somebody wrote, pressed, joined, left, showed a picture, shared a number; or nothing to us."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from telegram import CallbackQuery, ChatMember, ChatMemberUpdated, Contact, Message, Update
from telegram.constants import ChatType

from channels.pictures import MOST_PICTURE
from domain.contact import e164
from domain.errors import Invalid
from domain.language import Language
from domain.message import IncomingKind
from domain.vietnamese import clean
from lookup.wording import Words

WORDS = Words("channels.telegram")

# What we ask Telegram to send us. Everything else is acknowledged and forgotten should it come all the same.
KINDS = (Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)

_START = re.compile(r"/start(?:@\w+)?(?:\s+(\S+))?", re.IGNORECASE)
_AWAY = frozenset({ChatMember.LEFT, ChatMember.BANNED})  # in a private chat 'kicked' is 'blocked'


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one update says to us.

    `chat` is the person's id, or a group's, which begins with a minus. `kind` is None where there is nothing to record.
    `picture` is the file id of one that may show a code; what it says goes before `text`. `at_once` is a call of the
    Bot API that answers the update itself, not the person; `once` says that it must not be made twice.
    """

    chat: str = ""
    kind: IncomingKind | None = None
    text: str = field(default="", repr=False)
    at: datetime | None = None
    picture: str | None = None
    at_once: Mapping[str, Any] | None = None
    once: bool = False


NOTHING = Meaning()


def meaning(update: Update) -> Meaning:
    """What `update` says. Raises whatever an update leads to that is not of the documented form."""
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if update.my_chat_member is not None:
        return _came_or_went(update.my_chat_member)
    message = update.message or update.edited_message
    if message is None or message.chat.type != ChatType.PRIVATE or (message.from_user and message.from_user.is_bot):
        return NOTHING
    if update.message is None and message.text is None:  # an edit of a caption or a place: nobody asks anything anew
        return NOTHING
    return _said(message)


def _pressed(query: CallbackQuery) -> Meaning:
    """A button was pressed: its words count as typed. The answer ends the waiting sign on the button."""
    at_once = {"method": "answerCallbackQuery", "callback_query_id": query.id}
    private = query.message is not None and query.message.chat.type == ChatType.PRIVATE
    if not private or not query.data:
        return Meaning(at_once=at_once)
    return Meaning(chat=_chat(query.from_user.id), kind=IncomingKind.TEXT, text=clean(query.data), at_once=at_once)


def _came_or_went(change: ChatMemberUpdated) -> Meaning:
    """The bot was blocked or unblocked by a person; taken into or thrown out of a group."""
    chat = _chat(change.chat.id)
    was_away, is_away = change.old_chat_member.status in _AWAY, change.new_chat_member.status in _AWAY
    if change.chat.type == ChatType.PRIVATE:
        kind = IncomingKind.LEFT if is_away else IncomingKind.RETURNED  # the app then sends /start
        return Meaning(chat=chat, kind=kind, at=change.date)
    if change.chat.type == ChatType.CHANNEL or is_away or not was_away:
        return NOTHING
    # A group is told once why it will hear nothing more: what is answered to one must not be read by all.
    hint = "\n".join(WORDS.say(language, "group") for language in Language)
    at_once = {"method": "sendMessage", "chat_id": change.chat.id, "text": hint}
    return Meaning(chat=chat, kind=IncomingKind.JOINED, at=change.date, at_once=at_once, once=True)


def _said(message: Message) -> Meaning:
    chat, at = _chat(message.chat.id), message.edit_date or message.date
    if message.text is not None:
        kind, text = _typed(message.text)
        return Meaning(chat=chat, kind=kind, text=text, at=at)
    if message.contact is not None:
        own = message.from_user is not None and message.contact.user_id == message.from_user.id
        phone = _phone(message.contact) if own else ""
        return Meaning(chat=chat, kind=IncomingKind.OWN_PHONE if phone else IncomingKind.TEXT, text=phone, at=at)
    if message.effective_attachment is None:  # a service message: something was pinned, a timer set
        return NOTHING
    return Meaning(
        chat=chat, kind=IncomingKind.TEXT, text=clean(message.caption or ""), at=at, picture=_picture(message)
    )


def _chat(number: int) -> str:
    """An id as an address. python-telegram-bot does not look at types."""
    if not isinstance(number, int):
        raise TypeError("an id is no number")
    return str(number)


def _typed(text: str) -> tuple[IncomingKind, str]:
    """Words as they are: the conversation reads commands, too. `/start` alone opens the chat.

    What a deep link carries behind it (at most 64 of A-Za-z0-9_-, so no receipt's whole token) is passed on as it came:
    `/start <payload>`.
    """
    text = clean(text)
    start = _START.fullmatch(text)
    if start is None:
        return IncomingKind.TEXT, text
    return (IncomingKind.TEXT, f"/start {start[1]}") if start[1] else (IncomingKind.JOINED, "")


def _phone(contact: Contact) -> str:
    """The number as E.164, '' if it is none. Telegram writes the country's code always, the plus sometimes."""
    number = contact.phone_number
    try:
        return e164(number if number.startswith(("+", "0")) else f"+{number}")
    except Invalid:
        return ""


def _picture(message: Message) -> str | None:
    """The largest version of a photograph, or an image sent as a file, that we are ready to read."""
    sizes = [(size.file_size or 0, size.file_id) for size in message.photo]
    document = message.document
    if document is not None and (document.mime_type or "").startswith("image/"):
        sizes.append((document.file_size or 0, document.file_id))
    return max((size for size in sizes if size[0] <= MOST_PICTURE), default=(0, None))[1]
