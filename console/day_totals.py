"""Totals of a day as offices without a system type them in: kept with every correction, and summed up."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

from database.pool import Connection
from domain.errors import ChangedMeanwhile
from feedback_intake.caseload import Period
from lookup.field_dictionary import TOTALS, TotalGroup
from lookup.sealing import Seal

MOST = 100_000  # of anything in a day
LONGEST_WORDS = 500
_AT_ONCE = 500
_STATES = [total.name for total in TOTALS if total.group is TotalGroup.OPEN]

FIND = """
    SELECT d.id, d.day, d.counts, d.other_sealed, d.why_sealed, d.saved_at, d.replaced_at,
           coalesce(nullif(a.name, ''), a.email, '') AS officer
      FROM day_total d LEFT JOIN account a ON a.id = d.account_id
     WHERE d.agency_id = $1 AND d.day = $2 ORDER BY d.id DESC LIMIT 50"""
REPLACE = """
    UPDATE day_total SET replaced_at = now() WHERE agency_id = $1 AND day = $2 AND replaced_at IS NULL RETURNING id"""
KEEP = """
    INSERT INTO day_total (agency_id, day, counts, other_sealed, why_sealed, account_id)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (agency_id, day) WHERE replaced_at IS NULL DO NOTHING RETURNING id"""
TYPED = """
    SELECT day FROM day_total WHERE agency_id = $1 AND day >= $2 AND day <= $3 AND replaced_at IS NULL"""
# What happened is added up; what is open is as the last day of the time says it.
SUMS = """
    SELECT d.agency_id, t.key AS name, sum(t.value::bigint)::bigint AS n
      FROM day_total d CROSS JOIN LATERAL jsonb_each_text(d.counts) t
     WHERE d.agency_id = ANY ($1::int[]) AND d.day >= $2 AND d.day <= $3 AND d.replaced_at IS NULL
       AND t.key <> ALL ($4::text[])
     GROUP BY d.agency_id, t.key
     UNION ALL
    SELECT l.agency_id, t.key, t.value::bigint
      FROM (SELECT DISTINCT ON (d.agency_id) d.agency_id, d.counts FROM day_total d
             WHERE d.agency_id = ANY ($1::int[]) AND d.day >= $2 AND d.day <= $3 AND d.replaced_at IS NULL
             ORDER BY d.agency_id, d.day DESC) l
     CROSS JOIN LATERAL jsonb_each_text(l.counts) t
     WHERE t.key = ANY ($4::text[])"""
DAYS = """
    SELECT agency_id, count(*) AS days, max(day) AS last FROM day_total
     WHERE agency_id = ANY ($1::int[]) AND day >= $2 AND day <= $3 AND replaced_at IS NULL GROUP BY agency_id"""
ROWS = """
    SELECT agency_id, day, counts, other_sealed FROM day_total
     WHERE agency_id = ANY ($1::int[]) AND day >= $2 AND day <= $3 AND replaced_at IS NULL ORDER BY day, agency_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """The totals of one day as they were typed once. `counts` by the names of `TOTALS`; `counted`: no later one is."""

    total_id: int
    day: date
    counts: Mapping[str, int]
    officer: str
    saved_at: datetime
    counted: bool
    other: str = field(repr=False)
    why: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeTotals:
    """Sums of one office over a time; `days` for which something was typed, and the last of them."""

    agency_id: int
    days: int
    last: date
    counts: Mapping[str, int]

    def of(self, *names: str) -> int:
        """So many of these together."""
        return sum(self.counts.get(name, 0) for name in names)

    def group(self, group: str) -> int:
        """So many of a group."""
        return self.of(*(total.name for total in TOTALS if total.group == group))


class DayTotals:
    """All functions run as `motma_console` with the officer's office set."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def find(self, connection: Connection, agency_id: int, day: date) -> list[DayTotal]:
        """What was typed for a day, the newest first."""
        return [self._total(row) for row in await connection.fetch(FIND, agency_id, day)]

    async def keep(
        self,
        connection: Connection,
        agency_id: int,
        day: date,
        counts: Mapping[str, int],
        *,
        account_id: int,
        other: str = "",
        why: str = "",
        replaces: int | None = None,
    ) -> None:
        """Count this for the day from now on, in place of `replaces`. Raises `ChangedMeanwhile`."""
        replaced = await connection.fetchval(REPLACE, agency_id, day)
        sealed = [self._seal.seal(words) if words else None for words in (other, why)]
        kept = await connection.fetchval(
            KEEP, agency_id, day, msgspec.json.encode(dict(counts)).decode(), *sealed, account_id
        )
        if replaced != replaces or kept is None:
            raise ChangedMeanwhile("Somebody else has typed this day's totals meanwhile.")

    async def typed(self, connection: Connection, agency_id: int, first: date, last: date) -> frozenset[date]:
        """The days that have totals."""
        return frozenset(row["day"] for row in await connection.fetch(TYPED, agency_id, first, last))

    async def sums(self, connection: Connection, offices: Sequence[int], period: Period) -> list[OfficeTotals]:
        """Of each office that typed anything; in the order of their ids."""
        asked = [*offices], period.first, period.last
        counts: dict[int, dict[str, int]] = {}
        for row in await connection.fetch(SUMS, *asked, _STATES):
            counts.setdefault(row["agency_id"], {})[row["name"]] = row["n"]
        return [
            OfficeTotals(
                agency_id=row["agency_id"], days=row["days"], last=row["last"], counts=counts.get(row["agency_id"], {})
            )
            for row in sorted(await connection.fetch(DAYS, *asked), key=lambda row: row["agency_id"])
        ]

    async def rows(
        self, connection: Connection, offices: Sequence[int], period: Period
    ) -> AsyncIterator[tuple[int, date, Mapping[str, int], str]]:
        """Office, day, counts and other causes, as they are read."""
        async for row in connection.cursor(ROWS, [*offices], period.first, period.last, prefetch=_AT_ONCE):
            yield row["agency_id"], row["day"], _counts(row), self._opened(row["other_sealed"])

    def _total(self, row: Any) -> DayTotal:  # noqa: ANN401 - a row of asyncpg
        return DayTotal(
            total_id=row["id"],
            day=row["day"],
            counts=_counts(row),
            officer=row["officer"],
            saved_at=row["saved_at"],
            counted=row["replaced_at"] is None,
            other=self._opened(row["other_sealed"]),
            why=self._opened(row["why_sealed"]),
        )

    def _opened(self, sealed: bytes | None) -> str:
        return self._seal.open(sealed) if sealed else ""


def together(offices: Sequence[OfficeTotals]) -> OfficeTotals:
    """The sums of several offices."""
    counts: dict[str, int] = {}
    for office in offices:
        for name, n in office.counts.items():
            counts[name] = counts.get(name, 0) + n
    return OfficeTotals(
        agency_id=0,
        days=sum(office.days for office in offices),
        last=max((office.last for office in offices), default=date.min),
        counts=counts,
    )


def _counts(row: Any) -> dict[str, int]:  # noqa: ANN401 - a row of asyncpg
    return msgspec.json.decode(row["counts"], type=dict[str, int])


STATEMENTS = (FIND, REPLACE, KEEP, TYPED, SUMS, DAYS, ROWS)
