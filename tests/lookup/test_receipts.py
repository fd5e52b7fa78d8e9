"""Receipts at the store: what a slip is printed from, and whom its token lets in."""

from datetime import UTC, date, datetime, timedelta

import pytest

from database.pool import Database, Role
from domain.errors import NotFound
from domain.status import Status
from lookup.changes import Tenant
from lookup.desk import LookupDesk
from lookup.disclosure import Level
from lookup.dossiers import DossierReader, ProvenReader
from lookup.ingest import DossierWriter
from lookup.receipt_tokens import Receipt, ReceiptKeys, Validity
from lookup.receipts import Receipts, made_secret
from lookup.registry import Registry
from lookup.sealing import Seal
from tests.lookup.sent import facts

CODE, OTHER = "H05.16-261102-0001", "H05.16-261102-0002"
NOW = datetime(2026, 11, 20, 3, 0, 0, 250_000, tzinfo=UTC)
RECEIVED = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
KEYS = ReceiptKeys([b"r" * 32])


@pytest.fixture
async def receipts(database: Database, seal: Seal, writer: DossierWriter, tenant: Tenant) -> Receipts:
    """Two dossiers are stored."""
    for code in (CODE, OTHER):
        await writer.store_facts(
            tenant, [facts(tenant, Status.ACCEPTED, RECEIVED, code=code, received_at=RECEIVED, secret="246810")]
        )
    return Receipts(database, seal)


def desk_at(now: datetime, database: Database, seal: Seal, registry: Registry, **validity: int) -> LookupDesk:
    return LookupDesk(
        DossierReader(database),
        ProvenReader(database, seal),
        registry,
        lambda: now,
        receipts=KEYS,
        validity=Validity(**validity),
    )


async def token(receipts: Receipts, tenant: Tenant, code: str = CODE, now: datetime = NOW) -> str:
    found = (await receipts.facts(tenant, [code]))[0]
    return KEYS.issue(found.receipt("H05.16", now, specimen=tenant.test))


async def test_a_receipt_opens_its_dossier_and_no_other(
    database: Database, seal: Seal, registry: Registry, receipts: Receipts, tenant: Tenant
) -> None:
    desk = desk_at(NOW, database, seal, registry)
    answer = await desk.with_receipt(await token(receipts, tenant))
    assert answer is not None
    assert (answer.code, answer.level) == (CODE, Level.PROVEN)
    assert answer.proven is not None
    assert answer.proven.timeline
    other = await desk.with_receipt(await token(receipts, tenant, OTHER))
    assert other is not None
    assert other.code == OTHER
    for_chat = KEYS.issue_for_chat(Receipt(code=CODE, issued_at=NOW.replace(microsecond=0)))
    assert for_chat is not None
    by_chat = await desk.with_receipt(for_chat)
    assert by_chat is not None
    assert by_chat.level is Level.PROVEN


async def test_what_proves_nothing_is_refused_alike(
    database: Database, seal: Seal, registry: Registry, receipts: Receipts, tenant: Tenant
) -> None:
    desk = desk_at(NOW, database, seal, registry)
    genuine = await token(receipts, tenant)
    unknown = KEYS.issue(Receipt(code="H05.16-261102-9999", issued_at=NOW))
    specimen = KEYS.issue(Receipt(code=CODE, issued_at=NOW, specimen=True))
    foreign = ReceiptKeys([b"x" * 32]).issue(Receipt(code=CODE, issued_at=NOW))
    for refused in (unknown, specimen, foreign, genuine[:-1], genuine + "A", "", "x" * 600, CODE, "é\0"):
        assert await desk.with_receipt(refused) is None


async def test_a_receipt_expires(
    database: Database, seal: Seal, registry: Registry, receipts: Receipts, tenant: Tenant, writer: DossierWriter
) -> None:
    slip = await token(receipts, tenant)
    for days, opens in ((729, True), (731, False)):
        desk = desk_at(NOW + timedelta(days=days), database, seal, registry)
        assert (await desk.with_receipt(slip) is not None) is opens
    await writer.store_facts(tenant, [facts(tenant, Status.DELIVERED, NOW, code=OTHER)])
    slip = await token(receipts, tenant, OTHER)
    for days, opens in ((29, True), (31, False)):
        desk = desk_at(NOW + timedelta(days=days), database, seal, registry, days_after_end=30)
        assert (await desk.with_receipt(slip) is not None) is opens


