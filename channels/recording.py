"""Recording what people send us, before its provider is answered.

Many webhooks at one time share one statement and its commit. So a slow store is waited for once by all of them and not
by one after the other (guarantee G39b), and a busy one has less to do.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from channels.conversation.auto_replies import alike, says_automatic
from database.lanes import Lane
from database.pool import DATABASE_AWAY, Database, Role
from domain.errors import Unavailable
from domain.message import Incoming
from lookup.sealing import Seal

LONGEST_TEXT = 4_000  # characters; what is longer is no message of a person
LANES = 2  # batches under way at one time
MOST_TOGETHER = 100

# Recorded once, however often a provider sends it.
RECORD = """
    INSERT INTO inbound (channel, provider_id, sender_digest, sender_sealed, recipient, text_sealed, text_digest,
                         received_at, kind, automatic)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::bytea[], $7::bytea[],
                         $8::timestamptz[], $9::text[], $10::boolean[])
    ON CONFLICT (channel, provider_id) DO NOTHING
    RETURNING channel, provider_id"""


class _Row(NamedTuple):
    """The columns of RECORD."""

    channel: str
    provider_id: str
    sender_digest: bytes
    sender_sealed: bytes
    recipient: str
    text_sealed: bytes
    text_digest: bytes
    received_at: datetime
    kind: str
    automatic: bool


class Recorder:
    """Records messages, each once. Those of one sender go through one lane, so that they stand in their order."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal
        self._lanes: list[Lane[None, _Row, bool]] = [Lane(self._together, most=MOST_TOGETHER) for _ in range(LANES)]

    async def record(self, incoming: Incoming) -> bool:
        """Record a message; False when it was recorded before. Raises `Unavailable`: then it must be sent again."""
        row = self._row(incoming)
        return await self._lanes[row.sender_digest[0] % LANES].do(None, row)

    def _row(self, incoming: Incoming) -> _Row:
        text = incoming.text[:LONGEST_TEXT]
        return _Row(
            channel=incoming.sender.channel,
            provider_id=incoming.external_id,
            sender_digest=self._seal.contact(incoming.sender),
            sender_sealed=self._seal.seal(incoming.sender.address),
            recipient=incoming.recipient,
            text_sealed=self._seal.seal(text),
            text_digest=self._seal.digest("inbound text", alike(text)),
            received_at=incoming.received_at,
            kind=incoming.kind,
            automatic=says_automatic(text),
        )

    async def _together(self, _group: None, rows: Sequence[_Row]) -> list[bool]:
        # In one order everywhere: the same two messages, told to two processes at once, else wait for each other.
        ordered = sorted(rows, key=lambda row: row.sender_digest)
        try:
            async with self._database.connection(Role.WORKER) as connection:
                recorded = await connection.fetch(RECORD, *map(list, zip(*ordered, strict=True)))
        except DATABASE_AWAY as error:
            raise Unavailable("The message could not be recorded. Please send it again.") from error
        new = {(row["channel"], row["provider_id"]) for row in recorded}
        return [_taken_out(new, (row.channel, row.provider_id)) for row in rows]


def _taken_out(new: set[tuple[str, str]], name: tuple[str, str]) -> bool:
    """Whether `name` is new; only the first of two alike in one batch is."""
    is_new = name in new
    new.discard(name)
    return is_new


STATEMENTS = (RECORD,)
