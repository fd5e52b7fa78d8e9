"""What the database itself keeps apart, whatever a page forgets to ask (guarantees G50 to G52)."""

import asyncpg
import pytest

from console.accounts import give_role, list_accounts
from console.roles import OfficerRole
from console.visit import SET_OFFICER
from database.pool import Connection, Role
from lookup.api_keys import KeyKind, create_key, list_keys
from tests.channels.story import Office
from tests.console.officers import LONG_AGO, OFFICE, House

KEPT_APART = ("account", "account_role", "api_key", "session", "passkey", "draft", "audit", "dossier", "quarantine")
NEW_TABLES = ("account", "account_role", "passkey", "session", "draft", "audit", "audit_head")


async def works_for(connection: Connection, house: House, office: str, account_id: int = 0) -> int:
    agency = house.core.registry.agency_by_code(office)
    assert agency
    await connection.execute(SET_OFFICER, str(agency.agency_id), str(account_id), "")
    return agency.agency_id


async def counted(connection: Connection) -> dict[str, int]:
    count = "SELECT count(*) FROM {}"
    return {table: await connection.fetchval(count.format(table)) for table in KEPT_APART}


@pytest.fixture
async def peopled(house: House) -> House:
    """A house in which every table has a row of one office."""
    await Office(house.core).files()
    browser = await house.officer(OfficerRole.CLERK, OfficerRole.OPERATOR)
    await browser.get("/console/ho-so")
    await browser.post("/console/ho-so/tim", q="H05.16-261102-0001")
    await browser.get("/console/cau-chu")
    words = {"agency": OFFICE, "event": "closed", "form_kind": "sms", "language": "vi", "words": "x"}
    await browser.post("/console/cau-chu/luu", words)
    async with house.core.database.transaction(Role.CONSOLE) as connection:
        office = await works_for(connection, house, OFFICE)
        await create_key(connection, agency_id=office, kind=KeyKind.LIVE, name="một cửa")
    return house


async def test_without_an_office_nothing_is_seen(peopled: House) -> None:
    async with peopled.core.database.transaction(Role.CONSOLE) as connection:
        assert set((await counted(connection)).values()) == {0}
        await connection.execute(SET_OFFICER, "", "", "")
        assert set((await counted(connection)).values()) == {0}


async def test_an_office_sees_its_own_rows_and_another_none(peopled: House) -> None:
    async with peopled.core.database.transaction(Role.CONSOLE) as connection:
        await works_for(connection, peopled, "H26")
        assert set((await counted(connection)).values()) == {0}
        assert await list_accounts(connection) == []
        assert await list_keys(connection) == []
        await works_for(connection, peopled, OFFICE, account_id=1)
        seen = await counted(connection)
    assert {table for table, rows in seen.items() if not rows} == {"passkey", "quarantine"}


async def test_nobody_gives_roles_or_keys_elsewhere(peopled: House) -> None:
    foreign = peopled.core.registry.agency_by_code("H26")
    assert foreign

    async def gives_a_role() -> None:
        async with peopled.core.database.transaction(Role.CONSOLE) as connection:
            await works_for(connection, peopled, OFFICE)
            await give_role(connection, 1, OfficerRole.HEAD, agency_id=foreign.agency_id, valid_from=LONG_AGO)

    async def makes_a_key() -> None:
        async with peopled.core.database.transaction(Role.CONSOLE) as connection:
            await works_for(connection, peopled, OFFICE)
            await create_key(connection, agency_id=foreign.agency_id, kind=KeyKind.LIVE, name="x")

    for act in (gives_a_role, makes_a_key):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await act()


async def test_an_office_does_not_outlast_its_transaction(peopled: House) -> None:
    database = peopled.core.database
    for _ in range(20):
        async with database.transaction(Role.CONSOLE) as connection:
            await works_for(connection, peopled, OFFICE)
        async with database.transaction(Role.CONSOLE) as connection:
            assert await connection.fetchval("SELECT count(*) FROM account") == 0


async def test_signing_in_reaches_no_dossier(peopled: House) -> None:
    for table in ("dossier", "dossier_event", "message", "api_key", "quarantine"):

        async def looks(table: str = table) -> None:
            async with peopled.core.database.transaction(Role.GATE) as connection:
                await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608 - a name of ours

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await looks()


async def test_every_policy_is_forced_and_nobody_of_ours_owns_a_table(database_url: str) -> None:
    owner = await asyncpg.connect(database_url)
    try:
        rows = await owner.fetch(
            "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced, pg_get_userbyid(relowner) AS owner"
            " FROM pg_class WHERE relname = ANY ($1)",
            [*NEW_TABLES],
        )
        strong = await owner.fetch(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'motma%' AND (rolsuper OR rolbypassrls OR rolcanlogin)"
        )
    finally:
        await owner.close()
    assert {row["relname"] for row in rows if row["forced"]} == set(NEW_TABLES)
    assert not {row["owner"] for row in rows} & {role.value for role in Role}
    assert strong == []
