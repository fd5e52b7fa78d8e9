"""A letter somebody wrote, read: its own words without what it quotes, its files, and whether a machine wrote it."""

import re
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser

from channels.conversation.feedback_numbers import number_and_words
from channels.email.letters import address_of
from domain.errors import Malformed, Undeliverable
from domain.vietnamese import clean
from feedback_intake.drafts import MOST_FILES
from feedback_intake.filing import LONGEST_NAME

MOST_PARTS = 60
_UNREADABLE = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_BY_MACHINES = frozenset({"bulk", "junk", "list", "auto_reply"})
# What programs say of themselves where they do not know RFC 3834; machines of the post have these names.
_MACHINES_SAY = ("List-Id", "X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "X-Failed-Recipients")
_NAMES_OF_MACHINES = frozenset({"mailer-daemon", "postmaster"})
_REPLY_TO_OURS = re.compile(r"^\s*(?:re|fw|fwd|tl|trả lời)\s*:\s*", re.IGNORECASE)
_QUOTE_BEGINS = re.compile(
    r"^(?:On .{5,200} wrote:|Vào .{5,200} đã viết:|-{3,} ?Original Message.*|_{10,})\s*$", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as it is taken. `files`: names and contents, undecided yet; `lost`: names of those that are not whole.

    `text`: subject and words; `number`: the feedback it names, be it in what it quotes, and `words` what it says of it.
    """

    sender: str = field(repr=False)
    name: str = field(repr=False)
    text: str = field(repr=False)
    words: str = field(repr=False)
    number: str | None
    message_id: str
    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    lost: tuple[str, ...] = field(default=(), repr=False)
    by_machine: bool


def letter_in(body: bytes, *, whole: bool = True) -> Letter:
    """The letter in `body`; of one that is not `whole`, the last file is not either. Raises `Malformed`."""
    try:
        return _letter(body, whole=whole)
    except _UNREADABLE:
        raise Malformed("The letter cannot be read.") from None


def _letter(body: bytes, *, whole: bool) -> Letter:
    parsed = message_from_bytes(body, policy=policy.default)
    if not isinstance(parsed, EmailMessage):
        raise TypeError("no letter")
    name, written = parseaddr(str(parsed.get("From", "")))
    try:
        sender = str(address_of(written)).lower()
    except Undeliverable:
        raise ValueError("no sender") from None
    texts: dict[str, str] = {}
    files: list[tuple[str, bytes]] = []
    lost: list[str] = []
    for count, part in enumerate(parsed.walk()):
        if count > MOST_PARTS:
            raise ValueError("too many parts")
        if part.is_multipart():
            continue
        kind, file_name = part.get_content_type(), part.get_filename()
        if part.get_content_disposition() == "attachment" or file_name or not kind.startswith("text/"):
            if len(files) < MOST_FILES:
                files.append((str(file_name or ""), bytes(part.get_payload(decode=True) or b"")))
            else:
                lost.append(str(file_name or ""))
        elif kind not in texts:
            texts[kind] = str(part.get_content())
    if files and not whole:
        lost.append(files.pop()[0])
    text = clean((texts.get("text/plain") or _plain(texts.get("text/html", ""))).replace("\r\n", "\n"))
    said = clean(str(parsed.get("Subject", "")))
    subject, own = _REPLY_TO_OURS.sub("", said), _own_words(text)
    named = number_and_words(own) or number_and_words(subject) or number_and_words(text)
    return Letter(
        sender=sender,
        name=clean(name)[:LONGEST_NAME],
        text="\n".join(part for part in (subject, own) if part),
        words=_besides(own, named[0]) if named else own,
        number=named[0] if named else None,
        message_id=clean(str(parsed.get("Message-ID", ""))) or body[:2_000].decode("latin-1"),
        files=tuple(files),
        lost=tuple(clean(name)[:80] for name in lost),
        by_machine=_by_machine(parsed, sender),
    )


def _by_machine(letter: EmailMessage, sender: str) -> bool:
    """Whether nobody waits for an answer (RFC 3834): a list, a holiday's reply, a report of the post."""
    return (
        str(letter.get("Auto-Submitted", "no")).strip().lower() != "no"
        or str(letter.get("Precedence", "")).strip().lower() in _BY_MACHINES
        or any(name in letter for name in _MACHINES_SAY)
        or str(letter.get("Return-Path", "")).strip() == "<>"
        or letter.get_content_type() == "multipart/report"
        or sender.partition("@")[0] in _NAMES_OF_MACHINES
    )


def _besides(own: str, number: str) -> str:
    found = number_and_words(own)
    return found[1] if found and found[0] == number else own


def _own_words(text: str) -> str:
    """What the person wrote, without the letter it answers."""
    text = _QUOTE_BEGINS.split(text, maxsplit=1)[0]
    return "\n".join(line for line in text.split("\n") if not line.startswith(">")).strip()


class _Text(HTMLParser):
    """The words of an HTML letter."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Lines begin anew at blocks; scripts and styles say nothing."""
        del attrs
        self._hidden += tag in {"script", "style", "head"}
        if tag in {"p", "br", "div", "li", "tr"}:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """What was hidden ends."""
        self._hidden -= tag in {"script", "style", "head"} and self._hidden > 0

    def handle_data(self, data: str) -> None:
        """Words."""
        if not self._hidden:
            self.words.append(data)


def _plain(html: str) -> str:
    reader = _Text()
    reader.feed(html)
    return "\n".join(" ".join(line.split()) for line in "".join(reader.words).split("\n")).strip()
