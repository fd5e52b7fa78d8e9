"""A process that does nothing but ask for an access token: `python sending_process.py DATABASE_URL ZALO_URL TOKEN`.

It prints each token it gets, or why it got none, and ends when told so on its standard input.
"""

import asyncio
import sys
from datetime import timedelta

import aiohttp
import structlog

from channels.zalo.account import ZaloAccount
from channels.zalo.tokens import Renewing
from database.pool import PoolSizes, Role, open_database
from domain.errors import ServiceError
from lookup.sealing import Seal
from tests.channels.zalo.stand_in import APP_ID, APP_SECRET


def tell(what: str) -> None:
    """To whoever started this process."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def main(database_url: str, zalo_url: str, refresh_token: str) -> None:
    """Ask at each line that comes."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with (
        open_database(database_url, roles=(Role.WORKER,), sizes=PoolSizes(worker=2)) as database,
        aiohttp.ClientSession() as http,
    ):
        account = ZaloAccount(
            app_id=APP_ID,
            app_secret=APP_SECRET,
            refresh_token=refresh_token,
            api_url=zalo_url,
            http=http,
            database=database,
            seal=Seal.from_secret(b"t" * 32),
            renewing=Renewing(shortest_life=timedelta(0)),
        )
        tell("ready")
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            try:
                said = await account.call("GET", f"{zalo_url}/v2.0/oa/getoa")
            except ServiceError as error:
                tell(f"{line} failed {type(error).__name__}")
            else:
                tell(f"{line} sent {said['name'] != ''}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
