"""A provider's own list of what it took, compared with our messages: what stands on one side only, or differs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from database.pool import Connection
from domain.message import DeliveryState

PAGE = 1_000

# By our own reference where the provider has it, else by its name for the message on that route.
OURS = """
    SELECT m.id, m.state, m.route, m.provider_id, m.dong FROM message m WHERE m.id = ANY ($1::bigint[])
     UNION
    SELECT m.id, m.state, m.route, m.provider_id, m.dong
      FROM message m WHERE m.route = $2 AND m.provider_id = ANY ($3::text[])"""
SENT = """
    SELECT m.id, m.state, m.provider_id, m.dong, m.handed_over_at FROM message m
     WHERE (m.handed_over_at, m.id) > ($1, $2) AND m.handed_over_at <= $3 AND m.handed_over_at >= $1 AND m.route = $4
     ORDER BY m.handed_over_at, m.id LIMIT $5"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the provider's list. `reference` is our message, `state` None where its word says nothing to us."""

    number: int
    reference: int | None
    provider_id: str | None
    word: str
    state: DeliveryState | None
    dong: Decimal | None
    at: datetime | None


class Finding(StrEnum):
    """What does not agree."""

    ONLY_THEIRS = "only_theirs"
    ONLY_OURS = "only_ours"
    STATE = "state"
    PRICE = "price"
    TWICE = "twice"  # taken under a name we do not know: sent twice, or its answer was lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that does not agree, with the line it stands in, if it stands in one."""

    finding: Finding
    message_id: int | None
    provider_id: str | None
    line: int | None
    ours: str
    theirs: str
    state: DeliveryState | None = None  # what the provider says became of it, where that is more than we know


@dataclass(slots=True, kw_only=True)
class Totals:
    """What was counted."""

    lines: int = 0
    agree: int = 0
    unread: int = 0  # words for states that say nothing to us
    our_dong: int = 0  # of what stands on both sides
    their_dong: Decimal = Decimal(0)  # of all lines
    found: dict[Finding, int] = field(default_factory=lambda: dict.fromkeys(Finding, 0))

    @property
    def differ(self) -> int:
        """How many things do not agree."""
        return sum(self.found.values())


class Reconciliation:
    """Compares batch by batch, then looks for what the list does not name. Runs as `motma_operator`.

    Of each line it remembers one bit, so that a list of millions costs little.
    """

    def __init__(self, route: str) -> None:
        self._route = route
        self._seen = _Numbers()
        self.totals = Totals()

    async def compare(self, connection: Connection, lines: Sequence[Line]) -> list[Difference]:
        """What does not agree in these lines."""
        rows = await connection.fetch(
            OURS,
            [line.reference for line in lines if line.reference is not None],
            self._route,
            [line.provider_id for line in lines if line.reference is None and line.provider_id],
        )
        by_id = {row["id"]: row for row in rows}
        by_name = {row["provider_id"]: row for row in rows if row["route"] == self._route}
        found: list[Difference] = []
        for line in lines:
            ours = by_name.get(line.provider_id) if line.reference is None else by_id.get(line.reference)
            found += self._compared(line, ours)
        return found

    def _compared(self, line: Line, ours: Connection | None) -> list[Difference]:
        totals = self.totals
        totals.lines += 1
        totals.unread += line.state is None
        totals.their_dong += line.dong or 0
        if ours is None:
            return [self._found(Finding.ONLY_THEIRS, line, None, "", line.word)]
        seen = self._seen.add(ours["id"])
        found = []
        if line.provider_id and ours["provider_id"] not in {line.provider_id, None}:
            found.append(self._found(Finding.TWICE, line, ours["id"], ours["provider_id"], line.provider_id))
        elif line.state is not None and not _same(DeliveryState(ours["state"]), line.state):
            ours_said = DeliveryState(ours["state"]).name.lower()
            found.append(self._found(Finding.STATE, line, ours["id"], ours_said, line.word))
        if not seen:
            totals.our_dong += ours["dong"] or 0
        if line.dong is not None and ours["dong"] is not None and line.dong != ours["dong"]:
            found.append(self._found(Finding.PRICE, line, ours["id"], str(ours["dong"]), str(line.dong)))
        totals.agree += not found
        return found

    def _found(self, finding: Finding, line: Line, message_id: int | None, ours: str, theirs: str) -> Difference:
        self.totals.found[finding] += 1
        return Difference(
            finding=finding,
            message_id=message_id if message_id is not None else line.reference,
            provider_id=line.provider_id,
            line=line.number,
            ours=ours,
            theirs=theirs,
            state=line.state if finding is Finding.STATE else None,
        )

    async def not_named(
        self, connection: Connection, since: datetime, until: datetime
    ) -> AsyncIterator[list[Difference]]:
        """Page by page, what we handed to the route between two times and no line named."""
        at, number = since, 0
        while rows := await connection.fetch(SENT, at, number, until, self._route, PAGE):
            at, number = rows[-1]["handed_over_at"], rows[-1]["id"]
            missing = [row for row in rows if row["id"] not in self._seen]
            self.totals.found[Finding.ONLY_OURS] += len(missing)
            yield [
                Difference(
                    finding=Finding.ONLY_OURS,
                    message_id=row["id"],
                    provider_id=row["provider_id"],
                    line=None,
                    ours=DeliveryState(row["state"]).name.lower(),
                    theirs="",
                )
                for row in missing
            ]


class _Numbers:
    """A set of message ids, a bit each from the lowest on: ids of one list lie close together."""

    STEP = 1 << 16

    def __init__(self) -> None:
        self._parts: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Add it; whether it was there."""
        part = self._parts.setdefault(number // self.STEP, bytearray(self.STEP // 8))
        place, bit = divmod(number % self.STEP, 8)
        there = bool(part[place] & 1 << bit)
        part[place] |= 1 << bit
        return there

    def __contains__(self, number: int) -> bool:
        part = self._parts.get(number // self.STEP)
        place, bit = divmod(number % self.STEP, 8)
        return part is not None and bool(part[place] & 1 << bit)


_UNDER_WAY = frozenset({DeliveryState.HANDED_OVER, DeliveryState.ON_ITS_WAY, DeliveryState.NO_RECEIPT})


def _same(ours: DeliveryState, theirs: DeliveryState) -> bool:
    """A message under way at theirs may be so at ours by whatever name."""
    return ours == theirs or (ours in _UNDER_WAY and theirs in _UNDER_WAY)


STATEMENTS = (OURS, SENT)
