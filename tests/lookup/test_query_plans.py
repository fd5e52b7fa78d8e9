"""The hot statements stay on their indexes and in their partitions, in every plan PostgreSQL makes."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from asyncpg.pgproto.pgproto import UUID

from database.pool import SET_TENANT, Connection, Database, Role
from domain.status import Status
from lookup.agency_dossiers import FIND_HELD, FIND_ID, FIND_REFERENCE, LIST_EVENTS, WALK_JOURNAL
from lookup.changes import Tenant
from lookup.dossier_rows import ADD_TO_HISTORY, ENROL, HISTORY, MOVE_ON, REPLACE
from lookup.dossiers import FIND_MANY, FIND_PROVEN, SET_PROOF
from lookup.dossiers import HISTORY as SHOWN_HISTORY
from lookup.ingest import DossierWriter
from lookup.sealing import Seal
from tests.lookup.sent import event, facts, hour

WIDTH = 1 << 24  # dossiers per partition
PER_PARTITION = 10_000
# The second of three partitions: dossier 5,000 of it.
NUMBER = WIDTH + 5000
CODE = f"H05.16-261102-{NUMBER:010d}"

FILL = f"""
    WITH numbers AS (
        SELECT id, 'H05.16-261102-' || lpad(id::text, 10, '0') AS code
          FROM (SELECT part * {WIDTH}::bigint + n AS id
                  FROM generate_series(0, 1) part, generate_series(1, {PER_PARTITION}) n) AS both_parts),
    codes AS (
        INSERT INTO dossier_code (code, test, dossier_id, owner_agency) SELECT code, false, id, $1 FROM numbers),
    rows AS (
        INSERT INTO dossier
               (id, version, owner_agency, receiving_agency, status, test, status_at, code, reference, secret_digest)
        SELECT id, 1, $1, $1, 2, false, '2026-11-02', code, 'R' || id, $2 FROM numbers)
    INSERT INTO dossier_event
           (dossier_id, event_key, at, owner_agency, sender_agency, status, test, from_facts, event_id)
    SELECT id, gen_random_uuid(), '2026-11-02'::timestamptz + n * interval '1 h', $1, $1, 2, false, false, 'e' || n
      FROM numbers, generate_series(1, 3) n"""  # noqa: S608  # our own numbers


@pytest.fixture
async def full(database: Database, database_url: str, tenant: Tenant, seal: Seal) -> AsyncIterator[Database]:
    """20,000 dossiers with three events each, in the first two of three partitions, and statistics of them."""
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute("SELECT setval('dossier_id', $1)", WIDTH + PER_PARTITION)
        await owner.execute("SELECT add_dossier_partitions()")
        await owner.execute(FILL, tenant.agency_id, seal.proof_secret(CODE, "246810"))
        await owner.execute("VACUUM ANALYZE")
        yield database
    finally:
        await owner.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan that was run."""
    if plan.get("Actual Loops", 0) > 0:
        yield plan
        for below in plan.get("Plans", ()):
            yield from nodes(below)


async def ran(connection: Connection, statement: str, *values: object) -> list[dict[str, Any]]:
    """The nodes run for a statement, in the plan made for its values and in the one made for any."""
    found = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        found += list(nodes(json.loads(explained)[0]["Plan"]))
    return found


def tables(found: list[dict[str, Any]]) -> set[str]:
    """The tables and partitions that were read."""
    return {node["Relation Name"] for node in found if "Relation Name" in node and node["Node Type"] != "ModifyTable"}


def whole_tables(found: list[dict[str, Any]]) -> set[str]:
    """What was read other than by index."""
    return {node.get("Relation Name", "") for node in found if node["Node Type"] == "Seq Scan"}


async def test_a_look_up_by_code_touches_one_partition_by_index(full: Database) -> None:
    async with full.transaction(Role.PUBLIC) as connection:
        found = await ran(connection, FIND_MANY, [CODE])
        assert tables(found) == {"dossier_code", "dossier_1"}
        assert whole_tables(found) == set()
        assert {n["Node Type"] for n in found if n.get("Relation Name") == "dossier_code"} == {"Index Only Scan"}
        assert {n["Node Type"] for n in found if n.get("Relation Name") == "dossier_1"} == {"Index Scan"}
        codes = [f"H05.16-261102-{n:010d}" for n in (1, 2, NUMBER, WIDTH + 1)]
        many = await ran(connection, FIND_MANY, codes)
        assert tables(many) == {"dossier_code", "dossier_0", "dossier_1"}
        assert whole_tables(many) == set()
        assert max(n["Actual Loops"] for n in many if n.get("Relation Name") == "dossier_code") == len(codes)


