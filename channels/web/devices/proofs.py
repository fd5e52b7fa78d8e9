"""Proving a phone by a code sent to it, and remembering on one device that it was proven.

A code is bound to the browser that asked for it: it is good there, `CODE_EXPIRY` long, for `MOST_TRIES` tries, once.
Only a phone that is registered with some dossier is sent one, so that nobody else's phone can be made to ring, and
nothing the asker sees depends on it.
"""

import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import randbelow, token_urlsafe

from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from domain.language import Language
from domain.message import Lane, MessageKind
from lookup.desk import LookupDesk
from lookup.sealing import Seal, Unsealable
from lookup.wording import Words
from notifications.outbox import Outbox

CODE_EXPIRY = timedelta(minutes=5)
CODE_DIGITS = 6
MOST_TRIES = 5
DEVICE_EXPIRY = timedelta(days=30)  # a number that is given up is sold again after some months
_SWEPT = 100  # old rows a request removes at most

ASK = """
    WITH swept AS (
        DELETE FROM phone_code WHERE ask_digest IN (
               SELECT p.ask_digest FROM phone_code p WHERE p.expires_at < now() ORDER BY p.expires_at LIMIT $6))
    INSERT INTO phone_code (ask_digest, phone_digest, phone_sealed, code_digest, expires_at)
    VALUES ($1, $2, $3, $4, now() + $5)"""
PENDING = "SELECT phone_sealed FROM phone_code WHERE ask_digest = $1 AND expires_at > now() AND tries < $2"
# Counted before it is compared: tries at once wait for each other's row.
TRY = """
    UPDATE phone_code SET tries = tries + 1
     WHERE ask_digest = $1 AND expires_at > now() AND tries < $2
    RETURNING code_digest, phone_digest, phone_sealed, tries"""
SPENT = "DELETE FROM phone_code WHERE ask_digest = $1"
ENROL = """
    WITH swept AS (
        DELETE FROM device WHERE token_digest IN (
               SELECT d.token_digest FROM device d WHERE d.expires_at < now() ORDER BY d.expires_at LIMIT $5))
    INSERT INTO device (token_digest, phone_digest, phone_sealed, expires_at) VALUES ($1, $2, $3, now() + $4)"""
PHONE_OF = "SELECT phone_sealed FROM device WHERE token_digest = $1 AND expires_at > now()"
FORGET = "DELETE FROM device WHERE token_digest = $1"

_WORDS = Words("channels.web.devices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a code: `device` is the token of a device that is now known, else `left` tries remain."""

    device: str | None = field(default=None, repr=False)
    left: int = 0


class PhoneProofs:
    """Codes and devices. `host` is ours, for phones that fill a code in only where it belongs; '' for none.

    Every method raises `Unavailable` while the store is away.
    """

    def __init__(self, database: Database, seal: Seal, desk: LookupDesk, outbox: Outbox, *, host: str = "") -> None:
        self._database = database
        self._seal = seal
        self._desk = desk
        self._outbox = outbox
        self._host = host

    async def ask(self, phone: str, language: Language) -> str:
        """Send a code to `phone` (E.164), if it is registered with a dossier; what this browser must keep."""
        ask, code = token_urlsafe(24), f"{randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        registered = await self._desk.any_registered(phone)
        contact = Contact(channel=ChannelName.SMS, address=phone)
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                await connection.execute(
                    ASK,
                    self._ask_digest(ask),
                    self._seal.contact(contact),
                    self._seal.seal(phone),
                    self._code_digest(ask, code),
                    CODE_EXPIRY,
                    _SWEPT,
                )
                if registered:
                    await self._outbox.queue(
                        connection,
                        contact,
                        self._text(code, language),
                        kind=MessageKind.CODE,
                        lane=Lane.URGENT,
                        expires_in=CODE_EXPIRY,
                        language=language,
                    )
        except DATABASE_AWAY as error:
            raise _unavailable() from error
        return ask

    async def pending(self, ask: str) -> str | None:
        """The phone (E.164) that a code is awaited from; None when that code can no longer be used."""
        return await self._phone(PENDING, self._ask_digest(ask), MOST_TRIES)

    async def confirm(self, ask: str, code: str) -> Tried:
        """Try `code`. A right one is spent, and makes this device known."""
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                row = await connection.fetchrow(TRY, self._ask_digest(ask), MOST_TRIES)
                if row is None:
                    return Tried()
                if not hmac.compare_digest(row["code_digest"], self._code_digest(ask, code)):
                    return Tried(left=MOST_TRIES - row["tries"])
                device = token_urlsafe(32)
                await connection.execute(SPENT, self._ask_digest(ask))
                await connection.execute(
                    ENROL,
                    self._device_digest(device),
                    row["phone_digest"],
                    row["phone_sealed"],
                    DEVICE_EXPIRY,
                    _SWEPT,
                )
        except DATABASE_AWAY as error:
            raise _unavailable() from error
        return Tried(device=device)

    async def phone_of(self, device: str) -> str | None:
        """The phone (E.164) that was proven on `device`; None when it is not known, or no longer."""
        return await self._phone(PHONE_OF, self._device_digest(device))

    async def forget(self, device: str) -> None:
        """Know `device` no longer."""
        try:
            async with self._database.connection(Role.WORKER) as connection:
                await connection.execute(FORGET, self._device_digest(device))
        except DATABASE_AWAY as error:
            raise _unavailable() from error

    async def _phone(self, statement: str, *arguments: object) -> str | None:
        try:
            async with self._database.connection(Role.WORKER) as connection:
                sealed = await connection.fetchval(statement, *arguments)
        except DATABASE_AWAY as error:
            raise _unavailable() from error
        try:
            return None if sealed is None else self._seal.open(sealed)
        except Unsealable:  # the key has gone: whoever it was proves it anew
            return None

    def _text(self, code: str, language: Language) -> str:
        """One segment. Its last line binds the code to our host, for phones that fill it in (WICG one-time codes)."""
        text = _WORDS.say(language, "sms.code", code=code, minutes=int(CODE_EXPIRY.total_seconds() // 60))
        return f"{text}\n\n@{self._host} #{code}" if self._host else text

    def _ask_digest(self, ask: str) -> bytes:
        return self._seal.digest("phone ask", ask)

    def _code_digest(self, ask: str, code: str) -> bytes:
        return self._seal.digest("phone code", ask, code)

    def _device_digest(self, device: str) -> bytes:
        return self._seal.digest("device", device)


def _unavailable() -> Unavailable:
    return Unavailable("The store cannot be reached at the moment.")


STATEMENTS = (ASK, PENDING, TRY, SPENT, ENROL, PHONE_OF, FORGET)
