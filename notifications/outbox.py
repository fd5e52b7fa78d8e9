"""Queueing messages in the transaction that gives the reason for them: what is committed is told, nothing else is."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from database.pool import Connection
from domain.contact import Contact
from domain.language import Language
from domain.message import Choice, Lane, MessageKind
from lookup.changes import Announcement
from lookup.sealing import Seal

WAKE_UP = "motma_outbox"  # the channel of NOTIFY; the statements below name it too
NOTICE_EXPIRY = timedelta(hours=24)
REPLY_EXPIRY = timedelta(hours=1)

# One row per entitled contact of each change: the registered phone, told by duty unless a row of its own says
# otherwise, and whoever follows. A change that a newer one overtook in the same batch is kept as superseded: the
# proof of why it was not told. Dossiers of test keys reach nobody. Each dossier and each opt-out is looked up by its
# key (OFFSET 0 and the scalar query forbid a join), because a plan made while the tables were small must not walk
# them when they have grown.
ANNOUNCE = """
    WITH queued AS (
        INSERT INTO message (dossier_id, event_key, owner_agency, expires_at, settled_at, state, kind, channel,
                             language, proven, contact_digest, address_sealed)
        SELECT d.id, c.event_key, d.owner_agency, now() + $4, CASE WHEN c.newest THEN NULL ELSE now() END,
               CASE WHEN c.newest THEN 0 ELSE 61 END, 'status_changed',
               told.channel, told.language, told.proven, told.contact_digest, told.address_sealed
          FROM unnest($1::bigint[], $2::uuid[], $3::boolean[])
               WITH ORDINALITY AS c (dossier_id, event_key, newest, place)
         CROSS JOIN LATERAL (
               SELECT d.id, d.owner_agency, d.phone_digest, d.phone_sealed
                 FROM dossier d WHERE d.id = c.dossier_id AND NOT d.test OFFSET 0) d
         CROSS JOIN LATERAL (
               SELECT 'sms', 'vi', true, d.phone_digest, d.phone_sealed
                WHERE d.phone_digest IS NOT NULL AND d.phone_sealed IS NOT NULL
                  AND NOT EXISTS (SELECT FROM subscription s
                                   WHERE s.dossier_id = d.id AND s.contact_digest = d.phone_digest)
                UNION ALL
               SELECT s.channel, s.language, s.proven OR s.contact_digest IS NOT DISTINCT FROM d.phone_digest,
                      s.contact_digest, s.address_sealed
                 FROM subscription s WHERE s.dossier_id = d.id AND s.state = 'active')
               AS told (channel, language, proven, contact_digest, address_sealed)
         WHERE (SELECT o.since FROM opt_out o WHERE o.contact_digest = told.contact_digest) IS NULL
         ORDER BY c.place
        RETURNING state)
    SELECT pg_notify('motma_outbox', '') FROM queued WHERE state = 0 LIMIT 1"""

# An inbound message has one reply, however often its handling is tried.
QUEUE = """
    WITH queued AS (
        INSERT INTO message (inbound_id, dossier_id, owner_agency, expires_at, lane, kind, channel, language,
                             contact_digest, address_sealed, text_sealed, our_sender, choices_sealed)
        VALUES ($1, $2, $3, now() + $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (inbound_id) WHERE inbound_id IS NOT NULL DO NOTHING
        RETURNING id)
    SELECT id, pg_notify('motma_outbox', '') FROM queued"""


def sealed_choices(seal: Seal, choices: Sequence[Choice]) -> bytes | None:
    """Choices as a message row keeps them: sealed, for they name dossiers."""
    return seal.seal(msgspec.json.encode(choices).decode()) if choices else None


def opened_choices(seal: Seal, sealed: bytes | None) -> tuple[Choice, ...]:
    """What `sealed_choices` sealed."""
    return () if sealed is None else msgspec.json.decode(seal.open(sealed), type=tuple[Choice, ...])


class Outbox:
    """Queues messages in the transaction of the connection it is given; its commit wakes the dispatcher."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def announce(self, connection: Connection, changes: Sequence[Announcement]) -> None:
        """Queue a notice of each change for everybody entitled to it. Runs as `motma_app` with the tenant set."""
        if changes:
            await connection.execute(
                ANNOUNCE,
                [change.dossier_id for change in changes],
                [UUID(bytes=change.event_key) for change in changes],
                [change.newest for change in changes],
                NOTICE_EXPIRY,
            )

    async def reply(
        self,
        connection: Connection,
        inbound_id: int,
        to: Contact,
        text: str,
        *,
        our_sender: str | None = None,
        language: Language = Language.VIETNAMESE,
        choices: Sequence[Choice] = (),
    ) -> int | None:
        """Queue the answer to an inbound message; its id, or None when that message has its answer already.

        `our_sender` is the number or account the person wrote to. Runs as `motma_worker`.
        """
        return await self.queue(
            connection,
            to,
            text,
            kind=MessageKind.REPLY,
            lane=Lane.URGENT,
            expires_in=REPLY_EXPIRY,
            inbound_id=inbound_id,
            our_sender=our_sender,
            language=language,
            choices=choices,
        )

    async def queue(
        self,
        connection: Connection,
        to: Contact,
        text: str,
        *,
        kind: MessageKind,
        expires_in: timedelta,
        lane: Lane = Lane.NORMAL,
        language: Language = Language.VIETNAMESE,
        inbound_id: int | None = None,
        dossier_id: int | None = None,
        owner_agency: int | None = None,
        our_sender: str | None = None,
        choices: Sequence[Choice] = (),
    ) -> int | None:
        """Queue `text` for one contact; the message's id, or None when `inbound_id` has its answer already."""
        row = await connection.fetchrow(
            QUEUE,
            inbound_id,
            dossier_id,
            owner_agency,
            expires_in,
            lane,
            kind,
            to.channel,
            language,
            self._seal.contact(to),
            self._seal.seal(to.address),
            self._seal.seal(text),
            our_sender,
            sealed_choices(self._seal, choices),
        )
        return None if row is None else int(row["id"])


STATEMENTS = (ANNOUNCE, QUEUE)
