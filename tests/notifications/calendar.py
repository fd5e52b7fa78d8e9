"""An office whose dossiers fall due while the test says what time it is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import asyncpg

from database.pool import Connection, Database
from domain.civil_time import CIVIL_ZONE
from domain.status import Status
from lookup.changes import DossierFacts, ItemResult, StatusEvent, Tenant
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.apologies import Apologies
from notifications.apology_drafts import ApologyDrafts
from notifications.callbacks.journal import CallbackJournal
from notifications.deadlines import DeadlineWatch, Watching
from notifications.outbox import Outbox

PHONE = "+84901234567"
NO_REST = Watching(rest=timedelta(0), look=timedelta(0))


def local(day: int, hour: int = 8, minute: int = 0, *, month: int = 11) -> datetime:
    """A moment of 2026 in Vietnam. 20/11 is a Friday, 24/11 a day off."""
    return datetime(2026, month, day, hour, minute, tzinfo=CIVIL_ZONE)


@dataclass
class Forgetful:
    """Caches that note which versions they are told to expect."""

    expected: list[dict[str, int]] = field(default_factory=list)

    async def expect(self, versions: dict[str, int]) -> None:
        """Note the versions."""
        self.expected.append(versions)


@dataclass
class Calendar:
    """The office, its system, and the watch under test."""

    database: Database
    owner: Connection  # works as the schema's owner
    registry: Registry
    writer: DossierWriter
    outbox: Outbox
    caches: Forgetful
    tenant: Tenant
    now: datetime = field(default_factory=lambda: local(20))
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    apologies: Apologies = field(init=False)

    def __post_init__(self) -> None:
        """Apologies by the same clock."""
        self.apologies = Apologies(
            self.database,
            self.registry,
            announcer=self.outbox,
            forgetter=self.caches,
            journal=CallbackJournal(),
            clock=self.clock,
        )

    def watch(self, watching: Watching = NO_REST) -> DeadlineWatch:
        """One more process that watches."""
        drafts = ApologyDrafts(self.registry, self.apologies, clock=self.clock)
        return DeadlineWatch(self.database, self.registry, self.outbox, drafts, watching=watching, clock=self.clock)

    def clock(self) -> datetime:
        """The faked time."""
        return self.now

    async def day(self, now: datetime, watching: Watching = NO_REST) -> None:
        """It is `now`: everything that is to be done is done."""
        self.now = now
        watch = self.watch(watching)
        await watch.turn()  # walks that have no place yet take one
        while await watch.turn():
            pass

    async def opens(
        self,
        due_at: datetime | None,
        *,
        status: Status = Status.PROCESSING,
        at: datetime | None = None,
        received_at: datetime | None = None,
        tenant: Tenant | None = None,
        **more: Any,  # noqa: ANN401 - any field
    ) -> str:
        """The code of a new dossier of which nobody is told yet."""
        tenant = tenant or self.tenant
        code = f"H05.16-261102-{next(self.numbers):04}"
        received_at = received_at or local(2)
        given = DossierFacts(
            code=code,
            receiving_agency=tenant.agency_id,
            status=status,
            status_at=at or received_at,
            received_at=received_at,
            due_at=due_at,
            phone=PHONE,
            notify=False,
            **more,
        )
        await self.sends(given, tenant=tenant)
        return code

    async def sends(self, *items: DossierFacts | StatusEvent, tenant: Tenant | None = None) -> list[ItemResult]:
        """The office's system says so."""
        return await self.writer.store(tenant or self.tenant, items)

    async def moves(self, code: str, status: Status, at: datetime, *, notify: bool = False, **more: Any) -> None:  # noqa: ANN401 - any field
        """An event."""
        said = f"{status}-{at.isoformat()}-{next(self.numbers)}"
        await self.sends(StatusEvent(event_id=said, code=code, status=status, at=at, notify=notify, **more))

    async def told(self) -> list[tuple[str, str]]:
        """Kind and code of each notice, in the order of queueing."""
        rows = await self.owner.fetch(
            "SELECT m.event, d.code FROM message m JOIN dossier d ON d.id = m.dossier_id ORDER BY m.id"
        )
        return [(row["event"], row["code"]) for row in rows]

    async def row(self, code: str) -> dict[str, Any]:
        """A dossier as it stands."""
        return dict(await self.owner.fetchrow("SELECT * FROM dossier WHERE code = $1", code))


async def calendar_of(
    database: Database, database_url: str, seal: Seal, registry: Registry, *, code: str = "H05.16"
) -> Calendar:
    """One on the test's own store; `owner` is to be closed."""
    agency = registry.agency_by_code(code)
    assert agency is not None
    outbox, caches = Outbox(seal), Forgetful()
    return Calendar(
        database=database,
        owner=await asyncpg.connect(database_url),
        registry=registry,
        writer=DossierWriter(database, seal, outbox, caches, registry, journal=CallbackJournal()),
        outbox=outbox,
        caches=caches,
        tenant=Tenant(agency_id=agency.agency_id, agency_code=code, test=False, api_key_id="key"),
    )
