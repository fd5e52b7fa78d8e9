"""Who sees which receiver, change and delivery: proven with plain SELECTs."""

import asyncpg
import pytest

from database.pool import SET_TENANT, Database, Role
from domain.status import Status
from tests.notifications.callbacks.conftest import Hook, Stage

TABLES = ("callback_receiver", "callback_listener", "callback_change", "callback_delivery")


async def seen(database: Database, scope: str, test: str) -> dict[str, int]:
    """How many rows a tenant sees of each table."""
    async with database.transaction(Role.APP) as connection:
        await connection.execute(SET_TENANT, scope, test)
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # noqa: S608


async def test_a_tenant_sees_its_own_and_nobody_elses(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook)
    await stage.changes(1, Status.ACCEPTED)
    await stage.once(hook, calls=1)
    own, above, stranger = (str(stage.tenant(code).agency_id) for code in ("H05.16", "H05", "H26"))
    nothing = dict.fromkeys(TABLES, 0)
    assert await seen(stage.database, own, "off") == dict.fromkeys(TABLES, 1)
    assert await seen(stage.database, above, "off") == dict.fromkeys(TABLES, 1)
    for scope, test in ((own, "on"), (stranger, "off"), ("", "off"), ("", ""), ("-1", "off")):
        assert await seen(stage.database, scope, test) == nothing


async def test_below_a_listener_only_that_somebody_hears_is_seen(stage: Stage, hook: Hook) -> None:
    await stage.listens(hook, "H05")
    below = await seen(stage.database, str(stage.tenant().agency_id), "off")
    assert below == {**dict.fromkeys(TABLES, 0), "callback_listener": 1}


async def test_a_tenant_cannot_make_another_hear(stage: Stage) -> None:
    stranger, own = stage.tenant("H26").agency_id, stage.tenant().agency_id
    for statement in (
        "INSERT INTO callback_listener (agency_id, test) VALUES ($1, false)",
        """INSERT INTO callback_receiver (id, owner_agency, test, url, secret_sealed)
           VALUES ('cb_x', $1, false, 'https://a.vn', '')""",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with stage.database.tenant(stranger, test=False) as connection:
                await connection.execute(statement, own)


async def test_citizens_see_none_of_it(database: Database) -> None:
    for role in (Role.PUBLIC, Role.CITIZEN):
        for table in TABLES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.transaction(role) as connection:
                    await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608
