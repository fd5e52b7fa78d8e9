"""The record of acts: what is changed, missing, moved or cut off is found and named (guarantee G55)."""

import asyncpg
import pytest

from console.audit import Act, Audit, Fault, Finding, Verdict
from database.pool import Database, Role
from lookup.sealing import Seal

SET_DAY = "INSERT INTO day_override (day, kind, reason, source) VALUES ('2027-01-02', 'off', 'thử', 'thử')"
MOVE = "UPDATE audit SET number = $2 WHERE number = $1"


@pytest.fixture
def audit(seal: Seal) -> Audit:
    return Audit(seal)


async def write(database: Database, audit: Audit, times: int) -> None:
    async with database.transaction(Role.CONSOLE) as connection:
        for n in range(times):
            await audit.note(connection, Act(action="dossier.view", account_id=7, agency_id=1, subject=f"D-{n}"))


async def verified(database: Database, audit: Audit, kept_head: str | None = None) -> Verdict:
    async with database.transaction(Role.OPERATOR) as connection:
        return await audit.verify(connection, kept_head=kept_head)


async def tamper(url: str, *statements: str) -> None:
    """What somebody with the database's own keys can do: its owner, past every policy."""
    owner = await asyncpg.connect(url)
    try:
        async with owner.transaction():
            for statement in statements:
                await owner.execute(statement)
    finally:
        await owner.close()


async def test_an_untouched_record_is_whole(database: Database, audit: Audit) -> None:
    await write(database, audit, 20)
    verdict = await verified(database, audit)
    assert verdict.rows == 20
    assert verdict.findings == ()
    assert verdict.head.startswith("20:")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET facts = '{\"x\":1}' WHERE number = 5",
        "UPDATE audit SET account_id = 8 WHERE number = 5",
        "UPDATE audit SET account_id = NULL WHERE number = 5",
        "UPDATE audit SET at = at + interval '1 microsecond' WHERE number = 5",
        "UPDATE audit SET subject = 'D-40' WHERE number = 5",
        "UPDATE audit SET agency_id = 2 WHERE number = 5",
        "UPDATE audit SET key_id = 9 WHERE number = 5",
        "UPDATE audit SET digest = previous WHERE number = 5",
        "UPDATE audit SET previous = digest WHERE number = 5",
    ],
)
async def test_a_changed_row_is_named(database: Database, database_url: str, audit: Audit, change: str) -> None:
    await write(database, audit, 9)
    await tamper(database_url, change)
    assert (await verified(database, audit)).findings == (Finding(fault=Fault.CHANGED, number=5),)


async def test_missing_rows_are_named(database: Database, database_url: str, audit: Audit) -> None:
    await write(database, audit, 9)
    await tamper(database_url, "DELETE FROM audit WHERE number IN (4, 7, 8)")
    assert (await verified(database, audit)).findings == (
        Finding(fault=Fault.MISSING, number=4, until=4),
        Finding(fault=Fault.MISSING, number=7, until=8),
    )


async def test_missing_rows_are_found_when_the_rest_moves_up(
    database: Database, database_url: str, audit: Audit
) -> None:
    await write(database, audit, 6)
    await tamper(
        database_url,
        "DELETE FROM audit WHERE number = 4",
        "UPDATE audit SET number = number - 1 WHERE number = 5",
        "UPDATE audit SET number = number - 1 WHERE number = 6",
    )
    found = (await verified(database, audit)).findings
    assert {finding.number for finding in found if finding.fault in {Fault.MOVED, Fault.CHANGED}} == {4, 5}


@pytest.mark.parametrize(("one", "other"), [(3, 4), (2, 8)])
async def test_rows_that_changed_places_are_named(
    database: Database, database_url: str, audit: Audit, one: int, other: int
) -> None:
    await write(database, audit, 9)
    places = ((one, 900), (other, one), (900, other))
    await tamper(database_url, *(MOVE.replace("$1", str(a)).replace("$2", str(b)) for a, b in places))
    assert (await verified(database, audit)).findings == (
        Finding(fault=Fault.MOVED, number=one, was=other),
        Finding(fault=Fault.MOVED, number=other, was=one),
    )


async def test_a_tail_cut_off_is_found(database: Database, database_url: str, audit: Audit) -> None:
    await write(database, audit, 9)
    kept = (await verified(database, audit)).head
    await tamper(database_url, "DELETE FROM audit WHERE number > 6")
    assert (await verified(database, audit)).findings == (Finding(fault=Fault.CUT, number=7, until=9),)
    # Whoever sets the head back too is found by a head that was kept elsewhere.
    await tamper(database_url, "UPDATE audit_head h SET number = 6, digest = a.digest FROM audit a WHERE a.number = 6")
    assert (await verified(database, audit)).findings == ()
    assert (await verified(database, audit, kept)).findings == (Finding(fault=Fault.CUT, number=7, until=9),)
    await write(database, audit, 4)
    assert (await verified(database, audit, kept)).findings == (Finding(fault=Fault.CHANGED, number=9),)


async def test_a_rotated_key_reads_what_was_written_before(database: Database, audit: Audit) -> None:
    await write(database, audit, 3)
    rotated = Audit(Seal.from_secret(b"n" * 32, older=(b"t" * 32,)))
    await write(database, rotated, 3)
    assert (await verified(database, rotated)).findings == ()
    assert {f.number for f in (await verified(database, audit)).findings} == {4, 5, 6}


async def test_nothing_is_done_that_cannot_be_noted(database: Database, database_url: str, audit: Audit) -> None:
    await tamper(database_url, "ALTER TABLE audit ADD CONSTRAINT full_disk CHECK (false) NOT VALID")

    async def act() -> None:
        async with database.transaction(Role.OPERATOR) as connection:
            await connection.execute(SET_DAY)
            await audit.note(connection, Act(action="calendar.set", account_id=7, agency_id=1))

    with pytest.raises(asyncpg.CheckViolationError):
        await act()
    async with database.transaction(Role.OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM day_override") == 0


async def test_no_role_can_take_back_what_was_noted(database: Database, audit: Audit) -> None:
    await write(database, audit, 1)
    for role in Role:
        for statement in ("UPDATE audit SET subject = ''", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with database.transaction(role) as connection:
                    await connection.execute(statement)
