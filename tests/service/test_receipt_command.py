"""`motma receipt`: slips by hand, singly and from a file of codes."""

import argparse
import io
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from channels.receipts.printing import Printing, Wanted
from database.pool import Database
from domain.civil_time import utc_now
from domain.errors import Invalid, NotFound, ServiceError
from domain.status import Status
from lookup.changes import DossierFacts, Tenant
from lookup.receipts import Receipts
from lookup.sealing import Seal
from service.commands import receipt
from service.commands.receipt import Progress, run, slips_of
from service.demo_seed import seed_dossiers
from service.embedded import EmbeddedServers
from service.settings import Settings
from service.wiring import Core, open_core
from tests.channels.receipts.optics import opened, page_text, rasterised, read
from tests.channels.receipts.sample_slips import FEW_WAYS

CODE = "H05.16-261102-0001"
SECRET_KEY = "t" * 32


@pytest.fixture
async def core(database_url: str, redis_url: str, seal: Seal) -> AsyncIterator[Core]:
    """Thirty demo dossiers of several offices are stored."""
    servers = EmbeddedServers(database_url=database_url, redis_url=redis_url)
    async with open_core(servers, seal, application="test", answers_in_process=False) as opened_core:
        await seed_dossiers(opened_core, 30)
        yield opened_core


async def codes_of(database_url: str) -> list[str]:
    connection = await asyncpg.connect(database_url)
    try:
        return [row["code"] for row in await connection.fetch("SELECT code FROM dossier_code ORDER BY code")]
    finally:
        await connection.close()


def motma(arguments: list[str], database_url: str, redis_url: str) -> subprocess.CompletedProcess[str]:
    """The command as an operator types it."""
    environment = {
        **os.environ,
        "MOTMA_DATABASE_URL": database_url,
        "MOTMA_REDIS_URL": redis_url,
        "MOTMA_SECRET_KEY": SECRET_KEY,
        "MOTMA_PUBLIC_URL": "https://motma.vn",
        "MOTMA_SMS_NUMBER": "8088",
    }
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "service", "receipt", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


async def test_one_receipt_is_printed_and_opens_its_dossier(
    core: Core, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "slip.png"
    done = motma([CODE.lower(), "--format", "png", "-o", str(file)], database_url, redis_url)
    assert done.returncode == 0, done.stderr
    assert "1 receipt, " in done.stdout
    texts = read(opened(file.read_bytes()))
    token = next(text for text in texts if "/r/" in text).removeprefix("https://motma.vn/r/")
    answer = await core.desk.with_receipt(token)
    assert answer is not None
    assert answer.code == CODE
    void = motma([CODE, "--revoke"], database_url, redis_url)
    assert void.stdout.startswith(f"Receipts of {CODE} printed before ")
    assert await core.desk.with_receipt(token) is None


async def test_many_receipts_come_from_a_file_with_their_progress(
    core: Core, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    codes = await codes_of(database_url)
    listed, file = tmp_path / "codes.txt", tmp_path / "slips.pdf"
    listed.write_text("\ufeff# of Monday\n" + "\n\n".join(reversed(codes)) + "\n")
    done = motma(["--from", str(listed), "-o", str(file)], database_url, redis_url)
    assert done.returncode == 0, done.stderr
    assert "30 receipts" in done.stdout
    document = file.read_bytes()
    for page in (0, 29):
        assert codes[29 - page] in page_text(document, page).replace(" – ", "-")
        assert any("/r/" in text for text in read(rasterised(document, 150, page)))


async def test_secrets_are_printed_or_made_on_wish(
    core: Core, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "slip.pdf"
    given = motma([CODE, "--secret", "246810", "-o", str(file)], database_url, redis_url)
    assert given.returncode == 0, given.stderr
    assert "246810" in page_text(file.read_bytes())
    wrong = motma([CODE, "--secret", "246811", "-o", str(file)], database_url, redis_url)
    assert (wrong.returncode, "does not open" in wrong.stderr) == (1, True)
    made = motma([CODE, "--new-secret", "-o", str(file)], database_url, redis_url)
    assert made.returncode == 0, made.stderr
    found = re.search(r"Mã tra cứu (\d{8})", page_text(file.read_bytes()))
    assert found
    assert await core.desk.with_proof(CODE, found[1]) is not None


async def test_an_unknown_dossier_is_named(database: Database, seal: Seal) -> None:
    with pytest.raises(NotFound, match=f"There is no dossier {CODE}"):
        await slips_of(Receipts(database, seal), _printing(), [CODE], Wanted())


def test_what_cannot_be_printed_is_refused_in_one_line(tmp_path: Path) -> None:
    listed = tmp_path / "codes"
    for text, said in (("", "names no dossier"), ("ok-1\n...\n", "line 2"), ("x\n" * 10_001, "10,001")):
        listed.write_text(text)
        with pytest.raises(ServiceError, match=said):
            run(_given(codes=listed), Settings())
    for wrong in (
        _given(code=CODE, output=None),
        _given(codes=listed, revoke=True),
        _given(codes=listed, new_secret=True),
    ):
        with pytest.raises(Invalid):
            run(wrong, Settings())


def _printing() -> Printing:
    return Printing(keys=None, registry=None, ways=FEW_WAYS, clock=utc_now)  # type: ignore[arg-type]  # never asked


def _given(**changes: object) -> argparse.Namespace:
    usual = {"code": None, "codes": None, "output": Path("x"), "revoke": False, "secret": None, "new_secret": False}
    return argparse.Namespace(**{**usual, **changes})


async def test_slips_keep_the_order_of_their_codes_whoever_owns_them(core: Core, database_url: str) -> None:
    elsewhere = core.registry.agency_by_code("H26")
    assert elsewhere is not None
    tenant = Tenant(agency_id=elsewhere.agency_id, agency_code="H26", test=False, api_key_id="k")
    theirs = [
        DossierFacts(
            code=f"{office}-261102-9999",
            receiving_agency=elsewhere.agency_id,
            status=Status.ACCEPTED,
            status_at=datetime(2026, 11, 2, tzinfo=UTC),
        )
        for office in ("A01", "H26")
    ]
    await core.writer.store_facts(tenant, theirs)
    codes = await codes_of(database_url)
    receipts = Receipts(core.database, core.seal)
    owners = await receipts.owners(codes)
    assert len({tenant.agency_id for tenant in owners.values()}) == 2
    mixed = [*codes[::2], *codes[1::2]]
    printer = Printing(keys=core.receipts, registry=core.registry, ways=FEW_WAYS, clock=utc_now)
    assert [slip.code for slip in await slips_of(receipts, printer, mixed, Wanted())] == mixed


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt, "EVERY_ON_TERMINAL", 0.0)
    screen = Terminal()
    progress = Progress(screen, 4)
    for _ in range(4):
        progress.one_more()
    progress.end()
    assert "] 50% 2 of 4" in screen.getvalue().replace("]  50%", "] 50%")
    assert screen.getvalue().endswith("0:00 left\n")
    elsewhere = io.StringIO()
    Progress(elsewhere, 1).end()
    assert elsewhere.getvalue() == ""
