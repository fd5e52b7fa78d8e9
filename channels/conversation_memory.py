"""What is known of a person when a message comes, and what is kept when it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from channels.conversation.auto_replies import echoes
from channels.conversation.turn import REMEMBERED_FOR, TALKED_ABOUT_FOR, Manner, Remembered, Said, Told, Turn
from database.pool import Connection
from domain.contact import Contact
from domain.language import Language
from domain.message import DeliveryState, IncomingKind
from lookup.sealing import Seal

MOST_ALIKE = 3  # of the same words from one sender within LOOP_WINDOW, those answered
MOST_AUTOMATIC = 2  # texts by machines from one sender within AUTOMATIC_WINDOW, those answered
MOST_UNCLEAR = 3  # texts in which nothing was understood, one after another, those answered
LOOP_WINDOW = timedelta(minutes=10)
AUTOMATIC_WINDOW = timedelta(hours=24)
LOOKED_BACK = 50  # messages of one sender that are compared at most
REPLIES_COMPARED = 5  # of ours within LOOP_WINDOW, with what a machine may only repeat
MOST_WISHES = 50  # dossiers a person follows, or wants to hear no more of, that the conversation is told of

# What is known of the sender: the conversation and how old it is, a stop of all notices, the phone, what it follows,
# is asked about and was told of last, how often it said these words just now, or a machine spoke, what we replied
# just now, and how many replies there were of late, with when the first of each goes out of mind.
RECALL = """
    SELECT c.language, CASE WHEN c.expires_at > now() THEN c.state_sealed END AS state_sealed,
           coalesce(now() - (c.expires_at - $8::interval), '100 years'::interval) AS age,
           EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = $1) AS stopped,
           (SELECT p.phone_sealed FROM linked_phone p WHERE p.contact_digest = $1) AS phone_sealed,
           ARRAY (SELECT s.state || ' ' || d.code FROM subscription s JOIN dossier d ON d.id = s.dossier_id
                   WHERE s.contact_digest = $1 ORDER BY s.changed_at DESC LIMIT $9) AS wishes,
           (SELECT f.number FROM feedback f JOIN feedback_case k ON k.id = f.case_id
             WHERE f.contact_digest = $1 AND k.state = 'needs_info' AND f.withdrawn_at IS NULL
             ORDER BY f.filed_at DESC LIMIT 1) AS asked_about,
           told.code AS told_code, told.proven AS told_proven, told.ago AS told_after,
           heard.alike, heard.alike_until, heard.automatic,
           ARRAY (SELECT m.text_sealed
                    FROM (SELECT e.id FROM inbound e
                           WHERE e.sender_digest = $1 AND e.id < $2 AND e.recorded_at > $4 - $5::interval
                           ORDER BY e.id DESC LIMIT $11) e
                   CROSS JOIN LATERAL (SELECT r.text_sealed FROM message r
                                        WHERE r.inbound_id = e.id AND r.text_sealed IS NOT NULL OFFSET 0) m) AS replies,
           replied.hour, replied.hour_until, replied.day, replied.day_until
      FROM (SELECT $1::bytea AS digest, $4::timestamptz AS at) d
      LEFT JOIN conversation c ON c.contact_digest = d.digest
      LEFT JOIN LATERAL (
           SELECT o.code, m.proven, now() - m.handed_over_at AS ago FROM message m JOIN dossier o ON o.id = m.dossier_id
            WHERE m.contact_digest = $1 AND m.dossier_id IS NOT NULL AND m.state = ANY ($7::smallint[])
              AND m.handed_over_at > now() - $8::interval
            ORDER BY m.id DESC LIMIT 1) told ON true
     CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE i.handled_at > now() - interval '1 hour') AS hour,
                  min(i.handled_at) FILTER (WHERE i.handled_at > now() - interval '1 hour') + interval '1 hour'
                      AS hour_until,
                  count(*) AS day, min(i.handled_at) + interval '1 day' AS day_until
             FROM inbound i
            WHERE i.sender_digest = $1 AND i.failure IS NULL AND i.handled_at > now() - interval '1 day') replied
     CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE e.text_digest = $3 AND e.recorded_at > $4 - $5::interval) AS alike,
                  min(e.recorded_at) FILTER (WHERE e.text_digest = $3 AND e.recorded_at > $4 - $5::interval)
                      + $5::interval AS alike_until,
                  count(*) FILTER (WHERE e.automatic AND e.recorded_at > $4 - $10::interval) AS automatic
             FROM (SELECT e.text_digest, e.recorded_at, e.automatic FROM inbound e
                    WHERE e.sender_digest = $1 AND e.id < $2 ORDER BY e.id DESC LIMIT $6) e) heard"""
REMEMBER = """
    INSERT INTO conversation (contact_digest, state_sealed, language, expires_at) VALUES ($1, $2, $3, now() + $4)
    ON CONFLICT (contact_digest) DO UPDATE
       SET state_sealed = excluded.state_sealed, language = excluded.language, expires_at = excluded.expires_at"""
FORGET = "DELETE FROM conversation WHERE contact_digest = $1"

# A notice in one of these states has reached the person, or may have.
_ARRIVED = [
    int(state)
    for state in (
        DeliveryState.IN_DOUBT,
        DeliveryState.HANDED_OVER,
        DeliveryState.ON_ITS_WAY,
        DeliveryState.NO_RECEIPT,
        DeliveryState.DELIVERED,
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLimits:
    """How many replies one person gets; what more they say is done all the same, in silence."""

    an_hour: int
    a_day: int


BY_SMS = ReplyLimits(an_hour=10, a_day=30)  # each costs money (guarantee G44)
IN_CHATS = ReplyLimits(an_hour=120, a_day=600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message as it was recorded, opened. `automatic`: it says of itself that a machine wrote it."""

    inbound_id: int
    sender: Contact
    kind: IncomingKind
    text: str = field(repr=False)
    text_digest: bytes
    automatic: bool
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """From the next message on there is no reply `until` then: to any words, or only to the `same` ones."""

    until: datetime
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a person gets a reply. `silent`: why not; `pause`: this one, and then none for a while.

    `automatic`: no person, but a machine that says so, or repeats what we say.
    """

    silent: str | None = None
    pause: Pause | None = None
    automatic: bool = False


class Memory:
    """Recalls and keeps. Runs as `motma_worker`."""

    def __init__(self, seal: Seal, *, by_sms: ReplyLimits = BY_SMS, in_chats: ReplyLimits = IN_CHATS) -> None:
        self._seal = seal
        self._by_sms = by_sms
        self._in_chats = in_chats

    async def recall(self, connection: Connection, heard: Heard, manner: Manner) -> tuple[Said, Standing]:
        """The message with all that is known of its sender, and whether it gets a reply."""
        known = await connection.fetchrow(
            RECALL,
            self._seal.contact(heard.sender),
            heard.inbound_id,
            heard.text_digest,
            heard.recorded_at,
            LOOP_WINDOW,
            LOOKED_BACK,
            _ARRIVED,
            TALKED_ABOUT_FOR,
            MOST_WISHES,
            AUTOMATIC_WINDOW,
            REPLIES_COMPARED,
        )
        automatic = heard.automatic or echoes(heard.text, map(self._seal.open, known["replies"]))
        phone = known["phone_sealed"]
        remembered = self._remembered(known["state_sealed"])
        if known["age"] > REMEMBERED_FOR:
            remembered = remembered.later()
        said = Said(
            by=heard.sender,
            text=heard.text,
            language=Language(known["language"] or Language.VIETNAMESE),
            remembered=remembered,
            stopped=known["stopped"],
            kind=heard.kind,
            manner=manner,
            phone=_phone_of(heard.sender, manner) or (self._seal.open(phone) if phone else None),
            told=Told(code=known["told_code"], proven=known["told_proven"], newer=known["told_after"] < known["age"])
            if known["told_code"]
            else None,
            followed=_codes("active", known["wishes"]),
            muted=_codes("muted", known["wishes"]),
            asked_about=known["asked_about"],
        )
        return said, _standing(known, self._by_sms if manner.brief else self._in_chats, automatic=automatic)

    async def keep(self, connection: Connection, contact_digest: bytes, turn: Turn) -> None:
        """Keep what `turn` remembers, and its language."""
        if turn.remember == Remembered() and turn.language is Language.VIETNAMESE:
            await connection.execute(FORGET, contact_digest)
            return
        state = self._seal.seal(msgspec.json.encode(turn.remember).decode())
        await connection.execute(REMEMBER, contact_digest, state, turn.language, TALKED_ABOUT_FOR)

    def _remembered(self, sealed: bytes | None) -> Remembered:
        return Remembered() if sealed is None else msgspec.json.decode(self._seal.open(sealed), type=Remembered)


def _standing(known: Mapping[str, Any], limits: ReplyLimits, *, automatic: bool) -> Standing:
    silent, pause = None, None
    hour, day, alike = known["hour"], known["day"], known["alike"]
    if alike >= MOST_ALIKE:
        silent = "the same words too often"
    elif automatic and known["automatic"] >= MOST_AUTOMATIC:
        silent = "a machine speaks"
    elif hour >= limits.an_hour or day >= limits.a_day:
        silent = "too many replies"
    elif 0 < day == limits.a_day - 1:
        pause = Pause(until=known["day_until"], same=False)
    elif 0 < hour == limits.an_hour - 1:
        pause = Pause(until=known["hour_until"], same=False)
    elif alike == MOST_ALIKE - 1:
        pause = Pause(until=known["alike_until"], same=True)
    return Standing(silent=silent, pause=pause, automatic=automatic)


def _codes(state: str, wishes: Sequence[str]) -> tuple[str, ...]:
    return tuple(wish.removeprefix(f"{state} ") for wish in wishes if wish.startswith(f"{state} "))


def _phone_of(sender: Contact, manner: Manner) -> str | None:
    """The phone an address is; None in other channels, and for who keeps the number from us, as WhatsApp allows."""
    return sender.address if manner.address_is_phone and sender.address.startswith("+") else None


STATEMENTS = (RECALL, REMEMBER, FORGET)
