"""The commands of `motma` other than its roles: one file each."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from argparse import ArgumentParser, _SubParsersAction

Subcommands: TypeAlias = "_SubParsersAction[ArgumentParser]"
