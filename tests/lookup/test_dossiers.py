"""Readers: what a code alone finds, what a proof finds, and that nothing else is found."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from database.pool import Database, Role
from domain.errors import Unavailable
from domain.status import Stage, Status
from lookup.changes import Announcement, DossierFacts, StatusEvent, Tenant
from lookup.desk import LookupDesk
from lookup.disclosure import Level
from lookup.dossiers import MOST_AT_ONCE, PATIENCE, DossierReader, ProvenReader
from lookup.ingest import DossierWriter
from lookup.receipt_tokens import ReceiptKeys, Validity
from lookup.registry import Registry
from lookup.sealing import Seal

AT = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
CODE = "H05.16-261102-0001"
PHONE = "+84901234567"


class Nobody:
    """Announces nothing and forgets nothing: these tests read the store itself."""

    async def announce(self, connection: object, changes: list[Announcement]) -> None:
        """Tell nobody."""

    async def expect(self, versions: dict[str, int]) -> None:
        """Hold no cache."""


@pytest.fixture
async def registry(database: Database) -> Registry:
    registry = Registry(database)
    await registry.refresh()
    return registry


@pytest.fixture
async def stored(database: Database, registry: Registry, seal: Seal) -> Tenant:
    """Dossier CODE, accepted and then processed, and 99 others of the same day."""
    agency = registry.agency_by_code("H05.16")
    assert agency is not None
    tenant = Tenant(agency_id=agency.agency_id, agency_code=agency.code, test=False, api_key_id="k")
    writer = DossierWriter(database, seal, Nobody(), Nobody(), registry)
    facts = [
        DossierFacts(
            code=f"H05.16-261102-{n:04d}",
            receiving_agency=agency.agency_id,
            status=Status.ACCEPTED,
            status_at=AT,
            received_at=AT,
            due_at=AT + timedelta(days=18),
            applicant_name="Nguyễn Văn An",
            phone=PHONE,
            secret="246810",
            procedure_code="1.005129",
        )
        for n in range(1, 101)
    ]
    await writer.store_facts(tenant, facts)
    event = StatusEvent(
        event_id="e1", code=CODE, status=Status.PROCESSING, at=AT + timedelta(hours=3), office="Phòng Đo đạc"
    )
    await writer.store_events(tenant, [event])
    return tenant


async def test_a_code_finds_its_dossier_and_an_unknown_one_finds_nothing(database: Database, stored: Tenant) -> None:
    reader = DossierReader(database)
    found, missing = await asyncio.gather(reader.find(CODE), reader.find("H05.16-261102-9999"))
    assert found is not None
    assert (found.code, found.status, found.agency_id, found.version) == (CODE, Status.PROCESSING, stored.agency_id, 2)
    assert missing is None


async def test_many_codes_asked_at_once_each_get_their_own(database: Database, stored: Tenant) -> None:
    reader = DossierReader(database)
    codes = [f"H05.16-261102-{n:04d}" for n in range(1, 2 * MOST_AT_ONCE)]
    found = await asyncio.gather(*map(reader.find, codes))
    assert [f.code if f else None for f in found] == [c if int(c[-4:]) <= 100 else None for c in codes]


async def test_with_the_store_away_the_reader_says_so(database: Database) -> None:
    await database.pools[Role.PUBLIC].close()
    with pytest.raises(Unavailable):
        await DossierReader(database).find(CODE)


async def test_a_store_that_hangs_keeps_nobody_waiting_for_a_turn(
    database: Database, database_url: str, stored: Tenant
) -> None:
    reader = DossierReader(database)
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE dossier")
            codes = [f"H05.16-261102-{n:04d}" for n in range(20 * MOST_AT_ONCE)]
            async with asyncio.timeout(PATIENCE + 1):
                found = await asyncio.gather(*map(reader.find, codes), return_exceptions=True)
        assert all(isinstance(refusal, Unavailable) for refusal in found)
        assert await reader.find(CODE) is not None
    finally:
        await holder.close()


@pytest.mark.parametrize("proof", ["246810", " 246810 ", "4567"])
async def test_the_secret_or_the_phones_end_opens_the_dossier(
    database: Database, seal: Seal, stored: Tenant, proof: str
) -> None:
    found = await ProvenReader(database, seal).any_proof(CODE, proof)
    assert found is not None
    assert found.applicant_name == "Nguyễn Văn An"
    assert [(e.status, e.office) for e in found.history] == [
        (Status.ACCEPTED, None),
        (Status.PROCESSING, "Phòng Đo đạc"),
    ]


@pytest.mark.parametrize("proof", ["246811", "4568", "", "0901234567", "%", "1' or '1'='1"])
async def test_a_wrong_proof_finds_what_an_unknown_code_finds(
    database: Database, seal: Seal, stored: Tenant, proof: str
) -> None:
    reader = ProvenReader(database, seal)
    assert await reader.any_proof(CODE, proof) is None
    assert await reader.any_proof("H05.16-261102-9999", "246810") is None


async def test_only_the_registered_phone_is_a_proof(database: Database, seal: Seal, stored: Tenant) -> None:
    reader = ProvenReader(database, seal)
    assert await reader.prove(CODE, phone=PHONE) is not None
    assert await reader.prove(CODE, phone="+84901234568") is None


async def test_the_desk_tells_more_to_who_proves_more(
    database: Database, registry: Registry, seal: Seal, stored: Tenant
) -> None:
    now = AT + timedelta(days=1)
    desk = LookupDesk(
        DossierReader(database),
        ProvenReader(database, seal),
        registry,
        lambda: now,
        receipts=ReceiptKeys([b"r" * 32]),
        validity=Validity(),
    )
    alone = await desk.by_code(CODE)
    assert alone is not None
    assert (alone.level, alone.stage, alone.on_time) == (Level.CODE, Stage.IN_PROGRESS, True)
    assert alone.proven is None
    assert alone.due_on is None
    holder = await desk.with_proof(CODE, "246810")
    assert holder is not None
    assert holder.proven is not None
    assert holder.proven.applicant == "N*** V** A*"
    assert holder.due_on is not None
    assert await desk.for_phone(CODE, PHONE) is not None
    assert await desk.with_proof(CODE, "000000") is None
