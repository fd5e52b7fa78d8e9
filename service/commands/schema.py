"""`motma migrate`: bring the schema and the reference data up to date."""

import argparse
import asyncio

from database.migrate import migrate
from lookup.reference_loader import load_reference_data
from service.commands import Subcommands
from service.servers import open_servers
from service.settings import Settings


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser("migrate", parents=[data], help="bring the schema and reference data up to date")
    one.set_defaults(run=run)


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Apply what is pending; safe to run again and beside a running service."""
    return asyncio.run(_migrate(settings))


async def _migrate(settings: Settings) -> int:
    async with open_servers(settings) as servers:
        applied = await migrate(servers.database_url)
        await load_reference_data(servers.database_url)
    print(f"Applied {', '.join(applied)}." if applied else "The schema is up to date.")
    return 0
