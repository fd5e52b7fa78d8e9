"""Servers as child processes on a core of their own, and the CPU time they really got."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import aiohttp

from bench.machine import SERVER_CPU, pinned

START_SECONDS = 60.0
STOP_SECONDS = 20.0
MOST_LOG = 64 * 2**20
ROOT = Path(__file__).resolve().parent.parent


class ServerEnded(Exception):
    """A server under measurement did not start, or ended by itself."""


class WrongAnswers(Exception):
    """Some answers were errors, or never came: the measurement is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running server and the address it answers at."""

    name: str
    url: str
    pid: int
    log: Path

    def cpu_seconds(self) -> float:
        """CPU time of all its living processes and threads since they began.

        /proc/…/schedstat counts nanoseconds on the CPU, so a machine shared with others changes it little.
        """
        return sum(_thread_seconds(pid) for pid in _tree(self.pid))


def _tree(pid: int) -> Iterable[int]:
    yield pid
    for task in _tasks(pid):
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _thread_seconds(pid: int) -> float:
    seconds = 0.0
    for task in _tasks(pid):
        with suppress(OSError):  # a thread that ended meanwhile
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def shorten(program: Program) -> None:
    """Empty a server's log between rounds: an access log of millions of lines is written for real, and fills a disk."""
    if program.log.stat().st_size > MOST_LOG:
        os.truncate(program.log, 0)


def free_port() -> int:
    """A port nobody listens at, below the range that clients are given."""
    for port in range(18_100, 32_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in _given:
                _given.add(port)
                return port
    raise ServerEnded("no free port below 32000")


_given: set[int] = set()


@asynccontextmanager
async def running(
    name: str,
    command: list[str],
    *,
    log: Path,
    port: int,
    environment: Mapping[str, str] | None = None,
    ready: str | None = "/healthz",
    cpu: int | None = SERVER_CPU,
) -> AsyncIterator[Program]:
    """`command` on one core (None: on any) while inside, once it answers `ready` (None: once it says so itself)."""
    with _new_log(log) as output:
        child = await asyncio.create_subprocess_exec(
            *([] if cpu is None else pinned(cpu)),
            *command,
            cwd=ROOT,
            env=_environment(environment or {}),
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    program = Program(name=name, url=f"http://127.0.0.1:{port}", pid=child.pid, log=log)
    try:
        await _until_ready(program, child, ready)
        yield program
        if child.returncode is not None:
            raise ServerEnded(f"{name} ended by itself. {_said(log)}")
    finally:
        await _end(child)


def _new_log(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    return log.open("ab")  # appending, so that it can be shortened while it is written


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours without the service's settings, so that only what a bench names counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOTMA_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


async def _until_ready(program: Program, child: asyncio.subprocess.Process, ready: str | None) -> None:
    until = time.monotonic() + START_SECONDS
    said = ""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
        while time.monotonic() < until:
            if child.returncode is not None:
                raise ServerEnded(f"{program.name} did not start. {_said(program.log)}")
            if ready is None:
                if b"Ready" in program.log.read_bytes():
                    return
            else:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(program.url + ready) as answer:
                        if answer.ok:
                            return
                        said = f" It answered {answer.status}."
            await asyncio.sleep(0.05)
    raise ServerEnded(f"{program.name} did not answer within {START_SECONDS:.0f} s.{said} {_said(program.log)}")


async def _end(child: asyncio.subprocess.Process) -> None:
    """End the child and what it started: its whole session."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def _said(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    return "It printed:\n" + "\n".join(lines) if lines else "It printed nothing."


def python(*words: str) -> list[str]:
    """A command of this environment's Python."""
    return [sys.executable, *words]
