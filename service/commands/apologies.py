"""`motma apologies`: whether an agency apologises for lateness, by whose word, and how far it puts a date off."""

import argparse
import asyncio

from domain.errors import NotFound
from notifications.apology_policies import DEFAULT_DAYS, MOST_DAYS, Policy, drop_policy, policies, set_policy
from service.commands import Subcommands
from service.commands.offices import agency_id, for_agency, operating
from service.settings import Settings

COUNTS = "SELECT state, automatic, count(*) AS n FROM apology GROUP BY state, automatic ORDER BY state, automatic"
DESCRIPTION = (
    "When a dossier becomes overdue, the law asks for an apology with a reason and a new date, once at most (NĐ "
    "118/2025, Article 19). none: nothing is drafted. officer: a draft waits for an officer's word, in the console or "
    "by the API (/api/v1/apologies). automatic: it goes out by itself. The nearest agency's policy counts; where "
    "nobody has one, it is officer."
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    apologies = commands.add_parser(
        "apologies",
        help="who apologises for late dossiers, and how",
        description=DESCRIPTION,
        epilog="example: motma apologies set automatic --agency H05.16 --days 3",
    )
    actions = apologies.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", parents=[data], help="every policy, and what became of apologies")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    change = actions.add_parser("set", parents=[data], help="make or change an agency's policy")
    change.add_argument("policy", choices=list(Policy), help="what is done about lateness")
    for_agency(change)
    change.add_argument(
        "--days",
        type=int,
        default=DEFAULT_DAYS,
        metavar="N",
        help=f"working days by which a date is put off, 1 to {MOST_DAYS} (default {DEFAULT_DAYS})",
    )
    change.set_defaults(run=lambda a, s: asyncio.run(_set(a, s)))
    drop = actions.add_parser("drop", parents=[data], help="take an agency's policy back")
    for_agency(drop)
    drop.set_defaults(run=lambda a, s: asyncio.run(_drop(a, s)))


async def _list(settings: Settings) -> int:
    async with operating(settings, "apologies") as connection:
        found, counts = await policies(connection), await connection.fetch(COUNTS)
    for row in found:
        print(f"{row['agency']:16} {row['policy']:9} {_put_off(row['days'])}")
    print(f"{'everybody else':16} {Policy.OFFICER:9} {_put_off(DEFAULT_DAYS)}")
    for row in counts:
        print(f"{row['n']:7,}  {row['state']}{', automatic' if row['automatic'] else ''}")
    return 0


async def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    async with operating(settings, "apologies") as connection:
        await set_policy(
            connection, await agency_id(connection, arguments.agency), Policy(arguments.policy), days=arguments.days
        )
    off = "" if arguments.policy == Policy.NONE else f", {_put_off(arguments.days)}"
    print(f"{arguments.agency} and all below: {arguments.policy}{off}.")
    return 0


async def _drop(arguments: argparse.Namespace, settings: Settings) -> int:
    async with operating(settings, "apologies") as connection:
        if not await drop_policy(connection, await agency_id(connection, arguments.agency)):
            raise NotFound(f"{arguments.agency} has no policy of its own.")
    print(f"{arguments.agency} does as the agency above it, else {Policy.OFFICER}.")
    return 0


def _put_off(days: int) -> str:
    return f"put off by {days} working day{'' if days == 1 else 's'}"


STATEMENTS = (COUNTS,)
