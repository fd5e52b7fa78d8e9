"""Hears the database say that a message was queued."""

import asyncio
from collections.abc import Callable

import asyncpg

from database.pool import Role

HEARTBEAT = 15.0  # seconds between proofs that the connection still carries something
LIMIT = 5.0


async def listen(url: str, channel: str, heard: Callable[[str], None]) -> None:
    """Call `heard` with the words of every NOTIFY on `channel`, and with '' at the start for what was said before.

    Holds one direct connection of its own and runs until it is lost, which raises. A transaction-mode pooler passes no
    notices on: whoever relies on this polls as well.
    """
    connection = await asyncpg.connect(
        url,
        timeout=LIMIT,
        command_timeout=LIMIT,
        server_settings={"role": Role.WORKER.value, "application_name": f"motma listener {channel}"},
    )
    lost = asyncio.Event()
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(channel, lambda *said: heard(said[-1]))
        heard("")
        while not lost.is_set():
            try:
                await asyncio.wait_for(lost.wait(), HEARTBEAT)
            except TimeoutError:
                await connection.execute("SELECT 1")
        raise ConnectionResetError("the listening connection was closed")
    finally:
        connection.terminate()
