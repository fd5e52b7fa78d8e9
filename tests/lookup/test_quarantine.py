"""What is not understood waits: once, sealed, seen by its own agency and the operator only."""

import pytest

from database.pool import Database, Role
from lookup.changes import Tenant
from lookup.quarantine import Unclear, keep, open_item, overview, settle, waiting_ids
from lookup.sealing import Seal

PAYLOAD = '{"note":"Nguyễn Văn An"}'
ITEM = Unclear(route="events", reason="unknown_status", field="status", value="ký số", payload=PAYLOAD)


async def tenant_of(database: Database, code: str) -> Tenant:
    """The tenant of an agency."""
    async with database.transaction(Role.PUBLIC) as connection:
        agency_id = await connection.fetchval("SELECT id FROM agency WHERE code = $1", code)
    return Tenant(agency_id=agency_id, agency_code=code, test=False, api_key_id="a")


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    """H05.16."""
    return await tenant_of(database, "H05.16")


async def test_the_same_thing_waits_once_until_it_is_settled(database: Database, seal: Seal, tenant: Tenant) -> None:
    for _ in range(2):
        async with database.tenant(tenant.agency_id, test=False) as connection:
            await keep(connection, seal, tenant, [ITEM, ITEM])
    async with database.transaction(Role.OPERATOR) as connection:
        waiting = await overview(connection)
        ids = await waiting_ids(connection, after=0, agency_code=None, most=10)
    assert [(w.agency_code, w.value, w.waiting) for w in waiting] == [("H05.16", "ký số", 1)]
    assert [sender.agency_id for _, sender in ids] == [tenant.agency_id]
    async with database.tenant(tenant.agency_id, test=False) as connection:
        assert await open_item(connection, seal, ids[0][0]) == ("events", ITEM.payload)
        await settle(connection, ids[0][0], "replayed")
        assert await open_item(connection, seal, ids[0][0]) is None
        await keep(connection, seal, tenant, [ITEM])
    async with database.transaction(Role.OPERATOR) as connection:
        assert len(await waiting_ids(connection, after=ids[0][0], agency_code="H05.16", most=10)) == 1
        assert await waiting_ids(connection, after=0, agency_code="H26", most=10) == []


async def test_nobody_else_opens_it_and_it_is_unreadable_in_the_store(
    database: Database, seal: Seal, tenant: Tenant
) -> None:
    async with database.tenant(tenant.agency_id, test=False) as connection:
        await keep(connection, seal, tenant, [ITEM])
    other = await tenant_of(database, "H26")
    async with database.transaction(Role.OPERATOR) as connection:
        ((item_id, _),) = await waiting_ids(connection, after=0, agency_code=None, most=10)
        assert "Nguyễn" not in await connection.fetchval("SELECT q::text FROM quarantine q")
    async with database.tenant(other.agency_id, test=False) as connection:
        assert await open_item(connection, seal, item_id) is None
    async with database.tenant(tenant.agency_id, test=True) as connection:
        assert await open_item(connection, seal, item_id) is None
