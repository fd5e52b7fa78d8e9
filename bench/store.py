"""The PostgreSQL and Valkey that are measured against, and databases filled with dossiers, kept between runs."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from bench import fill
from bench.machine import memory_bytes
from bench.report import say
from database.migrate import migrate, shipped
from database.pool import Connection, Role, open_database
from lookup.api_keys import KeyKind
from lookup.reference_loader import load_reference_data
from service.commands.keys import make_key
from service.embedded.account import choose_account
from service.embedded.child import ServerChild
from service.embedded.directory import claim
from service.embedded.postgres import make_cluster, make_database, postgres_program, postgres_url
from service.embedded.valkey import valkey_program, valkey_url

# As an operator would set a server of this size; nothing that makes a commit less durable.
SHARED_BUFFERS_SHARE = 4  # a quarter of the memory
MOST_SHARED_BUFFERS = 4 * 2**30
SETTINGS = {
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "256MB",
    "effective_io_concurrency": "64",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
BYTES_PER_DOSSIER = 1_000  # on disk, to be on the safe side


class TooLittleRoom(Exception):
    """The disk cannot hold what a bench needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The servers while they run."""

    folder: Path
    database_url: str  # of the superuser, the database `motma`
    redis_url: str

    def url(self, database: str) -> str:
        """The superuser's address of another database on the same server."""
        return self.database_url.replace("/motma?", f"/{database}?", 1)

    def logs(self, name: str) -> Path:
        """Where the output of a server under measurement goes."""
        return self.folder / "logs" / f"{name}.log"


@asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[Store]:
    """Both servers on `folder` while inside, durable, on any core."""
    async with claim(folder) as directory:
        account = await choose_account()
        run = directory.make_run()
        account.give(run)
        program = postgres_program(directory, run, account, durable=True)
        buffers = min(memory_bytes() // SHARED_BUFFERS_SHARE, MOST_SHARED_BUFFERS) // 2**20
        settings = {**SETTINGS, "shared_buffers": f"{buffers}MB"}
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        postgres = ServerChild(replace(program, command=(*program.command, *options)))
        valkey = ServerChild(valkey_program(directory, run, account))
        try:
            await make_cluster(directory, account, durable=True)
            await postgres.start()
            await make_database(directory, run)
            await valkey.start()
            yield Store(folder=folder, database_url=postgres_url(directory, run), redis_url=valkey_url(run))
        finally:
            await postgres.stop()
            await valkey.stop()
            directory.remove_run()


async def filled(store: Store, dossiers: int, *, purpose: str = "dossiers") -> str:
    """The name of a database with that many dossiers of this release's schema, made unless it is there.

    Those of one purpose share it; whoever changes it takes a copy, or has a purpose of its own.
    """
    name = f"{purpose}_{dossiers}"
    admin = await asyncpg.connect(store.database_url)
    try:
        if await _exists(admin, name):
            if await _is_whole(store, name):
                await _bring_up_to_date(store, name)
                return name
            say(f"{name} was made with another schema, or only in part: making it again")
            await drop(store, name)
        require_room(store, dossiers * BYTES_PER_DOSSIER)
        await admin.execute(f'CREATE DATABASE "{name}"')
    finally:
        await admin.close()
    url = store.url(name)
    await migrate(url)
    await load_reference_data(url)
    await fill.fill(url, dossiers)
    await _bring_up_to_date(store, name)
    return name


async def copied(store: Store, source: str, name: str) -> str:
    """A fresh database `name`, file by file the same as `source`."""
    await drop(store, name)
    admin = await asyncpg.connect(store.database_url)
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY FILE_COPY')
    finally:
        await admin.close()
    return name


async def drop(store: Store, name: str) -> None:
    """Remove a database, if it is there."""
    admin = await asyncpg.connect(store.database_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await admin.close()


async def key(store: Store, database: str) -> str:
    """A live API key of the agency all dossiers of a filled database belong to."""
    async with open_database(store.url(database), roles=(Role.OPERATOR,), application="bench") as opened:
        return await make_key(opened, agency=fill.OWNER, kind=KeyKind.LIVE, name="bench")


def require_room(store: Store, needed: int) -> None:
    """Raise `TooLittleRoom` unless the disk has `needed` bytes and some to spare."""
    free = shutil.disk_usage(store.folder).free
    if free < needed + 4 * 2**30:
        raise TooLittleRoom(
            f"{needed / 2**30:.0f} GiB are needed under {store.folder}, {free / 2**30:.0f} are free. "
            "Name another place with --data, or fewer benches."
        )


async def _exists(admin: Connection, name: str) -> bool:
    return bool(await admin.fetchval("SELECT exists (SELECT FROM pg_database WHERE datname = $1)", name))


async def _is_whole(store: Store, name: str) -> bool:
    """Whether the fill was finished, with the schema of this release."""
    connection = await asyncpg.connect(store.url(name))
    try:
        if not await connection.fetchval("SELECT to_regclass('bench_fill') IS NOT NULL"):
            return False
        applied = {row["checksum"] for row in await connection.fetch("SELECT checksum FROM schema_migration")}
        return applied == {migration.checksum for migration in shipped()}
    finally:
        await connection.close()


async def _bring_up_to_date(store: Store, name: str) -> None:
    """Let every office have been heard just now, as in a service that runs; answers say whether it was."""
    connection = await asyncpg.connect(store.url(name))
    try:
        await connection.execute(fill.HEAR_FEEDS)
    finally:
        await connection.close()
