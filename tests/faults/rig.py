"""The rig: our processes as production runs them, on servers of their own, with everything that may be killed."""

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import aiohttp
import asyncpg

from database.migrate import migrate
from database.pool import Role, open_database
from lookup.api_keys import KeyKind
from lookup.reference_loader import load_reference_data
from service.commands.keys import make_key
from service.embedded import EmbeddedServers, run_embedded
from tests.faults.provider import SENDSMS, Ledger, Provider, provider

SECRET = "faults-" * 8
HOOK_SECRET = "hook-secret-of-faults"
AGENCY = "H05.16"
AGENCIES = (AGENCY, "G01")  # neither within the other
READY, READY_SECONDS = b"Ready", 60.0  # the line `motma` prints
NO_MUTANT = "none"


class NeverReady(RuntimeError):
    """A process of ours did not come up."""


@dataclass(slots=True, kw_only=True)
class OurProcess:
    """One process of ours; killed ones are started again, as a supervisor would."""

    arguments: list[str]
    environment: dict[str, str] = field(repr=False)
    log: Path
    process: asyncio.subprocess.Process | None = None
    killed_at: list[float] = field(default_factory=list)  # seconds since 1970

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start it; returns when it says that it is ready. Raises `NeverReady`."""
        with self.log.open("ab") as log:
            printed_before = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.faults.child",
                *self.arguments,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while READY not in (said := self.log.read_bytes()[printed_before:]):
            if not self.runs or time.monotonic() > deadline:
                raise NeverReady(said[-2000:].decode("utf-8", "replace"))
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self.process and self.runs:
            self.killed_at.append(time.time())
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    async def stop(self) -> None:
        """Ask it to end, then make it."""
        if self.process and self.runs:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 20)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


@dataclass(slots=True, kw_only=True)
class Rig:
    """Everything a proof works with."""

    directory: Path
    servers: EmbeddedServers
    gateway: Provider
    api_key: str
    other_key: str  # of another agency
    port: int
    processes: list[OurProcess]
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where the web processes answer, all on one port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledger(self) -> Ledger:
        """What the gateway took."""
        return self.gateway.ledger

    @property
    def headers(self) -> dict[str, str]:
        """What an agency's system sends with each call."""
        return {"Authorization": f"Bearer {self.api_key}"}

    @property
    def logs(self) -> str:
        """The last words of each process of ours."""
        texts = (process.log.read_bytes()[-2000:] for process in self.processes if process.log.exists())
        return b"\n".join(texts).decode("utf-8", "replace")

    def of(self, role: str) -> list[OurProcess]:
        """The processes that play `role`."""
        return [p for p in self.processes if role in p.arguments]

    async def query(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Ask the store as its owner, past every guard: for checking."""
        connection = await asyncpg.connect(self.servers.database_url)
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement, *values)
        finally:
            await connection.close()
        return found

    async def answers(self) -> None:
        """Wait until the site answers."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while True:
            try:
                async with self.http.get(f"{self.url}/readyz") as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # not yet
            if asyncio.get_running_loop().time() > deadline:
                raise NeverReady(self.logs)
            await asyncio.sleep(0.1)

    async def kill_now_and_then(self, every: float, choice: random.Random, done: asyncio.Event) -> None:
        """kill -9 a process every `every` seconds and start it again, until `done`: each as often, in any order.

        Where starting takes longer than that, nothing is killed before the last one killed is back.
        """
        turns: list[OurProcess] = []
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), every)
            if done.is_set():
                return
            turns = turns or choice.sample(self.processes, len(self.processes))
            victim = turns.pop()
            await victim.kill()
            await victim.start()


def free_port() -> int:
    """A port below the ephemeral range, so that no client's port meets it."""
    chosen = random.Random()
    while True:
        port = chosen.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@asynccontextmanager
async def open_rig(
    *,
    webs: int = 2,
    dispatchers: int = 2,
    mutant: str = NO_MUTANT,
    provider_delay: float = 0.0,
    strict_telegram: bool = False,
    prepared: str = "",
    database_url: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Rig]:
    """A fresh rig with durable servers, `webs` and `dispatchers` processes running, each with `mutant` applied.

    `settings` are environment names and values besides those that every rig has. `prepared` is SQL that the owner runs
    before any process of ours starts. `database_url`: a store that the proof brings.
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="motma-faults-")))
        servers = await stack.enter_async_context(run_embedded(directory / "data"))
        if database_url is not None:
            servers = replace(servers, database_url=database_url)
        sendsms, gateway = await stack.enter_async_context(
            provider(directory, delay=provider_delay, strict_telegram=strict_telegram)
        )
        await migrate(servers.database_url)
        await load_reference_data(servers.database_url)
        if prepared:
            owner = await asyncpg.connect(servers.database_url)
            await owner.execute(prepared)
            await owner.close()
        async with open_database(servers.database_url, roles=(Role.OPERATOR,)) as database:
            keys = [await make_key(database, agency=a, kind=KeyKind.LIVE, name="faults") for a in AGENCIES]
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        port = free_port()
        environment = {**_environment(servers, sendsms, port, mutant), **settings}
        names = [*("web" for _ in range(webs)), *("dispatcher" for _ in range(dispatchers))]
        processes = [
            OurProcess(arguments=[name], environment=environment, log=directory / f"{name}-{n}.log")
            for n, name in enumerate(names)
        ]
        rig = Rig(
            directory=directory,
            servers=servers,
            gateway=gateway,
            api_key=keys[0],
            other_key=keys[1],
            port=port,
            processes=processes,
            http=http,
        )
        try:
            await asyncio.gather(*(p.start() for p in processes))
            yield rig
        finally:
            await asyncio.gather(*(p.stop() for p in processes))


def _environment(servers: EmbeddedServers, sendsms: str, port: int, mutant: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MOTMA_")},
        "MOTMA_DATABASE_URL": servers.database_url,
        "MOTMA_REDIS_URL": servers.redis_url,
        "MOTMA_SECRET_KEY": SECRET,
        "MOTMA_LISTEN": f"127.0.0.1:{port}",
        "MOTMA_ADMIN_LISTEN": "127.0.0.1:0",
        "MOTMA_LOOKUP_LIMIT": "1000000/second",
        "MOTMA_AGENCY_LIMIT": "1000000/second",
        "MOTMA_KANNEL_SENDSMS_URL": sendsms,
        "MOTMA_TELEGRAM_API_URL": sendsms.removesuffix(SENDSMS),
        "MOTMA_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "MOTMA_ESMS_API_URL": sendsms.removesuffix(SENDSMS),
        "MOTMA_KANNEL_HOOK_SECRET": HOOK_SECRET,
        "MOTMA_KANNEL_SENDER": "8088",
        # Far more texts than any cap lets out in a day.
        **dict.fromkeys(("MOTMA_SMS_PER_NUMBER", "MOTMA_SMS_SPEND_PER_NUMBER"), "off"),
        **dict.fromkeys(("MOTMA_SMS_SPEND_PER_PREFIX", "MOTMA_SMS_SPEND"), "off"),
        "MOTMA_TEST_MUTANT": mutant,
        "MOTMA_TEST_OWNER": str(os.getpid()),
    }
