"""What the holder of a phone wishes to be told by text message, dossier by dossier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from channels.inbound import FIND_DOSSIER
from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import NotFound, Unavailable
from domain.language import Language
from lookup.desk import LookupDesk
from lookup.sealing import Seal
from notifications.subscriptions import Subscriptions

WISHED = """
    SELECT c.code, s.state = 'muted' AS muted FROM dossier_code c
      JOIN subscription s ON s.dossier_id = c.dossier_id AND s.contact_digest = $1
                         AND (s.state = 'muted' OR s.unwanted <> '{}')
     WHERE c.code = ANY ($2::text[]) AND NOT c.test"""


class Wish(StrEnum):
    """What is wished of one dossier."""

    FOLLOW = "follow"  # every notice
    LESS = "less"  # what matters
    MUTE = "mute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """`stopped`: the phone has stopped all notices; `of`: what it wished of each code where not every notice."""

    stopped: bool
    of: Mapping[str, Wish]


class PhoneWishes:
    """Reads and changes them. The registered phone is told of its dossiers unless it wished otherwise."""

    def __init__(self, database: Database, seal: Seal, desk: LookupDesk) -> None:
        self._database = database
        self._seal = seal
        self._desk = desk
        self._subscriptions = Subscriptions(seal)

    async def of(self, phone: str, codes: Sequence[str]) -> Wishes:
        """The wishes of `phone` (E.164) about `codes`. Raises `Unavailable`."""
        contact = Contact(channel=ChannelName.SMS, address=phone)
        try:
            async with self._database.connection(Role.WORKER) as connection:
                rows = await connection.fetch(WISHED, self._seal.contact(contact), list(codes))
                stopped = await self._subscriptions.stopped(connection, contact)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        return Wishes(stopped=stopped, of={row["code"]: Wish.MUTE if row["muted"] else Wish.LESS for row in rows})

    async def change(self, phone: str, code: str, wish: Wish, *, language: Language) -> None:
        """Tell `phone` of `code` as it wishes. Raises `NotFound` where the dossier is not its; `Unavailable`."""
        if await self._desk.for_phone(code, phone) is None:
            raise NotFound("There is no such dossier.")
        contact = Contact(channel=ChannelName.SMS, address=phone)
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                dossier = await connection.fetchval(FIND_DOSSIER, code)
                if dossier is None:
                    raise NotFound("There is no such dossier.")
                if wish is Wish.MUTE:
                    await self._subscriptions.mute(connection, contact, dossier)
                else:
                    await self._subscriptions.follow(
                        connection, contact, dossier, proven=True, less=wish is Wish.LESS, language=language
                    )
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error


STATEMENTS = (WISHED,)
