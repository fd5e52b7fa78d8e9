"""`motma deadlines`: how far the calendar has been told, and telling it again from a day on."""

import argparse
import asyncio
from datetime import date

from domain.civil_time import CIVIL_ZONE
from domain.errors import NotFound
from notifications.deadlines import PLACES, WALKS, WORTH_TELLING, go_back
from notifications.kinds import EventKind
from service.commands import Subcommands
from service.commands.offices import operating
from service.settings import Settings

KINDS = [walk.event for walk in WALKS]
DESCRIPTION = (
    "The dispatchers walk along due dates and requests for papers, and queue a notice for each when its day comes. "
    "`list` says up to which moment each walk has come; `again` sends one back, where a calendar was wrong or dossiers "
    f"came late. Nothing is told twice for one dossier and date, and nothing older than {WORTH_TELLING.days} days."
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    deadlines = commands.add_parser(
        "deadlines",
        help="how far the calendar has been told",
        description=DESCRIPTION,
        epilog="example: motma deadlines again overdue --since 2026-11-16",
    )
    actions = deadlines.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", parents=[data], help="where each walk stands")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    again = actions.add_parser("again", parents=[data], help="send a walk back")
    again.add_argument("event", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    again.add_argument(
        "--since",
        type=date.fromisoformat,
        required=True,
        metavar="YYYY-MM-DD",
        help="the first due date, or the first day papers were asked, to look at again",
    )
    again.set_defaults(run=lambda a, s: asyncio.run(_again(a, s)))


async def _list(settings: Settings) -> int:
    async with operating(settings, "deadlines") as connection:
        rows = await connection.fetch(PLACES)
    for row in rows:
        print(f"{row['event']:19} up to {row['reached'].astimezone(CIVIL_ZONE):%Y-%m-%d %H:%M}")
    if not rows:
        print("No dispatcher has looked at the calendar yet.")
    return 0


async def _again(arguments: argparse.Namespace, settings: Settings) -> int:
    async with operating(settings, "deadlines") as connection:
        if not await go_back(connection, EventKind(arguments.event), arguments.since):
            raise NotFound(f"The walk of {arguments.event} has not come as far as {arguments.since}.")
    print(f"{arguments.event} is looked at again from {arguments.since} on.")
    return 0
