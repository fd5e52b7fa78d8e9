"""Behind a pooler: who logs in is who works, with the limits of its role, or nothing starts."""

import asyncpg
import pytest

from database.pool import Role, UnfitSession, logins, open_database, session_settings


async def test_a_pooler_that_works_as_somebody_else_is_refused(database_url: str) -> None:
    with pytest.raises(UnfitSession, match="postgres where motma_app logs in"):
        async with open_database(database_url, pooler=f"{database_url}&application_name={{role}}", roles=(Role.APP,)):
            pass


async def test_the_address_of_a_pooler_says_where_the_role_stands(database_url: str) -> None:
    with pytest.raises(UnfitSession, match=r"\{role\}"):
        async with open_database(database_url, pooler=database_url, roles=(Role.APP,)):
            pass


async def test_what_lets_a_pooler_in_gives_each_role_its_limits(database_url: str) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        async with owner.transaction():
            for statement in logins():
                await owner.execute(statement)
            kept = await owner.fetch("SELECT rolname, rolcanlogin, rolconfig FROM pg_roles WHERE rolname LIKE 'motma%'")
            await owner.execute("ROLLBACK AND CHAIN")
    finally:
        await owner.close()
    assert {row["rolname"] for row in kept if row["rolcanlogin"]} == {role.value for role in Role}
    for row in kept:
        wanted = {f"{name}={value}" for name, value in session_settings(Role(row["rolname"])).items()}
        assert set(row["rolconfig"]) == wanted
