"""What the holder of a phone wishes to be told by text message, dossier by dossier."""

from collections.abc import Sequence
from dataclasses import dataclass

from channels.inbound import FIND_DOSSIER
from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import NotFound, Unavailable
from domain.language import Language
from lookup.desk import LookupDesk
from lookup.sealing import Seal
from notifications.subscriptions import Subscriptions

MUTED = """
    SELECT c.code FROM dossier_code c
      JOIN subscription s ON s.dossier_id = c.dossier_id AND s.contact_digest = $1 AND s.state = 'muted'
     WHERE c.code = ANY ($2::text[]) AND NOT c.test"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """`stopped`: the phone has stopped all notices; `muted`: codes it is told nothing of."""

    stopped: bool
    muted: frozenset[str]


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
                rows = await connection.fetch(MUTED, self._seal.contact(contact), list(codes))
                stopped = await self._subscriptions.stopped(connection, contact)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        return Wishes(stopped=stopped, muted=frozenset(row["code"] for row in rows))

    async def change(self, phone: str, code: str, *, follow: bool, language: Language) -> None:
        """Tell `phone` of `code`, or no more of it. Raises `NotFound` where the dossier is not its; `Unavailable`."""
        if await self._desk.for_phone(code, phone) is None:
            raise NotFound("There is no such dossier.")
        contact = Contact(channel=ChannelName.SMS, address=phone)
        try:
            async with self._database.transaction(Role.WORKER) as connection:
                dossier = await connection.fetchval(FIND_DOSSIER, code)
                if dossier is None:
                    raise NotFound("There is no such dossier.")
                if follow:
                    await self._subscriptions.follow(connection, contact, dossier, proven=True, language=language)
                else:
                    await self._subscriptions.mute(connection, contact, dossier)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error


STATEMENTS = (MUTED,)
