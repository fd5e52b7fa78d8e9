"""Agencies with receivers, a writer whose changes they hear of, couriers, and a clock that can be moved."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import asyncpg
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from channels.agency_api.callbacks_address import Addresses
from channels.agency_api.callbacks_post import open_callback_post
from database.pool import Connection, Database
from domain.status import Status
from lookup.changes import StatusEvent, Tenant
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.callbacks.courier import Caller, Calling, Courier
from notifications.callbacks.deliveries import Deliveries
from notifications.callbacks.journal import CallbackJournal
from notifications.callbacks.receivers import Receiver, Receivers
from tests.lookup.conftest import Ear, tenant_of
from tests.lookup.sent import event, hour

# As if the store's clock had gone on: every time it is compared with lies further back.
MOVE_DELIVERIES = """
    UPDATE callback_delivery SET run_at = run_at - $1::interval, since = since - $1::interval,
                                 tried_at = tried_at - $1::interval, delivered_at = delivered_at - $1::interval"""
MOVE_RECEIVERS = """
    UPDATE callback_receiver SET rest_until = rest_until - $1::interval, failing_since = failing_since - $1::interval,
                                 delivered_at = delivered_at - $1::interval, created_at = created_at - $1::interval,
                                 old_secret_until = old_secret_until - $1::interval"""
QUICK = Calling(poll=timedelta(milliseconds=20), grace=timedelta(seconds=2))

Answering = Callable[["Heard"], web.Response]


@dataclass(frozen=True)
class Heard:
    """One call as a receiver hears it."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def message_id(self) -> str:
        """The name of the message."""
        return self.headers["webhook-id"]

    def opened_with(self, secret: str) -> dict[str, object]:
        """The content, verified by the library of Standard Webhooks itself."""
        said: dict[str, object] = Webhook(secret).verify(self.body, self.headers)
        return said

    @property
    def told(self) -> tuple[str, int]:
        """Code and version, unverified."""
        data = msgspec.json.decode(self.body)["data"]
        return data["code"], data["version"]


def taken(_heard: Heard) -> web.Response:
    """204."""
    return web.Response(status=204)


class Hook:
    """An agency's receiver on this machine: keeps what it hears and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Answering = taken
        self.open = asyncio.Event()
        self.open.set()
        self.busy = self.most_busy = 0
        self._changed = asyncio.Condition()
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        """Any path."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        heard = Heard(headers=headers, body=await request.read(), path=request.path)
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        self.heard.append(heard)
        await self.tell()
        try:
            await self.open.wait()
            return self.answer(heard)
        finally:
            self.busy -= 1

    async def tell(self) -> None:
        """Wake whoever waits."""
        async with self._changed:
            self._changed.notify_all()

    async def hears(self, number: int) -> list[Heard]:
        """Wait for so many calls in all."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= number)
        return self.heard


@dataclass
class Stage:
    """The store, whoever writes to it, and couriers."""

    database: Database
    owner: Connection  # works as the schema's owner: sees and writes everything
    registry: Registry
    seal: Seal
    writer: DossierWriter
    receivers: Receivers
    deliveries: Deliveries
    caller: Caller
    running: dict[Courier, "asyncio.Task[None]"] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def tenant(self, code: str = "H05.16", *, test: bool = False) -> Tenant:
        """The system of an agency."""
        return tenant_of(self.registry, code, test=test)

    async def listens(
        self, hook: Hook, code: str = "H05.16", *, statuses: list[Status] | None = None, test: bool = False
    ) -> tuple[Receiver, str]:
        """A receiver of an agency at the hook."""
        url = f"{hook.url}/{next(self.numbers)}"
        return await self.receivers.add(
            self.tenant(code, test=test), url, statuses=statuses, description="", email=None
        )

    async def changes(self, number: int, *statuses: Status, sender: str = "H05.16", test: bool = False) -> str:
        """The dossier with this number goes through `statuses`, each stored for itself; its code."""
        code = f"H05.16-261102-{number:04d}"
        for status in statuses:
            n = next(self.numbers)
            sent: StatusEvent = event(f"e{n}", status, hour(n), code=code)
            await self.writer.store(self.tenant(sender, test=test), [sent])
        return code

    def start(self, how: Calling = QUICK, caller: Caller | None = None) -> Courier:
        """A courier at work."""
        courier = Courier(self.database, self.seal, self.registry, caller or self.caller, how)
        self.running[courier] = asyncio.create_task(courier.run())
        return courier

    async def stop(self, courier: Courier) -> None:
        """As at the end of a deploy."""
        courier.stop()
        async with asyncio.timeout(20):
            await self.running.pop(courier)

    async def kill(self, courier: Courier) -> None:
        """As kill -9: nothing is written any more."""
        task = self.running.pop(courier)
        task.cancel()
        await asyncio.wait({task})

    async def once(self, hook: Hook, *, calls: int, how: Calling = QUICK) -> list[Heard]:
        """Run until the hook has heard so many calls in all, then stop in order: all outcomes are written."""
        courier = self.start(how)
        heard = await hook.hears(calls)
        await self.stop(courier)
        return heard

    async def later(self, by: timedelta) -> None:
        """The clock goes on."""
        for statement in (MOVE_DELIVERIES, MOVE_RECEIVERS):
            await self.owner.execute(statement, by)

    async def until(self, question: str, *values: object) -> None:
        """Ask until the answer is true; the store has no signal for it."""
        async with asyncio.timeout(20):
            while not await self.owner.fetchval(question, *values):
                pass

    async def states(self) -> list[int]:
        """The states of all deliveries, oldest first."""
        rows = await self.owner.fetch("SELECT state FROM callback_delivery ORDER BY change_id, receiver_id")
        return [row["state"] for row in rows]


@pytest.fixture
async def stage(database: Database, database_url: str, seal: Seal) -> AsyncIterator[Stage]:
    """Everything but a receiver; loopback may be called."""
    registry = Registry(database)
    await registry.refresh()
    ear = Ear()
    owner = await asyncpg.connect(database_url)
    async with open_callback_post(Addresses(loopback=True)) as post:
        stage = Stage(
            database=database,
            owner=owner,
            registry=registry,
            seal=seal,
            writer=DossierWriter(database, seal, ear, ear, registry, journal=CallbackJournal()),
            receivers=Receivers(database, seal),
            deliveries=Deliveries(database),
            caller=post,
        )
        yield stage
        for courier in list(stage.running):
            await stage.kill(courier)
    await owner.close()


async def _opened(hook: Hook) -> TestServer:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hook.receive)
    server = TestServer(app)
    await server.start_server()
    hook.url = str(server.make_url("")).rstrip("/")
    return server


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """A receiver."""
    hook = Hook()
    server = await _opened(hook)
    yield hook
    hook.open.set()
    await server.close()


@pytest.fixture
async def other_hook() -> AsyncIterator[Hook]:
    """Another one."""
    hook = Hook()
    server = await _opened(hook)
    yield hook
    hook.open.set()
    await server.close()
