"""Loading the shipped offices and procedures: complete, repeatable, and kind to what others added."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from database.pool import Connection
from lookup.agencies import AgencyTree
from lookup.reference_data import agencies, procedures
from lookup.reference_loader import load_reference_data

TABLES = ("agency", "agency_successor", "agency_reach", "procedure", "procedure_term")


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """The owner of the schema."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _everything(connection: Connection) -> dict[str, list[str]]:
    return {
        table: [row[0] for row in await connection.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")]  # noqa: S608
        for table in TABLES
    }


async def test_loading_again_changes_nothing(owner: Connection, database_url: str) -> None:
    before = await _everything(owner)
    assert all(before.values())
    await load_reference_data(database_url)
    assert await _everything(owner) == before


async def test_every_shipped_row_is_there_with_its_parent(owner: Connection) -> None:
    stored = {
        (row["code"], row["valid_from"]): row["parent"]
        for row in await owner.fetch(
            "SELECT a.code, a.valid_from, p.code AS parent FROM agency a LEFT JOIN agency p ON p.id = a.parent_id"
        )
    }
    assert stored == {(row.code, row.valid_from): row.parent for row in agencies()}
    terms = await owner.fetchval("SELECT count(*) FROM procedure_term")
    assert terms == sum(row.term is not None for row in procedures())


async def test_reach_is_the_subtree_of_every_office(owner: Connection) -> None:
    rows = agencies()
    tree = AgencyTree(rows)
    reach = await owner.fetch(
        "SELECT DISTINCT s.code AS scope, a.code FROM agency_reach r"
        " JOIN agency s ON s.id = r.scope_id JOIN agency a ON a.id = r.agency_id"
    )
    expected = {(row.code, below.code) for row in rows for below in tree.subtree(row.code)}
    assert {(row["scope"], row["code"]) for row in reach} == expected


async def test_a_row_that_differs_is_corrected_and_an_office_of_others_stays(
    owner: Connection, database_url: str
) -> None:
    await owner.execute("UPDATE agency SET name = 'x', parent_id = NULL WHERE code = 'H05.16'")
    await owner.execute("DELETE FROM agency_reach")
    added = await owner.fetchval(
        "INSERT INTO agency (code, name, level, valid_from, parent_id)"
        " SELECT 'H05.16.99', 'Đơn vị mới', 'department', '2026-01-01', id FROM agency"
        " WHERE code = 'H05.16' AND valid_to IS NULL RETURNING id"
    )
    await load_reference_data(database_url)
    assert await owner.fetchval("SELECT count(*) FROM agency WHERE name = 'x'") == 0
    scopes = await owner.fetch(
        "SELECT DISTINCT a.code FROM agency_reach r JOIN agency a ON a.id = r.scope_id WHERE r.agency_id = $1", added
    )
    assert {row["code"] for row in scopes} == {"H05.16.99", "H05.16", "H05", "VN"}


async def test_an_operators_days_are_left_alone(owner: Connection, database_url: str) -> None:
    await owner.execute(
        "INSERT INTO day_override (day, kind, reason, source) VALUES ('2026-11-24', 'worked', 'x', 'y')"
    )
    await load_reference_data(database_url)
    assert await owner.fetchval("SELECT array_agg(kind) FROM day_override") == ["worked"]
