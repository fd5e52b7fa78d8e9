"""`motma rules`: which kinds of change citizens are told of, for everybody, an agency, or a procedure."""

import argparse
import asyncio

from database.pool import Connection
from domain.errors import NotFound
from notifications.kinds import SILENT, EventKind
from notifications.rules import RULES, drop_rule, set_rule
from service.commands import Subcommands
from service.commands.offices import agency_id, for_agency, operating, procedure_id
from service.settings import Settings

WHAT = {
    EventKind.RECEIVED: "the dossier was received",
    EventKind.MOVED_ON: "it went on to the next stage",
    EventKind.ASKED: "papers or a fee are asked of the citizen",
    EventKind.NEW_DUE_DATE: "another due date, with an apology where it is later",
    EventKind.RESULT_READY: "the result can be fetched",
    EventKind.CLOSED: "handed over, refused, withdrawn, stopped",
    EventKind.CORRECTED: "it went back to an earlier stage",
    EventKind.INTERNAL: "a step within the office that changes nothing for the citizen",
    EventKind.DUE_TOMORROW: "due on the next working day",
    EventKind.OVERDUE: "overdue since the last working day",
    EventKind.SUPPLEMENT_OVERDUE: "the time for the papers that were asked for is over",
}
EPILOG = "kinds of change, and whether they are told where no rule says otherwise:\n" + "\n".join(
    f"  {kind:19} {'silent' if kind in SILENT else 'told':7} {what}" for kind, what in WHAT.items()
)
DESCRIPTION = (
    "Which kinds of change are told. A rule for a procedure goes before one for all procedures, then the nearest "
    "agency's before those above it. It holds for what is queued already, too."
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    rules = commands.add_parser(
        "rules",
        help="which kinds of change citizens are told of",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = rules.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", parents=[data], help="every rule")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    change = actions.add_parser("set", parents=[data], help="make or change a rule")
    _of(change)
    told = change.add_mutually_exclusive_group(required=True)
    told.add_argument("--told", action="store_true", dest="told", help="citizens are told of it")
    told.add_argument("--silent", action="store_false", dest="told", help="nobody is told of it")
    change.set_defaults(run=lambda a, s: asyncio.run(_set(a, s)))
    drop = actions.add_parser("drop", parents=[data], help="take a rule back")
    _of(drop)
    drop.set_defaults(run=lambda a, s: asyncio.run(_drop(a, s)))


def _of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", choices=list(EventKind), metavar="KIND", help="a kind of change, see `motma rules -h`")
    for_agency(parser, required=False)
    parser.add_argument("--procedure", metavar="CODE", help="e.g. 1.005129; without it, for every procedure")


async def _list(settings: Settings) -> int:
    async with operating(settings, "rules") as connection:
        rows = await connection.fetch(RULES)
    for row in rows:
        where = f"{row['agency'] or 'every agency'}, {row['procedure'] or 'every procedure'}"
        print(f"{row['event']:19} {'told' if row['told'] else 'silent':7} {where}")
    if not rows:
        print("There are no rules: everything is told but " + ", ".join(SILENT) + ".")
    return 0


async def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    async with operating(settings, "rules") as connection:
        agency, procedure = await _where(connection, arguments)
        event = EventKind(arguments.event)
        await set_rule(connection, event, agency_id=agency, procedure_id=procedure, told=arguments.told)
    print(f"{event} is {'told' if arguments.told else 'silent'} from now on{_named(arguments)}.")
    return 0


async def _drop(arguments: argparse.Namespace, settings: Settings) -> int:
    async with operating(settings, "rules") as connection:
        agency, procedure = await _where(connection, arguments)
        if not await drop_rule(connection, EventKind(arguments.event), agency_id=agency, procedure_id=procedure):
            raise NotFound(f"There is no such rule about {arguments.event}{_named(arguments)}.")
    print(f"The rule about {arguments.event}{_named(arguments)} is dropped.")
    return 0


async def _where(connection: Connection, arguments: argparse.Namespace) -> tuple[int | None, int | None]:
    agency = await agency_id(connection, arguments.agency) if arguments.agency else None
    procedure = await procedure_id(connection, arguments.procedure) if arguments.procedure else None
    return agency, procedure


def _named(arguments: argparse.Namespace) -> str:
    at = f" at {arguments.agency} and below" if arguments.agency else ""
    return at + (f" in {arguments.procedure}" if arguments.procedure else "")
