"""Every SQL statement of every package fits the migrated schema, and is named where this test finds it."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import asyncpg

OURS = (
    "database",
    "lookup",
    "notifications",
    "feedback_intake",
    "cache",
    "pages",
    "channels",
    "console",
    "service",
)
_STATEMENT = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s", re.IGNORECASE)


def modules() -> Iterator[ModuleType]:
    """Every module of ours."""
    for name in OURS:
        try:
            package = importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name != name:  # a package that is still to come
                raise
            continue
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def statements() -> list[tuple[str, str]]:
    """(module, statement) of all that are named in a STATEMENTS."""
    return [(module.__name__, text) for module in modules() for text in getattr(module, "STATEMENTS", ())]


async def test_every_statement_fits_the_schema(database_url: str) -> None:
    found = statements()
    assert len(found) > 50
    connection = await asyncpg.connect(database_url)
    refused = []
    try:
        for module, statement in found:
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                refused.append(f"{module}: {error}: {' '.join(statement.split())[:80]}")
    finally:
        await connection.close()
    assert refused == []


def test_no_statement_is_left_out() -> None:
    """A constant that reads like a whole statement stands in a STATEMENTS; a part of one begins with an underscore."""
    named = {text for _, text in statements()}
    left_out = [
        f"{module.__name__}.{name}"
        for module in modules()
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str) and _STATEMENT.match(value)
        if value not in named
    ]
    assert left_out == []