async def test_a_proof_touches_one_partition_by_index(full: Database, seal: Seal) -> None:
    async with full.transaction(Role.CITIZEN) as connection:
        await connection.execute(SET_PROOF, seal.proof_secret(CODE, "246810").hex(), "", "")
        found = await ran(connection, FIND_PROVEN, CODE)
        assert tables(found) == {"dossier_code", "dossier_1"}
        found += await ran(connection, SHOWN_HISTORY, NUMBER)
        assert tables(found) == {"dossier_code", "dossier_1", "dossier_event_1"}
        assert whole_tables(found) == set()
        assert max(node.get("Actual Rows", 0) for node in found) <= 3


async def test_ingest_finds_its_rows_by_index(full: Database, tenant: Tenant) -> None:
    codes = [f"H05.16-261102-{n:010d}" for n in range(1, 501)]
    ids = list(range(1, 501))
    steps = [
        (n, UUID(uuid4().bytes), tenant.agency_id, hour(9), 4, False, *(None,) * 3, "x", *(None,) * 5) for n in ids
    ]
    courses = [(n, 2, 4, hour(9), None, None, None, None) for n in ids]
    whole = [(*course, tenant.agency_id, *(None,) * 16, codes[0]) for course in courses]
    async with full.tenant(tenant.agency_id, test=False) as connection:
        for statement, values in (
            (ENROL, (codes, False, tenant.agency_id)),
            (ENROL, ([*codes, "H05.16-261102-NEW"], False, tenant.agency_id)),
            (ADD_TO_HISTORY, (tenant.agency_id, False, steps)),
            (HISTORY, (ids,)),
            (MOVE_ON, (courses,)),
            (REPLACE, (whole,)),
        ):
            found = await ran(connection, statement, *values)
            assert whole_tables(found) == set(), statement
            assert max(n["Actual Rows"] * n["Actual Loops"] for n in found) <= 3 * 501 + 500, statement


async def test_reading_back_walks_indexes_no_further_than_the_page(full: Database, tenant: Tenant) -> None:
    async with full.tenant(tenant.agency_id, test=False) as connection:
        for statement, values in (
            (FIND_ID, (CODE, False)),
            (FIND_HELD, ([NUMBER],)),
            (FIND_REFERENCE, (tenant.agency_id, f"R{NUMBER}", hour(-9999), 100)),
            (WALK_JOURNAL, (tenant.agency_id, hour(-9999), 0, 100)),
            (LIST_EVENTS, (NUMBER, hour(-9999), UUID(bytes(16)), 100)),
        ):
            found = await ran(connection, statement, *values)
            assert whole_tables(found) == set(), statement
            assert max(n["Actual Rows"] * n["Actual Loops"] for n in found) <= 400, statement


async def test_a_plan_made_on_an_empty_table_stays_good_as_it_grows(
    database: Database, writer: DossierWriter, tenant: Tenant
) -> None:
    """PostgreSQL keeps a plan from its sixth run on: one that reads a small table whole would go on doing so."""
    async with database.tenant(tenant.agency_id, test=False) as connection:
        for n in range(8):
            await writer.store_events(tenant, [event(f"e{n}", Status.PROCESSING, hour(n))], connection=connection)
        found = await ran(connection, ENROL, ["x"], False, tenant.agency_id)
        found += await ran(connection, MOVE_ON, [(1, 2, 4, hour(9), None, None, None, None)])
    async with database.transaction(Role.PUBLIC) as connection:
        found += await ran(connection, FIND_MANY, ["H05.16-261102-0001"])
    assert whole_tables(found) == set()


async def test_moving_on_touches_no_index(database: Database, writer: DossierWriter, tenant: Tenant) -> None:
    codes = [f"H05.16-261102-{n:04d}" for n in range(200)]
    sent = [facts(tenant, Status.ACCEPTED, hour(0), code=code, reference=code) for code in codes]
    await writer.store_facts(tenant, sent)
    async with database.connection(Role.APP) as connection:
        async with connection.transaction():
            await connection.execute(SET_TENANT, str(tenant.agency_id), "off")
            news = [event("e", Status.PROCESSING, hour(2), code=code) for code in codes[::10]]
            corrected = [facts(tenant, Status.ACCEPTED, hour(1), code=code, reference=code) for code in codes[5::20]]
            await writer.store(tenant, [*news, *corrected], connection=connection)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        changed = await connection.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'dossier_0'"
        )
    assert changed["n_tup_upd"] == len(news) + len(corrected)
    assert changed["n_tup_hot_upd"] == changed["n_tup_upd"]
