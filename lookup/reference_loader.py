"""Brings the shipped agencies and procedures into the store; run by the schema's owner, safe to run again."""

import asyncpg

from database.migrate import RUNNER_LOCK
from database.pool import Connection
from lookup.agencies import AgencyTree
from lookup.reference_data import AgencyRow, ProcedureRow, agencies, procedures

WAIT_FOR_TURN = "SELECT pg_advisory_xact_lock($1)"

# Parents are codes, whatever their period; the row points at the parent's last period.
STORE_AGENCIES = """
    INSERT INTO agency AS a (code, valid_from, valid_to, name, name_en, level, phone, address, disclosure)
    SELECT * FROM unnest($1::text[], $2::date[], $3::date[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::text[])
        ON CONFLICT (code, valid_from) DO UPDATE
       SET valid_to = excluded.valid_to, name = excluded.name, name_en = excluded.name_en, level = excluded.level,
           phone = excluded.phone, address = excluded.address, disclosure = excluded.disclosure
     WHERE (a.valid_to, a.name, a.name_en, a.level, a.phone, a.address, a.disclosure)
           IS DISTINCT FROM (excluded.valid_to, excluded.name, excluded.name_en, excluded.level, excluded.phone,
                             excluded.address, excluded.disclosure)"""
STORE_PARENTS = """
    UPDATE agency AS a SET parent_id = p.id
      FROM unnest($1::text[], $2::date[], $3::text[]) AS given (code, valid_from, parent)
      LEFT JOIN LATERAL (SELECT id FROM agency WHERE code = given.parent ORDER BY valid_from DESC LIMIT 1) AS p ON true
     WHERE a.code = given.code AND a.valid_from = given.valid_from AND a.parent_id IS DISTINCT FROM p.id"""
STORE_SUCCESSORS = """
    INSERT INTO agency_successor (predecessor_id, successor_id)
    SELECT before.id, after.id
      FROM unnest($1::text[], $2::date[], $3::text[], $4::date[])
           AS given (code_before, from_before, code_after, from_after)
      JOIN agency AS before ON before.code = given.code_before AND before.valid_from = given.from_before
      JOIN agency AS after ON after.code = given.code_after AND after.valid_from = given.from_after
        ON CONFLICT DO NOTHING"""

# Reach follows codes: every period of an office reaches every period of itself and of all that stands below it.
REDRAW_REACH = """
    WITH RECURSIVE edge AS (
        SELECT DISTINCT ON (a.code) a.code, p.code AS parent
          FROM agency a LEFT JOIN agency p ON p.id = a.parent_id
         ORDER BY a.code, a.valid_from DESC),
    below AS (
        SELECT code AS top, code FROM edge
         UNION
        SELECT b.top, e.code FROM below b JOIN edge e ON e.parent = b.code),
    reach AS (
        SELECT t.id AS scope_id, a.id AS agency_id
          FROM below b JOIN agency t ON t.code = b.top JOIN agency a ON a.code = b.code),
    gone AS (
        DELETE FROM agency_reach r
         WHERE NOT EXISTS (SELECT FROM reach WHERE reach.scope_id = r.scope_id AND reach.agency_id = r.agency_id))
    INSERT INTO agency_reach (scope_id, agency_id) SELECT scope_id, agency_id FROM reach
        ON CONFLICT DO NOTHING"""

STORE_PROCEDURES = """
    INSERT INTO procedure AS p (code, name, sector)
    SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[])
        ON CONFLICT (code) DO UPDATE SET name = excluded.name, sector = excluded.sector
     WHERE (p.name, p.sector) IS DISTINCT FROM (excluded.name, excluded.sector)"""
STORE_TERMS = """
    INSERT INTO procedure_term AS t (procedure_id, effective_from, effective_to, amount, unit)
    SELECT p.id, given.effective_from, given.effective_to, given.amount, given.unit
      FROM unnest($1::text[], $2::date[], $3::date[], $4::int[], $5::text[])
           AS given (code, effective_from, effective_to, amount, unit)
      JOIN procedure p ON p.code = given.code
        ON CONFLICT (procedure_id, effective_from) DO UPDATE
       SET effective_to = excluded.effective_to, amount = excluded.amount, unit = excluded.unit
     WHERE (t.effective_to, t.amount, t.unit)
           IS DISTINCT FROM (excluded.effective_to, excluded.amount, excluded.unit)"""


async def load_reference_data(url: str) -> None:
    """Bring the shipped offices, their reach and the procedures into the migrated database at `url`.

    A row that differs from the shipped one is corrected, a row that is not shipped stays. The shipped swapped days are
    not stored: the table holds only what an operator added, and that wins (lookup.registry).
    """
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(WAIT_FOR_TURN, RUNNER_LOCK)
            await store_agencies(connection, agencies())
            await store_procedures(connection, procedures())
    finally:
        await connection.close()


async def store_agencies(connection: Connection, rows: tuple[AgencyRow, ...]) -> None:
    """Store offices with their parents and successors, and redraw who reaches whom. `rows` are checked and complete."""
    await connection.execute(
        STORE_AGENCIES,
        [row.code for row in rows],
        [row.valid_from for row in rows],
        [row.valid_to for row in rows],
        [row.name for row in rows],
        [row.name_en for row in rows],
        [row.level for row in rows],
        [row.phone for row in rows],
        [row.address for row in rows],
        [row.disclosure for row in rows],
    )
    await connection.execute(
        STORE_PARENTS,
        [row.code for row in rows],
        [row.valid_from for row in rows],
        [row.parent for row in rows],
    )
    tree = AgencyTree(rows)
    edges = [(before, row) for row in rows for before in tree.predecessors(row)]
    await connection.execute(
        STORE_SUCCESSORS,
        [before.code for before, _ in edges],
        [before.valid_from for before, _ in edges],
        [after.code for _, after in edges],
        [after.valid_from for _, after in edges],
    )
    await connection.execute(REDRAW_REACH)


async def store_procedures(connection: Connection, rows: tuple[ProcedureRow, ...]) -> None:
    """Store procedures and their legal durations by period."""
    await connection.execute(
        STORE_PROCEDURES, [row.code for row in rows], [row.name for row in rows], [row.sector for row in rows]
    )
    timed = [row for row in rows if row.term is not None]
    await connection.execute(
        STORE_TERMS,
        [row.code for row in timed],
        [row.effective_from for row in timed],
        [row.effective_to for row in timed],
        [row.term_amount for row in timed],
        [row.term_unit for row in timed],
    )


STATEMENTS = (
    WAIT_FOR_TURN,
    STORE_AGENCIES,
    STORE_PARENTS,
    STORE_SUCCESSORS,
    REDRAW_REACH,
    STORE_PROCEDURES,
    STORE_TERMS,
)
