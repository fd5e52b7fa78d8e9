"""Embedded servers, with real ones: every way to run them, and every way to end them."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from service.embedded import (
    DataDirInUse,
    EmbeddedServers,
    ServerFailed,
    embedded_urls,
    join_embedded,
    run_embedded,
)

ROOT = Path(__file__).parents[2]
PATHS = (str(ROOT), sysconfig.get_path("platlib"), os.environ.get("PYTHONPATH", ""))
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, PATHS))}
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
# Inside a chroot the kernel refuses new user namespaces, as most containers do (user_namespaces(7)).
CHROOT = ("unshare", "--mount", "sh", "-c", 'mount --rbind / /mnt && exec chroot /mnt "$@"', "chroot")
MAPPED_AS_NOBODY = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Who owns the servers: the words that start a Python as that user."""

    python: tuple[str, ...]
    uid: int


def _works(*command: str) -> bool:
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own words


@cache
def _way(name: str) -> Way:
    if os.geteuid() != 0 or name == "ourselves":
        return Way(python=(sys.executable,), uid=os.geteuid())
    if name == "root without user namespaces":  # where one may not even chroot, root has none anyway
        return Way(python=(*(CHROOT if _works(*CHROOT, "true") else ()), sys.executable), uid=0)
    # The interpreter of root's own environment may be out of another user's reach. It must be able to start itself
    # again, too: the setpriv that starts it still has rights of root.
    trial = "import uvloop, service.embedded, subprocess, sys; subprocess.check_call([sys.executable, '-V'])"
    for interpreter in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        if _works(*AS_NOBODY, interpreter, "-c", trial):
            return Way(python=(*AS_NOBODY, interpreter), uid=NOBODY)
    return Way(python=(*MAPPED_AS_NOBODY, sys.executable), uid=0)  # root's files, seen as nobody's


@pytest.fixture(
    params=("ourselves", "root without user namespaces", "ordinary user") if os.geteuid() == 0 else ("ourselves",)
)
def way(request: pytest.FixtureRequest) -> Way:
    """Each way in turn that who runs the tests can take."""
    return _way(request.param)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A place other users can reach, unlike pytest's own, and short enough for a socket."""
    home = Path(tempfile.mkdtemp(prefix="motma-test-"))
    home.chmod(0o711)
    yield home / "data"
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A directory on which servers ran once; making a cluster is most of a start."""
    with tempfile.TemporaryDirectory(prefix="motma-test-") as path:

        async def make() -> None:
            async with run_embedded(Path(path), durable=False):
                pass

        asyncio.run(make())
        yield Path(path)


@pytest.fixture
def used_dir(made: Path, data_dir: Path) -> Path:
    """A copy of `made`."""
    return shutil.copytree(made, data_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that owns servers, and all processes below it when they answered."""

    process: asyncio.subprocess.Process
    servers: EmbeddedServers
    below: frozenset[int]


