"""Letters people write to us: each becomes feedback with its files, or is added to the feedback whose number it names.

A mail server or provider hands over the letter as it came (RFC 5322), signed as Standard Webhooks has it. Who a letter
is from can be forged: so what it says is taken, and whatever is told goes to that address and nowhere else; nothing is
taken back or objected to by letter.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser

import asyncpg
from aiohttp import web

from channels.channel import IGNORED
from channels.conversation.feedback_numbers import number_and_words
from channels.email.letters import WORDS, address_of
from channels.filing_budget import FilingBudget, TooManyFiled
from channels.guesses import GuardedFeedback
from channels.standard_webhooks import Verifier
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.civil_time import civil_day, utc_now
from domain.contact import Contact
from domain.errors import Malformed, Unavailable, Undeliverable
from domain.language import Language
from domain.message import MessageKind
from domain.vietnamese import clean
from feedback_intake.attachments import Attachment, Scan, Unwanted, attachment
from feedback_intake.drafts import MOST_FILES
from feedback_intake.filing import LONGEST_NAME, LONGEST_TEXT, Feedback, Filing
from feedback_intake.hearing import SenderAct, SenderActs
from feedback_intake.numbers import new_number
from feedback_intake.paper import attach
from feedback_intake.sorting import kind_by_words, resembles
from feedback_intake.telling import EXPIRY
from lookup.code_finder import find
from lookup.sealing import Seal
from notifications.outbox import Outbox
from notifications.registered_emails import EMAIL
from pages.requests import small_body

ROUTE = "/webhooks/email/letter"
MOST_LETTER = 16 * 1024 * 1024  # bytes: 12 MB of files as they are written in letters
MOST_PARTS = 60
MOST_TRIES = 5
_UNREADABLE = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_BY_MACHINES = frozenset({"bulk", "junk", "list", "auto_reply"})
_REPLY_TO_OURS = re.compile(r"^\s*(?:re|fw|fwd|tl|trả lời)\s*:\s*", re.IGNORECASE)
_QUOTE_BEGINS = re.compile(
    r"^(?:On .{5,200} wrote:|Vào .{5,200} đã viết:|-{3,} ?Original Message.*|_{10,})\s*$", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as it is taken. `files`: names and contents, undecided yet; `by_machine`: nobody waits for an answer."""

    sender: str = field(repr=False)
    name: str = field(repr=False)
    text: str = field(repr=False)
    message_id: str
    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    by_machine: bool


