"""The real service as production runs it: every duty on, the limits too, only wider than any load made here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.machine import SERVER_CPU
from bench.programs import Program, free_port, python, running
from bench.store import Store

SECRET = "a secret of the measurements, known to everybody"
NO_REDIS = "redis://127.0.0.1:1/0"  # nobody listens there: what the service does when its Redis is gone
GATEWAY_SECRET = "bench-hook-secret-0123456789"


def environment(store: Store, database: str, *, port: int, redis: bool = True) -> dict[str, str]:
    """The settings of one process."""
    return {
        "MOTMA_ENV": "production",
        "MOTMA_SECRET_KEY": SECRET,
        "MOTMA_PUBLIC_URL": "https://motma.example",
        "MOTMA_DATABASE_URL": store.url(database),
        "MOTMA_REDIS_URL": store.redis_url if redis else NO_REDIS,
        "MOTMA_LISTEN": f"127.0.0.1:{port}",
        "MOTMA_ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
        # The code that counts runs for every request; only the number is out of reach.
        "MOTMA_LOOKUP_LIMIT": "1000000/second",
        "MOTMA_AGENCY_LIMIT": "1000000/second",
    }


@asynccontextmanager
async def motma(
    store: Store,
    database: str,
    role: str = "web",
    *,
    name: str | None = None,
    redis: bool = True,
    module: str = "service",
    extra: dict[str, str] | None = None,
    cpu: int | None = SERVER_CPU,
) -> AsyncIterator[Program]:
    """One process of the service in one role, on the server's core (None: on any), while inside."""
    port = free_port()
    name = name or f"motma {role}"
    async with running(
        name,
        python("-m", module, role),
        log=store.logs(name.replace(" ", "-")),
        port=port,
        environment=environment(store, database, port=port, redis=redis) | (extra or {}),
        ready="/healthz" if role == "web" else None,
        cpu=cpu,
    ) as program:
        yield program
