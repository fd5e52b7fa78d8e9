"""Pictures kept with feedback: of who is just filing, or asks about what they filed. All others are dropped."""

import msgspec

from channels.conversation.feedback_numbers import NOT_KEPT, NOT_KEPT_CARD
from channels.conversation.turn import REMEMBERED_FOR, TALKED_ABOUT_FOR, Remembered
from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import Contact
from domain.errors import Unavailable
from feedback_intake.attachments import Scan, Unwanted, attachment
from feedback_intake.drafts import MOST_FILES
from lookup.sealing import Seal, Unsealable

TALKING = """
    SELECT state_sealed FROM conversation WHERE contact_digest = $1 AND expires_at > now() + $2::interval"""
# A platform that was not sure sends a picture twice.
KEEP = """
    INSERT INTO feedback_attachment (feedback_id, case_id, name_sealed, content_type, size, digest, content_sealed)
    SELECT f.id, f.case_id, $2, $3, $4, $5, $6 FROM feedback f
     WHERE f.number = $1
       AND NOT EXISTS (SELECT FROM feedback_attachment a WHERE a.feedback_id = f.id AND a.digest = $5)
       AND (SELECT count(*) FROM feedback_attachment a WHERE a.feedback_id = f.id) < $7"""


class KeptPictures:
    """Keeps them, painted anew (`feedback_intake.attachments`). `scan` looks through files, where somebody can."""

    def __init__(self, database: Database, seal: Seal, *, scan: Scan | None = None) -> None:
        self._database = database
        self._seal = seal
        self._scan = scan

    async def keep(self, sender: Contact, picture: bytes) -> str:
        """The number of the feedback that `picture` now belongs to, to be read as the message itself, with
        `NOT_KEPT` where it was sent for that and is not kept; '' for a picture that nobody asked for. Raises
        `Unavailable`: then it must be sent again."""
        number = None
        try:
            async with self._database.connection(Role.WORKER) as connection:
                fresh = TALKED_ABOUT_FOR - REMEMBERED_FOR
                sealed = await connection.fetchval(TALKING, self._seal.contact(sender), fresh)
            number = self._number(sealed)
            if number is None:
                return ""
            kept = await attachment("", picture, scan=self._scan)
            async with self._database.transaction(Role.WORKER) as connection:
                await connection.execute(
                    KEEP,
                    number,
                    self._seal.seal(kept.name),
                    kept.content_type,
                    len(kept.content),
                    self._seal.digest("attachment", kept.digest),
                    self._seal.seal_bytes(kept.content),
                    MOST_FILES,
                )
        except Unwanted as unwanted:
            card = unwanted.why == "identity_card"
            return f"{number} {NOT_KEPT_CARD if card else NOT_KEPT}" if number else ""
        except DATABASE_AWAY as error:
            raise Unavailable("The picture could not be kept. Please send it again.") from error
        return number

    def _number(self, sealed: bytes | None) -> str | None:
        if sealed is None:
            return None
        try:
            remembered = msgspec.json.decode(self._seal.open(sealed), type=Remembered)
        except (Unsealable, msgspec.DecodeError):
            return None
        return remembered.number if remembered.number_proven else None


STATEMENTS = (TALKING, KEEP)
