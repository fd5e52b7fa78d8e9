"""`motma register verify` on a register as it is served, and on what somebody did to it."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from database.pool import Role
from domain.civil_time import civil_day, utc_now
from domain.errors import Invalid, Unavailable
from feedback_intake.checkpoints import Checkpoints
from feedback_intake.register import Register, RemovalReason, What
from lookup.sealing import Seal
from service.__main__ import parser
from service.commands.register import _verify
from service.settings import Settings
from tests.channels.conftest import core
from tests.channels.web.register.conftest import RegisterSite, register
from tests.feedback_intake.desk import HERE

__all__ = ["core", "register"]


async def verify(*arguments: str | Path) -> int:
    """The exit code."""
    return await _verify(parser().parse_args(["register", "verify", *map(str, arguments)]), Settings())


async def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str]]:
    """The exit code, and what was said of faults."""
    capsys.readouterr()
    code = await verify(*arguments)
    said = capsys.readouterr().out.splitlines()
    return code, said[: next(n for n, line in enumerate(said) if " records: " in line)]


def address(site: RegisterSite) -> str:
    """Where the register is."""
    return str(site.client.make_url("/"))


async def published(site: RegisterSite) -> None:
    """Three entries, one of them removed, and a checkpoint."""
    await site.publishes(3)
    async with site.desk.office(HERE) as connection:
        await Register(site.desk.seal).remove(connection, 2, What.TEXT, RemovalReason.WITHDRAWN)
    async with site.core.database.transaction(Role.WORKER) as connection:
        await Checkpoints(site.core.seal).turn(connection, today=civil_day(utc_now()) + timedelta(days=1))


async def tamper(site: RegisterSite, *statements: str) -> None:
    """Somebody with all rights over the database."""
    owner = await asyncpg.connect(site.core.database.url)
    async with owner.transaction():
        await owner.execute("SET CONSTRAINTS ALL DEFERRED")
        await owner.execute("SET session_replication_role = replica")
        for statement in statements:
            await owner.execute(statement)
    await owner.close()


async def test_with_nothing_but_the_address_a_register_is_verified(
    register: RegisterSite, capsys: pytest.CaptureFixture[str]
) -> None:
    await published(register)
    assert await verify(address(register)) == 0
    said = capsys.readouterr().out
    assert "4 records: 3 entries, 1 removals." in said
    assert "1 checkpoints, signed by " in said
    assert said.endswith("Nothing was tampered with.\n")


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["UPDATE register_entry SET answer = 'Khác' WHERE n = 1"], "changed: Entry 1 was changed"),
        (["UPDATE register_record SET at = at - interval '1 day' WHERE n = 3"], "moved: Record 3 is older"),
        (["DELETE FROM register_entry WHERE n = 3", "DELETE FROM register_record WHERE n = 3"], "missing: Record 3"),
        (["UPDATE register_entry SET question = NULL, question_salt = NULL WHERE n = 1"], "removed: The question of"),
        (["DELETE FROM register_record WHERE n = 4"], "cut: The chain ends with record 3"),
        (
            [
                "UPDATE register_record SET n = -n, entry = -entry WHERE n IN (1, 3)",
                "UPDATE register_record SET n = 4 + n, entry = 4 + entry WHERE n < 0",
                "UPDATE register_entry SET n = -n WHERE n IN (1, 3)",
                "UPDATE register_entry SET n = 4 + n WHERE n < 0",
            ],
            "changed: Record 1 was changed",
        ),
    ],
)
async def test_what_somebody_did_in_the_database_is_named(
    register: RegisterSite, capsys: pytest.CaptureFixture[str], statements: list[str], fault: str
) -> None:
    await published(register)
    await tamper(register, "ALTER TABLE register_record DROP CONSTRAINT register_record_n_check", *statements)
    code, said = await told(capsys, address(register))
    assert code == 1
    assert any(line.startswith(fault) for line in said), said


async def test_a_history_written_anew_shows_against_what_was_kept(
    register: RegisterSite, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await published(register)
    kept = tmp_path / "register.ndjson"
    assert await verify(address(register), "--keep", kept) == 0
    assert await verify(kept) == 0
    assert await verify(address(register), "--against", kept) == 0
    await tamper(
        register,
        "TRUNCATE register_entry, register_record, register_checkpoint",
        "UPDATE register_head SET n = 0, digest = decode(repeat('00', 32), 'hex')",
    )
    await register.publishes(4)
    assert await verify(address(register)) == 0
    code, said = await told(capsys, address(register), "--against", kept)
    assert code == 1
    assert said[0].startswith("rewritten: Record 1 had another digest according to register.ndjson")


async def test_a_checkpoint_signed_by_another_key_is_told(
    register: RegisterSite, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await published(register)
    assert await verify(address(register), "--key", "00" * 32) == 1
    kept = tmp_path / "register.ndjson"
    await verify(address(register), "--keep", kept)
    kept.write_bytes(kept.read_bytes().replace(b'"signature":"', b'"signature":"00'))
    assert await verify(kept) == 1
    assert "forged: " in capsys.readouterr().out


async def test_where_there_is_no_register_one_is_told(register: RegisterSite, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="answers 404"):
        await verify(f"{address(register)}tra-cuu")
    with pytest.raises(Unavailable):
        await verify("http://127.0.0.1:9")
    with pytest.raises(Invalid):
        await verify(tmp_path / "nothing")


def test_the_key_of_checkpoints_is_the_installations_own(seal: Seal) -> None:
    assert Checkpoints(seal).key != Checkpoints(Seal.from_secret(b"u" * 32)).key
