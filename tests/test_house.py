"""The house itself: names that belong to us alone, and statements of every folder that the schema understands."""

import importlib
import pkgutil
from importlib.metadata import packages_distributions

import asyncpg

OURS = ["domain", "database", "lookup", "notifications", "feedback_intake", "cache", "channels", "service"]


def test_no_other_distribution_uses_our_names() -> None:
    owners = packages_distributions()  # lists nothing for an editable install, hence the .get
    assert {name for name in OURS if set(owners.get(name, ())) - {"mot-ma"}} == set()


def modules() -> list[str]:
    return sorted(
        module.name
        for name in OURS
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, prefix=f"{name}.")
        if module.name != "service.__main__"
    )


def statements() -> list[tuple[str, str]]:
    found = []
    for name in modules():
        for number, statement in enumerate(getattr(importlib.import_module(name), "STATEMENTS", ())):
            found.append((f"{name}[{number}]", statement))
    return found


async def test_the_schema_understands_every_statement(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    refused = []
    try:
        for name, statement in statements():
            try:
                await connection.prepare(statement)
            except asyncpg.PostgresError as error:
                refused.append(f"{name}: {error}")
    finally:
        await connection.close()
    assert not refused


def test_every_module_with_sql_lists_its_statements() -> None:
    listed = {name.split("[")[0] for name, _ in statements()}
    with_sql = {
        name
        for name in modules()
        if any(
            key.isupper()
            and isinstance(value, str)
            and value.lstrip().startswith(("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "))
            for key, value in vars(importlib.import_module(name)).items()
        )
    }
    assert with_sql - listed == set()
