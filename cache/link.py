"""The link on which Redis tells this process which keys changed (CLIENT TRACKING, broadcast mode, RESP3).

What a process holds may be believed only while the link lives. A key may have changed unheard whenever the link was
down, so both its loss and its return make everything held before void. On a Cluster there is one connection to each
master, and the link lives only while all of them do.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Unreachable

from cache.redis_connection import AWAY, RedisAway, RedisConnection

log = structlog.get_logger(__name__)

PING_EVERY = 0.4  # seconds
MISSED = 3  # PINGs without an answer
SILENCE = PING_EVERY * MISSED
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between tries to connect


class Listener(Protocol):
    """Who wants to know."""

    def changed(self, keys: Sequence[bytes]) -> None:
        """These keys were written, expired or evicted."""

    def flushed(self) -> None:
        """All keys are gone."""

    def linked(self) -> None:
        """The link lives from now on; what changed before was not heard."""

    def link_lost(self) -> None:
        """The link is down; what changes from now on is not heard."""


class _Wire:
    """One tracking connection: hears changes, and answers to its PINGs."""

    def __init__(
        self, connection: AbstractConnection, prefix: bytes, listener: Listener, answered: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._listener = listener
        self._answered = answered
        self.unanswered: deque[float] = deque()  # when the PINGs were sent that have no answer yet
        self.heard = 0.0  # when the last answered PING was sent: everything the server did before has been heard

    async def open(self) -> None:
        """Connect and switch tracking on. Raises what redis-py raises."""
        await self._connection.connect()  # type: ignore[no-untyped-call]
        # redis-py hands a push to the caller only through a handler of its parser; it offers no other way.
        self._connection._parser.set_invalidation_push_handler(_passed_on)  # type: ignore[attr-defined]  # noqa: SLF001
        await self._connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._prefix)
        await self._connection.read_response()
        await self.ping()
        while not self.heard:
            await self._hear_one()

    async def ping(self) -> None:
        """Ask for a sign of life."""
        self.unanswered.append(monotonic())
        await self._connection.send_command("PING", check_health=False)

    async def hear(self) -> None:
        """Pass on changes until the connection ends."""
        while True:
            await self._hear_one()

    async def _hear_one(self) -> None:
        # push_request: otherwise redis-py calls itself once per push and dies after a thousand without a reply between.
        reply = await self._connection.read_response(timeout=math.inf, push_request=True)
        if reply == b"PONG":
            self.heard = self.unanswered.popleft()
            self._answered()
        elif isinstance(reply, list) and reply[0] == b"invalidate":
            if reply[1] is None:
                self._listener.flushed()
            else:
                self._listener.changed(reply[1])

    async def close(self) -> None:
        """Close the connection without ceremony."""
        await self._connection.disconnect(nowait=True)


async def _passed_on(push: object) -> object:
    return push


class TrackingLink:
    """Keeps the link up while `run` runs. `good_until` (monotonic) is when what is held stops being believed."""

    def __init__(self, redis: RedisConnection, prefix: bytes, listener: Listener) -> None:
        self._redis = redis
        self._prefix = prefix
        self._listener = listener
        self._wires: dict[str, _Wire] = {}
        self._lives = False
        self.good_until = 0.0

    async def run(self) -> None:
        """Connect, listen, and connect again when the link is lost; ends only when cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._open()
                pause = FIRST_PAUSE
                await self._stay_linked()
            except (*AWAY, RedisAway) as error:
                log.warning("tracking link lost", error=type(error).__name__, was_up=self._lives)
            except Exception:
                log.exception("tracking link failed")
            finally:
                await self._close()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _open(self) -> None:
        connections = await self._redis.tracking_connections()
        self._wires = {
            name: _Wire(connection, self._prefix, self._listener, self._heard)
            for name, connection in connections.items()
        }
        async with asyncio.timeout(SILENCE):
            await asyncio.gather(*(wire.open() for wire in self._wires.values()))
        self._listener.linked()
        self._lives = True
        self._heard()

    def _heard(self) -> None:
        if self._lives:
            self.good_until = min(wire.heard for wire in self._wires.values()) + SILENCE

    async def _stay_linked(self) -> None:
        """Listen until a wire is cut or silent, or the masters of the Cluster are others. Always raises."""
        hearing = [asyncio.create_task(wire.hear()) for wire in self._wires.values()]
        try:
            while True:
                silent = any(len(wire.unanswered) >= MISSED for wire in self._wires.values())
                if silent or self._redis.masters() != self._wires.keys():
                    raise Unreachable
                for wire in self._wires.values():
                    await wire.ping()
                ended, _ = await asyncio.wait(hearing, timeout=PING_EVERY, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            for task in hearing:
                task.cancel()
            await asyncio.gather(*hearing, return_exceptions=True)

    async def _close(self) -> None:
        if self._lives:
            self._lives = False
            self.good_until = 0.0
            self._listener.link_lost()
        for wire in self._wires.values():
            await wire.close()
        self._wires = {}
