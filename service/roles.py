"""The roles of a process: `web` answers, `dispatcher` sends, `bot` fetches. `up` plays all and owns the servers."""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count

import structlog

from channels.open_channels import hook_secrets
from database.migrate import migrate
from database.supervision import beside, supervised
from lookup.partitions import keep_partitions_ahead
from lookup.receipt_tokens import Validity
from lookup.reference_loader import load_reference_data
from service.commands.doctor import examine_store
from service.demo_seed import seed_demo
from service.embedded import EmbeddedServers
from service.servers import open_ladder, open_receipt_keys, open_seal, open_servers, open_timing
from service.settings import Settings, SettingsError, faults, read
from service.site import open_site
from service.warming import warm
from service.wiring import Core, open_core

ROLES = {
    "web": "answer citizens, agencies and gateways",
    "dispatcher": "send what is queued",
    "bot": "fetch what people wrote, from platforms that cannot reach us",
}
REFRESH_SECONDS = 15
PARTITIONS_EVERY = 40  # refreshes
WORKER = "MOTMA_WORKER_NUMBER"
PROCESSES = "MOTMA_PROCESSES"

log = structlog.get_logger()


def run_up(arguments: argparse.Namespace, settings: Settings) -> int:
    """`motma up`: servers, schema, every role, in one process."""
    return _run(_up(settings, demo=arguments.demo))


def run_roles(arguments: argparse.Namespace, settings: Settings) -> int:
    """`motma web`, `motma dispatcher`, `motma bot`: one role, or several together; `--workers N` processes."""
    roles = tuple(dict.fromkeys((arguments.command, *arguments.more)))
    _refuse_unsafe(settings)
    if arguments.workers > 1 and WORKER not in os.environ:
        return _run(_workers(arguments.workers))
    return _run(_play(settings, roles))


def _run(main: Awaitable[int]) -> int:
    try:
        import uvloop  # noqa: PLC0415 -- there is none on Windows
    except ImportError:
        return asyncio.run(main)  # type: ignore[arg-type]
    return uvloop.run(main)  # type: ignore[arg-type]


def _refuse_unsafe(settings: Settings) -> None:
    secrets = hook_secrets(lambda kind, prefix: read(kind, os.environ, prefix=prefix))
    found = [] if settings.development else faults(settings, secrets)
    if found:
        raise SettingsError("this is not safe in production:\n  " + "\n  ".join(found))


async def _refuse_unsafe_store(url: str) -> None:
    """Production does not start on a store that may lose what it acknowledged, or show one agency another's rows."""
    found = [finding async for finding in examine_store(url) if finding.fault and finding.vital]
    if found:
        raise SettingsError("\n  ".join(f"{finding.what}: {finding.fault}" for finding in found))


async def _up(settings: Settings, *, demo: bool) -> int:
    _refuse_unsafe(settings)
    async with open_servers(settings, own=True) as servers:
        await migrate(servers.database_url)
        await load_reference_data(servers.database_url)
        return await _serve(settings, servers, tuple(ROLES), demo=demo)


async def _play(settings: Settings, roles: tuple[str, ...]) -> int:
    async with open_servers(settings) as servers:
        return await _serve(settings, servers, roles)


async def _serve(settings: Settings, servers: EmbeddedServers, roles: tuple[str, ...], *, demo: bool = False) -> int:
    if not settings.development:
        await _refuse_unsafe_store(servers.database_url)
    stop = _stop_on_signals()
    processes, worker = int(os.environ.get(PROCESSES, "1")), int(os.environ.get(WORKER, "0"))
    seal = open_seal(settings)
    async with open_core(
        servers,
        seal,
        application=" ".join(roles),
        pooler=settings.pooler_url,
        processes=processes,
        receipts=open_receipt_keys(settings, seal),
        timing=open_timing(settings),
        ladder=open_ladder(settings),
        validity=Validity(days=settings.receipt_days, days_after_end=settings.receipt_days_after_end),
    ) as core:
        if demo:
            await seed_demo(core, settings)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(beside("registry", _refresh(core)))
            await warm(core, answers="web" in roles)
            url = await stack.enter_async_context(open_site(settings, core, roles, worker=worker))
            _settle_memory()
            print(f"Ready: {url}" if url else "Ready", flush=True)
            await stop.wait()
            log.info("stopping")
    return 0


def _settle_memory() -> None:
    """What stands at the start stands to the end: the collector need not walk it again and again.

    Look-ups make hundreds of short-lived objects each, so the youngest are looked through less often too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _refresh(core: Core) -> Callable[[], Awaitable[None]]:
    """Keeps the registry's picture current, and room for new dossiers."""

    async def refresh() -> None:
        for rounds in count():
            if rounds % PARTITIONS_EVERY == 0:
                await keep_partitions_ahead(core.database)
            await asyncio.sleep(REFRESH_SECONDS)
            await core.registry.refresh()

    return refresh


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _workers(count: int) -> int:
    """`count` processes of this same command, sharing the port; one that dies is started again."""
    stop = _stop_on_signals()
    running = [asyncio.create_task(supervised(f"worker {n}", _worker(n, count))) for n in range(count)]
    await stop.wait()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return 0


def _worker(number: int, count: int) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        environment = {**os.environ, WORKER: str(number), PROCESSES: str(count)}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service", *sys.argv[1:], env=environment, start_new_session=True
        )
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await child.wait()
            raise
        raise WorkerEnded(code)

    return work


class WorkerEnded(Exception):
    """A worker process ended that should not have."""
