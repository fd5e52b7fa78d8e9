"""`motma logins`: what PostgreSQL must know before a pooler may log in as our roles."""

import argparse

from database.pool import logins
from service.commands import Subcommands
from service.settings import Settings


def add(commands: Subcommands, _data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser("logins", help="SQL that lets a pooler in transaction mode log in as each of our roles")
    one.set_defaults(run=run)


def run(_arguments: argparse.Namespace, _settings: Settings) -> int:
    """Print it; the owner of the roles runs it, and gives each a password."""
    print("\n".join(f"{statement};" for statement in logins()))
    return 0
