"""`motma import`: dossiers from a file, safe to run twice, with a report of the rows that were not taken."""

import argparse
import asyncio
import csv
import sys
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO

from channels.agency_api.columns import dossier_of, fields_of
from channels.agency_api.intake import Batch, Intake, sorted_out
from channels.agency_api.payloads import IMPORTED, ImportedDossier, Unreadable
from channels.agency_api.table_files import Row, TableFile, open_table
from channels.agency_api.tallies import Tally
from channels.agency_api.understanding import Understanding
from channels.json_bodies import converted
from domain.civil_time import utc_now
from domain.errors import NotFound, ServiceError, TooLarge
from lookup.cells import guarded
from lookup.changes import MAX_BATCH, Tenant
from service.commands import Subcommands
from service.commands.progress import Progress
from service.servers import open_ladder, open_seal, open_servers, open_timing
from service.settings import Settings
from service.wiring import Core, open_core


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser("import", parents=[data], help="dossiers from a CSV, XLSX or NDJSON file")
    one.add_argument("file", type=Path, metavar="FILE", help="columns are named in its first line")
    one.add_argument("--agency", required=True, metavar="CODE", help="whose dossiers these are, e.g. H05.16")
    one.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Import the file; 0 also when rows were rejected, because the report names them."""
    if not arguments.file.is_file():
        raise NotFound(f"There is no file {arguments.file}.")
    return asyncio.run(_import(arguments.file, arguments.agency, settings))


async def _import(path: Path, agency: str, settings: Settings) -> int:
    report = Report(path)
    with open_table(path) as table:
        async with (
            open_servers(settings) as servers,
            open_core(
                servers,
                open_seal(settings),
                application="import",
                answers_in_process=False,
                timing=open_timing(settings),
                ladder=open_ladder(settings),
            ) as core,
        ):
            tally = await import_table(core, table, agency, report, Progress(sys.stderr, table))
    known = f", {tally.duplicate:,} known already" if tally.duplicate else ""
    kept = f", {tally.quarantined:,} with an unknown status kept for later" if tally.quarantined else ""
    refused = f", {tally.rejected:,} rejected" if tally.rejected else ""
    print(f"{tally.stored:,} stored{known}{kept}{refused}.")
    if report.written:
        print(f"Rows that were not stored, with reasons: {report.path}")
    return 0


async def import_table(core: Core, table: TableFile, agency: str, report: "Report", progress: "Progress") -> Tally:
    """Store the rows of `table` as dossiers of the agency with this code. Raises `NotFound`, `Invalid`, `Malformed`."""
    found = core.registry.agency_by_code(agency)
    if found is None:
        raise NotFound(f"There is no agency {agency}.", field="agency")
    tenant = Tenant(agency_id=found.agency_id, agency_code=found.code, test=False, api_key_id="import")
    reader = _RowReader(table.headers, agency)
    understand = partial(Understanding(core.registry).facts, tenant, utc_now())
    intake = Intake(database=core.database, seal=core.seal, writer=core.writer)
    total = Tally()
    with report:
        while rows := list(islice(table.rows, MAX_BATCH)):
            batch: Batch = sorted_out([reader.payload(row) for row in rows], range(len(rows)), understand, "import")
            tally = Tally()
            await intake.store(tenant, batch, tally)
            report.add(table.headers, rows, tally)
            _add(total, tally)
            progress.show(_rows(total))
    progress.end(_rows(total))
    return total


def _add(total: Tally, tally: Tally) -> None:
    total.stored += tally.stored
    total.duplicate += tally.duplicate
    total.rejected += tally.rejected
    total.quarantined += tally.quarantined


def _rows(tally: Tally) -> int:
    return tally.stored + tally.duplicate + tally.rejected + tally.quarantined


class _RowReader:
    """Reads rows as dossiers of the API."""

    def __init__(self, headers: Sequence[str], agency: str) -> None:
        self._headers = headers
        self._fields = fields_of(headers) if headers else []
        self._agency = agency

    def payload(self, row: Row) -> ImportedDossier | Unreadable:
        """The dossier, or why there is none."""
        try:
            if row.line is None:
                given = dossier_of(self._headers, self._fields, row.cells, self._agency)
                return converted(ImportedDossier, given)
            if not row.line:
                return Unreadable(error=TooLarge("The line is too long."))
            payload = IMPORTED.one(row.line)
            payload.notify = False
        except ServiceError as error:
            return Unreadable(error=error)
        return payload


class Report:
    """`FILE.rejected.csv` beside the file: row, reason, and the row as it was; made when there is something to say."""

    def __init__(self, source: Path) -> None:
        self.path = source.with_name(f"{source.name}.rejected.csv")
        self.written = 0
        self._opened: TextIO | None = None

    def __enter__(self) -> "Report":
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def add(self, headers: Sequence[str], rows: Sequence[Row], tally: Tally) -> None:
        """Write the rows of a batch that were rejected or quarantined."""
        for item in tally.items:
            if "error" not in item:
                continue
            row, error = rows[item["index"]], item["error"]
            original = row.cells if row.line is None else [row.line.decode("utf-8", "replace")]
            line = [row.number, item["result"], error["message"], error.get("field", ""), *original]
            self._write(headers or ["line"], [guarded(cell) for cell in line])
            self.written += 1

    def _write(self, headers: Sequence[str], line: Sequence[str]) -> None:
        if self._opened is None:
            self._opened = self.path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self._opened).writerow(["row", "result", "reason", "field", *map(guarded, headers)])
        csv.writer(self._opened).writerow(line)
