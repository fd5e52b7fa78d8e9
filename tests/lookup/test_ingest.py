"""Ingest into a real store: what is stored, refused, told and kept apart."""

import asyncio
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import asyncpg
import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Unavailable
from domain.status import Status
from lookup.changes import MAX_BATCH, DossierFacts, StatusEvent, Tenant
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from tests.lookup.conftest import Ear, tenant_of
from tests.lookup.sent import CODE, PHONE, event, facts, held, hour, outcomes, row_of

CUT_WRITERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'motma service app' AND datname = current_database()"""
UNTIL_SOMEBODY_WAITS = """
    DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.01); END LOOP;
    END $$"""


async def test_facts_become_a_row_with_sealed_contacts(
    writer: DossierWriter, database: Database, tenant: Tenant, seal: Seal, registry: Registry
) -> None:
    sent = facts(
        tenant,
        Status.ACCEPTED,
        hour(0),
        phone=PHONE,
        email="an@example.vn",
        secret="246810",
        procedure_code="1.005129",
        procedure_name="Đăng ký biến động",
        reference="BN-1",
        due_at=hour(24 * 18),
        extra=b'{"lodge":"post"}',
    )
    assert outcomes(await writer.store_facts(tenant, [sent])) == ["stored"]
    row = await row_of(database, tenant)
    assert (row["version"], row["status"], row["owner_agency"]) == (1, Status.ACCEPTED, tenant.agency_id)
    assert (row["due_at"], row["reference"], row["extra"]) == (hour(24 * 18), "BN-1", '{"lodge": "post"}')
    assert seal.open(row["phone_sealed"]) == PHONE
    assert seal.open(row["email_sealed"]) == "an@example.vn"
    assert row["phone_digest"] == seal.contact(Contact(channel=ChannelName.SMS, address=PHONE))
    assert row["phone_tail_digest"] == seal.proof_tail(CODE, "4567")
    assert row["secret_digest"] == seal.proof_secret(CODE, "246810")
    assert row["procedure_id"] == registry.procedure_id("1.005129")


async def test_an_event_moves_a_dossier_on_and_is_announced_in_its_transaction(
    writer: DossierWriter, database: Database, tenant: Tenant, ear: Ear
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0), due_at=hour(90), notify=False)])
    assert outcomes(await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])) == ["stored"]
    row = await row_of(database, tenant)
    assert (row["version"], row["status"], row["status_at"], row["due_at"]) == (2, 4, hour(2), hour(90))
    assert [(a.dossier_id, a.at, a.newest) for a in ear.announced] == [(row["id"], hour(2), True)]
    assert ear.expected == [{CODE: 1}, {CODE: 2}]


async def test_an_event_before_its_dossier_makes_one_and_the_facts_follow(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])
    early = await row_of(database, tenant)
    assert (early["receiving_agency"], early["applicant_name"], early["facts_at"]) == (tenant.agency_id, None, None)
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0), reference="BN-1")])
    row = await row_of(database, tenant)
    assert (row["id"], row["status"], row["reference"], row["version"]) == (early["id"], 4, "BN-1", 2)


async def test_sending_everything_again_changes_nothing(
    writer: DossierWriter, database: Database, tenant: Tenant, ear: Ear
) -> None:
    sent: list[DossierFacts | StatusEvent] = [
        facts(tenant, Status.ACCEPTED, hour(0), phone=PHONE),
        event("e1", Status.PROCESSING, hour(2)),
        event("e2", Status.COMPLETED, hour(9)),
    ]
    assert outcomes(await writer.store(tenant, sent)) == ["stored"] * 3
    before = await held(database, tenant)
    told = len(ear.announced)
    for again in (sent, list(reversed(sent))):
        assert outcomes(await writer.store(tenant, again)) == ["duplicate"] * 3
    assert await held(database, tenant) == before
    assert len(ear.announced) == told


async def test_an_event_id_used_for_another_change_is_refused(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])
    results = await writer.store_events(
        tenant, [event("e1", Status.COMPLETED, hour(9)), event("e1", Status.PROCESSING, hour(2))]
    )
    assert outcomes(results) == ["idempotency_conflict", "duplicate"]
    assert results[0].error is not None
    assert results[0].error.field == "id"
    assert (await row_of(database, tenant))["status"] == Status.PROCESSING


async def test_one_sender_may_use_one_event_id_for_two_dossiers(writer: DossierWriter, tenant: Tenant) -> None:
    other = "H05.16-261102-0002"
    sent = [event("1", Status.PROCESSING, hour(2)), event("1", Status.PROCESSING, hour(2), code=other)]
    assert outcomes(await writer.store_events(tenant, sent)) == ["stored", "stored"]


async def test_a_late_event_enters_history_only(
    writer: DossierWriter, database: Database, tenant: Tenant, ear: Ear
) -> None:
    await writer.store_events(tenant, [event("b", Status.PROCESSING, hour(5))])
    before, told = await row_of(database, tenant), len(ear.announced)
    assert outcomes(await writer.store_events(tenant, [event("a", Status.ACCEPTED, hour(1))])) == ["stored"]
    found = await held(database, tenant)
    assert found is not None
    assert found.row == before
    assert found.course == [(hour(1), Status.ACCEPTED), (hour(5), Status.PROCESSING)]
    assert len(ear.announced) == told


async def test_a_step_back_at_a_newer_time_is_news(
    writer: DossierWriter, database: Database, tenant: Tenant, ear: Ear
) -> None:
    await writer.store_events(tenant, [event("a", Status.COMPLETED, hour(5))])
    assert (await row_of(database, tenant))["finished_at"] == hour(5)
    await writer.store_events(tenant, [event("b", Status.PROCESSING, hour(6))])
    row = await row_of(database, tenant)
    assert (row["status"], row["finished_at"]) == (Status.PROCESSING, None)
    assert ear.announced[-1].at == hour(6)


async def test_a_change_of_facts_alone_is_recorded_and_not_told(
    writer: DossierWriter, database: Database, tenant: Tenant, ear: Ear
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0), phone=PHONE)])
    ear.announced.clear()
    corrected = facts(tenant, Status.ACCEPTED, hour(0), phone="+84907654321")
    assert outcomes(await writer.store_facts(tenant, [corrected])) == ["stored"]
    found = await held(database, tenant)
    assert found is not None
    assert found.row["version"] == 2
    assert len(found.history) == 2
    assert found.course == [(hour(0), Status.ACCEPTED)]
    assert not ear.announced


async def test_several_changes_of_one_dossier_in_one_batch_are_one_new_version(
    writer: DossierWriter, database: Database, tenant: Tenant, ear: Ear
) -> None:
    sent = [
        event("c", Status.COMPLETED, hour(9)),
        event("a", Status.ACCEPTED, hour(1)),
        event("b", Status.PROCESSING, hour(3)),
    ]
    assert outcomes(await writer.store_events(tenant, sent)) == ["stored"] * 3
    row = await row_of(database, tenant)
    assert (row["version"], row["status"], row["finished_at"]) == (1, Status.COMPLETED, hour(9))
    assert [(a.at, a.newest) for a in ear.announced] == [(hour(1), False), (hour(3), False), (hour(9), True)]


async def test_somebody_elses_dossier_is_refused_in_the_same_words_whoever_owns_it(
    writer: DossierWriter, tenant: Tenant, stranger: Tenant, database: Database
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0))])
    results = await writer.store(
        stranger, [facts(stranger, Status.ACCEPTED, hour(1)), event("x", Status.STOPPED, hour(9))]
    )
    assert outcomes(results) == ["not_yours", "not_yours"]
    assert results[0] == results[1]
    assert await held(database, stranger) is None
    assert (await row_of(database, tenant))["status"] == Status.ACCEPTED


async def test_an_office_above_writes_what_one_below_owns(
    writer: DossierWriter, database: Database, tenant: Tenant, province: Tenant
) -> None:
    await writer.store_facts(tenant, [facts(tenant, Status.ACCEPTED, hour(0))])
    assert outcomes(await writer.store_events(province, [event("p", Status.PROCESSING, hour(2))])) == ["stored"]
    assert (await row_of(database, province))["owner_agency"] == tenant.agency_id


async def test_a_receiving_agency_out_of_reach_is_refused(
    writer: DossierWriter, tenant: Tenant, stranger: Tenant, database: Database
) -> None:
    sent = facts(tenant, Status.ACCEPTED, hour(0), receiving_agency=stranger.agency_id)
    (result,) = await writer.store_facts(tenant, [sent])
    assert result.error is not None
    assert (result.error.code, result.error.field) == ("not_yours", "receiving_agency")
    assert await held(database, tenant) is None


async def test_a_test_key_lives_beside_the_real_dossier_and_tells_nobody(
    writer: DossierWriter, database: Database, registry: Registry, tenant: Tenant, ear: Ear
) -> None:
    trial = tenant_of(registry, "H05.16", test=True)
    assert outcomes(await writer.store_events(trial, [event("e1", Status.PROCESSING, hour(2))])) == ["stored"]
    assert await held(database, tenant) is None
    assert outcomes(await writer.store_events(tenant, [event("e1", Status.COMPLETED, hour(3))])) == ["stored"]
    assert (await row_of(database, trial))["status"] == Status.PROCESSING
    assert [a.at for a in ear.announced] == [hour(3)]
    assert ear.expected == [{CODE: 1}]


async def test_a_bad_item_never_sinks_the_good(writer: DossierWriter, database: Database, tenant: Tenant) -> None:
    sent: list[DossierFacts | StatusEvent] = [
        event("e", Status.PROCESSING, hour(2), code=f"H05.16-261102-{n:04d}") for n in range(100)
    ]
    sent[17] = event("e", Status.PROCESSING, hour(2), code="H05.16-261102-0017", note="a\x00b")
    sent[40] = facts(tenant, Status.ACCEPTED, hour(2), code="H05.16-261102-0040", extra=b"{no json")
    sent[63] = event("e", Status.PROCESSING, hour(2), code="H05.16-261102-0063", office="\ud800")
    sent[64] = facts(tenant, Status.ACCEPTED, hour(2), code="H05.16-261102-0064", procedure_code="1.\x00")
    sent[65] = facts(tenant, Status.ACCEPTED, hour(2), code="H05.16-261102-0065", reference=token_hex(8000))
    results = outcomes(await writer.store(tenant, sent))
    assert [n for n, outcome in enumerate(results) if outcome == "invalid"] == [17, 40, 63, 64, 65]
    assert results.count("stored") == 95
    async with database.tenant(tenant.agency_id, test=False) as connection:
        assert await connection.fetchval("SELECT count(*) FROM dossier") == 95
        assert await connection.fetchval("SELECT count(*) FROM dossier_code") == 95
    again = outcomes(await writer.store(tenant, sent))
    assert again.count("duplicate") == 95


async def test_more_than_a_batch_is_stored_in_order(writer: DossierWriter, database: Database, tenant: Tenant) -> None:
    sent = [event(f"e{n}", Status.PROCESSING, hour(n), code=f"H05.16-261102-{n:04d}") for n in range(MAX_BATCH + 7)]
    results = await writer.store_events(tenant, [*sent, sent[0]])
    assert outcomes(results) == ["stored"] * len(sent) + ["duplicate"]


async def test_in_the_callers_transaction_all_is_stored_with_it_or_not_at_all(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    sent = [event("e1", Status.PROCESSING, hour(2)), event("e2", Status.COMPLETED, hour(3), note="\x00")]

    async def store_and_fail() -> None:
        async with database.tenant(tenant.agency_id, test=False) as connection:
            assert outcomes(await writer.store_events(tenant, sent, connection=connection)) == ["stored", "invalid"]
            raise LookupError

    with pytest.raises(LookupError):
        await store_and_fail()
    assert await held(database, tenant) is None
    async with database.tenant(tenant.agency_id, test=False) as connection:
        await writer.store_events(tenant, sent, connection=connection)
    assert (await row_of(database, tenant))["status"] == Status.PROCESSING


async def test_the_store_away_means_nothing_is_acknowledged(
    writer: DossierWriter, database: Database, tenant: Tenant
) -> None:
    await database.pools[Role.APP].close()
    with pytest.raises(Unavailable):
        await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])


async def test_a_connection_cut_in_the_middle_means_unavailable_and_sending_again_is_safe(
    writer: DossierWriter, database: Database, seal: Seal, registry: Registry, tenant: Tenant, database_url: str
) -> None:
    class Cutter(Ear):
        """Ends the writer's connection at the last moment before the commit."""

        async def expect(self, versions: dict[str, int]) -> None:
            killer = await asyncpg.connect(database_url)
            try:
                await killer.execute(CUT_WRITERS)
            finally:
                await killer.close()

    cutter = Cutter()
    unlucky = DossierWriter(database, seal, cutter, cutter, registry)
    with pytest.raises(Unavailable):
        await unlucky.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])
    assert await held(database, tenant) is None
    assert outcomes(await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])) == ["stored"]


