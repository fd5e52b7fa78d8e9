"""The agency API on real servers: the whole application in this process, agencies that call it, a look at the store."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry
from yarl import URL

from cache.limits import Limit, Limits
from cache.redis_connection import open_redis
from channels.agency_api.admission import items_per_key
from channels.agency_api.api import AgencyApi
from channels.receipts.printing import Printing
from channels.receipts.slip import WaysToAsk
from channels.web.access_log import AccessLog
from channels.web.duties import Duties
from database.pool import Connection, Database, Role
from domain.civil_time import utc_now
from lookup.api_keys import KeyKind, Scope, create_key
from lookup.changes import Announcement
from lookup.coalescing import CoalescingWriter
from lookup.ingest import DossierWriter
from lookup.receipt_tokens import ReceiptKeys
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.apologies import Apologies
from pages.assets import Assets
from pages.problems import Problem, problem_json
from pages.rendering import Pages
from pages.visitors import Visitors

PACKAGES = ("channels.web", "channels.agency_api")
AGENCY_ID = "SELECT id FROM agency WHERE code = $1 ORDER BY valid_from DESC LIMIT 1"


@dataclass
class Heard:
    """Stands where notices and caches would: what was announced, which versions were expected."""

    announced: list[Announcement] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)

    async def announce(self, connection: Connection, changes: list[Announcement]) -> None:
        """Remember what would be told."""
        self.announced += changes

    async def expect(self, versions: dict[str, int]) -> None:
        """Remember what caches would forget."""
        self.expected |= versions


@dataclass(frozen=True)
class Reply:
    """An answer as its caller sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        return msgspec.json.decode(self.body, type=dict[str, Any])

    @property
    def error(self) -> tuple[int, str, str | None]:
        """A refusal: status, code, field."""
        error = self.json["error"]
        return self.status, error["code"], error.get("field")


@dataclass
class Agency:
    """A system of one agency, calling with its key."""

    url: str
    session: aiohttp.ClientSession
    key: str

    async def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send `body` (JSON, or bytes and files as they are) and hear the answer."""
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        if body is not None and not isinstance(body, (bytes, BytesIO)):
            body = msgspec.json.encode(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, URL(self.url + path, encoded=True), data=body, headers=sent) as answer:
            return Reply(status=answer.status, headers=dict(answer.headers), body=await answer.read())

    async def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """POST."""
        return await self.send("POST", path, body, headers)

    async def put(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """PUT."""
        return await self.send("PUT", path, body, headers)

    async def get(self, path: str) -> Reply:
        """GET."""
        return await self.send("GET", path)


@dataclass
class Stage:
    """The running API, the store behind it, and whoever calls."""

    url: str
    database: Database
    registry: Registry
    writer: DossierWriter
    heard: Heard
    seal: Seal
    session: aiohttp.ClientSession
    api: AgencyApi

    async def agency(
        self, code: str = "H05.16", kind: KeyKind = KeyKind.LIVE, scopes: frozenset[Scope] = frozenset(Scope)
    ) -> Agency:
        """A system of the agency `code`, with a key of its own."""
        async with self.database.transaction(Role.OPERATOR) as connection:
            agency_id = await connection.fetchval(AGENCY_ID, code)
            key = await create_key(connection, agency_id=agency_id, kind=kind, name="test", scopes=scopes)
        return Agency(url=self.url, session=self.session, key=key)

    async def rows(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        """What an operator sees."""
        async with self.database.transaction(Role.OPERATOR) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def count(self, table: str) -> int:
        """How many rows an operator sees."""
        return int((await self.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"])  # noqa: S608


RECEIPT_KEYS = ReceiptKeys([b"r" * 32])
Open = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def open_stage(database: Database, redis_url: str, seal: Seal) -> AsyncIterator[Open]:
    """Opens the API under a limit."""
    async with open_redis(redis_url) as redis, aiohttp.ClientSession() as session:
        closing: list[Callable[[], Awaitable[None]]] = []

        async def opened(limit: Limit | None = None) -> Stage:
            registry = Registry(database)
            await registry.refresh()
            heard = Heard()
            writer = DossierWriter(database, seal, heard, heard, registry)
            single = CoalescingWriter(writer)
            await single.__aenter__()
            limits = Limits(redis, seal)
            visitors = Visitors(seal)
            api = AgencyApi(
                database=database,
                seal=seal,
                registry=registry,
                writer=writer,
                one_by_one=single,
                limits=limits,
                limit=limit or items_per_key("off"),
                visitors=visitors,
                pages=Pages(assets=Assets(PACKAGES), secure=False, packages=PACKAGES),
                printing=Printing(
                    keys=RECEIPT_KEYS,
                    registry=registry,
                    ways=WaysToAsk(public_url="https://motma.vn", sms_number="8088", telegram="t.me/motma_bot"),
                    clock=utc_now,
                ),
                apologies=Apologies(database, registry, announcer=heard, forgetter=heard),
            )
            app = web.Application()
            app.router.add_routes(api.routes())
            Duties(
                visitors=visitors,
                limits=limits,
                lookup_limit=Limit.parse("lookups", "off"),
                limited=frozenset(),
                log=AccessLog(_nowhere),
                registry=CollectorRegistry(),
                secure=False,
                problem_page=_problem,
            ).install(app)
            server = TestServer(app)
            await server.start_server()
            closing.extend((lambda: single.__aexit__(None, None, None), limits.aclose, server.close))
            return Stage(
                url=str(server.make_url("")).rstrip("/"),
                database=database,
                registry=registry,
                writer=writer,
                heard=heard,
                seal=seal,
                session=session,
                api=api,
            )

        yield opened
        for close in reversed(closing):
            await close()


@pytest.fixture
async def stage(open_stage: Open) -> Stage:
    """The API without a limit."""
    return await open_stage()


@pytest.fixture
async def agency(stage: Stage) -> Agency:
    """A system of H05.16."""
    return await stage.agency()


def _nowhere(_lines: bytes) -> None:
    """Access logs are of no interest here."""


def _problem(_request: web.Request, problem: Problem) -> web.Response:
    return problem_json(problem, "")


def dossier(number: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A dossier as an agency sends it; `number` makes its code."""
    given: dict[str, Any] = {
        "code": f"H05.16-261102-{number:04d}",
        "reference": f"MC-{number:06d}",
        "procedure": {"code": "1.005129", "name": "Đăng ký khai sinh"},
        "receiving_agency": "H05.16",
        "filing_channel": 1,
        "applicant": {"name": "Nguyễn Văn An", "phone": "+84901234567"},
        "secret": "246810",
        "received_at": "2026-11-02T08:00:00+07:00",
        "due_at": "2026-11-20T17:00:00+07:00",
        "status": 2,
        "status_at": "2026-11-02T08:00:00+07:00",
    }
    return {name: value for name, value in (given | changes).items() if value is not ...}


def event(number: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """An event as an agency sends it; `number` makes its id and the code."""
    given: dict[str, Any] = {
        "id": f"e-{number}",
        "code": f"H05.16-261102-{number:04d}",
        "status": 4,
        "at": "2026-11-03T09:15:00+07:00",
    }
    return {name: value for name, value in (given | changes).items() if value is not ...}


def ndjson(items: list[dict[str, Any]]) -> bytes:
    """The items, a line each."""
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)
