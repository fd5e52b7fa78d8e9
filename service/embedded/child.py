"""One server process of ours: started, waited for, watched, started again, stopped."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

import structlog

from domain.errors import ServiceError
from service.embedded.account import Account
from service.embedded.directory import locked

START_SECONDS = 60.0
PREDECESSOR_SECONDS = 30.0
ORPHAN_SECONDS = 1.0
KILL_SECONDS = 5.0
POLL_SECONDS = 0.01
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
CALM_SECONDS = 60.0
LAST_LINES = 12
LOG_BYTES = 10_000_000

log = structlog.get_logger(__name__)


class ServerFailed(ServiceError):
    """A server, or a program that prepares one, did not do its work; the message ends with what it printed last."""

    code = "server_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgram:
    """What is particular to one server."""

    name: str
    command: tuple[str, ...]
    account: Account
    death_signal: Signals
    """What the kernel sends it when we are killed."""
    stop_signals: tuple[tuple[Signals, float], ...]
    """Ways to ask it to stop, each with the seconds it gets to obey; SIGKILL follows them."""
    log: Path
    lock: Path
    tidy: Callable[[], None]
    """Removes what a killed predecessor left; called when no process of it lives."""
    answers: Callable[[], Awaitable[bool]]
    """Whether it serves now; raises ServerFailed when waiting is useless."""


class ServerChild:
    """A running server. The kernel ties its life to the thread that started it: let that be one that stays."""

    def __init__(self, program: ServerProgram) -> None:
        self.program = program
        self.restarts = 0
        self._process: Process | None = None

    async def start(self, *, patience: float = PREDECESSOR_SECONDS) -> None:
        """Return once the server answers; otherwise leave no process and raise ServerFailed with its last lines.

        Processes of an earlier one, of a killed owner for example, get `patience` seconds to end, then they are killed.
        """
        program = self.program
        async with alone(program.name, program.lock, patience) as lock:
            program.tidy()
            _roll(program.log)
            with program.log.open("ab") as output:
                printed_before = output.tell()
                self._process = await _spawn(
                    program.account, program.command, program.death_signal, output=output.fileno(), lock=lock
                )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_it_answers(self._process, printed_before)
        except TimeoutError:
            await self.stop()
            said = _last_lines(program.log, printed_before)
            raise ServerFailed(f"{program.name} did not answer within {START_SECONDS:.0f} s. {said}") from None
        except BaseException:
            await self.stop()
            raise

    async def _until_it_answers(self, process: Process, printed_before: int) -> None:
        while not await self.program.answers():
            if process.returncode is not None:
                said = _last_lines(self.program.log, printed_before)
                raise ServerFailed(f"{self.program.name} did not start (exit code {process.returncode}). {said}")
            await asyncio.sleep(POLL_SECONDS)

    async def keep_running(self, on_restart: Callable[[str], None]) -> None:
        """Start the server again whenever it ends, until cancelled; `on_restart` hears its name once it answers."""
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE
        while True:
            began = clock()
            if self._process is not None:  # None after a start that failed
                exit_code = await self._process.wait()
                log.warning("embedded_server_ended", server=self.program.name, exit_code=exit_code)
            if clock() - began > CALM_SECONDS:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await self.start(patience=ORPHAN_SECONDS)
            except (ServerFailed, OSError) as error:
                log.warning("embedded_server_not_restarted", server=self.program.name, reason=str(error))
            else:
                self.restarts += 1
                log.info("embedded_server_restarted", server=self.program.name, restarts=self.restarts)
                on_restart(self.program.name)

    async def stop(self) -> None:
        """End the server and every process of it; does nothing when none runs."""
        if self._process is None:
            return
        for signal, seconds in (*self.program.stop_signals, (SIGKILL, None)):
            if await _ended(self._process, signal, seconds):
                break
            log.warning("embedded_server_did_not_stop", server=self.program.name, signal=signal.name)
        self._process = None
        async with alone(self.program.name, self.program.lock, ORPHAN_SECONDS):
            pass


@asynccontextmanager
async def alone(server: str, lock: Path, patience: float) -> AsyncIterator[int]:
    """The held `lock`, for a `server` to inherit, once no process of an earlier one lives.

    Those that still do after `patience` seconds are killed: a PostgreSQL session without its postmaster, whose memory
    keeps the next one from starting, notices only at the end of its query. ServerFailed if even that does not help.
    """
    async with AsyncExitStack() as held:
        try:
            descriptor = await held.enter_async_context(locked(lock, seconds=patience))
        except BlockingIOError:
            _kill_holders(lock)
            try:
                descriptor = await held.enter_async_context(locked(lock, seconds=KILL_SECONDS))
            except BlockingIOError:
                raise ServerFailed(f"Processes of an earlier {server} on {lock.parent} do not end.") from None
        yield descriptor


def _kill_holders(lock: Path) -> None:
    """Kill the processes that inherited `lock`; only Linux can tell which."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is not ours to look into
            if int(process.name) != os.getpid() and _has_open(process, lock):
                os.kill(int(process.name), SIGKILL)


def _has_open(process: Path, lock: Path) -> bool:
    for file in (process / "fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if file.samefile(lock):
                return True
    return False


async def _ended(process: Process, signal: Signals, seconds: float | None) -> bool:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal)  # Process.send_signal may reap it, and asyncio lose its exit code
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def run_to_end(account: Account, *command: str, lock: int) -> str:
    """What `command` prints; ServerFailed if it fails, and it does not outlive a cancellation."""
    process = await _spawn(account, command, SIGKILL, output=PIPE, lock=lock)
    try:
        printed, _ = await process.communicate()
    except BaseException:
        await _ended(process, SIGKILL, None)
        raise
    text = printed.decode(errors="replace")
    if process.returncode != 0:
        raise ServerFailed(f"{Path(command[0]).name} failed (exit code {process.returncode}). {_tail(text)}")
    return text


async def _spawn(
    account: Account, command: tuple[str, ...], death_signal: Signals, *, output: int, lock: int
) -> Process:
    """A tethered child in its own session, so that Ctrl-C reaches only us, without the secrets in our environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        *account.tethered(*command, death_signal=death_signal),
        stdin=DEVNULL,
        stdout=output,
        stderr=STDOUT,
        cwd="/",
        env={**kept, "LC_ALL": "C"},
        start_new_session=True,
        pass_fds=(lock,),
    )


def _roll(path: Path) -> None:
    """Begin a new log when the old one is long; one old one is kept."""
    path.touch(mode=0o600)
    if path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
        path.touch(mode=0o600)


def _last_lines(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return _tail(file.read().decode(errors="replace"))


def _tail(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()][-LAST_LINES:]
    return "It printed:\n" + "\n".join(lines) if lines else "It printed nothing."
