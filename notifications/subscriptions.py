"""Who wishes to be told of what: follow, all or only what matters, mute one dossier, stop all, resume.

Each act is kept as evidence.
"""

from database.pool import Connection
from domain.contact import Contact
from domain.errors import NotFound
from domain.language import Language
from lookup.sealing import Seal
from notifications.kinds import ROUTINE

# A proof once given stays given: following again without one takes nothing away.
FOLLOW = """
    INSERT INTO subscription
           (dossier_id, contact_digest, owner_agency, state, proven, channel, address_sealed, language, unwanted)
    SELECT d.id, $2, d.owner_agency, 'active', $3, $4, $5, $6, $7 FROM dossier d WHERE d.id = $1
    ON CONFLICT (dossier_id, contact_digest) DO UPDATE
       SET state = 'active', proven = subscription.proven OR excluded.proven, language = excluded.language,
           unwanted = excluded.unwanted, changed_at = now()
    RETURNING NOT EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = $2) AS told"""
# The row is written for a contact that did not follow too: the registered phone is told without one.
MUTE = """
    INSERT INTO subscription (dossier_id, contact_digest, owner_agency, state, proven, channel, address_sealed)
    SELECT d.id, $2, d.owner_agency, 'muted', false, $3, $4 FROM dossier d WHERE d.id = $1
    ON CONFLICT (dossier_id, contact_digest) DO UPDATE SET state = 'muted', changed_at = now()
    RETURNING dossier_id"""
STOP_ALL = "INSERT INTO opt_out (contact_digest, source) VALUES ($1, $2) ON CONFLICT (contact_digest) DO NOTHING"
RESUME = "DELETE FROM opt_out WHERE contact_digest = $1"
RETURN = "DELETE FROM opt_out WHERE contact_digest = $1 AND source = 'left' RETURNING contact_digest"
STOPPED = "SELECT EXISTS (SELECT FROM opt_out WHERE contact_digest = $1)"
RECORD_ACT = "INSERT INTO consent_act (contact_digest, act, dossier_id, inbound_id) VALUES ($1, $2, $3, $4)"


class Subscriptions:
    """People's own wishes. Every method runs as `motma_worker`, in the transaction of the connection it is given.

    `inbound_id` names the message by which the person asked for it.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def follow(
        self,
        connection: Connection,
        contact: Contact,
        dossier_id: int,
        *,
        proven: bool,
        less: bool = False,
        language: Language = Language.VIETNAMESE,
        inbound_id: int | None = None,
    ) -> bool:
        """Tell `contact` of changes of the dossier, `less`: only of what matters (all but `kinds.ROUTINE`).

        A follower without proof is told its stage only. The last wish counts: `less` is taken back by following anew.
        False when the contact has stopped all messages: the wish is kept, but nothing is sent before `resume`.
        Raises `NotFound` for a dossier that is not there.
        """
        digest = self._seal.contact(contact)
        unwanted = sorted(ROUTINE) if less else []
        address = self._seal.seal(contact.address)
        told = await connection.fetchval(
            FOLLOW, dossier_id, digest, proven, contact.channel, address, language, unwanted
        )
        if told is None:
            raise NotFound("There is no such dossier.")
        await connection.execute(RECORD_ACT, digest, "follow_less" if less else "follow", dossier_id, inbound_id)
        return bool(told)

    async def mute(
        self, connection: Connection, contact: Contact, dossier_id: int, *, inbound_id: int | None = None
    ) -> None:
        """Tell `contact` nothing more of this dossier until it follows again. Raises `NotFound` as `follow` does."""
        digest = self._seal.contact(contact)
        row = await connection.fetchval(MUTE, dossier_id, digest, contact.channel, self._seal.seal(contact.address))
        if row is None:
            raise NotFound("There is no such dossier.")
        await connection.execute(RECORD_ACT, digest, "mute", dossier_id, inbound_id)

    async def stop_all(
        self, connection: Connection, contact: Contact, *, source: str, inbound_id: int | None = None
    ) -> None:
        """Send `contact` no notice of anything; answers to its own messages still go out.

        `source` says how it was asked: a keyword, a platform's unfollow, an officer.
        """
        digest = self._seal.contact(contact)
        await connection.execute(STOP_ALL, digest, source)
        await connection.execute(RECORD_ACT, digest, "stop_all", None, inbound_id)

    async def resume(self, connection: Connection, contact: Contact, *, inbound_id: int | None = None) -> None:
        """Take a `stop_all` back. Dossiers muted one by one stay muted."""
        digest = self._seal.contact(contact)
        await connection.execute(RESUME, digest)
        await connection.execute(RECORD_ACT, digest, "resume", None, inbound_id)

    async def left(self, connection: Connection, contact: Contact, *, inbound_id: int | None = None) -> None:
        """`contact` left its channel: the same as `stop_all`, but taken back by returning."""
        await self.stop_all(connection, contact, source="left", inbound_id=inbound_id)

    async def returned(self, connection: Connection, contact: Contact, *, inbound_id: int | None = None) -> None:
        """`contact` came back to its channel. Who had stopped by words stays so."""
        digest = self._seal.contact(contact)
        if await connection.fetchval(RETURN, digest) is not None:
            await connection.execute(RECORD_ACT, digest, "resume", None, inbound_id)

    async def stopped(self, connection: Connection, contact: Contact) -> bool:
        """Whether `contact` has stopped all messages."""
        return bool(await connection.fetchval(STOPPED, self._seal.contact(contact)))


STATEMENTS = (FOLLOW, MUTE, STOP_ALL, RESUME, RETURN, STOPPED, RECORD_ACT)
