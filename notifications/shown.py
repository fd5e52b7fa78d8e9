"""What people have seen of their dossiers, in whatever channel they asked: it need not be told again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from database.pool import Connection
from domain.contact import Contact
from lookup.sealing import Seal

# How long before a question a version must have been recorded for its answer to show it for certain: a change is
# recorded before its commit, and a statement ends within seconds.
COMMITTED = timedelta(seconds=10)

# Without the certainty nothing is noted, and the notice goes out: better told twice than never.
NOTE = """
    INSERT INTO shown (contact_digest, dossier_id, version)
    SELECT given.digest, d.id, d.version
      FROM unnest($1::bytea[]) AS given (digest)
     CROSS JOIN LATERAL (
           SELECT d.id, d.version, d.recorded_at FROM dossier d
            WHERE d.id = (SELECT c.dossier_id FROM dossier_code c WHERE c.code = $2 AND NOT c.test) OFFSET 0) d
     WHERE d.recorded_at < $3::timestamptz - $4::interval
        ON CONFLICT (contact_digest, dossier_id) DO UPDATE
       SET version = excluded.version, shown_at = now() WHERE shown.version < excluded.version"""


class ShownDossiers:
    """Notes what was shown. Runs as `motma_worker`, in the transaction of the connection it is given."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def note(self, connection: Connection, code: str, to: Iterable[Contact], *, asked_at: datetime) -> None:
        """Every contact of `to` is one person's, who asked at `asked_at` and is now answered with all of `code`."""
        digests = list({self._seal.contact(contact) for contact in to})
        await connection.execute(NOTE, digests, code, asked_at, COMMITTED)


STATEMENTS = (NOTE,)