@asynccontextmanager
async def owner(way: Way, data_dir: Path) -> AsyncIterator[Owner]:
    """Start servers on `data_dir` in a process of their own, in a session of its own as a terminal gives it."""
    if way.uid != os.geteuid():
        os.chown(data_dir.parent, way.uid, way.uid)
    process = await asyncio.create_subprocess_exec(
        *(*way.python, "-m", "tests.service.embedded_owner", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        servers = msgspec.json.decode(line, type=EmbeddedServers)
        yield Owner(process=process, servers=servers, below=frozenset(_below(process.pid)))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 20)


def _parents() -> dict[int, int]:
    """The parent of every living process; a zombie is dead."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            parents[int(folder.name)] = int(parent)
    return parents


def _below(pid: int) -> set[int]:
    parents = _parents()
    found: set[int] = set()
    rest = {pid}
    while rest:
        rest = {child for child, parent in parents.items() if parent in rest}
        found |= rest
    return found


async def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def _run(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _pings(url: str) -> bool:
    async with Redis.from_url(url) as client:
        return bool(await client.ping())


def _cpu_ticks(pid: int) -> int:
    return int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[11])


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


async def test_ctrl_c_leaves_the_data_and_no_process(way: Way, data_dir: Path) -> None:
    async with owner(way, data_dir) as first:
        await _run(first.servers.database_url, "create table kept as select 'Đặng Thị Ứng' as name")
        assert await _pings(first.servers.redis_url)
        assert len(first.below) >= 3  # PostgreSQL, processes of its own, Valkey
        groups = {os.getpgid(pid) for pid in first.below}
        assert os.getpgid(first.process.pid) not in groups  # the owner still needs them when it hears Ctrl-C
        os.killpg(first.process.pid, signal.SIGINT)
        await asyncio.wait_for(first.process.wait(), 20)
        assert not first.below & _parents().keys()
        assert not (data_dir / "run").exists()
        assert embedded_urls(data_dir) is None

    async with owner(way, data_dir) as second:
        assert second.servers == first.servers
        assert await _run(second.servers.database_url, "select lower(name) from kept") == "đặng thị ứng"


async def test_kill_9_of_the_owner_takes_its_servers_along(way: Way, data_dir: Path) -> None:
    async with owner(way, data_dir) as first:
        await _run(first.servers.database_url, "create table kept as select 1 as one")
        first.process.kill()
        assert await _until(lambda: not first.below & _parents().keys(), 3)
        assert embedded_urls(data_dir) is None

    async with owner(way, data_dir) as second:
        assert await _run(second.servers.database_url, "select one from kept") == 1
        assert await _pings(second.servers.redis_url)


async def test_a_start_right_after_kill_9_waits_for_the_old_server(data_dir: Path) -> None:
    async def start_again() -> object:
        async with run_embedded(data_dir) as servers:
            return await _run(servers.database_url, "select one from kept")

    async with owner(_way("ourselves"), data_dir) as first:
        await _run(first.servers.database_url, "create table kept as select 1 as one")
        old = _postmaster(data_dir)
        os.kill(old, signal.SIGSTOP)  # slow to stop
        first.process.kill()
        await first.process.wait()
        valkey_socket = data_dir / "run" / "valkey.sock"
        valkey_socket.unlink()
        second = asyncio.create_task(start_again())
        try:
            assert await _until(valkey_socket.exists, 10)  # Valkey of the new start is there, PostgreSQL waits
            assert not second.done()
        finally:
            os.kill(old, signal.SIGCONT)
        assert await second == 1


async def test_a_killed_server_is_started_again_at_the_same_address(used_dir: Path) -> None:
    restarted: asyncio.Queue[str] = asyncio.Queue()
    async with run_embedded(used_dir, on_restart=restarted.put_nowait) as servers:
        await _run(servers.database_url, "create table kept as select 1 as one")
        for _ in range(2):
            os.kill(_postmaster(used_dir), signal.SIGKILL)
            assert await asyncio.wait_for(restarted.get(), 10) == "postgres"
            assert await _run(servers.database_url, "select one from kept") == 1

        async with Redis.from_url(servers.redis_url) as client:
            pid = (await client.info("server"))["process_id"]
        os.kill(pid, signal.SIGKILL)
        assert await asyncio.wait_for(restarted.get(), 10) == "valkey"
        assert await _pings(servers.redis_url)


async def test_a_session_busy_when_its_server_was_killed_does_not_delay_the_next_server(used_dir: Path) -> None:
    restarted: asyncio.Queue[str] = asyncio.Queue()
    async with run_embedded(used_dir, on_restart=restarted.put_nowait) as servers:
        connection = await asyncpg.connect(servers.database_url)
        busy = connection.get_server_pid()
        endless = asyncio.create_task(connection.execute("do 'begin loop end loop; end'"))
        assert await _until(lambda: _cpu_ticks(busy) > 10, 10)
        os.kill(_postmaster(used_dir), signal.SIGKILL)
        assert await asyncio.wait_for(restarted.get(), 10) == "postgres"
        assert busy not in _parents()
        assert await _run(servers.database_url, "select 1") == 1
        with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
            await endless


async def test_a_second_start_is_refused_and_names_the_first(used_dir: Path) -> None:
    assert embedded_urls(used_dir / "absent") is None
    async with run_embedded(used_dir, durable=False) as servers:
        with pytest.raises(DataDirInUse, match=f"in use by process {os.getpid()}: stop that one first"):
            async with run_embedded(used_dir, durable=False):
                raise AssertionError("two owners")
        assert embedded_urls(used_dir) == servers
        assert await _run(servers.database_url, "select 1") == 1
    assert embedded_urls(used_dir) is None


async def test_a_command_joins_the_servers_of_a_running_service(data_dir: Path) -> None:
    async with owner(_way("ourselves"), data_dir) as up:
        async with join_embedded(data_dir) as servers:
            assert servers == up.servers
            assert await _run(servers.database_url, "select 1") == 1
        assert await _pings(up.servers.redis_url)


async def test_commands_alone_share_servers_until_the_last_is_done(used_dir: Path) -> None:
    first_may_end, second_may_end = asyncio.Event(), asyncio.Event()
    began: asyncio.Queue[EmbeddedServers] = asyncio.Queue()
    before = _below(os.getpid())

    async def command(may_end: asyncio.Event) -> None:
        async with join_embedded(used_dir) as servers:
            began.put_nowait(servers)
            await may_end.wait()
            assert await _run(servers.database_url, "select 1") == 1

    async with asyncio.TaskGroup() as group:
        first = group.create_task(command(first_may_end))
        servers = await began.get()
        group.create_task(command(second_may_end))
        assert await began.get() == servers
        first_may_end.set()
        assert await _until(lambda: embedded_urls(used_dir) is None, 5)  # nobody else may join now
        assert not first.done()
        assert await _pings(servers.redis_url)
        second_may_end.set()
    assert not (used_dir / "run").exists()
    assert _below(os.getpid()) <= before


async def test_what_a_server_says_when_it_cannot_start_is_in_the_error(used_dir: Path) -> None:
    before = _below(os.getpid())
    (used_dir / "postgres" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerFailed, match=r"(?s)postgres did not start.*unrecognized configuration parameter"):
        async with run_embedded(used_dir, durable=False):
            raise AssertionError("started")
    assert _below(os.getpid()) <= before  # Valkey, which could start, is gone too


async def test_a_binary_that_is_not_there_is_named_in_the_error(
    used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTMA_VALKEY_BIN", "/nowhere/valkey-server")
    with pytest.raises(ServerFailed, match=r"(?s)valkey did not start.*/nowhere/valkey-server.*No such file"):
        async with run_embedded(used_dir, durable=False):
            raise AssertionError("started")


async def test_a_long_or_odd_directory_gets_a_short_place_for_its_sockets(made: Path, data_dir: Path) -> None:
    for name in ("d" * 120, "mot, ma: thử"):
        shutil.copytree(made, data_dir / name)
        async with run_embedded(data_dir / name, durable=False) as servers:
            short = (data_dir / name / "run").readlink()
            assert len(str(short)) < 30
            assert await _run(servers.database_url, "select 1") == 1
            assert await _pings(servers.redis_url)
        assert not short.exists()


async def test_the_process_number_of_a_dead_server_may_belong_to_another_program_now(used_dir: Path) -> None:
    other = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    try:
        (used_dir / "postgres" / "postmaster.pid").write_text(f"{other.pid}\n{used_dir}/postgres\n")
        async with run_embedded(used_dir, durable=False) as servers:
            assert await _run(servers.database_url, "select 1") == 1
    finally:
        other.kill()
        await other.wait()


async def test_a_cluster_half_made_is_made_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new" / "base").mkdir(parents=True)
    async with run_embedded(data_dir, durable=False) as servers:
        assert await _run(servers.database_url, "select current_database()") == "motma"
    assert not (data_dir / "postgres.new").exists()


async def test_the_database_asks_for_the_password_only_the_owner_can_read(used_dir: Path) -> None:
    async with run_embedded(used_dir, durable=False) as servers:
        password = (used_dir / "postgres.password").read_text()
        for name in ("postgres.password", "servers.json"):
            assert stat.S_IMODE((used_dir / name).stat().st_mode) == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(servers.database_url.replace(password, "guess"))
        assert password not in repr(servers)
        assert await _run(servers.database_url, "show listen_addresses") == ""
        assert await _run(servers.database_url, "show synchronous_commit") == "on"


async def test_a_refused_statement_leaves_no_value_in_the_server_log(used_dir: Path) -> None:
    async with run_embedded(used_dir, durable=False) as servers:
        await _run(servers.database_url, "create table citizen (phone text primary key)")
        await _run(servers.database_url, "insert into citizen values ('+84901234567')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await _run(servers.database_url, "insert into citizen values ('+84901234567')")
    printed = (used_dir / "postgres.log").read_text()
    assert "citizen_pkey" in printed
    assert "84901234567" not in printed
