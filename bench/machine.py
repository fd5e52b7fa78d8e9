"""What the figures were taken on, and which of its cores belong to whom."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from service.embedded.postgres import find_postgres
from service.embedded.valkey import find_valkey

SERVER_CPU = 0
LOAD_CPU = 1
_PACKAGES = ("aiohttp", "uvloop", "asyncpg", "msgspec", "redis", "hiredis")
_PEERS = ("django", "djangorestframework", "django-redis", "gunicorn", "fastapi", "uvicorn", "sqlalchemy")


class ToolMissing(SystemExit):
    """A program the measurements need is not installed."""


def need(program: str, package: str) -> str:
    """The path of `program`, else the end, with the way to install it."""
    if found := shutil.which(program):
        return found
    raise ToolMissing(f"bench: {program} is missing. On Debian: apt install {package}")


def pinned(cpu: int) -> list[str]:
    """The words that keep a command on one core; none on a machine with a single one."""
    return [need("taskset", "util-linux"), "-c", str(cpu)] if cores_of_machine() > 1 else []


def cores_of_machine() -> int:
    """How many cores there are."""
    return os.cpu_count() or 1


def take_load_cpu() -> None:
    """Keep this process, which makes load or waits, off the core of the server that is measured."""
    if cores_of_machine() > 1:
        os.sched_setaffinity(0, {LOAD_CPU})


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def description() -> dict[str, str]:
    """The machine and the versions, by name."""
    return {
        "machine": f"{_cpu_model()}, {cores_of_machine()} cores, {memory_bytes() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "servers": f"{_first_line(find_postgres() / 'postgres')}; {_first_line(find_valkey())}",
        "others": f"load average {os.getloadavg()[0]:.1f} before the first bench",
        "packages": _versions(_PACKAGES),
        "peers": _versions(_PEERS),
    }


def _cpu_model() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _first_line(program: Path) -> str:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    return re.sub(r" (sha=|malloc=).*", "", said.splitlines()[0]).replace("postgres (PostgreSQL)", "PostgreSQL")


def _versions(names: tuple[str, ...]) -> str:
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)
