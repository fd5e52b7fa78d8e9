"""The phone that belongs to a person's chat, so that its dossiers need no proof there.

Linked when the platform vouches for the number, or a code sent to it was read back; never because somebody typed it.
"""

from enum import StrEnum

from database.pool import Connection
from domain.contact import ChannelName, Contact
from lookup.sealing import Seal

LINK = """
    INSERT INTO linked_phone (contact_digest, phone_sealed, source, phone_digest, channel, address_sealed)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (contact_digest) DO UPDATE
       SET phone_sealed = excluded.phone_sealed, source = excluded.source, phone_digest = excluded.phone_digest,
           channel = excluded.channel, address_sealed = excluded.address_sealed, linked_at = now()"""
UNLINK = "DELETE FROM linked_phone WHERE contact_digest = $1"
LINKED = "SELECT phone_sealed FROM linked_phone WHERE contact_digest = $1"


class LinkSource(StrEnum):
    """Who says that the number is the person's own."""

    PLATFORM = "platform"
    CODE = "code"  # sent to the number and read back


class LinkedPhones:
    """One phone per contact at most. Runs as `motma_worker`, in the transaction of the connection it is given."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def link(self, connection: Connection, contact: Contact, phone: str, *, source: LinkSource) -> None:
        """From now on `phone` (E.164) belongs to `contact`, in place of one linked before."""
        await connection.execute(
            LINK,
            self._seal.contact(contact),
            self._seal.seal(phone),
            source,
            self._seal.contact(Contact(channel=ChannelName.SMS, address=phone)),
            contact.channel,
            self._seal.seal(contact.address),
        )

    async def unlink(self, connection: Connection, contact: Contact) -> None:
        """Forget the phone of `contact`, if there is one."""
        await connection.execute(UNLINK, self._seal.contact(contact))

    async def phone_of(self, connection: Connection, contact: Contact) -> str | None:
        """The phone (E.164) linked to `contact`."""
        sealed = await connection.fetchval(LINKED, self._seal.contact(contact))
        return None if sealed is None else self._seal.open(sealed)


STATEMENTS = (LINK, UNLINK, LINKED)
