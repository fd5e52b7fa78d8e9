"""G58: no cell of a file we give is a formula, in LibreOffice or for openpyxl, whatever was written, however it is cut.

And what `motma import` is given back after a spreadsheet has saved it is what was written.
"""

import asyncio
import csv
import shutil
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
from aiohttp import ClientSession, CookieJar

from console.roles import OfficerRole
from console.tables import csv_lines
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from domain.vietnamese import clean
from feedback_intake.cases import Step
from feedback_intake.filing import Feedback, FeedbackKind, MayPublish
from feedback_intake.moves import Content, MoveName, Who
from feedback_intake.numbers import new_number
from feedback_intake.register import Publication
from lookup.sealing import Seal
from service.wiring import Core, open_core
from tests.console.officers import PASSWORD, Browser, hire
from tests.faults.evidence import Evidence
from tests.faults.load import BEGIN
from tests.faults.rig import AGENCY, NO_MUTANT, SECRET, Rig, open_rig
from tests.feedback_intake.desk import CaseDesk

OFFICE_PROGRAM = shutil.which("soffice") or shutil.which("libreoffice")
INSTALL = "There is no LibreOffice here; on Debian: apt install libreoffice-calc-nogui"
OFFICER = "hoa@bacninh.gov.vn"
# Separator, quotes, UTF-8, from line 1; formulas are worked out on import, which a person may choose.
CUT = "CSV:{separator},34,76,1,,0,false,true,false,false,true,0,true"
SEPARATORS = {",": 44, ";": 59, "tab": 9}
CONVERT_SECONDS = 120
MEANT = (
    "1+1",
    "SUM(1;2)",
    'HYPERLINK("http://127.0.0.1/?"&A1;"xem")',
    "cmd|'/c calc'!A0",
    'DDE("cmd";"/c calc";"x")',
    'WEBSERVICE("http://127.0.0.1/"&A1)',
    "1+cmd|'/c calc'!A0",
    'IMPORTXML("http://127.0.0.1/";"//a")',
)
SIGNS = (
    "=",
    "+",
    "-",
    "@",
    "＝",
    "＋",
    "－",
    "＠",
    " =",
    "\t=",
    "\r=",
    "\n=",
    "\x00=",
    "|",
    "%",
    "'=",
    '"=',
    "\u00a0=",
)
PLACES = ("{}", "Nguyễn Văn An;{}", "Nguyễn Văn An\n{}", 'Nguyễn "Văn" An,{}', "Nguyễn Văn An\t{}", '";{};"', "',{}")
RENAME = "UPDATE agency SET name = $1 WHERE code = $2 RETURNING id"
NAME_ACCOUNTS = "UPDATE account SET name = $1 RETURNING id"
STORED = "SELECT code, applicant_name, note, asked FROM dossier WHERE reference = 'G58'"
FORGET = """
    WITH gone AS (DELETE FROM dossier WHERE reference = 'G58' RETURNING id),
         codes AS (DELETE FROM dossier_code WHERE dossier_id IN (SELECT id FROM gone))
    DELETE FROM dossier_event WHERE dossier_id IN (SELECT id FROM gone)"""
HEADERS = ("code", "reference", "applicant.name", "procedure.code", "status", "status_at", "note", "asked_of_applicant")


