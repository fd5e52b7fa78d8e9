"""`motma demo`: deterministic demo data for trying, showing and measuring."""

import argparse
import asyncio

from service.commands import Subcommands
from service.demo_seed import seed_dossiers
from service.servers import open_seal, open_servers
from service.settings import Settings, SettingsError
from service.wiring import open_core


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    demo = commands.add_parser("demo", help="demo data").add_subparsers(metavar="ACTION", required=True)
    seed = demo.add_parser("seed", parents=[data], help="store deterministic demo dossiers; safe to run twice")
    seed.add_argument("--dossiers", type=int, default=10_000, metavar="N", help="how many (default 10,000)")
    seed.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Seed, unless this is production."""
    if not settings.development:
        raise SettingsError("demo data does not belong into production.")
    return asyncio.run(_seed(arguments.dossiers, settings))


async def _seed(count: int, settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_core(servers, open_seal(settings), application="demo", answers_in_process=False) as core,
    ):
        await seed_dossiers(core, count)
    print(f"{count:,} demo dossiers are stored.")
    return 0
