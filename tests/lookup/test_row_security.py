"""Who sees which row: proven with plain SELECTs, so that no WHERE of ours can hide a hole in the policies."""

import asyncpg
import pytest

from database.pool import SET_TENANT, Connection, Database, Role
from domain.contact import ChannelName, Contact
from domain.status import Status
from lookup.changes import Tenant
from lookup.dossiers import SET_PROOF
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from tests.lookup.conftest import tenant_of
from tests.lookup.sent import CODE, PHONE, event, facts, hour

TENANT_TABLES = ("dossier_code", "dossier", "dossier_event")
OTHER_CODE = "H05.16-261102-0002"
HANOI_CODE = "H26-261102-0001"


@pytest.fixture
async def stored(writer: DossierWriter, registry: Registry, tenant: Tenant, stranger: Tenant) -> None:
    """Two dossiers of one agency, one of another, and one of a test key."""
    for sender, code, secret in ((tenant, CODE, "246810"), (tenant, OTHER_CODE, "135791"), (stranger, HANOI_CODE, "1")):
        sent = facts(
            sender, Status.ACCEPTED, hour(0), code=code, secret=secret, phone=PHONE if secret == "246810" else None
        )
        await writer.store(sender, [sent, event("e1", Status.PROCESSING, hour(1), code=code)])
    trial = tenant_of(registry, "H05.16", test=True)
    await writer.store_facts(trial, [facts(trial, Status.ACCEPTED, hour(0), code="H05.16-261102-0003", secret="9")])


async def counts(connection: Connection) -> dict[str, int]:
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TENANT_TABLES}  # noqa: S608


async def test_without_a_tenant_an_agencys_role_sees_nothing(database: Database, stored: None) -> None:
    nothing = dict.fromkeys(TENANT_TABLES, 0)
    async with database.transaction(Role.APP) as connection:
        assert await counts(connection) == nothing
    for scope, test in (("", ""), ("", "off"), ("-1", "off")):
        async with database.transaction(Role.APP) as connection:
            await connection.execute(SET_TENANT, scope, test)
            assert await counts(connection) == nothing


async def test_a_tenant_sees_its_own_and_nobody_elses(
    database: Database, stored: None, tenant: Tenant, province: Tenant, stranger: Tenant
) -> None:
    for asker, dossiers in ((tenant, 2), (province, 2), (stranger, 1)):
        async with database.tenant(asker.agency_id, test=False) as connection:
            assert await counts(connection) == {
                "dossier_code": dossiers,
                "dossier": dossiers,
                "dossier_event": 2 * dossiers,
            }
    async with database.tenant(tenant.agency_id, test=True) as connection:
        assert await counts(connection) == {"dossier_code": 1, "dossier": 1, "dossier_event": 1}


async def test_the_tenant_ends_with_its_transaction(database: Database, stored: None, tenant: Tenant) -> None:
    async with database.connection(Role.APP) as connection:
        async with connection.transaction():
            await connection.execute(SET_TENANT, str(tenant.agency_id), "off")
            assert await connection.fetchval("SELECT count(*) FROM dossier") == 2
        assert await connection.fetchval("SELECT count(*) FROM dossier") == 0


async def test_a_tenant_cannot_write_what_it_cannot_see(
    database: Database, stored: None, tenant: Tenant, stranger: Tenant
) -> None:
    async with database.tenant(stranger.agency_id, test=False) as connection:
        assert await connection.execute("UPDATE dossier SET note = 'x' WHERE code = $1", CODE) == "UPDATE 0"
    for statement in (
        "INSERT INTO dossier_code (code, test, dossier_id, owner_agency) VALUES ('X', false, 999, $1)",
        """INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code)
           VALUES (999, 1, $1, $1, 2, false, now(), 'X')""",
        "UPDATE dossier SET owner_agency = $1",
    ):
        async with database.connection(Role.APP) as connection:
            block = connection.transaction()
            await block.start()
            await connection.execute(SET_TENANT, str(stranger.agency_id), "off")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement, tenant.agency_id)
            await block.rollback()


async def test_the_public_role_reads_what_a_code_alone_may_show(database: Database, stored: None) -> None:
    async with database.transaction(Role.PUBLIC) as connection:
        assert await connection.fetchval("SELECT count(*) FROM dossier") == 3  # never those of test keys
    for refused in ("applicant_name", "phone_sealed", "secret_digest", "note", "reference", "asked", "*"):
        async with database.connection(Role.PUBLIC) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT {refused} FROM dossier")  # noqa: S608
    for table in ("dossier_event", "subscription", "message", "inbound", "api_key", "quarantine"):
        async with database.connection(Role.PUBLIC) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT count(*) FROM {table}")  # noqa: S608


async def test_a_proof_shows_exactly_the_proven_dossier(database: Database, seal: Seal, stored: None) -> None:
    phone = seal.contact(Contact(channel=ChannelName.SMS, address=PHONE)).hex()
    trial = seal.proof_secret("H05.16-261102-0003", "9").hex()
    for proof, codes in (
        (("", "", ""), []),
        ((seal.proof_secret(CODE, "246810").hex(), "", ""), [CODE]),
        (("", seal.proof_tail(CODE, "4567").hex(), ""), [CODE]),
        (("", "", phone), [CODE]),
        ((seal.proof_secret(CODE, "135791").hex(), "", ""), []),
        ((seal.proof_secret(OTHER_CODE, "135791").hex(), seal.proof_tail(CODE, "1111").hex(), ""), [OTHER_CODE]),
        ((trial, "", ""), []),
    ):
        async with database.transaction(Role.CITIZEN) as connection:
            await connection.execute(SET_PROOF, *proof)
            assert [row["code"] for row in await connection.fetch("SELECT code FROM dossier")] == codes
            seen = await connection.fetchval("SELECT count(DISTINCT dossier_id) FROM dossier_event WHERE status > 0")
            assert seen == len(codes)
    async with database.transaction(Role.CITIZEN) as connection:
        assert await connection.fetch("SELECT code FROM dossier") == []


async def test_no_role_of_ours_owns_or_bypasses_anything(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        roles = await connection.fetch(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname LIKE 'motma\\_%'"
        )
        assert len(roles) == len(Role)
        assert not any(row["rolsuper"] or row["rolbypassrls"] or row["rolcreaterole"] for row in roles)
        owned = await connection.fetch("SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) LIKE 'motma\\_%'")
        assert owned == []
    finally:
        await connection.close()


async def test_every_table_of_a_tenant_has_forced_row_security(database_url: str) -> None:
    """Partitions are left out: nobody is granted anything on one."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            "SELECT c.oid::regclass::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS guarded"
            "  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'owner_agency'"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace"
        )
        assert set(TENANT_TABLES) < {row["name"] for row in tables}
        assert [row["name"] for row in tables if not row["guarded"]] == []
        granted = await connection.fetch(
            "SELECT c.relname, r.rolname FROM pg_class c CROSS JOIN pg_roles r"
            " WHERE c.relispartition AND c.relkind = 'r' AND r.rolname LIKE 'motma\\_%'"
            "   AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')"
        )
        assert granted == []
    finally:
        await connection.close()
