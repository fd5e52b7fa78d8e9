"""What is kept of one person, shown or forgotten at their word (NĐ 356/2025/NĐ-CP Đ5).

The law's clocks, in calendar days: answered within two working days; shown or corrected within 10; forgotten within 20.
What rests on an agency's statutory duty is not ours to forget (Luật 91/2025/QH15 Đ14, Đ19): the dossier with its
registered phone stays until its agency ends it, and is told of. What must stay so that the person is left in peace, the
refusal itself, stays as a digest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from database.pool import Connection
from domain.contact import Contact
from domain.message import DeliveryState
from lookup.sealing import Seal

SUBSCRIPTIONS = """
    SELECT d.code, s.channel, s.state, s.changed_at AS at
      FROM subscription s JOIN dossier d ON d.id = s.dossier_id WHERE s.contact_digest = $1 ORDER BY s.changed_at"""
REGISTERED = "SELECT code, received_at AS at FROM dossier WHERE phone_digest = $1 ORDER BY id"
MESSAGES = """
    SELECT d.code, m.kind, m.channel, m.state, m.created_at AS at
      FROM message m LEFT JOIN dossier d ON d.id = m.dossier_id
     WHERE m.contact_digest = $1 AND m.dossier_id IS NOT NULL ORDER BY m.id"""
WRITTEN = """
    SELECT i.channel, i.text_sealed, i.recorded_at AS at FROM inbound i WHERE i.sender_digest = $1 ORDER BY i.id"""
FILED = """
    SELECT f.number, f.channel, f.text_sealed, f.filed_at AS at, c.state
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id
     WHERE $1 IN (f.contact_digest, f.phone_digest) AND f.forgotten_at IS NULL ORDER BY f.id"""
RATED = "SELECT score, channel, reason_sealed, rated_at AS at FROM rating WHERE contact_digest = $1 ORDER BY id"
# With the words by which it was asked for, as long as they are kept.
CONSENTS = """
    SELECT a.act, d.code, i.channel, i.text_sealed, a.at
      FROM consent_act a LEFT JOIN dossier d ON d.id = a.dossier_id LEFT JOIN inbound i ON i.id = a.inbound_id
     WHERE a.contact_digest = $1 ORDER BY a.id"""
STOPPED = "SELECT source, since AS at FROM opt_out WHERE contact_digest = $1"

FORGET_SUBSCRIPTIONS = "DELETE FROM subscription WHERE contact_digest = $1 RETURNING 1"
# Their provider's id stays, so that a call sent again is still known as one that came.
FORGET_WRITTEN = """
    UPDATE inbound SET sender_digest = '', sender_sealed = '', text_sealed = '', text_digest = ''
     WHERE sender_digest = $1 AND handled_at IS NOT NULL RETURNING 1"""
FORGET_CONVERSATION = "DELETE FROM conversation WHERE contact_digest = $1 RETURNING 1"
FORGET_SHOWN = "DELETE FROM shown WHERE contact_digest = $1 RETURNING 1"
FORGET_LINKS = "DELETE FROM linked_phone WHERE contact_digest = $1 RETURNING 1"
FORGET_RATINGS = "DELETE FROM rating WHERE contact_digest = $1 RETURNING 1"
# Ended feedback loses its words and its person; an open case is withdrawn by its sender first.
FORGET_FEEDBACK = """
    WITH ratings AS (
        UPDATE case_rating r SET reason_sealed = NULL
          FROM feedback f WHERE f.id = r.feedback_id AND $1 IN (f.contact_digest, f.phone_digest))
    UPDATE feedback f
       SET text_sealed = '', name_sealed = NULL, postal_address_sealed = NULL, contact_digest = NULL,
           address_sealed = NULL, about_sealed = NULL, phone_digest = NULL, tail_digest = NULL, forgotten_at = now()
      FROM feedback_case c
     WHERE c.id = f.case_id AND NOT c.is_open AND $1 IN (f.contact_digest, f.phone_digest) AND f.forgotten_at IS NULL
    RETURNING 1"""
# Those still to be sent, or on their way, are needed for a receipt; the term of the class ends them.
FORGET_MESSAGES = """
    WITH old AS (SELECT id FROM message WHERE contact_digest = $1 AND dossier_id IS NOT NULL AND state >= 50),
    steps AS (DELETE FROM message_step s USING old o WHERE s.message_id = o.id),
    reports AS (DELETE FROM delivery_report r USING old o WHERE r.message_id = o.id)
    DELETE FROM message m USING old o WHERE m.id = o.id RETURNING 1"""
NOTE = "INSERT INTO person_request (contact_digest, act, counts, by) VALUES ($1, $2, $3, $4)"

_SHOWN: Mapping[str, str] = {
    "dossiers registered with this contact": REGISTERED,
    "dossiers followed": SUBSCRIPTIONS,
    "notices": MESSAGES,
    "written to us": WRITTEN,
    "feedback": FILED,
    "ratings": RATED,
    "consent given and withdrawn": CONSENTS,
    "told to stop": STOPPED,
}
_FORGOTTEN: Mapping[str, str] = {
    "dossiers followed": FORGET_SUBSCRIPTIONS,
    "notices": FORGET_MESSAGES,
    "written to us": FORGET_WRITTEN,
    "conversation": FORGET_CONVERSATION,
    "seen": FORGET_SHOWN,
    "linked chats": FORGET_LINKS,
    "ratings": FORGET_RATINGS,
    "feedback": FORGET_FEEDBACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was deleted, by kind; and what stays, with why."""

    counts: Mapping[str, int]
    stays: Mapping[str, str] = field(default_factory=dict)


class Persons:
    """Shows and forgets. Runs as `motma_keeper`, in the transaction of the connection it is given."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def show(self, connection: Connection, contact: Contact, *, by: str) -> dict[str, list[dict[str, Any]]]:
        """All that is kept of a contact, by kind; texts opened. `by` names who answers the request."""
        digest = self._seal.contact(contact)
        found = {}
        for what, statement in _SHOWN.items():
            found[what] = [self._opened(row) for row in await connection.fetch(statement, digest)]
        for notice in found["notices"]:
            notice["state"] = DeliveryState(notice["state"]).name.lower()
        await self._note(connection, digest, "shown", {what: len(rows) for what, rows in found.items()}, by)
        return found

    async def forget(self, connection: Connection, contact: Contact, *, by: str) -> Forgotten:
        """Delete what may be deleted; open feedback and dossiers stay, and are told of."""
        digest = self._seal.contact(contact)
        counts = {}
        for what, statement in _FORGOTTEN.items():
            counts[what] = len(await connection.fetch(statement, digest))
        await self._note(connection, digest, "forgotten", counts, by)
        stays = {}
        if dossiers := await connection.fetch(REGISTERED, digest):
            stays["dossiers"] = f"{len(dossiers)}: kept by their agencies under the archives law; ask them."
        if still := await connection.fetch(FILED, digest):
            stays["feedback"] = f"{len(still)} still open: withdraw it first, or wait for its answer."
        if await connection.fetch(STOPPED, digest):
            stays["refusal"] = "the digest of a contact that wants no messages, so that none are sent."
        return Forgotten(counts=counts, stays=stays)

    def _opened(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name.removesuffix("_sealed"): self._seal.open(value) if isinstance(value, bytes) and value else value
            for name, value in row.items()
        }

    async def _note(self, connection: Connection, digest: bytes, act: str, counts: Mapping[str, int], by: str) -> None:
        await connection.execute(NOTE, digest, act, msgspec.json.encode(counts).decode(), by)


STATEMENTS = (*_SHOWN.values(), *_FORGOTTEN.values(), NOTE)
