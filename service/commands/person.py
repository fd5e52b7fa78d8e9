"""`motma person`: what is kept of a person, shown or forgotten at their word."""

import argparse
import asyncio
import getpass
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from database.pool import Connection, Role, open_database
from domain.contact import ChannelName, Contact, e164
from service.commands import Subcommands
from service.persons import Persons
from service.servers import open_seal, open_servers
from service.settings import Settings

DESCRIPTION = (
    "Answers the requests of NĐ 356/2025 Đ5: say that it was received within 2 working days; show or correct within 10 "
    "days; forget within 20. Make sure first that the request comes from the person: a message from that contact, or "
    "their card at the desk. Each answer is noted, with a digest of the contact and your name."
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    person = commands.add_parser("person", help="show or forget what is kept of a person", description=DESCRIPTION)
    actions = person.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", parents=[data], help="write all that is kept into a file only you can read")
    _whose(show)
    show.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="JSON; must not exist yet")
    show.set_defaults(run=lambda a, s: asyncio.run(_show(a, s)))
    forget = actions.add_parser("forget", parents=[data], help="delete what may be deleted, and say what stays and why")
    _whose(forget)
    forget.add_argument("--yes", action="store_true", help="really; without it nothing is deleted")
    forget.set_defaults(run=lambda a, s: asyncio.run(_forget(a, s)))


def _whose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="CONTACT", help="a phone number, a mail address, an id in a chat")
    parser.add_argument("--channel", default=ChannelName.SMS, metavar="NAME", help="of the contact (default sms)")


@asynccontextmanager
async def _keeper(settings: Settings) -> AsyncIterator[tuple[Persons, Connection]]:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.KEEPER,), application="person") as database,
        database.transaction(Role.KEEPER) as connection,
    ):
        yield Persons(open_seal(settings)), connection


def _contact(arguments: argparse.Namespace) -> Contact:
    channel = ChannelName(arguments.channel)
    return Contact(
        channel=channel, address=e164(arguments.address) if channel == ChannelName.SMS else arguments.address
    )


async def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    contact = _contact(arguments)
    async with _keeper(settings) as (persons, connection):
        found = await persons.show(connection, contact, by=getpass.getuser())
    with os.fdopen(os.open(arguments.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(found, opened, ensure_ascii=False, indent=1, default=_said)
    for what, rows in found.items():
        print(f"{len(rows):6,} {what}")
    print(f"Written to {arguments.output}. Give it to nobody but the person.")
    return 0


async def _forget(arguments: argparse.Namespace, settings: Settings) -> int:
    contact = _contact(arguments)
    if not arguments.yes:
        print("Nothing was deleted. Add --yes to delete what is kept of this contact.")
        return 2
    async with _keeper(settings) as (persons, connection):
        done = await persons.forget(connection, contact, by=getpass.getuser())
    for what, count in done.counts.items():
        print(f"{count:6,} {what}: deleted")
    for what, why in done.stays.items():
        print(f"stays: {what}, {why}")
    print("Backups still hold it until they are overwritten: tell the person for how long they are kept.")
    return 0


def _said(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
