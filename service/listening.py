"""How the site listens, and how it stops: nobody who calls meanwhile is turned away.

A process that is told to stop first gives up the listening port, whose new callers others take, and takes those who
stood in its line. From then on every answer says `Connection: close`. HTTP lets a server close an idle connection at
any moment, also while a call is on its way to it (RFC 9112 9.5), and a call that changes something is not sent again by
most clients; so connections are not closed but left to their callers: what still comes is answered for
MOTMA_CLOSING_SECONDS. Only what was silent for so long is closed.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from channels.web.front_door import FrontDoor
from service.front import Front
from service.health import metrics
from service.settings import Settings, address

log = structlog.get_logger()

BACKLOG = 1024  # connections that wait to be taken
KEEP_ALIVE_SECONDS = 75  # aiohttp's own default is an hour (guarantees.md, measured facts)
LAST_ANSWER_SECONDS = 10.0  # for answers under way when the last calls are over
CLOSING_SECONDS = 8.0  # with the last answer within the 20 s that a stop may take


@asynccontextmanager
async def serving(settings: Settings, front: Front) -> AsyncIterator[str]:
    """The site answers; its address. At the end it stops as described above."""
    host, port = address(settings.listen)
    closing = settings.closing_seconds
    if closing is None:
        closing = 0.0 if settings.development else CLOSING_SECONDS
    runner = web.AppRunner(
        front.application(),
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        shutdown_timeout=LAST_ANSWER_SECONDS,
    )
    async with front.attended():
        await runner.setup()
        try:
            door = front.door()(framework=runner.server)
            server = await asyncio.get_running_loop().create_server(door, host, port, reuse_port=True, backlog=BACKLOG)
            try:
                yield f"http://{settings.listen.rpartition(':')[0]}:{server.sockets[0].getsockname()[1]}"
            finally:
                await front.last_calls()
                await give_up(server, door)
                if silent := await door.last_calls(closing):
                    log.info("closing silent connections", connections=silent)
                await door.close()
        finally:
            await runner.cleanup()


async def give_up(server: asyncio.Server, door: FrontDoor) -> None:
    """Listen no more, and take in who has connected but was not taken yet: the kernel would reset them."""
    lines = [socket.socket(fileno=os.dup(listening.fileno())) for listening in server.sockets]
    server.close()
    for line in lines:
        with line:
            callers = list(_standing_in(line))
        for caller in callers:
            await asyncio.get_running_loop().connect_accepted_socket(door, caller)


def _standing_in(line: socket.socket) -> Iterator[socket.socket]:
    line.settimeout(0)
    while True:
        try:
            caller, _ = line.accept()
        except ConnectionAbortedError:
            continue  # it has hung up
        except OSError:
            return  # that was the last one
        caller.settimeout(0)
        yield caller


@asynccontextmanager
async def admin_port(settings: Settings, worker: int) -> AsyncIterator[None]:
    """Metrics, on a port of their own for every process; a taken port costs the metrics, not the service."""
    host, port = address(settings.admin_listen)
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWER_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port + worker if port else 0).start()
    except OSError as error:
        log.warning("metrics port is taken", listen=f"{host}:{port + worker}", error=type(error).__name__)
    try:
        yield
    finally:
        await runner.cleanup()
