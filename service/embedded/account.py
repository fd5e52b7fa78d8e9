"""Which operating-system account the embedded servers run as: PostgreSQL refuses to be root."""

import asyncio
import os
import pwd
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from signal import SIGKILL, Signals

TETHER = Path(__file__).with_name("tether.py")


class Way(StrEnum):
    """How a server process gets its account."""

    OURS = "ours"
    """It keeps ours: we are an ordinary user."""
    MAPPED = "mapped"
    """We are root: a user namespace in which root's files belong to an ordinary user, even below a 0700 /root."""
    SWITCHED = "switched"
    """We are root without user namespaces (most containers): setuid, and the servers' files are given to that user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account of the server processes, and the real owner their files must have."""

    way: Way
    uid: int
    gid: int

    def tethered(self, *command: str, death_signal: Signals) -> tuple[str, ...]:
        """The command line that runs `command` under this account; `death_signal` reaches it when this process dies."""
        identity = (self.way, str(self.uid), str(self.gid))
        return (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(death_signal)), *identity, *command)

    def give(self, path: Path) -> None:
        """Make `path`, a file or a tree, belong to the servers; only root can and need do that."""
        owner = (self.uid, self.gid) if self.way is Way.SWITCHED else (os.geteuid(), os.getegid())
        if path.lstat().st_uid == owner[0]:
            return
        for below in path.rglob("*"):
            os.chown(below, *owner, follow_symlinks=False)
        os.chown(path, *owner, follow_symlinks=False)  # last: an interrupted walk is walked again


def _unprivileged_user() -> tuple[int, int]:
    """The uid and gid of `nobody`, or of the first ordinary user: PostgreSQL looks its own up in the user database."""
    users = {entry.pw_name: (entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall() if entry.pw_uid != 0}
    return users.get("nobody") or next(iter(users.values()))


async def choose_account() -> Account:
    """Our own account, or as root an ordinary one by the gentlest way this machine allows."""
    if os.geteuid() != 0:
        return Account(way=Way.OURS, uid=os.geteuid(), gid=os.getegid())
    uid, gid = _unprivileged_user()
    mapped = Account(way=Way.MAPPED, uid=uid, gid=gid)
    trial = await asyncio.create_subprocess_exec(
        *mapped.tethered(death_signal=SIGKILL), stderr=asyncio.subprocess.DEVNULL
    )
    return mapped if await trial.wait() == 0 else Account(way=Way.SWITCHED, uid=uid, gid=gid)
