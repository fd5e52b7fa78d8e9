"""PgBouncer in transaction mode before a store, set up as docs/operations/runbook.md says."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL
from urllib.parse import parse_qs, urlsplit

from database.pool import Role, logins
from service.embedded.account import choose_account
from tests.faults.rig import free_port

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
INSTALL = "There is no pgbouncer here; on Debian: apt install pgbouncer"
PASSWORD = "a-pooler-of-faults"
SESSIONS = 4  # for each role, whatever many callers there are
SETTINGS = """
[databases]
motma = host={host} port={port} dbname=motma
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
log_connections = 0
log_disconnections = 0
"""


def allowed_in() -> str:
    """SQL by which the store lets the pooler in."""
    passwords = (f"ALTER ROLE {role} PASSWORD '{PASSWORD}'" for role in Role)
    return ";\n".join((*logins(), *passwords))


@asynccontextmanager
async def open_pooler(directory: Path, database_url: str, *, sessions: int = SESSIONS) -> AsyncIterator[str]:
    """The pooler's address, with `{role}` as the user, while inside. Raises `FileNotFoundError` where there is none."""
    if PROGRAM is None:
        raise FileNotFoundError(INSTALL)
    store, listen = parse_qs(urlsplit(database_url).query), free_port()
    users, settings = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text("".join(f'"{role}" "{PASSWORD}"\n' for role in Role))
    settings.write_text(
        SETTINGS.format(host=store["host"][0], port=store["port"][0], listen=listen, users=users, sessions=sessions)
    )
    account = await choose_account()
    with (directory / "pgbouncer.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *account.tethered(PROGRAM, str(settings), death_signal=SIGKILL), stdout=log, stderr=log
        )
    try:
        await _until_it_listens(listen, process, directory / "pgbouncer.log")
        yield f"postgresql://{{role}}:{PASSWORD}@127.0.0.1:{listen}/motma?sslmode=disable"
    finally:
        if process.returncode is None:
            process.send_signal(SIGINT)
            await process.wait()


async def _until_it_listens(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.returncode is not None:
            break
        await asyncio.sleep(0.05)
    raise ConnectionError(f"pgbouncer never listened: {log}")
