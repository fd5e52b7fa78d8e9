"""`motma reconcile`: a provider's list of what it took and what it asks for it, compared with ours."""

import argparse
import asyncio
import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from channels.agency_api.table_files import Row, TableFile, open_table
from database.pool import Database, Role, open_database
from domain.civil_time import CIVIL_ZONE
from domain.errors import Invalid, Malformed, NotFound
from domain.message import DeliveryState
from domain.vietnamese import clean, folded
from lookup.cells import guarded
from notifications.reconciliation import PAGE, Difference, Finding, Line, Reconciliation, Totals
from notifications.reports import Reports
from service.commands import Subcommands
from service.commands.progress import Progress
from service.servers import open_servers
from service.settings import Settings

DIFFERENT = 2  # the exit code
EDGE = timedelta(minutes=2)  # what we handed over so near to the list's ends may stand in another list
SHOWN = 10  # differences on the screen
_NAMES: Mapping[str, tuple[str, ...]] = {
    "reference": ("reference", "our_reference", "requestid", "request_id", "client_ref", "tracking_id", "mid", "ref"),
    "id": ("id", "provider_id", "smsid", "message_id", "messageid", "msg_id", "tranid", "sid"),
    "state": ("state", "status", "sendstatus", "trang thai", "dlr"),
    "price": ("price", "dong", "cost", "amount", "totalprice", "gia", "don gia", "thanh tien"),
    "time": ("time", "at", "date", "sent_at", "created", "timestamp", "thoi gian"),
}
_WORDS: Mapping[DeliveryState, tuple[str, ...]] = {
    DeliveryState.DELIVERED: ("delivered", "delivrd", "success", "thanh cong", "da nhan"),
    DeliveryState.FAILED: ("failed", "undeliv", "undelivered", "rejected", "rejectd", "expired", "error", "that bai"),
    DeliveryState.HANDED_OVER: ("sent", "accepted", "acceptd", "submitted", "queued", "enroute", "buffered", "da gui"),
}
_SECONDS = re.compile(r"\d{9,11}(?:\.\d+)?", re.ASCII)  # since 1970
_REFERENCE = re.compile(r"(?:motma[-_]?)?(\d{1,18})(?:-[0-9a-f]{16})?", re.ASCII)  # as our channels write it
EPILOG = (
    """\
The file is CSV, XLSX or NDJSON with a name for each column; found by themselves are
  our reference   """
    + ", ".join(_NAMES["reference"])
    + """
  their id        """
    + ", ".join(_NAMES["id"])
    + """
  state, price (đồng), time
else say so: --column reference=RefNo --column price=Fee. What their words mean: --word 5=delivered --word 4=failed.
Lines are matched by our reference, and by their id where a line has none.

exit code: 0 all agrees, 2 something differs, 1 the comparison could not be made
examples:
  motma reconcile november.csv --route esms --report differences.csv
  motma reconcile kannel.ndjson --route kannel --apply     write down what they know of our messages and we do not
"""
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser(
        "reconcile",
        parents=[data],
        help="compare a provider's list with our messages",
        description="Compare a provider's list of messages with ours: on one side only, another state, another price.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("file", type=Path, metavar="FILE")
    one.add_argument("--route", required=True, metavar="NAME", help="the provider's route, as in `motma messages`")
    one.add_argument("--column", action="append", default=[], metavar="WHAT=NAME", help="a column with its own name")
    one.add_argument("--word", action="append", default=[], metavar="WORD=STATE", help="what a word for a state means")
    one.add_argument("--since", metavar="TIME", help="what the list covers, where its lines have no times")
    one.add_argument("--until", metavar="TIME", help="the same")
    one.add_argument("--report", type=Path, metavar="FILE", help="write every difference to a CSV")
    one.add_argument("--apply", action="store_true", help="take the provider's word for what became of our messages")
    one.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compare."""
    if not arguments.file.is_file():
        raise NotFound(f"There is no file {arguments.file}.")
    reading = Reading(pairs(arguments.column, "--column"), pairs(arguments.word, "--word"))
    return asyncio.run(_run(arguments, settings, reading))


async def _run(arguments: argparse.Namespace, settings: Settings, reading: "Reading") -> int:
    covered = time_of(arguments.since), time_of(arguments.until)
    roles = (Role.OPERATOR, Role.WORKER) if arguments.apply else (Role.OPERATOR,)
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=roles, application="reconcile") as database,
    ):
        with open_table(arguments.file) as table, _report(arguments.report) as report:
            comparing = Comparing(database, arguments.route, report, apply=arguments.apply)
            await comparing.compare(table, reading, Progress(sys.stderr, table), covered)
    say(comparing.totals, comparing.some, applied=comparing.applied if arguments.apply else None)
    if arguments.report and comparing.totals.differ:
        print(f"Every difference: {arguments.report}")
    return DIFFERENT if comparing.totals.differ else 0


class Comparing:
    """One list against the store. `some` are the first differences, for the screen."""

    def __init__(self, database: Database, route: str, report: Any, *, apply: bool = False) -> None:  # noqa: ANN401
        self._database = database
        self._reconciliation = Reconciliation(route)
        self._report = report
        self._route = route
        self._reports = Reports(database) if apply else None
        self.applied = 0
        self.some: list[Difference] = []

    @property
    def totals(self) -> Totals:
        """What was counted."""
        return self._reconciliation.totals

    async def compare(
        self,
        table: TableFile,
        reading: "Reading",
        progress: Progress,
        covered: tuple[datetime | None, datetime | None] = (None, None),
    ) -> None:
        """All of it. Raises `Malformed`, `Invalid`."""
        lines = reading.lines(table)
        first, last = covered
        while some := list(islice(lines, PAGE)):
            async with self._database.transaction(Role.OPERATOR) as connection:
                found = await self._reconciliation.compare(connection, some)
            await self._note(found)
            times = [line.at for line in some if line.at is not None]
            if covered[0] is None and times:
                first = min(times) if first is None else min(first, *times)
            if covered[1] is None and times:
                last = max(times) if last is None else max(last, *times)
            progress.show(self.totals.lines)
        progress.end(self.totals.lines)
        if first is not None and last is not None:
            await self._ours(
                first if covered[0] else first + EDGE,
                last if covered[1] else last - EDGE,
            )

    async def _ours(self, since: datetime, until: datetime) -> None:
        async with self._database.connection(Role.OPERATOR) as connection:
            async for found in self._reconciliation.not_named(connection, since, until):
                await self._note(found)

    async def _note(self, found: Sequence[Difference]) -> None:
        self.some += found[: SHOWN - len(self.some)]
        for one in found:
            if self._report is not None:
                self._report.writerow([guarded(cell) for cell in _cells(one)])
            if self._reports is not None and one.state is not None and one.message_id is not None:
                self.applied += await self._reports.report(
                    route=self._route, state=one.state, provider_word=one.theirs, message_id=one.message_id
                )


class Reading:
    """Reads a list's rows as lines, whatever its columns and words are called."""

    def __init__(self, columns: Mapping[str, str], words: Mapping[str, str]) -> None:
        """`columns` by what they hold, `words` by what they say. Raises `Invalid`."""
        if unknown := set(columns) - set(_NAMES):
            raise Invalid(f"--column takes {', '.join(_NAMES)}, not {', '.join(sorted(unknown))}.")
        self._columns = {what: folded(name) for what, name in columns.items()}
        self._words = {word: state for state, words_ in _WORDS.items() for word in words_}
        for word, state in words.items():
            try:
                meant = DeliveryState[state.upper()]
            except KeyError:
                meant = DeliveryState.QUEUED
            if meant < DeliveryState.HANDED_OVER:
                raise Invalid(f"--word {word}={state}: a state is delivered, failed, handed_over or expired.")
            self._words[folded(word)] = meant

    def lines(self, table: TableFile) -> Iterator[Line]:
        """Every row. Raises `Malformed`, `Invalid`."""
        places = self._places(table.headers) if table.headers else None
        for row in table.rows:
            yield self._line(row, places)

    def _places(self, headers: Sequence[str]) -> dict[str, int]:
        names = {folded(header): place for place, header in enumerate(headers)}
        places = {what: place for what in _NAMES if (place := self._place(what, names)) is not None}
        if not places.keys() & {"reference", "id"}:
            raise Invalid(f"No column names our reference or their id among {', '.join(headers)}; see --column.")
        return places

    def _place(self, what: str, names: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever stands there
        if what in self._columns:
            if self._columns[what] not in names:
                raise Invalid(f"There is no column {self._columns[what]}.")
            return names[self._columns[what]]
        return next((names[name] for name in _NAMES[what] if name in names), None)

    def _line(self, row: Row, places: Mapping[str, int] | None) -> Line:
        if places is None:
            given = _object(row)
            cells = {what: self._place(what, given) for what in _NAMES}
        else:
            cells = {what: row.cells[place] for what, place in places.items() if place < len(row.cells)}
        texts = {what: clean(str(cell)).strip() for what, cell in cells.items() if cell is not None and cell != ""}
        word = texts.get("state", "")
        reference = _REFERENCE.fullmatch(texts.get("reference", "").lower())
        return Line(
            number=row.number,
            reference=int(reference[1]) if reference else None,
            provider_id=texts.get("id"),
            word=word,
            state=self._words.get(folded(word)),
            dong=_dong(texts.get("price"), row.number),
            at=time_of(texts.get("time"), f"line {row.number}"),
        )


def _object(row: Row) -> dict[str, Any]:
    """Raises `Malformed`."""
    try:
        given = msgspec.json.decode(row.line or b"")
    except (msgspec.DecodeError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Malformed(f"Line {row.number} is no JSON object.")
    return {folded(name): value for name, value in given.items()}


def _dong(text: str | None, number: int) -> Decimal | None:
    if text is None:
        return None
    try:
        dong = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise Malformed(f"Line {number}: {text[:40]!r} is no price.") from None
    if not dong.is_finite():
        raise Malformed(f"Line {number}: {text[:40]!r} is no price.")
    return dong


def time_of(text: str | None, where: str = "--since, --until") -> datetime | None:
    """A time, in Vietnam unless it says its offset; or seconds since 1970. Raises `Malformed`."""
    if text is None:
        return None
    try:
        seconds = _SECONDS.fullmatch(text)
        at = datetime.fromtimestamp(float(text), CIVIL_ZONE) if seconds else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise Malformed(f"{where}: {text[:40]!r} is no time such as 2026-11-22 08:00:00.") from None
    return at if at.tzinfo else at.replace(tzinfo=CIVIL_ZONE)


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Raises `Invalid`."""
    found = dict(pair.split("=", 1) for pair in given if "=" in pair)
    if len(found) < len(given):
        raise Invalid(f"{option} takes NAME=VALUE, each name once.")
    return found


def say(totals: Totals, some: Sequence[Difference], *, applied: int | None) -> None:
    """The comparison for people."""
    print(f"{totals.lines:,} lines: {totals.agree:,} agree, {totals.differ:,} differences.")
    for finding, what in _SAID.items():
        if totals.found[finding]:
            print(f"{totals.found[finding]:9,}  {what}")
    if totals.unread:
        print(f"{totals.unread:9,}  lines whose word for the state says nothing to us (--word WORD=STATE)")
    print(f"They ask for {totals.their_dong:,} đ; we reckoned {totals.our_dong:,} đ for what stands on both sides.")
    for one in some:
        where = f"line {one.line}" if one.line else "no line"
        said = f"ours {one.ours or '-'}, theirs {one.theirs or '-'}"
        print(f"  {where}, message {one.message_id or '-'}: {one.finding}  {said}")
    if applied is not None:
        print(f"{applied:,} states taken over.")


_SAID = {
    Finding.ONLY_THEIRS: "only they have",
    Finding.ONLY_OURS: "only we have",
    Finding.STATE: "have another state",
    Finding.PRICE: "have another price",
    Finding.TWICE: "were taken under a name we do not know: sent twice?",
}
_HEADER = ("difference", "line", "message", "their_id", "ours", "theirs")


def _cells(one: Difference) -> tuple[object, ...]:
    return one.finding, one.line, one.message_id, one.provider_id, one.ours, one.theirs


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(_HEADER)
        yield rows
