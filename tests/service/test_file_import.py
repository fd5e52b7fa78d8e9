"""Files of dossiers: what offices export, with what they do to columns, dates and encodings."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import msgspec
import openpyxl
import pytest

from channels.agency_api.table_files import open_table
from channels.agency_api.tallies import Tally
from database.pool import Role
from domain.errors import Invalid, Malformed, NotFound, TooLarge
from domain.status import Status
from lookup.agency_dossiers import AgencyDossiers, HeldDossier
from lookup.changes import Tenant
from lookup.quarantine import map_status
from lookup.sealing import Seal
from service.commands.file_import import Report, import_table
from service.commands.progress import Progress
from service.commands.quarantine import replay_all
from service.embedded import EmbeddedServers
from service.wiring import Core, open_core

VIETNAMESE = (
    "Mã hồ sơ;Chủ hồ sơ;Số điện thoại;Ngày tiếp nhận;Ngày hẹn trả;Trạng thái;Quầy\r\n"
    "H05.16-261102-0001;Nguyễn Văn An;0901 234 567;02/11/2026 08:00;20/11/2026;Đang xử lý;3\r\n"
    "H05.16-261102-0002;Trần Thị Bình;;02/11/2026;;Da tra ket qua;4\r\n"
)


@pytest.fixture
async def core(database_url: str, redis_url: str, seal: Seal) -> AsyncIterator[Core]:
    """The core on the test's own database."""
    servers = EmbeddedServers(database_url=database_url, redis_url=redis_url)
    async with open_core(servers, seal, application="test", answers_in_process=False) as opened:
        yield opened


async def imported(core: Core, path: Path, agency: str = "H05.16") -> Tally:
    """What became of a file's rows."""
    with open_table(path) as table:
        return await import_table(core, table, agency, Report(path), Progress(io.StringIO(), table))


async def held(core: Core, code: str) -> HeldDossier:
    """A dossier as its agency sees it."""
    agency = core.registry.agency_by_code("H05.16")
    assert agency is not None
    tenant = Tenant(agency_id=agency.agency_id, agency_code=agency.code, test=False, api_key_id="")
    return await AgencyDossiers(core.database, core.seal).get(tenant, code)


def rejected(path: Path) -> list[dict[str, str]]:
    """The report beside a file."""
    with Report(path).path.open(encoding="utf-8-sig", newline="") as report:
        return list(csv.DictReader(report))


