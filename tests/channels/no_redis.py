"""No Redis at all: every process decides about limits alone, as it does while Redis is away."""

from collections.abc import Sequence
from typing import Any

from cache.redis_connection import Argument, RedisAway, RedisConnection, ScriptCall


class NoRedis(RedisConnection):
    """Answers nothing."""

    def __init__(self) -> None:
        """There is nothing to connect to."""

    async def run_each(
        self, script: str, calls: Sequence[ScriptCall], common: tuple[Argument, ...] = (), *, patient: bool = False
    ) -> list[Any]:
        """Never."""
        raise RedisAway