async def test_no_room_for_new_dossiers_is_no_fault_of_the_item(
    writer: DossierWriter, tenant: Tenant, database_url: str
) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute("SELECT setval('dossier_id', 1000 * 16777216::bigint)")
    finally:
        await owner.close()
    with pytest.raises(Unavailable):
        await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])


async def test_a_busy_row_makes_the_sender_come_back(
    writer: DossierWriter, database: Database, tenant: Tenant, database_url: str
) -> None:
    await writer.store_events(tenant, [event("e1", Status.PROCESSING, hour(2))])
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT id FROM dossier FOR UPDATE")
            with pytest.raises(Unavailable):
                await writer.store_events(tenant, [event("e2", Status.COMPLETED, hour(3))])
    finally:
        await holder.close()
    assert (await row_of(database, tenant))["version"] == 1


async def test_a_circle_of_waiting_is_broken_and_the_batch_tried_again(
    writer: DossierWriter, database: Database, tenant: Tenant, database_url: str
) -> None:
    """The other side holds the second row and then wants the first, which the writer holds."""
    second = "H05.16-261102-0002"
    await writer.store_events(
        tenant, [event("e1", Status.ACCEPTED, hour(1)), event("e1", Status.ACCEPTED, hour(1), code=second)]
    )
    first_row, second_row = await row_of(database, tenant), await row_of(database, tenant, second)
    other = await asyncpg.connect(database_url)
    try:
        await other.execute("SET deadlock_timeout = '10s'")  # so that the writer is the one that is ended
        block = other.transaction()
        await block.start()
        await other.execute("SELECT FROM dossier WHERE id = $1 FOR UPDATE", second_row["id"])
        storing = asyncio.create_task(
            writer.store_events(
                tenant,
                [event("e2", Status.PROCESSING, hour(2)), event("e2", Status.PROCESSING, hour(2), code=second)],
            )
        )
        await other.execute(UNTIL_SOMEBODY_WAITS, timeout=5)
        await other.execute("SELECT FROM dossier WHERE id = $1 FOR UPDATE", first_row["id"])
        await block.rollback()
        assert outcomes(await storing) == ["stored", "stored"]
    finally:
        await other.close()


