"""What a process makes ready before it takes calls, so that its first callers wait no longer than any others.

A connection to the store costs a process of the server, a signing-in and a dozen settings; on a busy machine that is
seconds, and whoever waits for one longer than `database.pool.ACQUIRE_LIMIT` is turned away.
"""

import asyncio
from contextlib import suppress

import structlog

from cache.redis_connection import RedisAway
from database.pool import DATABASE_AWAY, Role
from domain.errors import ServiceError
from service.wiring import Core

TO_ANSWER = (Role.APP, Role.PUBLIC, Role.CITIZEN, Role.WORKER, Role.GATE, Role.CONSOLE)
TO_SEND = (Role.WORKER,)
NOBODYS = "KHONG-CO-HO-SO-NAY"  # no agency gives such a code

log = structlog.get_logger()

_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, RedisAway)


async def warm(core: Core, *, answers: bool) -> None:
    """Open all connections of what this process does, and ask what every look-up asks, if it `answers` any.

    What cannot be had now is had when it is needed: a store with too few connections, or a Redis that is away, keeps
    nobody from starting.
    """
    roles = TO_ANSWER if answers else TO_SEND
    for opening in (core.database.open_all(roles), core.redis.open_all()):
        try:
            await opening
        except _AWAY as error:
            log.warning("not every connection could be opened", error=type(error).__qualname__)
    if answers:
        with suppress(ServiceError):
            await asyncio.gather(core.desk.by_code(NOBODYS), core.desk.with_proof(NOBODYS, "0000"))
