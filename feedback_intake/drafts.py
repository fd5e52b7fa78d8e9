"""What somebody has begun to write: kept sealed until it is sent or `DRAFT_EXPIRY` is over, with its files.

A draft is found again by the token its device keeps, or, on another device, by its code with the phone or e-mail
address that stands in it. Sent twice, the same draft files once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from database.pool import Connection
from domain.contact import Contact
from feedback_intake.attachments import Attachment
from lookup.sealing import Seal, Unsealable

DRAFT_EXPIRY = timedelta(days=7)
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # none that is taken for another
CODE_LENGTH = 10
MOST_FILES = 5
MOST_BYTES = 12 * 1024 * 1024  # of all files of one draft
_SWEPT = 20
_SWEPT_AT_ONCE = 1_000

KEEP_DRAFT = """
    WITH swept AS (
        DELETE FROM feedback_draft WHERE token_digest IN (
               SELECT d.token_digest FROM feedback_draft d WHERE d.expires_at < now() AND d.token_digest <> $1
                ORDER BY d.expires_at LIMIT $6 FOR UPDATE SKIP LOCKED))
    INSERT INTO feedback_draft (token_digest, code_digest, contact_digests, fields_sealed, expires_at)
    VALUES ($1, $2, $3, $4, now() + $5)
    ON CONFLICT (token_digest) DO UPDATE
       SET contact_digests = excluded.contact_digests, fields_sealed = excluded.fields_sealed, changed_at = now(),
           expires_at = excluded.expires_at
     WHERE feedback_draft.number IS NULL"""
FIND_DRAFT = """
    SELECT fields_sealed, number FROM feedback_draft WHERE token_digest = $1 AND expires_at > now()"""
# For whoever moves it: two sendings of one form wait for each other here.
LOCK_DRAFT = "SELECT number FROM feedback_draft WHERE token_digest = $1 FOR UPDATE"
OPEN_BY_CODE = """
    SELECT fields_sealed FROM feedback_draft
     WHERE code_digest = $1 AND $2 = ANY (contact_digests) AND number IS NULL AND expires_at > now()"""
KEEP_FILE = """
    INSERT INTO feedback_draft_file (token_digest, name_sealed, content_type, size, digest, content_sealed)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (token_digest, digest) DO NOTHING"""
FILES_OF_DRAFT = """
    SELECT id, name_sealed, content_type, size FROM feedback_draft_file WHERE token_digest = $1 ORDER BY id"""
DROP_FILES = "DELETE FROM feedback_draft_file WHERE token_digest = $1 AND id = ANY ($2::bigint[])"
# The draft's words go; its number stays for a while, for the same form sent once more.
FILES_BECOME = """
    WITH moved AS (
        DELETE FROM feedback_draft_file WHERE token_digest = $1
        RETURNING name_sealed, content_type, size, digest, content_sealed, id)
    INSERT INTO feedback_attachment (feedback_id, case_id, name_sealed, content_type, size, digest, content_sealed)
    SELECT $2, $3, name_sealed, content_type, size, digest, content_sealed FROM moved ORDER BY id"""
BECOME = """
    UPDATE feedback_draft SET number = $2, fields_sealed = $3, contact_digests = '{}', expires_at = now() + $4
     WHERE token_digest = $1"""
# Old drafts go also while nobody writes new ones.
SWEEP = """
    DELETE FROM feedback_draft WHERE token_digest IN (
           SELECT d.token_digest FROM feedback_draft d WHERE d.expires_at < now()
            ORDER BY d.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)"""
FORGET_DRAFT = "DELETE FROM feedback_draft WHERE token_digest = $1 AND number IS NULL"
_ANSWERED_FOR = timedelta(days=1)

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFile:
    """A file of a draft. `size` in bytes."""

    file_id: int
    name: str = field(repr=False)
    content_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was kept. `number` once it was sent."""

    fields: Fields = field(repr=False)
    files: tuple[DraftFile, ...] = ()
    number: str | None = None


