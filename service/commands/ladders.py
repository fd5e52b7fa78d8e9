"""`motma ladders`: by which ways the holder of a registered phone is told, and when a dossier has cost enough."""

import argparse
import asyncio

from channels.open_channels import reached
from domain.errors import Malformed, NotFound
from notifications.ladder import CHAT, drop_ladder, rungs_of, set_ladder
from service.commands import Subcommands
from service.commands.offices import agency_id, for_agency, operating
from service.servers import open_ladder
from service.settings import Settings

LADDERS = """
    SELECT a.code AS agency, l.rungs, l.dong FROM notice_ladder l JOIN agency a ON a.id = l.agency_id ORDER BY a.code"""
DESCRIPTION = (
    "A ladder is a list of channels, tried one after the other: the next only when the last is known to have failed, "
    "or stayed without a receipt for its time, and the citizen has not looked the dossier up meanwhile. `chat` is the "
    "chat linked to the phone, if there is one. The nearest agency's ladder counts, else MOTMA_LADDER."
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    ladders = commands.add_parser(
        "ladders",
        help="by which ways citizens are told",
        description=DESCRIPTION,
        epilog="example: motma ladders set chat,zns,sms --agency H05 --dong 1500",
    )
    actions = ladders.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", parents=[data], help="every ladder")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    change = actions.add_parser("set", parents=[data], help="make or change an agency's ladder")
    change.add_argument("rungs", metavar="WAYS", help="e.g. chat,zns,sms")
    for_agency(change)
    change.add_argument(
        "--dong", type=int, metavar="N", help="no further way once a dossier cost so much (default: the operator's)"
    )
    change.set_defaults(run=lambda a, s: asyncio.run(_set(a, s)))
    drop = actions.add_parser("drop", parents=[data], help="take an agency's ladder back")
    for_agency(drop)
    drop.set_defaults(run=lambda a, s: asyncio.run(_drop(a, s)))


async def _list(settings: Settings) -> int:
    ours = open_ladder(settings)
    async with operating(settings, "ladders") as connection:
        rows = await connection.fetch(LADDERS)
    print(f"{'everybody':16} {','.join(ours.rungs):24} {_cost(ours.dong)}")
    for row in rows:
        print(f"{row['agency']:16} {','.join(row['rungs']):24} {_cost(row['dong'])}")
    return 0


async def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    rungs = rungs_of(arguments.rungs)
    known = (CHAT, *reached())
    if unknown := [rung for rung in rungs if rung not in known]:
        raise Malformed(f"There is no channel {', '.join(unknown)}; there are {', '.join(known)}.")
    if arguments.dong is not None and arguments.dong < 0:
        raise Malformed("A cost is 0 đồng or more.")
    async with operating(settings, "ladders") as connection:
        await set_ladder(connection, await agency_id(connection, arguments.agency), rungs, dong=arguments.dong)
    print(f"{arguments.agency} and all below tell by {', then '.join(rungs)}; {_cost(arguments.dong)}.")
    return 0


async def _drop(arguments: argparse.Namespace, settings: Settings) -> int:
    async with operating(settings, "ladders") as connection:
        if not await drop_ladder(connection, await agency_id(connection, arguments.agency)):
            raise NotFound(f"{arguments.agency} has no ladder of its own.")
    print(f"{arguments.agency} tells as the agency above it does, else by MOTMA_LADDER.")
    return 0


def _cost(dong: int | None) -> str:
    return "cost as the operator says" if dong is None else f"at most {dong:,} đồng a dossier".replace(",", ".")


STATEMENTS = (LADDERS,)
