"""Both embedded servers together: run them as their owner, or join the ones another process runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from service.embedded.account import choose_account
from service.embedded.child import ServerChild
from service.embedded.directory import (
    DataDirectory,
    DataDirInUse,
    EmbeddedServers,
    claim,
    let_guests_finish,
    visit,
    withdraw,
)
from service.embedded.postgres import make_cluster, make_database, postgres_program, postgres_url
from service.embedded.valkey import valkey_program, valkey_url

JOIN_SECONDS = 30.0
POLL_SECONDS = 0.1


@asynccontextmanager
async def run_embedded(
    data_dir: Path, *, durable: bool = True, on_restart: Callable[[str], None] | None = None
) -> AsyncIterator[EmbeddedServers]:
    """PostgreSQL and Valkey on `data_dir` while inside, restarted when killed, gone after.

    `durable=False` is for data one can lose (tests). `on_restart` hears "postgres" or "valkey" when it answers again.
    They end with the thread that enters, so let that be the main thread or one that lives as long as it is needed.
    Raises DataDirInUse when another process runs them there, ServerFailed when one cannot start.
    """
    async with claim(data_dir) as directory:
        account = await choose_account()
        run = directory.make_run()
        account.give(run)
        postgres = ServerChild(postgres_program(directory, run, account, durable=durable))
        valkey = ServerChild(valkey_program(directory, run, account))
        tasks = [
            asyncio.create_task(_first_start(postgres, directory, run, durable=durable)),
            asyncio.create_task(valkey.start()),
        ]
        try:
            await asyncio.gather(*tasks)
            tasks += [
                asyncio.create_task(child.keep_running(on_restart or _nobody_listens)) for child in (postgres, valkey)
            ]
            servers = EmbeddedServers(database_url=postgres_url(directory, run), redis_url=valkey_url(run))
            directory.announce(servers)
            yield servers
        finally:
            withdraw(directory.path)
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(postgres.stop(), valkey.stop())
            directory.remove_run()
        for outcome in outcomes:
            if isinstance(outcome, Exception):  # a fault of ours in a watcher
                raise outcome


async def _first_start(postgres: ServerChild, directory: DataDirectory, run: Path, *, durable: bool) -> None:
    await make_cluster(directory, postgres.program.account, durable=durable)
    await postgres.start()
    await make_database(directory, run)


def _nobody_listens(_server: str) -> None:
    """Stand in for an absent `on_restart`."""


@asynccontextmanager
async def join_embedded(data_dir: Path) -> AsyncIterator[EmbeddedServers]:
    """For a command beside `up`: the servers already running on `data_dir`, else our own for the duration.

    Our own stay until the last command that joined them is done. Waits while another process is starting or stopping
    them; DataDirInUse if that takes over 30 s.
    """
    async with AsyncExitStack() as stack:
        yield await _join_or_run(data_dir, stack)


async def _join_or_run(data_dir: Path, stack: AsyncExitStack) -> EmbeddedServers:
    deadline = asyncio.get_running_loop().time() + JOIN_SECONDS
    while True:
        with ExitStack() as visiting:
            if servers := visiting.enter_context(visit(data_dir)):
                stack.push(visiting.pop_all())
                return servers
        try:
            servers = await stack.enter_async_context(run_embedded(data_dir))
        except DataDirInUse:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(POLL_SECONDS)
        else:
            stack.push_async_callback(let_guests_finish, data_dir)
            return servers
