"""Run by its path in a fresh interpreter: becomes another program that is not root and dies with its owner.

    python -I -S tether.py OWNER_PID DEATH_SIGNAL WAY UID GID [PROGRAM ARGUMENT...]

WAY is one of `service.embedded.account.Way`. Without PROGRAM it only tries whether that way works here (exit code 0).

Why an interpreter of its own: `preexec_fn` runs Python between fork and exec, unsafe beside other threads (Python 3.12
warns), and not every machine has `setpriv` and `unshare`. Isolated (-I -S), it starts in 20 ms.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
CLONE_NEWUSER = 0x10000000  # linux/sched.h


def enter_user_namespace(uid: int, gid: int) -> None:
    """See ourselves as `uid`:`gid` while files keep their owners; OSError where kernel or container forbids it."""
    real_uid, real_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    # The kernel lets us write a group map only after giving up setgroups (user_namespaces(7)).
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {real_uid} 1"), ("gid_map", f"{gid} {real_gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would double the start-up time
            file.write(text)


def die_with(owner: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when the thread that started us ends; exit now if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != owner:
        sys.exit("the owner is gone")


def main(owner: str, death_signal: str, way: str, uid: str, gid: str, *command: str) -> None:
    """Change identity, then tie the knot (a change of identity would untie it), then become the program."""
    os.umask(0o077)
    if way == "mapped":
        enter_user_namespace(int(uid), int(gid))
    elif way == "switched":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    die_with(int(owner), int(death_signal))
    if command:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot start {' '.join(sys.argv[6:7])}: {error}")
