"""Reading back: an agency sees what it sent, finds what changed, misses nothing, and sees nobody else's."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from database.pool import Database, Role
from domain.errors import Invalid, NotFound, Unavailable
from domain.status import Status
from lookup.agency_dossiers import AgencyDossiers, HeldDossier, Page
from lookup.changes import Tenant
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from tests.lookup.conftest import tenant_of
from tests.lookup.sent import CODE, PHONE, event, facts, hour


@pytest.fixture
def dossiers(database: Database, seal: Seal) -> AgencyDossiers:
    """The reader under test."""
    return AgencyDossiers(database, seal)


def code_of(n: int) -> str:
    return f"H05.16-261102-{n:04d}"


async def walk(
    dossiers: AgencyDossiers, tenant: Tenant, cursor: str | None, *, limit: int
) -> tuple[list[HeldDossier], str | None]:
    """All pages from `cursor`, and the cursor at the end."""
    found: list[HeldDossier] = []
    while True:
        page = await dossiers.list(tenant, cursor=cursor, limit=limit)
        found += page.items
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def test_what_was_sent_is_read_back(writer: DossierWriter, dossiers: AgencyDossiers, tenant: Tenant) -> None:
    sent = facts(
        tenant,
        Status.ACCEPTED,
        hour(0),
        phone=PHONE,
        email="an@example.vn",
        reference="BN-1",
        procedure_code="1.001193",
        due_at=hour(90),
        extra=b'{"a": 1}',
        note="nộp tại quầy",
    )
    await writer.store_facts(tenant, [sent])
    await writer.store_events(tenant, [event("e1", Status.SUPPLEMENT_REQUIRED, hour(3), asked_of_applicant="CCCD")])
    held = await dossiers.get(tenant, CODE)
    assert (held.phone, held.email, held.reference, held.extra) == (PHONE, "an@example.vn", "BN-1", b'{"a": 1}')
    assert (held.procedure_code, held.procedure_name) == ("1.001193", "Đăng ký khai sinh")
    assert (held.status, held.status_at, held.due_at) == (Status.SUPPLEMENT_REQUIRED, hour(3), hour(90))
    assert (held.asked_of_applicant, held.version, held.note) == ("CCCD", 2, "nộp tại quầy")
    assert PHONE not in repr(held)


async def test_an_unknown_code_and_somebody_elses_are_not_found_alike(
    writer: DossierWriter, dossiers: AgencyDossiers, registry: Registry, tenant: Tenant, stranger: Tenant
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0), reference="BN-1")])
    said = set()
    for asker, code in ((stranger, CODE), (tenant, code_of(2)), (tenant_of(registry, "H05.16", test=True), CODE)):
        with pytest.raises(NotFound) as refusal:
            await dossiers.get(asker, code)
        said.add(str(refusal.value))
        with pytest.raises(NotFound):
            await dossiers.events(asker, code)
        assert (await dossiers.list(stranger, reference="BN-1")).items == ()
    assert len(said) == 1
    assert (await dossiers.list(stranger)).items == ()


async def test_the_history_comes_in_pages_in_order_of_recording(
    writer: DossierWriter, dossiers: AgencyDossiers, tenant: Tenant
) -> None:
    for n in (3, 1, 2):
        await writer.store_events(tenant, [event(f"e{n}", Status.PROCESSING, hour(n))])
    first = await dossiers.events(tenant, CODE, limit=2)
    assert ([e.event_id for e in first.items], first.more) == (["e3", "e1"], True)
    rest = await dossiers.events(tenant, CODE, limit=2, cursor=first.cursor)
    assert ([e.event_id for e in rest.items], rest.more) == (["e2"], False)
    await writer.store_events(tenant, [event("e0", Status.ACCEPTED, hour(0))])
    later = await dossiers.events(tenant, CODE, limit=2, cursor=rest.cursor)
    assert [e.event_id for e in later.items] == ["e0"]


async def test_a_reference_finds_all_dossiers_that_carry_it(
    writer: DossierWriter, dossiers: AgencyDossiers, tenant: Tenant, province: Tenant
) -> None:
    sent = [facts(tenant, Status.ACCEPTED, hour(0), code=code_of(n), reference=f"BN-{n % 2}") for n in range(4)]
    await writer.store_facts(tenant, sent)
    for asker in (tenant, province):
        page = await dossiers.list(asker, reference="BN-1")
        assert [held.code for held in page.items] == [code_of(3), code_of(1)]
    assert (await dossiers.list(tenant, reference="BN-7")).items == ()


async def test_a_walk_shows_every_dossier_and_the_next_what_changed(
    writer: DossierWriter, dossiers: AgencyDossiers, tenant: Tenant, database_url: str
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0), code=code_of(n)) for n in range(25)])
    found, cursor = await walk(dossiers, tenant, None, limit=10)
    assert sorted(held.code for held in found) == [code_of(n) for n in range(25)]
    await _age(database_url)
    _, cursor = await walk(dossiers, tenant, cursor, limit=10)
    await writer.store_events(tenant, [event("e", Status.PROCESSING, hour(5), code=code_of(7))])
    changed, _ = await walk(dossiers, tenant, cursor, limit=10)
    assert code_of(7) in {held.code for held in changed}
    since = await dossiers.list(tenant, changed_since=datetime.now(UTC) - timedelta(minutes=1))
    assert [held.code for held in since.items] == [code_of(7)]


async def test_a_change_that_commits_late_is_not_missed(
    writer: DossierWriter, dossiers: AgencyDossiers, database: Database, tenant: Tenant
) -> None:
    async with database.tenant(tenant.agency_id, test=False) as slow:
        await writer.store_events(tenant, [event("late", Status.PROCESSING, hour(1), code=code_of(1))], connection=slow)
        await writer.store_events(tenant, [event("quick", Status.PROCESSING, hour(1), code=code_of(2))])
        seen, cursor = await walk(dossiers, tenant, None, limit=10)
        assert [held.code for held in seen] == [code_of(2)]
    seen, _ = await walk(dossiers, tenant, cursor, limit=10)
    assert code_of(1) in {held.code for held in seen}


async def test_a_quiet_list_leads_nowhere_new(
    writer: DossierWriter, dossiers: AgencyDossiers, tenant: Tenant, database_url: str
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0))])
    await _age(database_url)
    first: Page[HeldDossier] = await dossiers.list(tenant)
    assert len(first.items) == 1
    assert (await dossiers.list(tenant, cursor=first.cursor)).items == ()


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "f" * 32, "A" * 5000])
async def test_a_cursor_not_ours_is_refused(dossiers: AgencyDossiers, tenant: Tenant, cursor: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await dossiers.list(tenant, cursor=cursor)
    assert refusal.value.field == "cursor"


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_has_its_limits(dossiers: AgencyDossiers, tenant: Tenant, limit: int) -> None:
    with pytest.raises(Invalid):
        await dossiers.list(tenant, limit=limit)


async def test_with_the_store_away_reading_back_says_so(
    dossiers: AgencyDossiers, database: Database, tenant: Tenant
) -> None:
    await database.pools[Role.APP].close()
    with pytest.raises(Unavailable):
        await dossiers.get(tenant, CODE)


async def _age(database_url: str) -> None:
    """Let an hour pass for everything recorded so far."""
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute("UPDATE dossier_event SET recorded_at = recorded_at - interval '1 hour'")
    finally:
        await owner.close()
