"""What the commands share that set something for an agency and all below it: the operator's transaction, the agency."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from database.pool import Connection, Role, open_database
from domain.errors import NotFound
from service.commands.keys import AGENCY_BY_CODE
from service.servers import open_servers
from service.settings import Settings

PROCEDURE_BY_CODE = "SELECT id FROM procedure WHERE code = $1"


@asynccontextmanager
async def operating(settings: Settings, application: str) -> AsyncIterator[Connection]:
    """One transaction as `motma_operator`."""
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application=application) as database,
        database.transaction(Role.OPERATOR) as connection,
    ):
        yield connection


async def agency_id(connection: Connection, code: str) -> int:
    """The agency of a code, in its last period. Raises `NotFound`."""
    found: int | None = await connection.fetchval(AGENCY_BY_CODE, code)
    if found is None:
        raise NotFound(f"There is no agency {code}. `motma migrate` loads the agencies shipped with this version.")
    return found


async def procedure_id(connection: Connection, code: str) -> int:
    """The procedure of a code. Raises `NotFound`."""
    found: int | None = await connection.fetchval(PROCEDURE_BY_CODE, code)
    if found is None:
        raise NotFound(f"No procedure {code} is known: it is learnt with the first dossier that names it.")
    return found


def for_agency(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The option that names the agency."""
    held = "it holds for the agency and all below it" + ("" if required else "; without it, for every agency")
    parser.add_argument("--agency", required=required, metavar="CODE", help=f"e.g. H05.16; {held}")


STATEMENTS = (PROCEDURE_BY_CODE,)