async def test_fifty_at_once_have_one_effect(database: Database, writer: DossierWriter, tenant: Tenant) -> None:
    sent = [event(f"e{n}", Status.PROCESSING, hour(n), code=f"H05.16-261102-{n:04d}") for n in range(20)]
    results = await asyncio.gather(*(writer.store_events(tenant, sent) for _ in range(50)))
    flat = [outcome for one in results for outcome in outcomes(one)]
    assert (flat.count("stored"), flat.count("duplicate")) == (20, 49 * 20)
    async with database.tenant(tenant.agency_id, test=False) as connection:
        assert await connection.fetchval("SELECT count(*) FROM dossier_event") == 20
        assert await connection.fetchval("SELECT max(version) FROM dossier") == 1


async def test_two_agencies_after_one_code_at_once_get_one_owner(
    database: Database, writer: DossierWriter, tenant: Tenant, stranger: Tenant
) -> None:
    codes = [f"H05.16-261102-{n:04d}" for n in range(30)]
    ours, theirs = await asyncio.gather(
        writer.store_events(tenant, [event("a", Status.ACCEPTED, hour(1), code=code) for code in codes]),
        writer.store_events(stranger, [event("a", Status.ACCEPTED, hour(1), code=code) for code in reversed(codes)]),
    )
    both = [{a, b} for a, b in zip(outcomes(ours), reversed(outcomes(theirs)), strict=True)]
    assert both == [{"stored", "not_yours"}] * 30


