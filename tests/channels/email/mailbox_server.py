"""A mailbox as IMAP shows it: as much of RFC 3501 as a reader of new letters needs."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_COMMAND = re.compile(rb"(?P<tag>\S+) (?P<what>(?:UID )?[A-Z]+) ?(?P<rest>.*)\r\n", re.IGNORECASE)


@dataclass
class MailboxServer:
    """`letters` by number; `read` and `flagged` are those marked so. `away`: it ends every connection at once."""

    password: str = "secret-of-the-box"
    letters: dict[int, bytes] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    flagged: set[int] = field(default_factory=set)
    away: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        return f"imap://bounces%40motma.example.vn:{self.password}@127.0.0.1:{self.port}/INBOX"

    def arrives(self, letter: bytes) -> None:
        """One more."""
        self.letters[len(self.letters) + 1] = letter

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if not self.away:
            writer.write(b"* OK ready\r\n")
            while command := _COMMAND.fullmatch(await reader.readline()):
                self._answer(writer, command["tag"], command["what"].upper(), command["rest"])
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, tag: bytes, what: bytes, rest: bytes) -> None:
        verdict = b"OK"
        match what:
            case b"CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1\r\n")
            case b"LOGIN":
                verdict = b"OK" if self.password.encode() in rest else b"NO"
            case b"SELECT":
                writer.write(b"* %d EXISTS\r\n" % len(self.letters))
            case b"UID SEARCH":
                left_out = self.read | (self.flagged if b"UNFLAGGED" in rest else set())
                unread = b" ".join(b"%d" % number for number in self.letters if number not in left_out)
                writer.write(b"* SEARCH %s\r\n" % unread)
            case b"UID FETCH":
                number, most = int(rest.split(b" ")[0]), int(rest.rpartition(b"<0.")[2].rstrip(b">)"))
                if letter := self.letters.get(number, b"")[:most]:
                    writer.write(b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n" % (number, number, len(letter)))
                    writer.write(letter + b")\r\n")
            case b"UID STORE":
                marked = self.read if rb"\Seen" in rest else self.flagged
                marked.add(int(rest.split(b" ")[0]))
            case b"LOGOUT":
                writer.write(b"* BYE\r\n")
        writer.write(tag + b" " + verdict + b" done\r\n")


@asynccontextmanager
async def mailbox_server() -> AsyncIterator[MailboxServer]:
    """It runs while inside."""
    served = MailboxServer()
    server = await asyncio.start_server(served.talk, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    yield served
    server.close()
