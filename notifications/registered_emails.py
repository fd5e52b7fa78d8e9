"""The e-mail addresses agencies gave with dossiers: told of changes by duty, until they are replaced or refuse."""

from collections.abc import Sequence

from database.pool import Connection
from domain.contact import ChannelName, Contact
from lookup.changes import StatedEmail
from lookup.sealing import Seal

EMAIL = ChannelName("email")

# A row that its owner muted stays, whatever is stated later: the conflict leaves it as it is.
KEEP = """
    WITH given AS (
        SELECT * FROM unnest($1::bigint[], $2::int[], $3::bytea[], $4::bytea[])
               AS g (dossier_id, owner_agency, digest, sealed)),
    dropped AS (
        DELETE FROM subscription s USING given g
         WHERE s.dossier_id = g.dossier_id AND s.by_duty AND s.state = 'active'
           AND s.contact_digest IS DISTINCT FROM g.digest)
    INSERT INTO subscription (dossier_id, contact_digest, owner_agency, state, proven, channel, address_sealed, by_duty)
    SELECT g.dossier_id, g.digest, g.owner_agency, 'active', true, 'email', g.sealed, true
      FROM given g WHERE g.digest IS NOT NULL
        ON CONFLICT (dossier_id, contact_digest) DO NOTHING"""


class RegisteredEmails:
    """Fulfils `lookup.changes.EmailKeeper`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def keep(self, connection: Connection, stated: Sequence[StatedEmail]) -> None:
        """Make the addresses stated now those that are told. Runs as `motma_app` with the tenant set."""
        contacts = [one.email and Contact(channel=EMAIL, address=one.email.strip().lower()) for one in stated]
        await connection.execute(
            KEEP,
            [one.dossier_id for one in stated],
            [one.owner_agency for one in stated],
            [self._seal.contact(contact) if contact else None for contact in contacts],
            [self._seal.seal(contact.address) if contact else None for contact in contacts],
        )


STATEMENTS = (KEEP,)
