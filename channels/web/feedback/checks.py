"""What a form still lacks, the first thing first, and what its sender must be asked before it is filed.

The law asks for clear words in Vietnamese and the sender's name, address and phone (NĐ 20/2008 Đ9).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from channels.email.letters import address_of
from channels.sms.numbers import is_mobile
from domain.contact import ChannelName, Contact, e164
from domain.errors import Invalid, Undeliverable
from feedback_intake.filing import FeedbackKind, Formal, MayPublish
from feedback_intake.sorting import is_clear, is_vietnamese, kind_by_words, resembles
from lookup.code_finder import read
from notifications.registered_emails import EMAIL

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Missing:
    """What to mend: the field, and the key of the words that ask for it."""

    field: str
    words: str


def missing(fields: Fields) -> Missing | None:
    """The first thing that keeps the form from being filed."""
    if not fields.get("text"):
        return Missing("text", "text.missing")
    if (code := fields.get("code")) and not read(code).candidates:
        return Missing("code", "code.unreadable")
    if not fields.get("name"):
        return Missing("name", "name.missing")
    if fields.get("phone") and phone_of(fields) is None:
        return Missing("phone", "phone.wrong")
    if fields.get("email") and email_of(fields) is None:
        return Missing("email", "email.wrong")
    if not any(fields.get(name) for name in ("phone", "email", "postal_address")):
        return Missing("phone", "contact.missing")
    return None


def question(fields: Fields) -> str | None:
    """What the sender is asked once before it is filed: what it sounds like, or what the law asks for and is not there.

    A key of words; `sure` with that key is the answer that it shall be filed as it is.
    """
    text = fields.get("text", "")
    if (formal := resembles(text)) is not None:
        return formal.value
    if not is_vietnamese(text):
        return "language"
    if not is_clear(text):
        return "unclear"
    return None if fields.get("postal_address") else "postal_address"


def formal_of(fields: Fields) -> Formal | None:
    """What its words sound like."""
    return resembles(fields.get("text", ""))


def kind_of(fields: Fields) -> FeedbackKind:
    """Which of the two it was said to be; where that was left to us, what its words make it."""
    said = fields.get("kind")
    return FeedbackKind(said) if said in set(FeedbackKind) else kind_by_words(fields.get("text", ""))


def phone_of(fields: Fields) -> str | None:
    """The phone as E.164; None where there is none, or what was typed is none."""
    try:
        return e164(fields["phone"]) if fields.get("phone") else None
    except Invalid:
        return None


def email_of(fields: Fields) -> str | None:
    """The e-mail address; None where there is none, or what was typed is none."""
    try:
        return str(address_of(fields["email"])) if fields.get("email") else None
    except Undeliverable:
        return None


def contacts_of(fields: Fields) -> tuple[Contact, ...]:
    """Whom the form names: its phone, its e-mail address."""
    phone, email = phone_of(fields), email_of(fields)
    sms = (Contact(channel=ChannelName.SMS, address=phone),) if phone else ()
    return (*sms, Contact(channel=EMAIL, address=email.lower())) if email else sms


def reply_to(fields: Fields) -> Contact | None:
    """Where news of it go: to a mobile phone, else by e-mail; None where there is only a post to answer by."""
    return next((c for c in contacts_of(fields) if c.channel != ChannelName.SMS or is_mobile(c.address)), None)


def consent_of(fields: Fields) -> MayPublish:
    """What may be published: nothing, unless something else was chosen."""
    chosen = fields.get("may_publish")
    return MayPublish(chosen) if chosen in set(MayPublish) else MayPublish.NO


def codes_of(fields: Fields) -> tuple[str, ...]:
    """The readings of the dossier's code, the likeliest first."""
    return read(fields["code"]).candidates if fields.get("code") else ()
