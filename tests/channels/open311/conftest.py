"""GeoReport v2 as the service serves it, with keys of agencies."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from database.pool import Role
from feedback_intake.published import Reading
from lookup.api_keys import KeyKind, create_key
from pages.visitors import Visitors
from service.feedback import FeedbackService
from service.register import open311
from service.settings import Settings
from service.wiring import Core
from tests.channels.web.on_duty import OnDuty
from tests.feedback_intake.desk import HERE, CaseDesk
from tests.feedback_intake.test_register import answered, filed, publish

Client = TestClient[web.Request, web.Application]
PLACE = "/open311/v2"
URL = "https://motma.example"


@dataclass(slots=True, kw_only=True)
class Reports:
    """The running service, and a desk that works on cases."""

    client: Client
    core: Core
    desk: CaseDesk

    async def key(self, kind: KeyKind = KeyKind.LIVE, code: str = HERE) -> str:
        """A new key of an agency."""
        async with self.core.database.transaction(Role.OPERATOR) as connection:
            return await create_key(connection, agency_id=await self.desk.agency(code), kind=kind, name="app")

    async def asks(self, path: str, query: Mapping[str, str] | None = None, *, expect: int = 200) -> Any:  # noqa: ANN401 - JSON
        """The JSON at `path`."""
        async with self.client.get(f"{PLACE}/{path}.json", params=query or {}) as response:
            assert response.status == expect, await response.text()
            assert response.content_type == "application/json"
            return await response.json()

    async def asks_xml(self, path: str, query: Mapping[str, str] | None = None, *, expect: int = 200) -> ET.Element:
        """The XML at `path`."""
        async with self.client.get(f"{PLACE}/{path}.xml", params=query or {}) as response:
            assert response.status == expect, await response.text()
            assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
            return ET.fromstring(await response.text())  # noqa: S314 - our own

    async def posts(
        self, fields: Mapping[str, str], *, expect: int = 200, headers: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """The JSON of what came of a form."""
        async with self.client.post(f"{PLACE}/requests.json", data=fields, headers=headers) as response:
            assert response.status == expect, await response.text()
            return await response.json()

    async def publishes(self) -> None:
        """One answered case."""
        await publish(self.desk, await answered(self.desk, (await filed(self.desk)).case_id))


@pytest.fixture
async def reports(core: Core) -> AsyncIterator[Reports]:
    """The service on an empty store."""
    visitors = Visitors(core.seal)
    duty = OnDuty(limits=core.limits, visitors=visitors)
    duty.app.add_routes(
        open311(core, FeedbackService.of(core, Settings()), Reading(core.database), visitors=visitors, url=URL).routes()
    )
    client: Client = TestClient(TestServer(duty.app))
    await client.start_server()
    yield Reports(client=client, core=core, desk=CaseDesk(database=core.database, seal=core.seal))
    await client.close()
    await duty.log.close()
