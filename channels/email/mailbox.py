"""The mailbox to which bounces come, read by IMAP (RFC 3501): new letters, then marked as read. None is deleted."""

import imaplib
import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from domain.errors import Malformed, TryLater

LIMIT = 10.0  # seconds for each step
MOST_AT_ONCE = 50  # letters
MOST_SIZE = 200_000  # bytes of a letter that are fetched
_UID = re.compile(rb"UID ([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Where bounces are read. Its calls block, and belong into a thread."""

    host: str
    port: int
    tls: bool
    username: str
    password: str = field(repr=False)
    folder: str

    @classmethod
    def of(cls, url: str) -> "Mailbox":
        """`imaps://user:password@host:993/INBOX`; `imap://` on this machine only. Raises `Malformed`."""
        wrong = Malformed("MOTMA_MAIL_BOUNCE_URL is imaps://user:password@host:993/INBOX.")
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

    def unread(self) -> list[tuple[str, bytes]]:
        """Up to `MOST_AT_ONCE` new letters, by their numbers. Raises `TryLater`."""
        with self._opened() as imap:
            numbers = _answered(imap.uid("SEARCH", "UNSEEN"))[0].split()[:MOST_AT_ONCE]
            if not numbers:
                return []
            fetched = _answered(imap.uid("FETCH", b",".join(numbers).decode(), f"(UID BODY.PEEK[]<0.{MOST_SIZE}>)"))
            return list(_letters(fetched))

    def mark_read(self, numbers: Iterable[str]) -> None:
        """The next `unread` leaves these out. Raises `TryLater`."""
        with self._opened() as imap:
            _answered(imap.uid("STORE", ",".join(numbers), "+FLAGS.SILENT", r"(\Seen)"))

    def count(self) -> int:
        """How many letters are unread. Raises `TryLater`."""
        with self._opened() as imap:
            return len(_answered(imap.uid("SEARCH", "UNSEEN"))[0].split())

    @contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        try:
            imap = (
                imaplib.IMAP4_SSL(self.host, self.port, ssl_context=ssl.create_default_context(), timeout=LIMIT)
                if self.tls
                else imaplib.IMAP4(self.host, self.port, timeout=LIMIT)
            )
        except (OSError, imaplib.IMAP4.error) as error:
            raise TryLater("No connection to the mailbox of bounces, or not by TLS.") from error
        try:
            imap.login(self.username, self.password)
            _answered(imap.select(f'"{self.folder}"'))
            yield imap
        except (OSError, imaplib.IMAP4.error, ValueError) as error:
            raise TryLater(f"The mailbox of bounces refuses: {type(error).__name__}.") from error
        finally:
            with suppress(OSError, imaplib.IMAP4.error):
                imap.logout()


def _answered(answer: tuple[str, Sequence[Any]]) -> list[Any]:
    said, data = answer
    if said != "OK":
        raise imaplib.IMAP4.error(said)
    return [part if part is not None else b"" for part in data] or [b""]


def _letters(fetched: Iterable[object]) -> Iterator[tuple[str, bytes]]:
    """imaplib gives a pair for each letter: what stood before it, and the letter."""
    for part in fetched:
        if isinstance(part, tuple) and (number := _UID.search(part[0])):
            yield number[1].decode(), part[1]


def _near(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
