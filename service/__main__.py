"""The command line: `motma`, also `python -m service`."""

import argparse
import os
import sys
from pathlib import Path

from domain.errors import ServiceError
from service.commands import (
    accounts,
    apologies,
    callbacks,
    deadlines,
    demo,
    doctor,
    file_import,
    keys,
    ladders,
    logins,
    messages,
    person,
    quarantine,
    receipt,
    reconcile,
    register,
    retention,
    rules,
    schema,
    simulator,
    wordings,
)
from service.logs import configure_logs
from service.roles import ROLES, run_roles, run_up
from service.settings import Settings, read


def parser() -> argparse.ArgumentParser:
    """Every command with its own help."""
    top = argparse.ArgumentParser(
        prog="motma",
        description="Một Mã: one dossier code, any channel.",
        epilog="Settings come from the environment (MOTMA_…); the README lists every one. "
        "With no MOTMA_DATABASE_URL and no MOTMA_REDIS_URL the servers are started here, under --data.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    up = commands.add_parser("up", parents=[_with_data()], help="everything on this machine, in one process")
    up.add_argument("--demo", action="store_true", help="seed 10,000 dossiers once and write DIR/demo.json")
    _serving(up)
    up.set_defaults(run=run_up)

    for role, what in ROLES.items():
        one = commands.add_parser(role, parents=[_with_data()], help=what)
        one.add_argument(
            "more", nargs="*", choices=[*ROLES, []], metavar="ROLE", help="further roles in the same process"
        )
        one.add_argument("--workers", type=int, default=1, metavar="N", help="processes sharing the port (default 1)")
        _serving(one)
        one.set_defaults(run=run_roles)

    for command in (
        schema,
        logins,
        accounts,
        doctor,
        file_import,
        keys,
        receipt,
        person,
        retention,
        quarantine,
        callbacks,
        rules,
        ladders,
        wordings,
        deadlines,
        apologies,
        messages,
        reconcile,
        register,
        simulator,
        demo,
    ):
        command.add(commands, _with_data())
    return top


def _with_data() -> argparse.ArgumentParser:
    """What every command that needs the servers accepts."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, metavar="DIR", help="where the own servers live (default .motma)")
    return shared


def _serving(one: argparse.ArgumentParser) -> None:
    one.add_argument("--listen", metavar="HOST:PORT", help="where to answer (default 127.0.0.1:8080)")


def main() -> None:
    """Run one command; every expected fault is one clear line and exit code 1."""
    arguments = parser().parse_args()
    configure_logs()
    try:
        given = dict(os.environ)
        if getattr(arguments, "data", None):
            given["MOTMA_DATA_DIR"] = str(arguments.data)
        if getattr(arguments, "listen", None):
            given["MOTMA_LISTEN"] = arguments.listen
        sys.exit(arguments.run(arguments, read(Settings, given)))
    except ServiceError as error:
        sys.exit(f"motma: {error.message}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
