"""G26: the primary dies while its synchronous standby lags; the standby takes its place, nothing is lost."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL
from tempfile import TemporaryDirectory

import asyncpg

from service.embedded.account import Account, choose_account
from service.embedded.postgres import find_postgres
from tests.faults.evidence import Evidence
from tests.faults.load import Producer, Reader, event
from tests.faults.no_loss import everybody_told, nothing_lost
from tests.faults.rig import NO_MUTANT, free_port, open_rig

ASYNC = "standby_not_waited_for"  # the mutant: it is the store that is set up without its guard
BACK_SECONDS = 15.0
STARTED_SECONDS = 30.0
STANDBY = "standby"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_connections": "100",
    "max_wal_senders": "5",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "wal_receiver_status_interval": "1s",
}


@dataclass(slots=True, kw_only=True)
class Cluster:
    """One PostgreSQL on loopback."""

    directory: Path
    port: int
    account: Account
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its superuser's address."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        """Start it; returns when it takes connections."""
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        program = [str(find_postgres() / "postgres"), "-D", str(self.directory), "-p", str(self.port), *options]
        log = (self.directory.parent / f"{self.directory.name}.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *self.account.tethered(*program, death_signal=SIGKILL), stdout=log, stderr=log
        )
        log.close()
        await self.answers()

    async def answers(self) -> None:
        """Wait until it takes connections. Raises `TimeoutError`."""
        deadline = time.monotonic() + STARTED_SECONDS
        while True:
            try:
                await self.ask("SELECT 1")
            except (OSError, asyncpg.PostgresError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.directory.name} did not start") from error
                await asyncio.sleep(0.1)
            else:
                return

    async def ask(self, statement: str) -> object:
        """One statement as the superuser."""
        connection = await asyncpg.connect(self.url, timeout=3)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def postmaster(self) -> int:
        """The number of its first process."""
        return int((self.directory / "postmaster.pid").read_text("utf-8").splitlines()[0])

    async def kill(self) -> None:
        """kill -9 of the postmaster; its children see that and end."""
        os.kill(self.postmaster(), SIGKILL)
        if self.process is not None:
            await self.process.wait()

    async def stop(self) -> None:
        """At once."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(SIGINT)
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Line:
    """The line to one port: what is on it is held back while it stalls, and lost when it is cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._flows = asyncio.Event()
        self._flows.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            there, out = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:  # there is nobody any more
            writer.close()
            return
        self._ends |= {writer, out}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, out))
                both.create_task(self._pump(there, writer))
        except* OSError:
            pass  # cut
        finally:
            self._ends -= {writer, out}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    def stall(self) -> None:
        """Nothing goes through any more."""
        self._flows.clear()

    def cut(self) -> None:
        """Reset every connection."""
        self._flows.set()
        for end in self._ends:
            end.transport.abort()

    async def closed(self) -> None:
        """Wait until every connection has ended."""
        await asyncio.gather(*self._open, return_exceptions=True)


@asynccontextmanager
async def open_line_to(port: int) -> AsyncIterator[Line]:
    """A line that listens at a port of its own."""
    line = Line(port)
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut()
        await line.closed()


async def _made(account: Account, *command: str) -> None:
    made = await asyncio.create_subprocess_exec(
        *account.tethered(str(find_postgres() / command[0]), *command[1:], death_signal=SIGKILL),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await made.communicate()
    if made.returncode:
        raise RuntimeError(said.decode("utf-8", "replace")[-500:])


def _place(top: Path, account: Account) -> Path:
    """A directory of the servers' own, below one that they may walk through."""
    top.chmod(0o755)
    place = top / "servers"
    place.mkdir(mode=0o755)
    account.give(place)
    return place


@asynccontextmanager
async def pair(*, waited_for: bool) -> AsyncIterator[tuple[Cluster, Cluster, Line]]:
    """A primary, its standby, which each commit waits for unless said otherwise, and the line between them."""
    account = await choose_account()
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory(prefix="motma-failover-"))
        place = _place(Path(directory), account)
        primary = Cluster(directory=place / "primary", port=free_port(), account=account)
        standby = Cluster(directory=place / "standby", port=free_port(), account=account)
        locale = ("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions")
        await _made(account, "initdb", "-D", str(primary.directory), "-U", "postgres", "-A", "trust", *locale)
        try:
            await primary.start()
            between = await stack.enter_async_context(open_line_to(primary.port))
            source = f"host=127.0.0.1 port={between.port} user=postgres application_name={STANDBY}"
            how = ("-D", str(standby.directory), "-R", "-X", "stream", "-c", "fast")
            await _made(account, "pg_basebackup", "-d", source, *how)
            await standby.start()
            if waited_for:
                await primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
                await primary.ask("SELECT pg_reload_conf()")
            yield primary, standby, between
        finally:
            await standby.stop()
            await primary.stop()


async def failed_over(*, seconds: float, rate: float, stalled: float, mutant: str = NO_MUTANT) -> Evidence:
    """G26: under load the standby's receiver stalls, the primary is killed, the standby promoted.

    Mutant: `standby_not_waited_for`.
    """
    evidence = Evidence(guarantee="G26")
    async with pair(waited_for=mutant != ASYNC) as (primary, standby, line):
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        async with open_rig(mutant=mutant, dispatchers=1, database_url=url) as rig:
            producer, probe = Producer(rig), Producer(rig)
            codes = await producer.dossiers(1_000)
            pids = [p.process.pid for p in rig.processes if p.process]
            reader, done = Reader(rig, codes, 20), asyncio.Event()

            async def fail() -> float:
                await asyncio.sleep(seconds / 3)
                line.stall()
                await asyncio.sleep(stalled)
                killed = time.monotonic()
                await primary.kill()
                line.cut()
                await standby.ask("SELECT pg_promote(true, 10)")
                evidence.figures["promoted after s"] = round(time.monotonic() - killed, 1)
                await probe.push("events", [event(codes[0], 0)])
                return time.monotonic() - killed

            async with asyncio.TaskGroup() as load:
                load.create_task(reader.read(done))
                failing = load.create_task(fail())
                await producer.events(codes[1:], rate=rate, seconds=seconds)
                back = await failing
                done.set()
            producer.acked |= probe.acked
            await rig.answers()
            await nothing_lost(rig, producer, evidence)
            answered = len(reader.seconds) / max(1, len(reader.seconds) + len(reader.failed))
            evidence.figures |= {"writes back after s": round(back, 1), "look-ups answered %": round(100 * answered, 1)}
            evidence.expect_within(BACK_SECONDS, back, "writing again")
            same = pids == [p.process.pid for p in rig.processes if p.process and p.runs]
            evidence.expect(same, "a process of ours ended")
            if mutant == NO_MUTANT:
                await everybody_told(rig, producer, evidence)
    return evidence
