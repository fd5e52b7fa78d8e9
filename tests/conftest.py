"""Real PostgreSQL and Valkey for every test: one pair of servers a session, one fresh database a test."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from threading import Event, Thread

import asyncpg
import pytest
import redis.asyncio as redis

from database.migrate import migrate
from database.pool import Database, open_database
from lookup.reference_loader import load_reference_data
from lookup.sealing import Seal
from service.embedded import EmbeddedServers, run_embedded

TEMPLATE = "motma_template"
IN_MEMORY = Path("/dev/shm")  # a fresh database costs a sixth there of what it does on a disk
ENOUGH = 3 * 1024**3  # bytes
_numbers = count(1)


def _named(url: str, database: str) -> str:
    head, _, tail = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}" + (f"?{tail}" if tail else "")


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """The session's servers: those of MOTMA_TEST_DATABASE_URL and MOTMA_TEST_REDIS_URL, else embedded ones.

    They live in a loop of their own, in a thread, because every test has its own loop.
    """
    given = os.environ.get("MOTMA_TEST_DATABASE_URL"), os.environ.get("MOTMA_TEST_REDIS_URL")
    if given[0] and given[1]:
        asyncio.run(_make_template(given[0]))
        yield EmbeddedServers(database_url=given[0], redis_url=given[1])
        return
    ready, done = Event(), Event()
    found: list[EmbeddedServers | BaseException] = []

    async def keep() -> None:
        with tempfile.TemporaryDirectory(prefix="motma-test-", dir=_fastest()) as directory:
            async with run_embedded(Path(directory), durable=False) as running:
                await _make_template(running.database_url)
                found.append(running)
                ready.set()
                await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(keep())
        except BaseException as error:
            found.append(error)
            ready.set()
            raise

    thread = Thread(target=run, name="test servers")
    thread.start()
    ready.wait()
    if isinstance(found[0], BaseException):
        thread.join()
        raise found[0]
    yield found[0]
    done.set()
    thread.join()


def _fastest() -> Path | None:
    """Where the session's data goes; None for the usual place of temporary files."""
    roomy = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ENOUGH
    return IN_MEMORY if roomy else None


async def _make_template(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        await connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
    finally:
        await connection.close()
    template = _named(url, TEMPLATE)
    await migrate(template)
    await load_reference_data(template)


@pytest.fixture
async def database_url(servers: EmbeddedServers) -> AsyncIterator[str]:
    """A database of its own for one test, migrated, with the reference data."""
    name = f"motma_test_{os.getpid()}_{next(_numbers)}"
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        yield _named(servers.database_url, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The pools of every role on the test's own database."""
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def redis_url(servers: EmbeddedServers) -> str:
    """The session's Valkey, emptied."""
    async with redis.from_url(servers.redis_url) as client:
        await client.flushall()
    return servers.redis_url


@pytest.fixture
def seal() -> Seal:
    """Keys of the tests."""
    return Seal.from_secret(b"t" * 32)
