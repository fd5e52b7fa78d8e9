"""Procedures as lists show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from database.pool import Connection
from domain.vietnamese import folded

# There are a few thousand; accents are compared here, for the store knows no Vietnamese.
LIST = """
    SELECT p.code, p.name, p.sector, t.amount, t.unit, t.effective_from
      FROM procedure p
      LEFT JOIN LATERAL (
           SELECT amount, unit, effective_from FROM procedure_term
            WHERE procedure_id = p.id AND effective_from <= $1 AND (effective_to IS NULL OR effective_to >= $1)
            ORDER BY effective_from DESC LIMIT 1) t ON true
     WHERE p.code > $2 ORDER BY p.code LIMIT $3"""
SECTORS = "SELECT DISTINCT sector FROM procedure WHERE sector <> '' ORDER BY sector"
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """One procedure and the legal term that holds today; `amount` is None where none is known."""

    code: str
    name: str
    sector: str
    amount: int | None
    unit: str | None
    effective_from: date | None


async def procedures(
    connection: Connection, today: date, *, typed: str = "", after: str = "", most: int = 50
) -> list[Procedure]:
    """Those whose code, name or sector holds what was typed, by code; `most` and one more if there are further ones."""
    wanted, found = folded(typed), list[Procedure]()
    while rows := await connection.fetch(LIST, today, after, _AT_ONCE):
        read = map(_procedure, rows)
        found += [p for p in read if wanted in folded(f"{p.code} {p.name} {p.sector}")]
        if len(found) > most or len(rows) < _AT_ONCE:
            break
        after = rows[-1]["code"]
    return found[: most + 1]


async def sectors(connection: Connection) -> list[str]:
    """Every sector that some procedure has."""
    return [row["sector"] for row in await connection.fetch(SECTORS)]


def _procedure(row: Mapping[str, Any]) -> Procedure:
    return Procedure(**row)


STATEMENTS = (LIST, SECTORS)