async def test_revoked_receipts_are_void_and_the_next_one_is_good(
    database: Database, seal: Seal, registry: Registry, receipts: Receipts, tenant: Tenant
) -> None:
    now = datetime.now(UTC)
    desk = desk_at(now, database, seal, registry)
    slip, others = await token(receipts, tenant, now=now), await token(receipts, tenant, OTHER, now=now)
    await receipts.revoke(tenant, CODE)
    assert await desk.with_receipt(slip) is None
    assert await desk.with_receipt(others) is not None
    again = await token(receipts, tenant, now=now)  # the clock of this process is behind the store's
    assert await desk.with_receipt(again) is not None
    await receipts.revoke(tenant, CODE)
    assert await desk.with_receipt(again) is None


async def test_a_slip_is_printed_from_what_is_known(receipts: Receipts, tenant: Tenant) -> None:
    found = (await receipts.facts(tenant, [OTHER, CODE]))[1]
    assert found.code == CODE
    assert receipts.is_its_secret(found, " 246810")
    assert not receipts.is_its_secret(found, "246811")
    receipt = found.receipt("H05.16", NOW, specimen=False)
    assert (receipt.received_on, receipt.issued_at) == (date(2026, 11, 2), NOW.replace(microsecond=0))


async def test_a_secret_made_for_a_slip_opens_beside_the_stated_one(
    database: Database, seal: Seal, receipts: Receipts, tenant: Tenant, writer: DossierWriter
) -> None:
    reader = ProvenReader(database, seal)
    first, second = made_secret(), made_secret()
    assert len(first) == 8
    await receipts.keep_secrets(tenant, {CODE: first})
    assert await reader.prove(CODE, secret=first) is not None
    assert await reader.prove(CODE, secret="246810") is not None
    assert await reader.prove(OTHER, secret=first) is None
    await receipts.keep_secrets(tenant, {CODE: second})
    assert await reader.prove(CODE, secret=first) is None
    found = (await receipts.facts(tenant, [CODE]))[0]
    assert receipts.is_its_secret(found, second)
    # A later statement of facts without a secret takes the stated one away, not the one on paper.
    await writer.store_facts(tenant, [facts(tenant, Status.PROCESSING, NOW, code=CODE, secret=None)])
    assert await reader.prove(CODE, secret="246810") is None
    assert await reader.prove(CODE, secret=second) is not None


async def test_nobody_prints_or_revokes_what_is_not_theirs(
    database: Database, seal: Seal, receipts: Receipts, tenant: Tenant, stranger: Tenant
) -> None:
    tester = Tenant(agency_id=tenant.agency_id, agency_code=tenant.agency_code, test=True, api_key_id="t")
    for other in (stranger, tester):
        with pytest.raises(NotFound):
            await receipts.facts(other, [CODE])
        with pytest.raises(NotFound):
            await receipts.revoke(other, CODE)
        await receipts.keep_secrets(other, {CODE: "12345678"})
    assert await ProvenReader(database, seal).prove(CODE, secret="12345678") is None
    with pytest.raises(NotFound) as refused:
        await receipts.facts(tenant, [CODE, "H05.16-261102-9999"])
    assert refused.value.field == "codes[1]"


async def test_an_operator_prints_on_the_owners_behalf(receipts: Receipts, tenant: Tenant) -> None:
    found = await receipts.owners([CODE, "H05.16-261102-9999"])
    assert list(found) == [CODE]
    assert (found[CODE].agency_id, found[CODE].test) == (tenant.agency_id, False)


async def test_a_citizen_sees_no_row_without_a_proof(database: Database, receipts: Receipts) -> None:
    async with database.transaction(Role.CITIZEN) as connection:
        assert await connection.fetchval("SELECT count(*) FROM dossier") == 0
        await connection.execute("SELECT set_config('motma.proof_receipt', $1, true)", CODE)
        assert await connection.fetchval("SELECT count(*) FROM dossier") == 1