async def test_the_feed_is_noted_once_in_a_while(
    writer: DossierWriter, database: Database, tenant: Tenant, registry: Registry
) -> None:
    branch = registry.agency_by_code("H05.16.11")
    assert branch is not None
    before = datetime.now(UTC) - timedelta(seconds=1)
    sent = facts(tenant, Status.ACCEPTED, hour(0), receiving_agency=branch.agency_id)
    await writer.store_facts(tenant, [sent])
    async with database.transaction(Role.PUBLIC) as connection:
        noted = {row["agency_id"]: row["heard_at"] for row in await connection.fetch("SELECT * FROM feed")}
    assert noted.keys() == {tenant.agency_id, branch.agency_id}
    assert min(noted.values()) > before
    await writer.store_facts(tenant, [sent])
    async with database.transaction(Role.PUBLIC) as connection:
        again = {row["agency_id"]: row["heard_at"] for row in await connection.fetch("SELECT * FROM feed")}
    assert again == noted


async def test_a_procedure_not_met_before_is_taken_up(
    writer: DossierWriter, database: Database, tenant: Tenant, registry: Registry
) -> None:
    code = "3.000181.000.00.00.H22"
    sent = facts(tenant, Status.ACCEPTED, hour(0), procedure_code=code, procedure_name="Cấp giấy phép")
    assert outcomes(await writer.store_facts(tenant, [sent])) == ["stored"]
    async with database.transaction(Role.PUBLIC) as connection:
        row = await connection.fetchrow("SELECT id, name FROM procedure WHERE code = $1", code)
    assert (row["id"], row["name"]) == (registry.procedure_id(code), "Cấp giấy phép")
