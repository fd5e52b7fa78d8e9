"""`motma accounts`: making, listing, ending accounts, and the verifier."""

import asyncio
import io
import json
from pathlib import Path

import asyncpg
import pytest

from console.roles import OfficerRole
from service.__main__ import parser
from service.demo_seed import seed_officers
from service.settings import Settings
from service.wiring import Core
from tests.console.officers import House


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The test's own servers."""
    return Settings(database_url=database_url, redis_url=redis_url, secret_key="t" * 32, data_dir=tmp_path)


def run(settings: Settings, *words: str) -> int:
    """One command, in a loop of its own as on a terminal."""
    arguments = parser().parse_args(["accounts", *words])
    return int(arguments.run(arguments, settings))


def test_accounts_are_made_listed_and_ended(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    email = "An@BacNinh.gov.vn"
    assert run(settings, "create", email, "--role", "clerk", "--agency", "H05.16", "--name", "Nguyễn Văn An") == 0
    assert "First password" in capsys.readouterr().out
    assert run(settings, "create", email, "--role", "head", "--agency", "H05.16") == 0
    assert "First password" not in capsys.readouterr().out
    assert run(settings, "list") == 0
    line = capsys.readouterr().out
    assert "an@bacninh.gov.vn" in line
    assert "clerk@H05.16, head@H05.16" in line
    assert run(settings, "reset", email) == 0
    assert run(settings, "disable", email) == 0
    capsys.readouterr()
    assert run(settings, "list") == 0
    assert "disabled" in capsys.readouterr().out
    assert run(settings, "enable", email) == 0
    assert run(settings, "verify-audit") == 0
    assert "5 rows read, 0 findings. Head: 5:" in capsys.readouterr().out


def test_a_password_is_typed_here(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings, "create", "an@bacninh.gov.vn", "--role", "clerk", "--agency", "H05.16")
    monkeypatch.setattr("sys.stdin", io.StringIO("một câu dài dễ nhớ\n"))
    assert run(settings, "password", "an@bacninh.gov.vn") == 0
    assert "has a new password" in capsys.readouterr().out


async def test_the_demo_has_an_officer_of_every_role(house: House, core: Core) -> None:
    officers = await seed_officers(core)
    assert {officer["role"] for officer in officers} == set(OfficerRole)
    assert json.dumps(officers)
    for officer in officers:
        shown = await house.browser().signs_in(officer["email"], officer["password"])
        assert shown.place == "/console"


def test_the_verifier_names_what_was_changed(
    settings: Settings, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    for role in ("clerk", "head", "handler"):
        run(settings, "create", "an@bacninh.gov.vn", "--role", role, "--agency", "H05.16")

    async def tamper() -> None:
        owner = await asyncpg.connect(database_url)
        await owner.execute("UPDATE audit SET subject = '99' WHERE number = 2")
        await owner.close()

    asyncio.run(tamper())
    capsys.readouterr()
    assert run(settings, "verify-audit") == 1
    assert "Row 2: changed after it was written." in capsys.readouterr().out