async def test_a_vietnamese_list_is_imported_and_a_second_time_nothing_is_new(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "danh sách.csv"
    path.write_bytes(b"\xef\xbb\xbf" + VIETNAMESE.encode())
    first, second = await imported(core, path), await imported(core, path)
    assert (first.stored, first.rejected) == (2, 0)
    assert (second.stored, second.duplicate) == (0, 2)
    an = await held(core, "H05.16-261102-0001")
    assert (an.status, an.phone, an.applicant_name) == (4, "+84901234567", "Nguyễn Văn An")
    assert an.received_at == datetime.fromisoformat("2026-11-02T08:00:00+07:00")
    assert an.due_at == datetime.fromisoformat("2026-11-20T00:00:00+07:00")
    assert an.extra is not None
    assert msgspec.json.decode(an.extra) == {"Quầy": "3"}
    assert (await held(core, "H05.16-261102-0002")).status == 10
    assert not Report(path).path.exists()
    async with core.database.transaction(Role.OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM message") == 0


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_separators_and_encodings_are_found_out(
    core: Core, tmp_path: Path, separator: str, encoding: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(VIETNAMESE.replace(";", separator).encode(encoding))
    assert (await imported(core, path)).stored == 2


async def test_our_own_field_names_and_accents_left_out_will_do(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "code,applicant_name,NGAY TIEP NHAN,status,ma tthc\nH05.16-261102-0001,An,2026-11-02 08:00:00,2,1.005129\n"
    )
    assert (await imported(core, path)).stored == 1
    assert (await held(core, "H05.16-261102-0001")).procedure_code == "1.005129"


async def test_bad_rows_are_reported_with_their_cells_and_sink_nothing(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "Mã hồ sơ;Chủ hồ sơ;Số điện thoại;Ngày tiếp nhận;Trạng thái\n"
        "H05.16-261102-0001;An;+84901234567;02/11/2026;2\n"
        "H05.16-261102-0002;=HYPERLINK(1);0901234567;31/02/2026;2\n"
        "\n"
        "H05.16-261102-0003;Bình;12;02/11/2026;2\n"
        "H05.16-261102-0004;Chi;;02/11/2026;chờ ký số\n"
    )
    tally = await imported(core, path)
    assert (tally.stored, tally.rejected, tally.quarantined) == (1, 2, 1)
    report = rejected(path)
    assert [(row["row"], row["result"], row["field"]) for row in report] == [
        ("3", "rejected", "received_at"),
        ("5", "rejected", "applicant.phone"),
        ("6", "quarantined", "status"),
    ]
    assert report[0]["Chủ hồ sơ"] == "'=HYPERLINK(1)"


async def test_what_was_kept_for_its_status_is_read_once_that_is_mapped(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Mã hồ sơ;Ngày tiếp nhận;Trạng thái\nH05.16-261102-0004;02/11/2026;chờ ký số\n")
    await imported(core, path)
    await imported(core, path)
    agency = core.registry.agency_by_code("H05.16")
    assert agency is not None
    fates, reasons = await replay_all(core, None)
    assert (dict(fates), len(reasons)) == ({"waits": 1}, 1)
    async with core.database.transaction(Role.OPERATOR) as connection:
        await map_status(connection, agency_id=agency.agency_id, raw="chờ ký số", status=Status.PROCESSING)
    await core.registry.refresh()
    fates, _ = await replay_all(core, "H05.16")
    assert dict(fates) == {"stored": 1}
    assert (await held(core, "H05.16-261102-0004")).status == 4
    assert dict((await replay_all(core, None))[0]) == {}


async def test_a_workbook_keeps_its_dates_and_numbers(core: Core, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Mã hồ sơ", "Chủ hồ sơ", "SĐT", "Ngày tiếp nhận", "Trạng thái", "Kênh thực hiện"])
    sheet.append(["H05.16-261102-0001", "An", 901234567, datetime(2026, 11, 2, 8), 4, "Trực tuyến"])  # noqa: DTZ001
    sheet.append([])
    sheet.append(["H05.16-261102-0002", "Bình", None, "02/11/2026", "Đang xử lý", None])
    book.save(tmp_path / "list.xlsx")
    assert (await imported(core, tmp_path / "list.xlsx")).stored == 2
    an = await held(core, "H05.16-261102-0001")
    assert (an.phone, an.filing_channel) == ("+84901234567", 2)
    assert an.received_at == datetime.fromisoformat("2026-11-02T08:00:00+07:00")


async def test_lines_of_json_are_dossiers_of_the_api(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "list.ndjson"
    path.write_text(
        '{"code":"H05.16-261102-0001","receiving_agency":"H05.16","status":2,"status_at":"2026-11-02T08:00:00+07:00"}\n'
        "\n"
        '{"code":"H05.16-261102-0002"}\n' + '{"note":"' + "x" * 70_000 + '"}\n'
    )
    tally = await imported(core, path)
    assert (tally.stored, tally.rejected) == (1, 2)
    assert [row["row"] for row in rejected(path)] == ["3", "4"]


async def test_a_foreign_office_is_not_imported_into(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Mã hồ sơ;Ngày tiếp nhận;Trạng thái;Cơ quan tiếp nhận\nH26-261102-0004;02/11/2026;2;H26\n")
    assert (await imported(core, path)).rejected == 1
    with pytest.raises(NotFound):
        await imported(core, path, agency="X99")


@pytest.mark.parametrize(
    ("name", "body", "refusal"),
    [
        ("bomb.xlsx", {"xl/sharedStrings.xml": b"\0" * 50_000_000}, TooLarge),
        ("many.xlsx", {f"{n}": b"" for n in range(3000)}, TooLarge),
        ("other.xlsx", {"hello": b""}, Malformed),
        ("not.xlsx", b"MZ", Malformed),
        ("list.pdf", b"%PDF", Malformed),
        ("empty.csv", b"", Malformed),
        ("cut.csv", "Mã hồ sơ".encode("utf-16")[:-1], Malformed),
    ],
)
def test_a_file_that_is_no_list_is_refused_at_once(
    tmp_path: Path, name: str, body: bytes | dict[str, bytes], refusal: type[Exception]
) -> None:
    path = tmp_path / name
    if isinstance(body, bytes):
        path.write_bytes(body)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in body.items():
                archive.writestr(entry, content)
    with pytest.raises(refusal), open_table(path):
        pytest.fail("it was opened")


async def test_a_file_that_cannot_be_read_says_what_to_do(core: Core, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("Mã hồ sơ;Trạng thái\n".encode() + b"H05;\xd0\xff\n")
    with pytest.raises(Malformed, match="UTF-8"):
        await imported(core, path)
    path.write_text("Tên;Trạng thái\n1;2\n")
    with pytest.raises(Invalid, match="Mã hồ sơ"):
        await imported(core, path)
