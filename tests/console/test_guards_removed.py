"""The same attacks with one guard taken away succeed: the tests that refuse them can fail."""

import asyncpg
import pytest

from console.accounts import list_accounts
from console.audit import Act, Audit, Fault
from console.guard import Guard
from console.roles import OfficerRole
from console.visit import SET_OFFICER, Visit
from database.pool import Role
from tests.channels.story import CODE, Office
from tests.console.officers import House


async def altered(url: str, statement: str) -> None:
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(statement)
    finally:
        await owner.close()


async def test_a_form_without_proof_is_taken(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await house.officer(OfficerRole.CLERK)

    async def sends() -> int:
        async with browser.http.post(
            browser.url + "/console/toi/phien", data={"all": "1"}, headers={"User-Agent": browser.name}
        ) as response:
            return response.status

    assert await sends() == 403
    monkeypatch.setattr(Guard, "check_form", lambda *_: None)
    assert await sends() == 200


async def test_foreign_accounts_are_listed(house: House, database_url: str) -> None:
    await house.hires("an@bacninh.gov.vn", OfficerRole.CLERK)
    stranger = house.core.registry.agency_by_code("H26")
    assert stranger

    async def seen() -> int:
        async with house.core.database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_OFFICER, str(stranger.agency_id), "", "")
            return len(await list_accounts(connection))

    assert await seen() == 0
    await altered(database_url, "ALTER TABLE account DISABLE ROW LEVEL SECURITY")
    assert await seen() == 1


async def test_a_changed_row_of_the_record_passes(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(house.core.seal)
    async with house.core.database.transaction(Role.CONSOLE) as connection:
        await audit.note(connection, Act(action="dossier.view", account_id=1, agency_id=1, subject=CODE))
    await altered(database_url, "UPDATE audit SET subject = 'khác'")
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        assert [f.fault for f in (await audit.verify(connection)).findings] == [Fault.CHANGED]
        monkeypatch.setattr(Audit, "_intact", lambda *_: True)
        assert (await audit.verify(connection)).findings == ()


async def test_a_dossier_is_seen_without_a_trace(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Office(house.core).files()
    browser = await house.officer(OfficerRole.CLERK)
    await altered(database_url, "ALTER TABLE audit ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
    refused = await browser.get(f"/console/ho-so/{CODE}")
    assert refused.status == 500
    assert "Nguyễn Văn An" not in refused.text

    async def forgets(*_: object) -> None:
        return None

    monkeypatch.setattr(Visit, "_note", forgets)
    assert "Nguyễn Văn An" in (await browser.get(f"/console/ho-so/{CODE}")).text
