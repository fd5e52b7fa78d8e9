"""Officers' lists of dossiers read no more than they must, in the plan that PostgreSQL keeps for good."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from console.dossier_lists import BY_PHONE, NEWEST
from database.pool import SET_TENANT, Connection, Database, Role

DOSSIERS = 5_000
FILL = """
    INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code, phone_digest)
    SELECT n, 1, a.id, a.id, 2, false, now(), 'P-' || n, decode(md5(n::text), 'hex')
      FROM generate_series(1, $1::int) n, (SELECT id FROM agency WHERE code = 'H26' LIMIT 1) a"""


@pytest.fixture
async def elsewhere(database: Database, database_url: str) -> AsyncIterator[Connection]:
    """An officer's transaction, in whose office is nothing, beside some thousand dossiers of another."""
    owner = await asyncpg.connect(database_url)
    await owner.execute(FILL, DOSSIERS)
    await owner.execute("VACUUM ANALYZE dossier")
    office = await owner.fetchval("SELECT id FROM agency WHERE code = 'H05.16' ORDER BY valid_from DESC LIMIT 1")
    await owner.close()
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_TENANT, str(office), "off")
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        yield connection


async def scans(connection: Connection, statement: str, *values: str) -> list[dict[str, Any]]:
    """The nodes of the plan that was kept, as it ran."""
    types = {NEWEST: "bigint, bigint, int", BY_PHONE: "bytea, int"}[statement]
    await connection.execute(f"PREPARE asked ({types}) AS {statement}")
    said = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked ({', '.join(values)})")
    return [*_nodes(json.loads(said)[0]["Plan"])]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


async def test_the_newest_are_looked_for_among_the_last_only(elsewhere: Connection) -> None:
    found = await scans(elsewhere, NEWEST, str(DOSSIERS + 1), "100", "50")
    assert sum(node.get("Rows Removed by Filter", 0) for node in found) == 100


async def test_a_phone_that_nobody_has_is_not_looked_for_in_every_dossier(elsewhere: Connection) -> None:
    found = await scans(elsewhere, BY_PHONE, r"'\x00112233445566778899aabbccddeeff'", "50")
    assert [node["Scan Direction"] for node in found if node.get("Scan Direction") == "Backward"] == []
    assert any("phone_digest" in node.get("Index Name", "") for node in found)
