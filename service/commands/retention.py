"""`motma retention`: end what has had its time, or say what would end."""

import argparse
import asyncio
import sys
import textwrap

from database.pool import Role, open_database
from service.commands import Subcommands
from service.keeping import CLASSES, KEPT_FOR_EVER, Keeping, terms
from service.servers import open_servers
from service.settings import Settings

DESCRIPTION = (
    "Deletes personal data whose purpose is over, class by class. Run it every night; it works in small pieces, so it "
    "disturbs nobody and may be stopped at any time. Dossiers and their history belong to the agencies and stay."
)


def _epilog() -> str:
    lines = [
        textwrap.fill(
            f"{kept.name:13} {kept.days:5} days  {kept.why}", 100, initial_indent="  ", subsequent_indent=" " * 28
        )
        for kept in CLASSES
    ]
    lines += [f"  {name:13} always      {why}" for name, why in KEPT_FOR_EVER.items()]
    return "classes and their terms, which MOTMA_KEEP changes (MOTMA_KEEP=inbound=30,message=730):\n" + "\n".join(lines)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    retention = commands.add_parser(
        "retention",
        parents=[data],
        help="delete personal data whose time is over",
        description=DESCRIPTION,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    retention.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    retention.set_defaults(run=lambda a, s: asyncio.run(_run(s, dry=a.dry_run)))


async def _run(settings: Settings, *, dry: bool) -> int:
    days = terms(settings.keep)
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.KEEPER,), application="retention") as database,
    ):
        keeping = Keeping(database, days)
        for kept in CLASSES:
            due = await keeping.due(kept)
            done = 0
            while not dry and done < due and (ended := await keeping.end(kept)):
                done += ended
                if sys.stderr.isatty():
                    print(f"\r{kept.name}: {done:,} of {due:,}", end="", file=sys.stderr, flush=True)
            if sys.stderr.isatty() and done:
                print("\r\x1b[K", end="", file=sys.stderr)
            said = f"{due:,} would end" if dry else f"{done:,} ended"
            print(f"{kept.name:13} older than {days[kept.name].days:5} days: {said}")
    return 0
