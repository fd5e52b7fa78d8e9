"""G50: whatever a query forgets, the store shows an office its own rows only; every table, every setting."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from database.pool import SET_TENANT, Database, Role
from tests.database.rows import Rows

OURS, THEIRS = "H05.16", "H26"
ROLES = (Role.APP, Role.CONSOLE)
# Rules and words that every office may read; who may change them is tested with the rest.
KNOWN = frozenset({"feedback_term", "notice_ladder", "notice_rule", "notice_text", "status_mapping"})
# One row for the whole system: the newest of a chain, which every writer must see.
HEADS = frozenset({"audit_head", "register_head"})
GUARDED = """
    SELECT c.relname AS name FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relrowsecurity
       AND EXISTS (SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
                    WHERE p.polrelid = c.oid AND r.rolname = ANY ($1))
     ORDER BY c.relname"""
NOT_FORCED = """
    SELECT relname FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity AND NOT relispartition"""
CHANGEABLE = """
    SELECT attname FROM pg_attribute
     WHERE attrelid = $2::regclass AND attnum > 0 AND attgenerated = '' AND attidentity = ''
       AND has_column_privilege($1, $2::regclass, attname, 'UPDATE') LIMIT 1"""
MAY = """
    SELECT has_table_privilege($1, $2::regclass, $3)
           OR CASE WHEN $3 <> 'DELETE' THEN has_any_column_privilege($1, $2::regclass, $3) ELSE false END"""


# Whatever refers to a case.
PARTS = """
    SELECT DISTINCT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attname = 'case_id' AND c.relrowsecurity AND c.relkind = 'r'
       AND EXISTS (SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
                    WHERE p.polrelid = c.oid AND r.rolname IN ('motma_app', 'motma_console'))"""
OFFICER = "SELECT set_config('motma.account', $1, true), set_config('motma.confidential', $2, true)"
# Changes that ask for no row, so that no policy for reading is asked.
BLIND = (
    "UPDATE feedback_case SET version = 1",
    "UPDATE feedback SET read_back_at = now()",
    "UPDATE feedback_answer SET sent_back_at = now()",
)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection past every guard."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def agency(owner: asyncpg.Connection, code: str) -> int:
    """Our id of an office."""
    return int(await owner.fetchval("SELECT id FROM agency WHERE code = $1 ORDER BY valid_from DESC LIMIT 1", code))


async def guarded(owner: asyncpg.Connection) -> list[str]:
    """Every table whose rows belong to offices."""
    rows = await owner.fetch(GUARDED, [role.value for role in ROLES])
    return [row["name"] for row in rows if row["name"] not in HEADS]


async def filled(owner: asyncpg.Connection, tables: Sequence[str], code: str) -> dict[str, dict[str, Any]]:
    """A row of each table for an office."""
    rows = Rows(owner, await agency(owner, code))
    return {table: await rows.row(table) for table in tables}


async def test_every_table_of_offices_shows_each_its_own(database: Database, owner: asyncpg.Connection) -> None:
    tables = await guarded(owner)
    assert len(tables) > 25
    ours, theirs = await filled(owner, tables, OURS), await filled(owner, tables, THEIRS)
    holes = []
    for role in ROLES:
        for table in tables:
            if table in KNOWN or not await owner.fetchval(MAY, role.value, table, "SELECT"):
                continue
            key = [*ours[table]]
            for setting in (None, "", "0", "-1", str(await agency(owner, THEIRS))):
                async with database.transaction(role) as connection:
                    if setting is not None:
                        await connection.execute(SET_TENANT, setting, "off")
                    seen = [dict(row) for row in await connection.fetch(f"SELECT {', '.join(key)} FROM {table}")]  # noqa: S608
                if ours[table] in seen or (setting in {None, "", "0", "-1"} and theirs[table] in seen):
                    holes.append(f"{role} with scope {setting!r} sees {table}")
    assert holes == []


async def test_an_office_sees_what_is_its_own(database: Database, owner: asyncpg.Connection) -> None:
    """The same rows are there for whom they belong to: else the test above would prove nothing."""
    tables = await guarded(owner)
    ours = await filled(owner, tables, OURS)
    unseen = []
    for table in tables:
        if not await owner.fetchval(MAY, Role.CONSOLE.value, table, "SELECT"):
            continue
        async with database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_TENANT, str(await agency(owner, OURS)), "off")
            await connection.execute("SELECT set_config('motma.account', $1, true)", str(ours["account"]["id"]))
            key = ", ".join(ours[table])
            if ours[table] not in [dict(row) for row in await connection.fetch(f"SELECT {key} FROM {table}")]:  # noqa: S608
                unseen.append(table)
    assert unseen == []


async def test_nobody_changes_or_deletes_what_another_office_has(database: Database, owner: asyncpg.Connection) -> None:
    tables = await guarded(owner)
    ours = await filled(owner, tables, OURS)
    touched = []
    for role in ROLES:
        for table in tables:
            where = " AND ".join(f"{name} = {name}" for name in ours[table])
            first = next(iter(ours[table]))
            for privilege, statement in (
                ("UPDATE", f"UPDATE {table} SET {{column}} = {{column}} WHERE {where}"),  # noqa: S608
                ("DELETE", f"DELETE FROM {table} WHERE {where}"),  # noqa: S608
            ):
                if not await owner.fetchval(MAY, role.value, table, privilege):
                    continue
                column = await owner.fetchval(CHANGEABLE, role.value, table)
                async with database.transaction(role) as connection:
                    await connection.execute(SET_TENANT, str(await agency(owner, THEIRS)), "off")
                    done = await connection.execute(statement.format(column=column or first))
                    if not done.endswith(" 0"):
                        touched.append(f"{role}: {done} in {table}")
    assert touched == []


async def test_row_security_holds_for_the_owner_of_the_tables_too(owner: asyncpg.Connection) -> None:
    assert await owner.fetch(NOT_FORCED) == []


async def confidential(owner: asyncpg.Connection) -> tuple[Rows, dict[str, dict[str, Any]]]:
    """A confidential case of ours with all that hangs on a case; its assignee is the account among the rows."""
    parts = [row["relname"] for row in await owner.fetch(PARTS)]
    assert {"feedback", "feedback_step", "feedback_answer", "feedback_note", "feedback_attachment"} <= {*parts}
    rows = Rows(owner, await agency(owner, OURS))
    made = {table: await rows.row(table) for table in ("account", "feedback_case", *parts)}
    await owner.execute("UPDATE feedback_case SET confidential = true, assignee = $1", made["account"]["id"])
    return rows, made


async def unseen(
    database: Database, rows: Rows, made: dict[str, dict[str, Any]], account: int | None, *, head: bool = False
) -> set[str]:
    """The tables of a case of which an officer of its office sees no row."""
    hidden = set()
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_TENANT, str(rows.agency_id), "off")
        await connection.execute(OFFICER, str(account or ""), "on" if head else "")
        for table, key in made.items():
            if table != "account" and await rows.connection.fetchval(MAY, Role.CONSOLE.value, table, "SELECT"):
                first = next(iter(key))
                if not await connection.fetch(f"SELECT {first} FROM {table}"):  # noqa: S608
                    hidden.add(table)
    return hidden


async def test_what_is_confidential_is_there_for_the_assignee_and_heads_only(
    database: Database, owner: asyncpg.Connection
) -> None:
    rows, made = await confidential(owner)
    everything = await unseen(database, rows, made, None)
    assert {
        "feedback_case",
        "feedback",
        "feedback_answer",
        "feedback_note",
        "case_rating",
        "control_rating",
    } <= everything
    assert await unseen(database, rows, made, made["account"]["id"] + 1) == everything
    assert await unseen(database, rows, made, made["account"]["id"]) == set()
    assert await unseen(database, rows, made, None, head=True) == set()
    await owner.execute("UPDATE feedback_case SET confidential = false")
    assert await unseen(database, rows, made, None) == set()


async def test_nobody_changes_what_is_confidential_unseen(database: Database, owner: asyncpg.Connection) -> None:
    rows, _ = await confidential(owner)
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_TENANT, str(rows.agency_id), "off")
        for statement in BLIND:
            assert (await connection.execute(statement)).endswith(" 0"), statement


async def test_without_its_policy_a_confidential_case_is_seen(database: Database, owner: asyncpg.Connection) -> None:
    """The mutant."""
    rows, made = await confidential(owner)
    await owner.execute("DROP POLICY confidential ON feedback_case")
    assert "feedback_case" not in await unseen(database, rows, made, None)


@pytest.mark.parametrize("table", ["dossier", "feedback_case", "message", "account"])
async def test_a_table_whose_guard_is_gone_is_found(database: Database, owner: asyncpg.Connection, table: str) -> None:
    """The mutant: without row security the first test above would not pass."""
    await owner.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    ours = await filled(owner, [table], OURS)
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_TENANT, str(await agency(owner, THEIRS)), "off")
        assert ours[table]["id"] in [row["id"] for row in await connection.fetch(f"SELECT id FROM {table}")]  # noqa: S608
