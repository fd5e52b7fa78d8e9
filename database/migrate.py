"""Brings the schema up to date: numbered SQL files, forward only, short lock limits, one runner at a time."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from database.pool import Connection
from domain.errors import ServiceError

# One number for every installation, so that two runners on one database wait for each other.
RUNNER_LOCK = 7305808869231651170
LOCK_TIMEOUT = "3s"

CREATE_LEDGER = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        version text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"""
APPLIED = "SELECT version, checksum FROM schema_migration"
RECORD = "INSERT INTO schema_migration (version, checksum) VALUES ($1, $2)"


class MigrationError(ServiceError):
    """The schema cannot be brought up to date: an applied file was changed, or the database is newer than this code."""

    code = "migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of `database/migrations`, in the form dbmate reads too."""

    version: str
    sql: str
    in_transaction: bool

    @property
    def checksum(self) -> str:
        """What tells an edited file from the one applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


_UP = re.compile(r"^-- migrate:up(?P<options>[^\n]*)\n(?P<sql>.*?)(?=^-- migrate:down|\Z)", re.DOTALL | re.MULTILINE)


def shipped() -> list[Migration]:
    """The migrations this code brings, oldest first."""
    found = []
    for file in sorted(files("database").joinpath("migrations").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            part = _UP.search(file.read_text(encoding="utf-8"))
            if part is None:
                raise MigrationError(f"{file.name} has no '-- migrate:up' part.")
            found.append(
                Migration(
                    version=file.name.split("_")[0],
                    sql=part["sql"],
                    in_transaction="transaction:false" not in part["options"],
                )
            )
    return found


async def pending(connection: Connection) -> list[Migration]:
    """What has not been applied yet. Raises `MigrationError` when an applied file was changed or is not known here."""
    await connection.execute(CREATE_LEDGER)
    applied = {row["version"]: row["checksum"] for row in await connection.fetch(APPLIED)}
    known = shipped()
    unknown = applied.keys() - {m.version for m in known}
    if unknown:
        raise MigrationError(f"The database has migrations this version does not know: {', '.join(sorted(unknown))}.")
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationError(f"Migration {migration.version} was changed after it was applied.")
    return [m for m in known if m.version not in applied]


async def migrate(url: str) -> list[str]:
    """Apply what is pending on the database at `url`; the versions applied, oldest first."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", RUNNER_LOCK)
        await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        await connection.execute("SET client_min_messages = 'warning'")
        applied = []
        for migration in await pending(connection):
            if migration.in_transaction:
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(RECORD, migration.version, migration.checksum)
            else:
                await connection.execute(migration.sql)
                await connection.execute(RECORD, migration.version, migration.checksum)
            applied.append(migration.version)
        return applied
    finally:
        await connection.close()


STATEMENTS = (CREATE_LEDGER, APPLIED, RECORD)
