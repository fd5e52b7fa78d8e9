"""G52: two hundred offices share four sessions, directly and by way of PgBouncer: nobody sees another's row."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from database.migrate import migrate
from database.pool import DATABASE_AWAY, Database, PoolSizes, Role, open_database
from domain.errors import Unavailable
from lookup.reference_loader import load_reference_data
from service.embedded import run_embedded
from tests.faults.evidence import Evidence
from tests.faults.load import Producer, Reader
from tests.faults.no_loss import everybody_told, nothing_lost
from tests.faults.pooler import SESSIONS, allowed_in, open_pooler
from tests.faults.rig import NO_MUTANT, Rig, open_rig

OFFICES, EACH = 200, 3  # dossiers
CALLERS = 40
CUT_OFF = 0.25  # of the transactions
CUT_SHORT: tuple[type[BaseException], ...] = (Unavailable, *DATABASE_AWAY)
# Offices beside each other, of which none may see what another has.
FOUND = """
    INSERT INTO agency (code, name, level, parent_id, valid_from)
    SELECT 'G52.' || n, 'Xã ' || n, 'commune', (SELECT min(id) FROM agency WHERE parent_id IS NULL), '2026-01-01'
      FROM generate_series(1, $1) n RETURNING id"""
REACH = "INSERT INTO agency_reach (scope_id, agency_id) SELECT a, a FROM unnest($1::int[]) a"
FILL = """
    INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code)
    SELECT nextval('dossier_id'), 1, a, a, 2, false, now(), 'G52-' || a || '-' || n
      FROM unnest($1::int[]) a, generate_series(1, $2) n"""
OWNERS = "SELECT owner_agency FROM dossier"
CHANGE = "UPDATE dossier SET note = $1 RETURNING owner_agency"
WAIT = "SELECT owner_agency FROM dossier, pg_sleep(0.002)"
AS_WHOM = "SELECT current_user::text, current_setting('motma.scope', true)"


@dataclass(slots=True, kw_only=True)
class _Seen:
    statements: int = 0
    foreign: int = 0
    missing: int = 0
    cut_off: int = 0
    others: set[str] = field(default_factory=set)

    def rows(self, found: list[asyncpg.Record], office: int | None) -> None:
        """What one statement showed to an office, or to nobody."""
        self.statements += 1
        self.foreign += sum(row["owner_agency"] != office for row in found)
        self.missing += office is not None and len(found) != EACH


async def shared_sessions(*, statements: int, seconds: float, mutant: str = NO_MUTANT) -> Evidence:
    """Offices take turns on few sessions, a quarter cut off midway; then the service itself works behind the pooler.

    Mutant: `tenant_of_the_session`.
    """
    evidence = Evidence(guarantee="G52")
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="motma-faults-")))
        store = await stack.enter_async_context(run_embedded(directory / "data"))
        pooler = await stack.enter_async_context(open_pooler(directory, store.database_url))
        await migrate(store.database_url)
        await load_reference_data(store.database_url)
        offices = await _filled(store.database_url)
        for way, address, callers in (("direct", None, SESSIONS), ("pooled", pooler, CALLERS)):
            sizes = PoolSizes(app=callers)
            async with open_database(store.database_url, pooler=address, roles=(Role.APP,), sizes=sizes) as database:
                seen = await _all_at_once(database, offices, statements // 2)
            evidence.figures |= {f"statements {way}": seen.statements, f"cut off {way}": seen.cut_off}
            evidence.expect(seen.foreign == 0, f"{seen.foreign} foreign rows, {way}")
            evidence.expect(seen.missing == 0, f"{seen.missing} times an office did not see its own, {way}")
            evidence.expect(not seen.others, f"{len(seen.others)} sessions were somebody else's, {way}")
            evidence.need(seen.cut_off > seen.statements / 100, "hardly anything was cut off")
        async with open_rig(
            mutant=mutant,
            database_url=store.database_url,
            prepared="DELETE FROM dossier",
            settings={"MOTMA_POOLER_URL": pooler},
        ) as rig:
            await _service_behind(rig, seconds, evidence)
    return evidence


async def _filled(url: str) -> list[int]:
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(allowed_in())
        offices = [int(row["id"]) for row in await owner.fetch(FOUND, OFFICES)]
        await owner.execute(REACH, offices)
        await owner.execute(FILL, offices, EACH)
    finally:
        await owner.close()
    return offices


async def _all_at_once(database: Database, offices: list[int], statements: int) -> _Seen:
    """As many callers as connect, each one transaction after the other, until so many statements were answered."""
    seen = _Seen()

    async def caller(number: int) -> None:
        choice = random.Random(number)
        while seen.statements < statements:
            try:
                async with asyncio.timeout(choice.uniform(0, 0.02) if choice.random() < CUT_OFF else None):
                    await _transaction(database, choice, offices, seen)
            except CUT_SHORT:
                seen.cut_off += 1

    async with asyncio.TaskGroup() as callers:
        for number in range(CALLERS):
            callers.create_task(caller(number))
    return seen


async def _transaction(database: Database, choice: random.Random, offices: list[int], seen: _Seen) -> None:
    if choice.random() < 0.1:  # nobody's: sees nothing, whoever was here before
        async with database.connection(Role.APP) as connection:
            who, scope = await connection.fetchrow(AS_WHOM)
            if who != Role.APP or scope:
                seen.others.add(f"{who} for {scope}")
            seen.rows(await connection.fetch(OWNERS), None)
        return
    office = choice.choice(offices)
    async with database.tenant(office, test=False) as connection:
        for _ in range(choice.randrange(1, 8)):
            statement = choice.choice((OWNERS, OWNERS, OWNERS, WAIT))
            seen.rows(await connection.fetch(statement), office)
        if choice.random() < 0.2:
            seen.rows(await connection.fetch(CHANGE, f"by {office}"), office)


async def _service_behind(rig: Rig, seconds: float, evidence: Evidence) -> None:
    """Dossiers, events, look-ups and notices, with every pool behind the pooler."""
    producer = Producer(rig)
    codes = await producer.dossiers(200)
    reader, done = Reader(rig, codes, rate=20), asyncio.Event()
    async with asyncio.TaskGroup() as load:
        load.create_task(reader.read(done))
        await producer.events(codes, rate=60, seconds=seconds)
        done.set()
    await nothing_lost(rig, producer, evidence)
    await everybody_told(rig, producer, evidence)
    evidence.figures |= {"look-ups behind it": len(reader.seconds)}
    evidence.expect(not reader.failed, f"{len(reader.failed)} look-ups failed, e.g. {reader.failed[:2]}")
    evidence.expect(not producer.faults, f"{len(producer.faults)} wrong answers, e.g. {producer.faults[:2]}")
    async with rig.http.get(f"{rig.url}/api/v1/dossiers/{codes[0]}", headers=_bearer(rig.other_key)) as foreign:
        evidence.expect(foreign.status == 404, f"another agency was answered {foreign.status}")
    async with rig.http.get(f"{rig.url}/api/v1/dossiers/{codes[0]}", headers=rig.headers) as own:
        evidence.need(own.status == 200, f"the agency itself was answered {own.status}")


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
