"""The mail server we hand letters to: one connection a letter, and what its refusals mean."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import aiosmtplib

from domain.errors import Gone, InDoubt, Malformed, TryLater, Undeliverable

LIMIT = 8.0  # seconds for each step; the dispatcher's own limit holds for all of them
PARTING = 1.0
# Enhanced codes (RFC 3463) of addresses that will never take a letter: no such mailbox, domain, syntax; disabled.
NO_SUCH_ADDRESS = ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where letters go. `tls` from the first byte, else by STARTTLS, which only a server on this machine may lack."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str) -> "MailServer":
        """`smtp://user:password@host:587` or `smtps://…:465`. Raises `Malformed`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise Malformed("MOTMA_SMTP_URL is smtp://user:password@host:587 or smtps://user:password@host:465.")
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if tls else 587),
            tls=tls,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    @property
    def near(self) -> bool:
        """Whether it is on this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def client(self, domain: str) -> aiosmtplib.SMTP:
        """A connection to be opened; `domain` is how we call ourselves."""
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.tls,
            start_tls=None if self.near and not self.tls else not self.tls,
            local_hostname=domain,
            timeout=LIMIT,
        )

    async def greet(self, domain: str) -> str:
        """Log in and leave again; what the server calls itself. Raises `TryLater`."""
        client = self.client(domain)
        try:
            await _opened(client)
            return f"{self.host}:{self.port} takes letters"
        finally:
            client.close()

    async def hand_over(self, letter: EmailMessage, sender: str, to: str, domain: str) -> str:
        """Hand one letter over; the server's answer. Raises `Undeliverable`, `Gone`, `TryLater`, `InDoubt`."""
        client = self.client(domain)
        try:
            await _opened(client)
            try:
                await client.mail(sender)
            except aiosmtplib.SMTPResponseException as error:
                raise TryLater(f"The server refuses our address: {error.code}.") from error
            try:
                await client.rcpt(to)
            except aiosmtplib.SMTPResponseException as error:
                raise refusal(error.code, error.message) from error
            said = await _data(client, letter)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TryLater("The mail server broke off.") from error
        else:
            with suppress(aiosmtplib.SMTPException, OSError):  # the letter is handed over whatever comes of this
                async with asyncio.timeout(PARTING):
                    await client.quit()
            return said
        finally:
            client.close()


async def _opened(client: aiosmtplib.SMTP) -> None:
    try:
        await client.connect()
    except aiosmtplib.SMTPAuthenticationError as error:
        raise TryLater(f"The mail server refuses our password: {error.code}.") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TryLater("No connection to the mail server, or not by TLS.") from error


async def _data(client: aiosmtplib.SMTP, letter: EmailMessage) -> str:
    """From here on the letter may have arrived though no answer came."""
    try:
        return (await client.data(letter.as_bytes())).message
    except aiosmtplib.SMTPResponseException as error:
        raise refusal(error.code, error.message) from error
    except asyncio.CancelledError:
        raise
    except (aiosmtplib.SMTPException, OSError) as error:
        raise InDoubt("The mail server did not answer.") from error


def refusal(code: int, said: str) -> Exception:
    """What a refusal of a recipient or letter means: 4xx later, 5xx never; some say that nobody is there."""
    words = f"The mail server refuses: {code}."
    if 500 <= code < 600:
        enhanced = said.strip().partition(" ")[0]
        gone = enhanced in NO_SUCH_ADDRESS or (code in {550, 551, 553} and enhanced[:2] != "5.")
        return Gone(words) if gone else Undeliverable(words)
    return TryLater(words)