class MailIntake:
    """The webhook. `scan` looks through files, where there is somebody who can."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        verifier: Verifier,
        *,
        filing: Filing,
        acts: SenderActs,
        numbers: GuardedFeedback,
        budget: FilingBudget,
        outbox: Outbox,
        scan: Scan | None,
    ) -> None:
        self._database = database
        self._seal = seal
        self._verifier = verifier
        self._filing = filing
        self._acts = acts
        self._numbers = numbers
        self._budget = budget
        self._outbox = outbox
        self._scan = scan

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Where letters are handed over."""
        return [web.post(ROUTE, self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """POST /webhooks/email/letter with the letter as its body: 204 once it is kept, or known before."""
        body = await small_body(request, MOST_LETTER)
        self._verifier.message_id(request.headers, body)
        try:
            letter = letter_in(body)
        except _UNREADABLE:
            raise Malformed("The letter cannot be read.") from None
        if letter.by_machine or not letter.text:
            IGNORED.labels("email", "machine" if letter.by_machine else "empty").inc()
            return web.Response(status=204)
        contact = Contact(channel=EMAIL, address=letter.sender)
        try:
            await self._take(contact, letter)
        except DATABASE_AWAY as error:
            raise Unavailable("The letter could not be kept. Please send it again.") from error
        return web.Response(status=204)

    async def _take(self, contact: Contact, letter: Letter) -> None:
        claim = self._seal.digest("letter", letter.message_id)
        named = number_and_words(letter.text)
        found = await self._numbers.for_contacts(named[0], contact) if named else None
        if named and found and found.proven and SenderAct.ADD in found.proven.acts:
            await self._add(contact, found.number, named[1])
            return
        codes = find(letter.text, limit=1)
        code = codes[0].candidates[0] if codes else None
        try:
            await self._budget.take(address=None, contacts=(contact,), code=code)
        except TooManyFiled:
            async with self._database.transaction(Role.WORKER) as connection:
                await self._tell(connection, contact, "letter.too_many")
            return
        files, refused = await self._files(letter)
        await self._file(contact, letter, code, claim, files, refused=refused)

    async def _file(
        self,
        contact: Contact,
        letter: Letter,
        code: str | None,
        claim: bytes,
        files: list[Attachment],
        *,
        refused: list[str],
    ) -> None:
        formal, kind = resembles(letter.text), kind_by_words(letter.text)
        for _ in range(MOST_TRIES):
            feedback = Feedback(
                number=new_number(civil_day(utc_now())),
                kind=kind,
                text=letter.text[:LONGEST_TEXT],
                code=code,
                resembles=formal,
                name=letter.name,
            )
            try:
                async with self._database.transaction(Role.WORKER) as connection:
                    filed = await self._filing.file(connection, contact, feedback, claim=claim)
                    for one in files:
                        await attach(connection, self._seal, filed, one)
                    lines = [WORDS.say(Language.VIETNAMESE, "letter.filed", number=filed.number)]
                    if formal is not None:
                        lines.append(WORDS.say(Language.VIETNAMESE, f"letter.{formal}"))
                    lines += [WORDS.say(Language.VIETNAMESE, "letter.file_refused", name=name) for name in refused]
                    asks = "letter.address" if letter.name else "letter.name"
                    lines.append(WORDS.say(Language.VIETNAMESE, asks, number=filed.number))
                    await self._queue(connection, contact, "\n\n".join(lines))
            except asyncpg.UniqueViolationError as taken:
                if "claim" in str(taken.constraint_name):  # the same letter once more
                    return
            else:
                return
        raise Unavailable("The letter could not be kept. Please send it again.")

    async def _add(self, contact: Contact, number: str, words: str) -> None:
        """Words for feedback that is known; told twice by its provider, they are added twice."""
        async with self._database.transaction(Role.WORKER) as connection:
            await self._acts.act(connection, number, SenderAct.ADD, words[:LONGEST_TEXT])
            await self._acts.prove_reply(connection, number, contact)
            await self._tell(connection, contact, "letter.added", number=number)

    async def _files(self, letter: Letter) -> tuple[list[Attachment], list[str]]:
        kept: list[Attachment] = []
        refused: list[str] = []
        for name, content in letter.files:
            try:
                kept.append(await attachment(name, content, scan=self._scan))
            except Unwanted:
                refused.append(clean(name)[:80])
        return kept, refused

    async def _tell(self, connection: Connection, contact: Contact, key: str, **values: object) -> None:
        await self._queue(connection, contact, WORDS.say(Language.VIETNAMESE, key, **values))

    async def _queue(self, connection: Connection, contact: Contact, text: str) -> None:
        await self._outbox.queue(connection, contact, text, kind=MessageKind.FEEDBACK, expires_in=EXPIRY)


def letter_in(body: bytes) -> Letter:
    """The letter in `body`. Raises what Python's parser raises for letters that break its rules."""
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
    for count, part in enumerate(parsed.walk()):
        if count > MOST_PARTS:
            raise ValueError("too many parts")
        if part.is_multipart():
            continue
        kind, file_name = part.get_content_type(), part.get_filename()
        if part.get_content_disposition() == "attachment" or file_name or not kind.startswith("text/"):
            if len(files) < MOST_FILES:
                files.append((str(file_name or ""), bytes(part.get_payload(decode=True) or b"")))
        elif kind not in texts:
            texts[kind] = str(part.get_content())
    text = texts.get("text/plain") or _plain(texts.get("text/html", ""))
    subject = _REPLY_TO_OURS.sub("", clean(str(parsed.get("Subject", ""))))
    automatic = str(parsed.get("Auto-Submitted", "no")).lower() != "no"
    precedence = str(parsed.get("Precedence", "")).lower() in _BY_MACHINES
    return Letter(
        sender=sender,
        name=clean(name)[:LONGEST_NAME],
        text="\n".join(part for part in (subject, _own_words(text)) if part),
        message_id=clean(str(parsed.get("Message-ID", ""))) or body[:2_000].decode("latin-1"),
        files=tuple(files),
        by_machine=automatic or precedence or "List-Id" in parsed or str(parsed.get("Return-Path", "")).strip() == "<>",
    )


def _own_words(text: str) -> str:
    """What the person wrote, without the letter it answers."""
    text = _QUOTE_BEGINS.split(clean(text.replace("\r\n", "\n")), maxsplit=1)[0]
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
