"""Findings: one line each, on the terminal, as JSON beside the data, and as a table for docs/performance.md."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import wrap

import msgspec

from domain.civil_time import utc_now

RESULTS = "results.jsonl"
BEGIN, END = "<!-- measured: written by ./run bench --write -->", "<!-- /measured -->"
_began = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure with its goal. `reached` is None where there is no goal, only something worth knowing."""

    bench: str
    name: str
    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        """In a word."""
        return {None: "", True: "reached", False: "MISSED"}[self.reached]


class Run(msgspec.Struct, kw_only=True):
    """One run as it is kept."""

    at: datetime
    quick: bool
    machine: dict[str, str]
    findings: list[Finding]


def say(what: str) -> None:
    """A line of progress."""
    print(f"[{time.monotonic() - _began:6.1f} s] {what}", file=sys.stderr, flush=True)


def table(findings: Sequence[Finding]) -> str:
    """The findings for a terminal."""
    head = ("bench", "what", "goal", "measured", "")
    limits = (18, 58, 22, 46, 8)
    rows = [head, *((f.name, f.what, f.goal, f.measured, f.verdict) for f in findings)]
    cells = [[wrap(cell, limit) or [""] for cell, limit in zip(row, limits, strict=True)] for row in rows]
    widths = [max(len(line) for row in cells for line in row[n]) for n in range(len(head))]
    lines = []
    for number, row in enumerate(cells):
        for part in range(max(map(len, row))):
            texts = [cell[part] if part < len(cell) else "" for cell in row]
            lines.append("  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def keep(folder: Path, run: Run) -> None:
    """Append the run to what was measured before."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RESULTS).open("ab") as file:
        file.write(msgspec.json.encode(run) + b"\n")


def kept(folder: Path) -> list[Run]:
    """What was measured so far, oldest first."""
    file = folder / RESULTS
    return [msgspec.json.decode(line, type=Run) for line in file.read_bytes().splitlines()] if file.exists() else []


def write(document: Path, runs: Iterable[Run]) -> None:
    """Put the newest whole (not quick) measurement of every bench between the marks of `document`."""
    newest: dict[str, Run] = {}
    for run in runs:
        if not run.quick:
            newest.update((finding.bench, run) for finding in run.findings)
    text = document.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"bench: {document} has no lines {BEGIN} and {END} to write between")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n{_markdown(newest)}{END}{after}", encoding="utf-8")


def _markdown(newest: dict[str, Run]) -> str:
    if not newest:
        return "\nNothing was measured in full yet.\n\n"
    last = max(newest.values(), key=lambda run: run.at)
    lines = [""]
    lines += [f"- {name}: {said}" for name, said in last.machine.items()]
    lines += ["", "| bench | what | goal | measured | | taken |", "|---|---|---|---|---|---|"]
    for bench, run in newest.items():
        lines += [
            f"| {f.name} | {f.what} | {f.goal} | {f.measured} | {f.verdict} | {run.at:%Y-%m-%d} |"
            for f in run.findings
            if f.bench == bench
        ]
    return "\n".join([*lines, "", ""])


def now() -> datetime:
    """The time of a run, to the second."""
    return utc_now().replace(microsecond=0)