def texts(most: int) -> list[str]:
    """So many texts that would be formulas."""
    every = [place.format(sign + meant) for meant in MEANT for place in PLACES for sign in SIGNS]
    step = max(1, len(every) // most)
    return list(islice(every[::step], most))


async def no_formulas(*, most: int, mutant: str = NO_MUTANT) -> Evidence:
    """`most` texts in every export; each file opened as it is cut by comma, semicolon and tab.

    Mutants: `cells_not_guarded`, `cells_guarded_at_the_beginning`.
    """
    if OFFICE_PROGRAM is None:
        raise FileNotFoundError(INSTALL)
    evidence, words = Evidence(guarantee="G58"), texts(most)
    async with open_rig(webs=1, dispatchers=0, mutant=mutant) as rig:
        seal = Seal.from_secret(SECRET.encode())
        async with open_core(rig.servers, seal, application="faults", answers_in_process=False) as core:
            await _written(rig, core, words)
        folder = rig.directory / "files"
        folder.mkdir()
        await _exports(rig, folder)
        (folder / "dossiers.csv").write_bytes(b"\xef\xbb\xbf" + _dossiers(words))
        refused = _refused(folder, words)
        await _imported(rig, refused)
        refused.unlink()  # it is not ours: the report beside it is
        tables, books = sorted(folder.glob("*.csv")), sorted(folder.glob("*.xlsx"))
        for name, separator in SEPARATORS.items():
            cut = rig.directory / f"cut-{separator}"
            await _converted(tables, cut, CUT.format(separator=separator))
            for path in tables:
                cells = _cells_of(cut / f"{path.stem}.xlsx")
                _judge(evidence, cells, f"{path.name} cut at {name}")
                if name == "," and path.name in {"cong-khai.csv", "dossiers.csv"}:
                    _readable(evidence, cells, words, path.name)
        again = rig.directory / "again"
        await _converted(books, again)
        for path in (*books, *(again / book.name for book in books)):
            _judge(evidence, _cells_of(path), f"{path.parent.name}/{path.name}")
        evidence.figures |= {"texts": len(words), "files": len(tables) + len(books)}
        await _back_again(rig, folder, words, evidence)
    return evidence


async def _written(rig: Rig, core: Core, words: Sequence[str]) -> None:
    """Cases with these questions, answers and names, published; an office and officers of such names."""
    desk = CaseDesk(database=core.database, seal=core.seal)
    await hire(core, OFFICER, *OfficerRole, office=AGENCY)
    for k, word in enumerate(words):
        feedback = Feedback(
            number=new_number(civil_day(utc_now())),
            kind=FeedbackKind.FEEDBACK,
            text=word,
            name=word[:200],
            may_publish=MayPublish.NAMED,
            agency_id=await desk.agency(AGENCY),
        )
        async with desk.database.transaction(Role.WORKER) as connection:
            sender = Contact(channel=ChannelName.SMS, address=f"+8490{k:07d}")
            filed = await desk.filing.file(connection, sender, feedback)
        publication = Publication(question=word, answer=words[-1 - k], named=True)
        for role, step in (
            (Who.CLERK, Step(move=MoveName.CLASSIFY, content=Content.DELAY)),
            (Who.HANDLER, Step(move=MoveName.START)),
            (Who.HANDLER, Step(move=MoveName.SUBMIT, answer=word)),
            (Who.APPROVER, Step(move=MoveName.APPROVE)),
            (Who.APPROVER, Step(move=MoveName.PUBLISH, publication=publication)),
        ):
            await desk.moves(filed.case_id, step, office=AGENCY, role=role)
    await rig.query(RENAME, words[0], AGENCY)
    await rig.query(NAME_ACCOUNTS, words[1 % len(words)])
    for process in rig.processes:  # which knows the names it started with
        await process.stop()
        await process.start()


async def _exports(rig: Rig, folder: Path) -> None:
    """Every table the pages and the command line give."""
    for name in ("cong-khai.csv", "co-quan.csv"):
        path = "/cong-khai/co-quan.csv" if name == "co-quan.csv" else f"/{name}"
        async with rig.http.get(rig.url + path) as response:
            assert response.status == 200, path
            (folder / name).write_bytes(await response.read())
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as http:
        browser = Browser(http=http, url=rig.url)
        await browser.signs_in(OFFICER, PASSWORD)
        for kind in ("csv", "xlsx"):
            await browser.get("/console/so-lieu-phan-anh")
            (folder / f"figures.{kind}").write_bytes(await _posted(browser, kind))
    await run_motma(rig, "messages", "export", "--format", "csv", "-o", str(folder / "messages.csv"))


async def _posted(browser: Browser, kind: str) -> bytes:
    data = {"form": browser.token, "format": kind}
    headers = {"User-Agent": browser.name, "Sec-Fetch-Site": "same-origin"}
    async with browser.http.post(
        f"{browser.url}/console/so-lieu-phan-anh/xuat", data=data, headers=headers
    ) as response:
        body = await response.read()
        assert "attachment" in response.headers.get("Content-Disposition", ""), body[:300]
        return body


def _row(word: str, k: int) -> tuple[str, ...]:
    code = f"{AGENCY}-2611{k % 25 + 1:02d}-{k + 1:06d}"
    return code, "G58", word[:300], "1.005129", "4", BEGIN.isoformat(), word, word[::-1]


def _dossiers(words: Sequence[str]) -> bytes:
    """Dossiers as a table of ours."""
    return csv_lines([HEADERS, *(_row(word, k) for k, word in enumerate(words))])


def _refused(folder: Path, words: Sequence[str]) -> Path:
    """A file of an office of which no row can be taken, so that all come back in a report."""
    path = folder / "refused.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows([HEADERS, *(("", *_row(word, k)[1:]) for k, word in enumerate(words))])
    return path


async def _imported(rig: Rig, path: Path) -> None:
    await run_motma(rig, "import", str(path), "--agency", AGENCY)


async def run_motma(rig: Rig, *arguments: str) -> None:
    """One command of ours, as the processes of the rig run."""
    environment = rig.processes[0].environment
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.child", *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    code = await run.wait()
    assert code == 0, f"motma {arguments[0]} ended with {code}"


async def _converted(paths: Sequence[Path], folder: Path, read_as: str | None = None) -> None:
    """Have LibreOffice make workbooks of files."""
    assert OFFICE_PROGRAM is not None
    profile = f"-env:UserInstallation=file://{folder.parent}/profile"
    options = [f"--infilter={read_as}"] if read_as else []
    run = await asyncio.create_subprocess_exec(
        *(OFFICE_PROGRAM, profile, "--headless", *options, "--convert-to", "xlsx", "--outdir", str(folder)),
        *map(str, paths),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(CONVERT_SECONDS):
        await run.wait()


def _cells_of(path: Path) -> list[Any]:
    return [cell for row in openpyxl.load_workbook(path).worksheets[0].iter_rows() for cell in row]


def _judge(evidence: Evidence, cells: Sequence[Any], where: str) -> None:
    evidence.need(len(cells) > 5, f"{where}: nothing was read")
    formulas = [str(cell.value)[:60] for cell in cells if cell.data_type == "f"]
    evidence.figures["cells"] = int(str(evidence.figures.get("cells", 0))) + len(cells)
    evidence.expect(not formulas, f"{where}: {len(formulas)} formulas, e.g. {formulas[:2]}")


def _readable(evidence: Evidence, cells: Sequence[Any], words: Sequence[str], where: str) -> None:
    """The words are there to be read, but for the mark before them."""
    text = {_bare(str(cell.value)) for cell in cells}
    lost = [word for word in words if _bare(word) not in text]
    evidence.expect(not lost, f"{where}: {len(lost)} texts cannot be read, e.g. {lost[:2]}")


def _bare(text: str) -> str:
    return "".join(clean(text).replace("'", "").replace("_x000D_", "").split())


async def _back_again(rig: Rig, folder: Path, words: Sequence[str], evidence: Evidence) -> None:
    """Dossiers go out as a table, through LibreOffice, and come in again as they were."""
    saved = folder.parent / f"cut-{SEPARATORS[',']}" / "dossiers.xlsx"
    for path in (folder / "dossiers.csv", saved):
        await _imported(rig, path)
        stored = {row["code"]: row for row in await rig.query(STORED)}
        changed = 0
        for k, word in enumerate(words):
            code, _, name, *_, note, asked = _row(word, k)
            row = stored.get(code)
            changed += row is None or [_lines(v) for v in (name, note, asked)] != [
                _lines(row[column]) for column in ("applicant_name", "note", "asked")
            ]
        evidence.figures[f"came back by {path.suffix[1:]}"] = len(words) - changed
        evidence.expect(changed == 0, f"{changed} dossiers came back changed by {path.suffix}")
        await rig.query(FORGET)


def _lines(text: str | None) -> list[str]:
    """Lines that hold something: a spreadsheet has its own ends of lines."""
    return [line.strip() for line in clean(text or "").splitlines() if line.strip()]