class Drafts:
    """Keeps drafts. Runs as `motma_worker`, in the caller's transaction."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def code_of(self, token: str) -> str:
        """The code of a draft: made of its token, so that it needs no place of its own."""
        key = int.from_bytes(self._seal.digest("draft code", token))
        letters = []
        for _ in range(CODE_LENGTH):
            key, n = divmod(key, len(CODE_LETTERS))
            letters.append(CODE_LETTERS[n])
        return "".join(letters)

    def claim(self, token: str) -> bytes:
        """The digest of a draft's token, under which it is kept and files once."""
        return self._seal.digest("draft", token)

    async def keep(self, connection: Connection, token: str, fields: Fields, contacts: tuple[Contact, ...]) -> None:
        """Keep what was typed, in place of what was kept before; old drafts of anybody go."""
        await connection.execute(
            KEEP_DRAFT,
            self.claim(token),
            self._seal.digest("draft by code", self.code_of(token)),
            [self._seal.contact(contact) for contact in contacts],
            self._seal.seal(msgspec.json.encode({"token": token, **fields}).decode()),
            DRAFT_EXPIRY,
            _SWEPT,
        )

    async def find(self, connection: Connection, token: str) -> Draft | None:
        """The draft of `token`; None when there is none, or no longer."""
        row = await connection.fetchrow(FIND_DRAFT, self.claim(token))
        if row is None:
            return None
        try:
            fields = self._fields(row["fields_sealed"])
        except Unsealable:
            return None
        return Draft(fields=fields, files=await self.files(connection, token), number=row["number"])

    async def token_by_code(self, connection: Connection, code: str, contact: Contact) -> str | None:
        """The token of the draft with this code in which this contact stands."""
        digest = self._seal.digest("draft by code", code)
        sealed = await connection.fetchval(OPEN_BY_CODE, digest, self._seal.contact(contact))
        return None if sealed is None else self._fields(sealed)["token"]

    async def files(self, connection: Connection, token: str) -> tuple[DraftFile, ...]:
        """Its files."""
        rows = await connection.fetch(FILES_OF_DRAFT, self.claim(token))
        return tuple(
            DraftFile(
                file_id=row["id"],
                name=self._seal.open(row["name_sealed"]),
                content_type=row["content_type"],
                size=row["size"],
            )
            for row in rows
        )

    async def keep_file(self, connection: Connection, token: str, attachment: Attachment) -> None:
        """One more file of a draft that is kept; the same file twice is one."""
        await connection.execute(
            KEEP_FILE,
            self.claim(token),
            self._seal.seal(attachment.name),
            attachment.content_type,
            len(attachment.content),
            self._seal.digest("attachment", attachment.digest),
            self._seal.seal_bytes(attachment.content),
        )

    async def drop_files(self, connection: Connection, token: str, file_ids: list[int]) -> None:
        """Without these files."""
        await connection.execute(DROP_FILES, self.claim(token), file_ids)

    async def number_of(self, connection: Connection, token: str) -> str | None:
        """The number it became, if it was sent before; until the transaction ends nobody else can send it."""
        number: str | None = await connection.fetchval(LOCK_DRAFT, self.claim(token))
        return number

    async def became(self, connection: Connection, token: str, number: str, feedback_id: int, case_id: int) -> None:
        """It was sent: its files go with it, its words are gone from here."""
        await connection.execute(FILES_BECOME, self.claim(token), feedback_id, case_id)
        await connection.execute(BECOME, self.claim(token), number, self._seal.seal("{}"), _ANSWERED_FOR)

    async def forget(self, connection: Connection, token: str) -> None:
        """Throw it away."""
        await connection.execute(FORGET_DRAFT, self.claim(token))

    @staticmethod
    async def sweep(connection: Connection) -> None:
        """Throw away what has expired, some of it."""
        await connection.execute(SWEEP, _SWEPT_AT_ONCE)

    def _fields(self, sealed: bytes) -> dict[str, str]:
        return msgspec.json.decode(self._seal.open(sealed), type=dict[str, str])


def draft_code(text: str) -> str:
    """A code as typed, without what people put between its letters."""
    return "".join(c for c in text.upper() if c in CODE_LETTERS)


STATEMENTS = (
    KEEP_DRAFT,
    FIND_DRAFT,
    LOCK_DRAFT,
    OPEN_BY_CODE,
    KEEP_FILE,
    FILES_OF_DRAFT,
    DROP_FILES,
    FILES_BECOME,
    BECOME,
    SWEEP,
    FORGET_DRAFT,
)
