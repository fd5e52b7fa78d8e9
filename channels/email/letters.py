"""A notice as a letter: text and HTML of the same words, with the headers that let a mail program stop them."""

from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any

from domain.errors import Undeliverable
from domain.language import Language
from domain.message import Outgoing
from feedback_intake.numbers import NUMBER
from lookup.wording import Words

WORDS = Words("channels.email")
MOST_SUBJECT = 150


class _Whole(UnstructuredHeader, BaseHeader):
    """A header that stands on one line: folding would encode an address that is long, which no mail program expects."""

    def fold(self, *, policy: Any) -> str:  # noqa: ANN401 - generic in the stubs alone
        """As it is written; lines may have 998 characters (RFC 5322, section 2.1.1)."""
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _Whole)
# Folded as SMTP wants it; what is not ASCII is encoded, so that any server takes it.
_POLICY = policy.SMTP.clone(cte_type="7bit", header_factory=_HEADERS)


def address_of(written: str) -> Address:
    """A recipient's address as servers know it, its domain in ASCII. Raises `Undeliverable`."""
    local, _, domain = written.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
        if not local.isascii() or not local or not ascii_domain:
            raise Undeliverable("This address cannot be written to.")
        return Address(addr_spec=f"{local}@{ascii_domain}")
    except (ValueError, MessageError, IndexError, UnicodeError):
        raise Undeliverable("This is no e-mail address.") from None


def message_name(message_id: int, domain: str) -> str:
    """The Message-ID of our message: bounces name it."""
    return f"<{message_id}@{domain}>"


def letter(
    message: Outgoing, *, sender: Address, stop_url: str, now: datetime, reply_to: Address | None = None
) -> EmailMessage:
    """The letter of a message. List-Unsubscribe by RFC 2369, its one click by RFC 8058. Raises `Undeliverable`."""
    language = message.language
    made = EmailMessage(policy=_POLICY)
    made["From"] = sender
    if reply_to is not None:
        made["Reply-To"] = reply_to
    made["To"] = address_of(message.to.address)
    made["Subject"] = _subject(message, language)
    made["Date"] = format_datetime(now)
    made["Message-ID"] = message_name(message.message_id, sender.domain)
    made["Auto-Submitted"] = "auto-generated"
    made["List-Unsubscribe"] = f"<{stop_url}>"
    made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    why, stop = WORDS.say(language, "why.answer" if reply_to else "why"), WORDS.say(language, "stop", url=stop_url)
    made.set_content(f"{message.text}\n\n-- \n{why}\n{stop}\n", cte="base64")
    made.add_alternative(_html(message, why, stop_url), subtype="html", cte="base64")
    made["Content-Language"] = language.value  # set before, it would go down into the first part
    return made


def _subject(message: Outgoing, language: Language) -> str:
    code, status = message.facts.get("code"), message.facts.get("status")
    said = WORDS.say(language, "subject", code=code, status=status) if code and status else ""
    if not said and (named := NUMBER.search(message.text)):
        said = WORDS.say(language, "subject.feedback", number=named[0])
    return " ".join((said or WORDS.say(language, "subject.plain")).split())[:MOST_SUBJECT]


def _html(message: Outgoing, why: str, stop_url: str) -> str:
    language = message.language
    lines = "<br>\n".join(escape(line) for line in message.text.splitlines())
    return (
        f'<!doctype html>\n<html lang="{language.value}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"></head>\n'
        '<body style="font: 1rem/1.5 sans-serif; max-width: 36rem; margin: 1rem auto; padding: 0 1rem">\n'
        f"<p>{lines}</p>\n"
        f'<hr>\n<p style="font-size: .875rem">{escape(why)}<br>\n'
        f'<a href="{escape(stop_url)}">{escape(WORDS.say(language, "stop.link"))}</a></p>\n'
        "</body></html>\n"
    )
