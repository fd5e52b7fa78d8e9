"""How many messages a second leave by one route from all processes together: counted in Redis, alone without it."""

from datetime import timedelta

from cache.limits import Limit, Limits

PER_BURST = 20  # as for one process: one burst holds a twentieth of a second's messages


class SharedTurns:
    """Fulfils `notifications.pace.Turns`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_route: dict[str, Limit] = {}

    async def wait(self, route: str, rate: float) -> float:
        """As the protocol says. Without Redis each process grants its own part (`cache.limits.Limits`)."""
        limit = self._by_route.get(route)
        if limit is None:
            burst = max(1, int(rate // PER_BURST))
            a_second = max(rate + 1 - burst, rate / 2)
            limit = Limit(name=f"route-{route}", count=1, period=timedelta(seconds=1 / a_second), burst=burst)
            self._by_route[route] = limit
        verdict = await self._limits.take(limit, route)
        return 0.0 if verdict.allowed else max(verdict.retry_after, 0.001)
