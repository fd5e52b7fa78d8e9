"""`motma doctor`: look at settings, servers and providers, and say how to mend each fault."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import asyncpg

from cache.redis_connection import RedisAway, open_redis
from channels.channel import Examined
from channels.email.mailbox import Mailbox
from database.migrate import pending
from database.pool import Connection, open_database
from domain.errors import ServiceError
from domain.message import Incoming
from service.commands import Subcommands
from service.servers import open_seal, open_servers
from service.settings import Settings, faults
from service.site import configured_channels

OLDEST_POSTGRESQL = 150000
UNGUARDED = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relname = ANY ($1) AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"""
SILENT_FEEDS = """
    SELECT a.code, f.heard_at FROM feed f JOIN agency a ON a.id = f.agency_id
     WHERE f.heard_at < now() - interval '3 days' ORDER BY f.heard_at LIMIT 20"""
OPEN_QUARANTINE = "SELECT count(*) FROM quarantine WHERE settled_at IS NULL"
WAITING_MESSAGES = """
    SELECT count(*) FILTER (WHERE run_at < now() - interval '10 minutes' AND expires_at > now()) AS late,
           count(*) FILTER (WHERE state = 63 AND created_at > now() - interval '7 days') AS dead FROM message
     WHERE state <= 20 OR state = 63"""
TENANT_TABLES = [
    "dossier_code",
    "dossier",
    "dossier_event",
    "quarantine",
    "idempotency",
    "api_key",
    "subscription",
    "message",
    "receipt_revocation",
    "receipt_secret",
    "callback_receiver",
    "callback_listener",
    "callback_change",
    "callback_delivery",
    "account",
    "account_role",
    "session",
    "passkey",
    "draft",
    "audit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: well, or a fault with the way to mend it."""

    what: str
    fault: str | None = None
    vital: bool = False  # production does not start with this fault

    def line(self) -> str:
        """As the command prints it."""
        return f"ok    {self.what}" if self.fault is None else f"FAULT {self.what}: {self.fault}"


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser("doctor", parents=[data], help="check settings, servers and providers")
    one.set_defaults(run=run)


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Print every finding; 1 when one is a fault."""
    return asyncio.run(_examine(settings))


async def _examine(settings: Settings) -> int:
    ill = 0
    async for finding in examine(settings):
        print(finding.line(), flush=True)
        ill += finding.fault is not None
    print("All is well." if not ill else f"{ill} to mend.")
    return 1 if ill else 0


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Everything worth knowing, in the order one would mend it."""
    unsafe = [] if settings.development else faults(settings, {})
    for fault in unsafe:
        yield Finding(what="settings", fault=fault)
    if not unsafe:
        yield Finding(what=f"settings ({settings.env})")
    try:
        async with open_servers(settings) as servers:
            sound = True
            async for finding in examine_store(servers.database_url):
                sound = sound and not (finding.fault and finding.vital)
                yield finding
            yield await _redis(servers.redis_url)
            if sound:
                async for finding in examine_channels(settings, servers.database_url):
                    yield finding
    except ServiceError as error:
        yield Finding(what="servers", fault=error.message)


async def examine_store(url: str) -> AsyncIterator[Finding]:
    """What there is to find in PostgreSQL."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        unreachable = f"cannot be reached ({type(error).__name__}); check MOTMA_DATABASE_URL."
        yield Finding(what="PostgreSQL", fault=unreachable, vital=True)
        return
    try:
        number = int(await connection.fetchval("SHOW server_version_num"))
        version = await connection.fetchval("SHOW server_version")
        old = "15 or newer is needed." if number < OLDEST_POSTGRESQL else None
        yield Finding(what=f"PostgreSQL {version}", fault=old, vital=True)
        commit = await connection.fetchval("SHOW synchronous_commit")
        off = "off: acknowledged changes can be lost. Set it to on." if commit == "off" else None
        yield Finding(what=f"synchronous_commit {commit}", fault=off, vital=True)
        missing = [m.version for m in await pending(connection)]
        unapplied = f"migrations {', '.join(missing)} are pending: run `motma migrate`." if missing else None
        yield Finding(what="schema", fault=unapplied, vital=True)
        if not missing:
            async for finding in _contents(connection):
                yield finding
    finally:
        await connection.close()


async def _contents(connection: Connection) -> AsyncIterator[Finding]:
    unguarded = [row["relname"] for row in await connection.fetch(UNGUARDED, TENANT_TABLES)]
    open_tables = f"not forced on {', '.join(unguarded)}: restore migration 0001." if unguarded else None
    yield Finding(what="row-level security", fault=open_tables, vital=True)
    for row in await connection.fetch(SILENT_FEEDS):
        yield Finding(
            what=f"feed of {row['code']}", fault=f"silent since {row['heard_at']:%d/%m/%Y %H:%M} UTC: ask the office."
        )
    kept = await connection.fetchval(OPEN_QUARANTINE)
    yield Finding(what="quarantine", fault=f"{kept} items wait: see `motma quarantine list`." if kept else None)
    waiting = await connection.fetchrow(WAITING_MESSAGES)
    late = f"{waiting['late']} wait longer than 10 minutes: is a dispatcher running?" if waiting["late"] else None
    yield Finding(what="messages", fault=late)
    if waiting["dead"]:
        yield Finding(
            what="dead letters", fault=f"{waiting['dead']} in the last 7 days: see the table message, state 63."
        )


async def _redis(url: str) -> Finding:
    try:
        async with open_redis(url) as connection:
            await connection.get_many([b"l:doctor"])
    except (RedisAway, OSError, ValueError) as error:
        return Finding(what="Redis", fault=f"gives no answer ({type(error).__name__}); check MOTMA_REDIS_URL.")
    return Finding(what="Redis answers")


async def examine_channels(settings: Settings, database_url: str) -> AsyncIterator[Finding]:
    """What the providers of the open channels say."""
    async with open_database(database_url, application="doctor") as database, aiohttp.ClientSession() as http:
        try:
            opened = configured_channels(settings, database, open_seal(settings), _hear_nothing, http)
        except ServiceError as error:
            yield Finding(what="channels", fault=error.message)
            return
        for channel in opened.channels:
            if not isinstance(channel, Examined):
                yield Finding(what=f"{channel.name} is open")
                continue
            try:
                said = await channel.examine()
            except ServiceError as error:
                yield Finding(what=channel.name, fault=error.message)
            else:
                yield Finding(what=f"{channel.name}: {said}")
    if settings.mail_inbox_url:
        try:
            count = await asyncio.to_thread(Mailbox.of(settings.mail_inbox_url, "MOTMA_MAIL_INBOX_URL").count)
        except ServiceError as error:
            yield Finding(what="mailbox of letters", fault=error.message)
        else:
            yield Finding(what=f"mailbox of letters: {count} unread")


async def _hear_nothing(_incoming: Incoming) -> bool:
    return False


STATEMENTS = (UNGUARDED, SILENT_FEEDS, OPEN_QUARANTINE, WAITING_MESSAGES)
