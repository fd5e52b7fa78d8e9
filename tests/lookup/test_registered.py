"""All dossiers of one registered phone: found by their filters, and only its own."""

import json

import asyncpg
import pytest

from database.pool import Database, Role
from domain.status import Status
from lookup.changes import Tenant
from lookup.dossiers import ANY_REGISTERED, FIND_REGISTERED, SET_PROOF, ProvenReader
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from tests.lookup.conftest import tenant_of
from tests.lookup.sent import CODE, PHONE, facts, hour

OTHER_PHONE = "+84912345678"


@pytest.fixture
async def stored(writer: DossierWriter, registry: Registry, tenant: Tenant, stranger: Tenant) -> None:
    """Two dossiers of one phone at two agencies, one of another phone, one without, and one of a test key."""
    sent = (
        (tenant, CODE, PHONE),
        (stranger, "H26-261102-0001", PHONE),
        (tenant, "H05.16-261102-0002", OTHER_PHONE),
        (tenant, "H05.16-261102-0004", None),
    )
    for sender, code, phone in sent:
        await writer.store_facts(sender, [facts(sender, Status.ACCEPTED, hour(0), code=code, phone=phone)])
    trial = tenant_of(registry, "H05.16", test=True)
    code = "H05.16-261102-0003"
    await writer.store_facts(trial, [facts(trial, Status.ACCEPTED, hour(0), code=code, phone=PHONE)])


async def test_a_phone_has_its_own_dossiers_wherever_they_are(database: Database, seal: Seal, stored: None) -> None:
    reader = ProvenReader(database, seal)
    found = await reader.registered(PHONE, 10)
    assert [dossier.public.code for dossier in found] == ["H26-261102-0001", CODE]
    assert [dossier.public.code for dossier in await reader.registered(PHONE, 1)] == ["H26-261102-0001"]
    assert await reader.registered("+84900000000", 10) == []


async def test_whether_a_phone_has_any(database: Database, seal: Seal, stored: None) -> None:
    reader = ProvenReader(database, seal)
    assert await reader.any_registered(PHONE)
    assert await reader.any_registered(OTHER_PHONE)
    assert not await reader.any_registered("+84900000000")


async def test_the_store_itself_shows_no_other_phones_rows(database: Database, seal: Seal, stored: None) -> None:
    """Asking for one phone while having proven another finds nothing, whatever the statement says."""
    async with database.connection(Role.CITIZEN) as connection:
        digests = [row["phone_digest"] for row in await _as_owner(database, "SELECT phone_digest FROM dossier")]
        for digest in filter(None, digests):
            async with connection.transaction():
                await connection.execute(SET_PROOF, "", "", seal.digest("no phone at all").hex())
                assert await connection.fetch(FIND_REGISTERED, digest, 10) == []
                assert not await connection.fetchval(ANY_REGISTERED, digest)


@pytest.mark.parametrize("statement", [FIND_REGISTERED, ANY_REGISTERED])
async def test_they_are_found_by_the_filters_in_every_plan(
    database: Database, database_url: str, seal: Seal, stored: None, statement: str
) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute(
            """INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code,
                                    phone_digest)
               SELECT 1000000 + n, 1, 1, 1, 2, false, now(), 'X' || n, decode(md5(n::text), 'hex')
                 FROM generate_series(1, 50000) n"""
        )
        await owner.execute("VACUUM ANALYZE dossier")
    finally:
        await owner.close()
    digest = seal.digest("somebody")
    arguments = ", ".join(["$1", "10"][: statement.count("$")])
    for mode in ("force_generic_plan", "force_custom_plan"):
        async with database.transaction(Role.CITIZEN) as connection:
            await connection.execute(SET_PROOF, "", "", digest.hex())
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            kinds = "bytea, int" if "$2" in statement else "bytea"
            await connection.execute(f"PREPARE asked ({kinds}) AS {statement}")
            values = arguments.replace("$1", f"'\\x{digest.hex()}'")
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON, ANALYZE) EXECUTE asked ({values})")
            await connection.execute("DEALLOCATE asked")
        text = json.dumps(json.loads(plan))
        assert "phone_digest_idx" in text
        assert "Bitmap Heap Scan" in text


async def _as_owner(database: Database, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database.url)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()
