"""What people have seen of their dossiers, in whatever channel they asked: it need not be told again."""

from collections.abc import Iterable, Mapping
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
# The same for many dossiers, each with the time at which it was read; without a contact for those who are told by duty,
# the holder of the phone and of the e-mail address. Where nothing waits to be told, and no rung is left, nothing is
# noted: nobody needs to know who looked.
NOTE_WAITING = """
    INSERT INTO shown (contact_digest, dossier_id, version)
    SELECT holder.digest, d.id, d.version
      FROM unnest($1::text[], $2::timestamptz[]) AS given (code, read_at)
     CROSS JOIN LATERAL (
           SELECT d.id, d.version, d.recorded_at, d.phone_digest FROM dossier d
            WHERE d.id = (SELECT c.dossier_id FROM dossier_code c WHERE c.code = given.code AND NOT c.test) OFFSET 0) d
     CROSS JOIN LATERAL (
           SELECT $3::bytea AS digest WHERE $3 IS NOT NULL
            UNION
           SELECT d.phone_digest WHERE $3 IS NULL
            UNION
           SELECT s.contact_digest FROM subscription s WHERE s.dossier_id = d.id AND s.by_duty AND $3 IS NULL) holder
     WHERE holder.digest IS NOT NULL AND d.recorded_at < given.read_at - $4::interval
       AND EXISTS (SELECT FROM message m
                    WHERE m.dossier_id = d.id AND (m.state <= 20 OR m.ways IS NOT NULL)
                      AND holder.digest IN (m.contact_digest, m.person_digest))
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

    async def note_waiting(self, connection: Connection, read: Mapping[str, datetime], to: Contact | None) -> None:
        """Codes of `read` were shown whole, as they were at those times: to `to`, or to whoever is told by duty."""
        digest = None if to is None else self._seal.contact(to)
        await connection.execute(NOTE_WAITING, [*read], [*read.values()], digest, COMMITTED)


STATEMENTS = (NOTE, NOTE_WAITING)
