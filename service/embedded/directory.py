"""The data directory of the embedded servers: its owner, its files, and how other commands find the servers."""

import asyncio
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from domain.errors import ServiceError

SOCKET_PATH_BYTES = 103  # sun_path less its NUL: 107 on Linux, 103 on macOS
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"
PLAIN_PATH = re.compile(r"[\w/.@+-]+")  # PostgreSQL and its clients split a socket directory at commas and colons
CLAIM_SECONDS = 0.3
POLL_SECONDS = 0.02


class DataDirInUse(ServiceError):
    """Another process already runs its servers on this directory."""

    code = "data_dir_in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedServers:
    """Where the servers listen; the addresses outlive a restart of a server. `database_url` holds a password."""

    database_url: str = field(repr=False)
    redis_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDirectory:
    """The files below the data directory. Exists only while this process holds the directory's lock."""

    path: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.path / "postgres"

    @property
    def password(self) -> Path:
        """The superuser's password, mode 0600."""
        return self.path / "postgres.password"

    @property
    def run(self) -> Path:
        """Where the sockets are: a directory, or a link to one with a short name."""
        return self.path / "run"

    def log(self, server: str) -> Path:
        """What the server prints."""
        return self.path / f"{server}.log"

    def lock(self, server: str) -> Path:
        """Locked as long as any process of the server lives, its orphans included."""
        return self.path / f"{server}.lock"

    def make_run(self) -> Path:
        """The real path of an empty directory for sockets: `run`, unless that is too long or too odd for a socket."""
        self.remove_run()
        longest = self.run / LONGEST_SOCKET_NAME
        if len(os.fsencode(longest)) <= SOCKET_PATH_BYTES and PLAIN_PATH.fullmatch(str(self.run)):
            self.run.mkdir(mode=0o700)
            return self.run
        short = Path(tempfile.mkdtemp(prefix="motma-", dir="/tmp"))
        self.run.symlink_to(short)
        return short

    def remove_run(self) -> None:
        """Remove the sockets of this or an earlier, killed owner."""
        if self.run.is_symlink():
            shutil.rmtree(self.run.readlink(), ignore_errors=True)
            self.run.unlink()
        elif self.run.exists():
            shutil.rmtree(self.run)

    def announce(self, servers: EmbeddedServers) -> None:
        """Let other commands find the servers."""
        write_private(_announcement(self.path), msgspec.json.encode(servers))


def _announcement(data_dir: Path) -> Path:
    return data_dir / "servers.json"


def withdraw(data_dir: Path) -> None:
    """Let no other command join the servers of `data_dir` from now on; only their owner may say so."""
    _announcement(data_dir).unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all, readable by its owner only."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - needs the mode at birth
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@asynccontextmanager
async def locked(path: Path, *, seconds: float) -> AsyncIterator[int]:
    """The descriptor that holds the lock of `path`, made if absent; BlockingIOError if others keep it for `seconds`.

    The lock belongs to the open file, so a child that inherits the descriptor keeps it, and so do its children.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS)
            else:
                break
        yield descriptor
    finally:
        os.close(descriptor)


@asynccontextmanager
async def claim(data_dir: Path) -> AsyncIterator[DataDirectory]:
    """Be the one owner of `data_dir`, made if absent; DataDirInUse names the process that already is."""
    path = _made(data_dir)
    lock = _owner_lock(path)
    async with AsyncExitStack() as held:
        try:
            # Not at once: `embedded_urls` of another command holds the lock for an instant to see whether it is free.
            descriptor = await held.enter_async_context(locked(lock, seconds=CLAIM_SECONDS))
        except BlockingIOError:
            owner = lock.read_text().strip() or "unknown"
            raise DataDirInUse(
                f"{path} is in use by process {owner}: stop that one first, or choose another data directory."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        withdraw(path)  # what a killed owner announced
        yield DataDirectory(path=path)


def _made(data_dir: Path) -> Path:
    path = data_dir.absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _owner_lock(data_dir: Path) -> Path:
    return data_dir / "lock"


def embedded_urls(data_dir: Path) -> EmbeddedServers | None:
    """The servers a living process runs on `data_dir`; None without one, or while it is starting or stopping."""
    path = data_dir.absolute()
    try:
        descriptor = os.open(_owner_lock(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:  # owned
        try:
            return msgspec.json.decode(_announcement(path).read_bytes(), type=EmbeddedServers)
        except FileNotFoundError:
            return None
    else:
        return None
    finally:
        os.close(descriptor)


def _guests_lock(data_dir: Path) -> Path:
    return data_dir / "guests.lock"


@contextmanager
def visit(data_dir: Path) -> Iterator[EmbeddedServers | None]:
    """As `embedded_urls`, and while inside, an owner that waits for its guests does not stop the servers."""
    try:
        descriptor = os.open(_guests_lock(data_dir.absolute()), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # no such directory yet
        yield None
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield embedded_urls(data_dir)
    finally:
        os.close(descriptor)


async def let_guests_finish(data_dir: Path) -> None:
    """Admit no further command, and return when none uses the servers of `data_dir` any more."""
    withdraw(data_dir)
    async with locked(_guests_lock(data_dir), seconds=float("inf")):
        pass
