"""What is written down: the newest full figures, between the marks and nowhere else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.report import BEGIN, END, Finding, Run, keep, kept, table, write


def run(day: int, *findings: Finding, quick: bool = False) -> Run:
    return Run(
        at=datetime(2026, 11, day, tzinfo=UTC), quick=quick, machine={"machine": "two cores"}, findings=[*findings]
    )


def finding(measured: str, bench: str = "lookup") -> Finding:
    return Finding(bench=bench, name=bench, what="a look-up", goal="≥ 1", measured=measured, reached=True)


def test_the_newest_full_figures_of_every_bench_stand_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    runs = (
        run(1, finding("1.5 ×"), finding("9 s", "ingest")),
        run(2, finding("1.7 ×")),
        run(3, finding("0 ×"), quick=True),
    )
    for each in runs:
        keep(tmp_path, each)
    write(document, kept(tmp_path))
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "1.7 ×" in text
    assert "9 s" in text
    assert not [gone for gone in ("old", "1.5 ×", "| 0 ×") if gone in text]


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "notes.md"
    document.write_text("mine\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="to write between"):
        write(document, [run(1, finding("1 ×"))])
    assert document.read_text(encoding="utf-8") == "mine\n"


def test_a_missed_goal_is_seen_in_the_table() -> None:
    missed = Finding(bench="lookup", name="lookup hot", what="a look-up", goal="≥ 1", measured="0.5", reached=False)
    assert "MISSED" in table([finding("2"), missed])
