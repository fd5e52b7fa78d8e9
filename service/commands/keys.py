"""`motma keys`: make, list and revoke the keys of agencies' systems."""

import argparse
import asyncio

from database.pool import Database, Role, open_database
from domain.errors import NotFound
from lookup.api_keys import KeyKind, create_key, list_keys, revoke_key
from service.commands import Subcommands
from service.servers import open_servers
from service.settings import Settings

AGENCY_BY_CODE = "SELECT id FROM agency WHERE code = $1 ORDER BY valid_to DESC NULLS FIRST LIMIT 1"


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its three parts."""
    keys = commands.add_parser("keys", help="API keys of agencies").add_subparsers(metavar="ACTION", required=True)
    create = keys.add_parser("create", parents=[data], help="make a key; it is printed once")
    create.add_argument("--agency", required=True, metavar="CODE", help="agency identifier, e.g. H05.16")
    create.add_argument("--kind", choices=list(KeyKind), default=KeyKind.LIVE, help="test keys touch nothing real")
    create.add_argument("--name", required=True, metavar="TEXT", help="which system will use it")
    create.set_defaults(run=lambda a, s: asyncio.run(_create(a, s)))
    show = keys.add_parser("list", parents=[data], help="every key, without its secret")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    revoke = keys.add_parser("revoke", parents=[data], help="end a key's life at once")
    revoke.add_argument("id", metavar="ID", help="the id `motma keys list` shows")
    revoke.set_defaults(run=lambda a, s: asyncio.run(_revoke(a, s)))


async def make_key(database: Database, *, agency: str, kind: KeyKind, name: str) -> str:
    """A new key for the agency with this code. Raises `NotFound`."""
    async with database.transaction(Role.OPERATOR) as connection:
        agency_id = await connection.fetchval(AGENCY_BY_CODE, agency)
        if agency_id is None:
            raise NotFound(
                f"There is no agency {agency}. `motma migrate` loads the agencies shipped with this version."
            )
        return await create_key(connection, agency_id=agency_id, kind=kind, name=name)


async def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="keys") as database,
    ):
        print(await make_key(database, agency=arguments.agency, kind=KeyKind(arguments.kind), name=arguments.name))
    return 0


async def _list(settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="keys") as database,
        database.transaction(Role.OPERATOR) as connection,
    ):
        found = await list_keys(connection)
    for key in found:
        used = f"used {key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never used"
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else used
        print(f"{key.key_id}  {key.kind:4}  {key.agency_code:16}  {state:18}  {key.name}")
    if not found:
        print("There are no keys yet. Make one with `motma keys create --agency CODE --name TEXT`.")
    return 0


async def _revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="keys") as database,
        database.transaction(Role.OPERATOR) as connection,
    ):
        await revoke_key(connection, arguments.id)
    print(f"{arguments.id} is revoked.")
    return 0


STATEMENTS = (AGENCY_BY_CODE,)
