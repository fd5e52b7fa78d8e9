"""Long messages that a gateway hands over in parts, joined whatever their order, durably.

A part is recorded before its gateway is answered. When all are there, or `PATIENCE` after the first, what there is
becomes one inbound message under the id of its lowest part: so that two processes which both see the last part, or one
that dies in between, record it once. Joined parts keep their row without its text, because gateways send them again.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from channels.channel import Heard
from channels.sms.calls import mended
from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from domain.message import Incoming
from domain.vietnamese import clean
from lookup.sealing import Seal

PATIENCE = timedelta(minutes=2)  # parts come within seconds of each other, or not at all
LOOK_EVERY = timedelta(seconds=10)
FORGET_EVERY = timedelta(hours=1)
KEPT = timedelta(days=35)  # longer than any gateway sends a call again
GAP = " … "  # where a part is missing
MOST_PARTS = 255  # one octet (3GPP TS 23.040 9.2.3.24.1)

RECORD = """
    INSERT INTO sms_part (route, provider_id, group_digest, number, total, sender_sealed, recipient, text_sealed,
                          received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (route, provider_id) DO NOTHING"""
# Of two parts with one number the older counts: references are used again, and the younger belongs to a later message.
PARTS = """
    SELECT DISTINCT ON (number) provider_id, number, total, sender_sealed, recipient, text_sealed, received_at
      FROM sms_part WHERE group_digest = $1 AND joined_at IS NULL ORDER BY number, recorded_at, provider_id"""
JOINED = """
    UPDATE sms_part SET joined_at = now(), text_sealed = NULL
     WHERE route = $1 AND provider_id = ANY ($2::text[]) AND joined_at IS NULL"""
WAITED = """
    SELECT group_digest FROM sms_part WHERE route = $1 AND joined_at IS NULL AND recorded_at < now() - $2::interval
     GROUP BY group_digest ORDER BY min(recorded_at) LIMIT 100"""
FORGET = "DELETE FROM sms_part WHERE route = $1 AND joined_at < now() - $2::interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message. `reference` is shared by all its parts; `number` counts from 1 to `total`.

    `text` is as the gateway gave it: half of a character may stand at either end.
    """

    sender: Contact
    recipient: str
    text: str = field(repr=False)
    provider_id: str
    received_at: datetime
    reference: str
    number: int
    total: int


class Joiner:
    """Joins the parts that come by one route. Any number may work on one database."""

    def __init__(
        self, route: str, *, database: Database, seal: Seal, heard: Heard, patience: timedelta = PATIENCE
    ) -> None:
        self._route = route
        self._database = database
        self._seal = seal
        self._heard = heard
        self._patience = patience

    async def heard(self, part: Part) -> None:
        """Record one part, and the message if this was the last. Raises `Unavailable`: then send it again."""
        group = self._seal.digest(
            "sms parts", self._route, part.sender.address, part.recipient, part.reference, str(part.total)
        )
        try:
            async with self._database.connection(Role.WORKER) as connection:
                await connection.execute(
                    RECORD,
                    self._route,
                    part.provider_id,
                    group,
                    part.number,
                    part.total,
                    self._seal.seal(part.sender.address),
                    part.recipient,
                    self._seal.seal(json.dumps(part.text)),  # escaped: half a character has no UTF-8
                    part.received_at,
                )
                # In a statement of its own, which sees what others committed since: of two last parts one sees both.
                parts = await connection.fetch(PARTS, group)
            if len(parts) == part.total:
                await self._join(parts)
        except DATABASE_AWAY as error:
            raise Unavailable("The part could not be recorded. Please send it again.") from error

    async def tend(self) -> None:
        """Join what has waited long enough, and forget what is old, until cancelled."""
        looks = int(FORGET_EVERY / LOOK_EVERY)
        while True:
            await self.forget_old()
            for _ in range(looks):
                await self.join_waiting()
                await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def forget_old(self) -> None:
        """Forget parts that no gateway sends again."""
        async with self._database.connection(Role.WORKER) as connection:
            await connection.execute(FORGET, self._route, KEPT)

    async def join_waiting(self) -> None:
        """Join the parts whose others have not come in time."""
        async with self._database.connection(Role.WORKER) as connection:
            groups = await connection.fetch(WAITED, self._route, self._patience)
        for group in groups:
            async with self._database.connection(Role.WORKER) as connection:
                parts = await connection.fetch(PARTS, group["group_digest"])
            if parts:
                await self._join(parts)

    async def _join(self, parts: Sequence[Any]) -> None:
        """Record one message of `parts`, the lowest number first; some may be missing."""
        text, expected = "", 1
        for part in parts:
            text += GAP * (part["number"] != expected) + json.loads(self._seal.open(part["text_sealed"]))
            expected = part["number"] + 1
        text += GAP * (expected <= parts[0]["total"])
        await self._heard(
            Incoming(
                sender=Contact(channel=ChannelName.SMS, address=self._seal.open(parts[0]["sender_sealed"])),
                recipient=parts[0]["recipient"],
                text=clean(mended(text)),
                external_id=f"{self._route}:{parts[0]['provider_id']}",
                received_at=min(part["received_at"] for part in parts),
            )
        )
        async with self._database.connection(Role.WORKER) as connection:
            await connection.execute(JOINED, self._route, [part["provider_id"] for part in parts])


STATEMENTS = (RECORD, PARTS, JOINED, WAITED, FORGET)
