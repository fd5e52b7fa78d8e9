"""Mailboxes read by IMAP (RFC 3501): each new letter is taken, then marked as read. None is deleted."""

import asyncio
import imaplib
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from database.supervision import place
from domain.errors import Malformed, TryLater, Unavailable

LIMIT = 10.0  # seconds for each step
MOST_AT_ONCE = 50  # letters
READ_EVERY = 60.0  # seconds between looks into a mailbox

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Where letters are read. Its calls block, and belong into a thread."""

    host: str
    port: int
    tls: bool
    username: str
    password: str = field(repr=False)
    folder: str

    @classmethod
    def of(cls, url: str, setting: str) -> "Mailbox":
        """`imaps://user:password@host:993/INBOX`; `imap://` on this machine only. Raises `Malformed` with `setting`."""
        wrong = Malformed(f"{setting} is imaps://user:password@host:993/INBOX.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise wrong from None
        host, tls = parts.hostname or "", parts.scheme == "imaps"
        guarded = tls or (parts.scheme == "imap" and _near(host))
        if not (guarded and host and parts.username and parts.password):
            raise wrong
        return cls(
            host=host,
            port=port or (993 if tls else 143),
            tls=tls,
            username=unquote(parts.username),
            password=unquote(parts.password),
            folder=unquote(parts.path.lstrip("/")) or "INBOX",
        )

    def open(self) -> "OpenMailbox":
        """Log in and choose the folder. Raises `TryLater`."""
        try:
            imap = (
                imaplib.IMAP4_SSL(self.host, self.port, ssl_context=ssl.create_default_context(), timeout=LIMIT)
                if self.tls
                else imaplib.IMAP4(self.host, self.port, timeout=LIMIT)
            )
        except (OSError, imaplib.IMAP4.error) as error:
            raise TryLater("No connection to the mailbox, or not by TLS.") from error
        opened = OpenMailbox(imap)
        try:
            with _refusals():
                imap.login(self.username, self.password)
                _answered(imap.select(f'"{self.folder}"'))
        except TryLater:
            opened.close()
            raise
        return opened

    def count(self) -> int:
        """How many letters wait to be read. Raises `TryLater`."""
        opened = self.open()
        try:
            return len(opened.unread())
        finally:
            opened.close()


class OpenMailbox:
    """A mailbox somebody is logged in to. Its calls block; they come one after another, from any thread."""

    def __init__(self, imap: imaplib.IMAP4) -> None:
        self._imap = imap

    def unread(self) -> list[str]:
        """The numbers (UIDs) of new letters; what waits for a person is none of them. Raises `TryLater`."""
        with _refusals():
            return [number.decode() for number in _answered(self._imap.uid("SEARCH", "UNSEEN UNFLAGGED"))[0].split()]

    def letter(self, number: str, most: int) -> bytes | None:
        """The first `most` bytes of a letter; None once it is gone. Raises `TryLater`."""
        with _refusals():
            fetched = _answered(self._imap.uid("FETCH", number, f"(UID BODY.PEEK[]<0.{most}>)"))
        return next((part[1] for part in fetched if isinstance(part, tuple)), None)

    def mark_read(self, number: str) -> None:
        """The next `unread` leaves it out. Raises `TryLater`."""
        self._mark(number, r"(\Seen)")

    def leave_to_somebody(self, number: str) -> None:
        """It stays unread, and flagged: a person must look at it. Raises `TryLater`."""
        self._mark(number, r"(\Flagged)")

    def _mark(self, number: str, flags: str) -> None:
        with _refusals():
            _answered(self._imap.uid("STORE", number, "+FLAGS.SILENT", flags))

    def close(self) -> None:
        """Log out, as far as the server still listens."""
        with suppress(OSError, imaplib.IMAP4.error):
            self._imap.logout()


class MailboxReader:
    """Reads what is new in a mailbox for ever. `take` gets each letter, at most `most` bytes of it, and has recorded it
    when it returns: only then is it marked as read. One that cannot be taken is left to a person."""

    def __init__(self, mailbox: Mailbox, take: Callable[[bytes], Awaitable[None]], *, most: int) -> None:
        self.mailbox = mailbox
        self._take = take
        self._most = most

    async def run(self) -> None:
        """Look every `READ_EVERY` seconds; a mailbox or a store that is away is tried again."""
        while True:
            try:
                while await self.read() == MOST_AT_ONCE:
                    pass
            except (TryLater, Unavailable) as error:
                log.warning("mailbox not read", error=type(error).__qualname__)
            await asyncio.sleep(READ_EVERY)

    async def read(self) -> int:
        """Read what is new: how many letters. Raises `TryLater`, and `Unavailable` as `take` does: the letter and those
        behind it stay new."""
        opened = await asyncio.to_thread(self.mailbox.open)
        try:
            numbers = (await asyncio.to_thread(opened.unread))[:MOST_AT_ONCE]
            for number in numbers:
                letter = await asyncio.to_thread(opened.letter, number, self._most)
                try:
                    if letter is not None:
                        await self._take(letter)
                except (TryLater, Unavailable):
                    raise
                except Exception as error:  # one letter that cannot be taken holds up no other
                    log.warning("letter left to a person", error=f"{type(error).__qualname__} at {place(error)}")
                    await asyncio.to_thread(opened.leave_to_somebody, number)
                else:
                    await asyncio.to_thread(opened.mark_read, number)
            return len(numbers)
        finally:
            await asyncio.to_thread(opened.close)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (OSError, imaplib.IMAP4.error, ValueError) as error:
        raise TryLater(f"The mailbox refuses: {type(error).__name__}.") from error


def _answered(answer: tuple[str, Sequence[Any]]) -> list[Any]:
    said, data = answer
    if said != "OK":
        raise imaplib.IMAP4.error(said)
    return [part if part is not None else b"" for part in data] or [b""]


def _near(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
