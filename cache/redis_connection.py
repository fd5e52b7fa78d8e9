"""The Redis or Valkey behind the cache: single or Cluster, and possibly away at any moment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

import structlog
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from cache.breaker import Breaker

log = structlog.get_logger(__name__)

COMMAND_LIMIT = 0.1  # seconds: what a citizen's request may lose to a Redis that does not answer
PATIENT_LIMIT = 0.5  # seconds, for work nobody waits for
CONNECT_LIMIT = 0.2  # seconds
OPENING_LIMIT = 2.0  # seconds, before anybody waits
GRACE = 0.02  # seconds
CONNECTIONS = 16
CALLS_AT_ONCE = 500  # keys per script call; Redis serves nobody else meanwhile (about 1 ms)
CLUSTER_SCHEMES = {"redis+cluster": False, "rediss+cluster": True}  # scheme: TLS

AWAY = (RedisError, RedisClusterException, OSError, TimeoutError)

Reply = TypeVar("Reply")
Argument: TypeAlias = bytes | str | int | float
ScriptCall: TypeAlias = tuple[bytes, tuple[Argument, ...]]  # one key and its arguments


class RedisAway(Exception):
    """Redis gave no usable answer in time. Whatever was asked may or may not have been done."""


class RedisConnection:
    """Commands to Redis that end within `COMMAND_LIMIT` or raise `RedisAway`; the breaker spares callers the wait."""

    def __init__(self, client: "Redis | RedisCluster", breaker: Breaker | None = None) -> None:
        self._client: Any = client  # redis-py types its commands half-way
        self._clustered = isinstance(client, RedisCluster)
        self._breaker = breaker or Breaker()

    @property
    def away(self) -> bool:
        """Whether the last tries failed, so that callers are turned away at once."""
        return self._breaker.open

    async def open_all(self) -> None:
        """Open each connection there may be, before anybody waits. Raises `RedisAway`; the breaker hears nothing."""
        try:
            async with asyncio.timeout(OPENING_LIMIT):
                await asyncio.gather(*(self._client.execute_command("PING") for _ in range(CONNECTIONS)))
        except AWAY as error:
            raise RedisAway from error

    async def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, None where there is none."""
        return await self._within_limit(partial(self._get_many, keys))

    async def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if not self._clustered:
            return list(await self._client.execute_command("MGET", *keys))
        pipeline = self._client.pipeline()
        for key in keys:
            pipeline.execute_command("GET", key)
        return list(await pipeline.execute())

    async def put(self, key: bytes, value: bytes) -> None:
        """Set `key` for good. Patient: asks also while the breaker is open."""
        await self._within_limit(partial(self._client.execute_command, "SET", key, value), patient=True)

    async def run_each(
        self, script: str, calls: Sequence[ScriptCall], common: tuple[Argument, ...] = (), *, patient: bool = False
    ) -> list[Any]:
        """One reply of `script` per call, in order.

        The script takes any number of KEYS, as ARGV what is common and then the arguments of each key, and answers a
        list: a single Redis gets all in one call, a Cluster one call per key, because its keys live on different
        nodes. Sent as text each time, so a restarted or promoted server needs no loading.
        """
        replies: list[Any] = []
        for first in range(0, len(calls), CALLS_AT_ONCE):
            part = calls[first : first + CALLS_AT_ONCE]
            replies += await self._within_limit(partial(self._run, script, part, common), patient=patient)
        return replies

    async def _run(self, script: str, calls: Sequence[ScriptCall], common: tuple[Argument, ...]) -> list[Any]:
        if not self._clustered:
            keys = (key for key, _ in calls)
            own = (argument for _, arguments in calls for argument in arguments)
            return list(await self._client.execute_command("EVAL", script, len(calls), *keys, *common, *own))
        pipeline = self._client.pipeline()
        for key, arguments in calls:
            pipeline.execute_command("EVAL", script, 1, key, *common, *arguments)
        return [reply for (reply,) in await pipeline.execute()]

    async def tracking_connections(self) -> dict[str, AbstractConnection]:
        """A new connection, not yet open, to the server, or to each master of a Cluster as it is now, by name."""
        if not self._clustered:
            pool = self._client.connection_pool
            return {"": pool.connection_class(**pool.connection_kwargs)}
        client = self._client

        async def lay_out() -> None:
            await client.initialize()
            await client.nodes_manager.initialize()

        await self._within_limit(lay_out, patient=True)
        return {node.name: node.connection_class(**node.connection_kwargs) for node in client.get_primaries()}

    def masters(self) -> frozenset[str]:
        """The names of the masters as last seen; the names that `tracking_connections` uses."""
        if not self._clustered:
            return frozenset({""})
        return frozenset(node.name for node in self._client.get_primaries())

    async def _within_limit(self, ask: Callable[[], Awaitable[Reply]], *, patient: bool = False) -> Reply:
        """The reply to `ask`, or `RedisAway`. Patient callers wait longer and are not turned away by the breaker."""
        if not patient and not self._breaker.allows():
            raise RedisAway
        was_open = self._breaker.open
        limit = PATIENT_LIMIT if patient else COMMAND_LIMIT
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as deadline:
                # In two steps: if our own loop was held up, the reply is already here and is read before the second
                # step.
                first = loop.call_later(limit - GRACE, lambda: deadline.reschedule(loop.time() + GRACE))
                try:
                    reply = await ask()
                finally:
                    first.cancel()
        except AWAY as error:
            known = self._breaker.open
            self._breaker.failed()
            if self._breaker.open and not known:
                log.warning("redis is away", error=type(error).__name__)
            raise RedisAway from error
        if was_open and self._breaker.open:
            log.warning("redis is back")
        if was_open or not self._breaker.open:  # else the question is older than the failures
            self._breaker.succeeded()
        return reply


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[RedisConnection]:
    """The Redis at `url`, closed at the end. It need not be up: connections are made when something is asked.

    `redis://` and `rediss://` (TLS) name one server, `unix://` a socket;
    `redis+cluster://[user:password@]host:port,host:port` (or `rediss+cluster://`) names some nodes of a Cluster,
    which tell of the others.
    """
    options: dict[str, Any] = {
        "protocol": 3,
        # `RedisConnection` keeps the time limit of each call. With one of its own redis-py would send by
        # `asyncio.wait_for`, which before Python 3.12 loses a cancellation that meets its end: neither a time limit
        # nor a shutdown would then be heard.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_LIMIT,
        # One more try at once, for a connection the server closed while it lay idle.
        "retry": Retry(NoBackoff(), 1, supported_errors=(Unreachable,)),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        # Else every new connection, and so every vain try, reads the installed packages' files to tell our version.
        "driver_info": None,
    }
    client: Redis | RedisCluster
    if urlsplit(url).scheme in CLUSTER_SCHEMES:
        client = _cluster(url, options)
    else:
        pool = BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, timeout=COMMAND_LIMIT, **options)
        client = Redis.from_pool(pool)
    try:
        yield RedisConnection(client)
    finally:
        await client.aclose()


def _cluster(url: str, options: dict[str, Any]) -> RedisCluster:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    nodes = [urlsplit(f"//{named}") for named in hosts.split(",")]
    return RedisCluster(
        startup_nodes=[ClusterNode(node.hostname or "", node.port or 6379) for node in nodes],
        username=unquote(user) or None,
        password=unquote(password) or None,
        ssl=CLUSTER_SCHEMES[parts.scheme],
        max_connections=CONNECTIONS,
        **options,
    )
