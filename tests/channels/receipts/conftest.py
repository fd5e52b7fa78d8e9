"""Offices that print, citizens and clerks who scan: the pages on the real store, with their duties."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.guesses import GuardedDesk
from channels.receipts.pages import LIMITED_ROUTES, ReceiptPages
from channels.receipts.printing import Printing, Wanted
from channels.receipts.slip import Slip
from channels.web.pages import WebPages
from domain.civil_time import utc_now
from domain.status import Status
from lookup.changes import DossierFacts, Tenant
from lookup.receipts import Receipts
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors
from service.wiring import Core
from tests.channels.receipts.sample_slips import CODE, DUE, FEW_WAYS, ISSUED
from tests.channels.web.on_duty import OnDuty

PACKAGES = ("channels.web", "channels.receipts")
OTHER = "H05.16-261102-0002"
Client = TestClient[web.Request, web.Application]


@dataclass(slots=True, kw_only=True)
class Counter:
    """The office's counter and the site behind it. Dossiers CODE and OTHER are stored."""

    core: Core
    client: Client
    tenant: Tenant
    receipts: Receipts
    duty: OnDuty

    async def slip(self, code: str = CODE, *, specimen: bool = False) -> Slip:
        """What is handed over the counter now."""
        printing = Printing(keys=self.core.receipts, registry=self.core.registry, ways=FEW_WAYS, clock=utc_now)
        facts = (await self.receipts.facts(self.tenant, [code]))[0]
        return printing.slip(facts, Wanted(), specimen=specimen)

    async def token(self, code: str = CODE, *, specimen: bool = False) -> str:
        """What its QR holds."""
        return (await self.slip(code, specimen=specimen)).address.rpartition("/")[2]

    async def logged(self) -> list[dict[str, Any]]:
        """The access log so far."""
        await self.duty.log.close()
        return [json.loads(line) for line in self.duty.written.splitlines()]


OpenCounter = Callable[..., Awaitable[Counter]]


@pytest.fixture
async def open_counter(core: Core) -> AsyncIterator[OpenCounter]:
    """Opens the site under a limit of look-ups."""
    opened: list[tuple[WebPages, Counter]] = []

    async def open_it(*, limit: str = "off") -> Counter:
        agency = core.registry.agency_by_code("H05.16")
        assert agency is not None
        tenant = Tenant(agency_id=agency.agency_id, agency_code=agency.code, test=False, api_key_id="k")
        await core.writer.store_facts(
            tenant,
            [
                DossierFacts(
                    code=code,
                    receiving_agency=agency.agency_id,
                    status=Status.PROCESSING,
                    status_at=ISSUED,
                    received_at=ISSUED,
                    due_at=DUE,
                    procedure_code="1.005129",
                    applicant_name="Nguyễn Văn An",
                )
                for code in (CODE, OTHER)
            ],
        )
        assets, visitors = Assets(PACKAGES), Visitors(core.seal)
        rendering = Pages(assets=assets, secure=False, packages=PACKAGES)
        pages = WebPages(
            pages=rendering,
            assets=assets,
            desk=GuardedDesk(core.desk, core.limits),
            watch=core.dossiers.watch,
            visitors=visitors,
            sms_number=None,
        )
        slips = ReceiptPages(pages=rendering, desk=core.desk, keys=core.receipts, registry=core.registry, ways=FEW_WAYS)
        duty = OnDuty(
            limits=core.limits, visitors=visitors, problem_page=pages.problem, lookups=limit, limited=LIMITED_ROUTES
        )
        duty.app.add_routes([*pages.routes(), *slips.routes()])
        client: Client = TestClient(TestServer(duty.app))
        await client.start_server()
        counter = Counter(
            core=core,
            client=client,
            tenant=tenant,
            receipts=Receipts(core.database, core.seal),
            duty=duty,
        )
        opened.append((pages, counter))
        return counter

    yield open_it
    for pages, counter in opened:
        await pages.close()
        await counter.client.close()
        await counter.duty.log.close()


@pytest.fixture
async def counter(open_counter: OpenCounter) -> Counter:
    """The usual counter, without a limit."""
    assert datetime.now(UTC) > ISSUED
    return await open_counter()
