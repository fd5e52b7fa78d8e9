"""Whoever changes, deletes, moves or replaces something in the register is found out, and what they did is named."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from feedback_intake.chain import (
    FIRST,
    PARTS,
    Record,
    Verdict,
    Verifier,
    commitment,
    digests_in,
    line,
    part_digest,
    record_digest,
)

Line = dict[str, Any]
SALT = bytes(range(16))


def chained(contents: Iterable[tuple[str, int, str]], texts: dict[int, dict[str, str]]) -> list[Line]:
    """Lines as the register writes them: (kind, entry, content) each, '' for the content of an entry."""
    lines, previous = [], FIRST
    for n, (kind, entry, content) in enumerate(contents, start=1):
        parts = None
        if kind == "entry":
            said = dict.fromkeys(PARTS, "") | texts[n]
            content = commitment({part: part_digest(SALT, said[part]) for part in PARTS})
            parts = {part: {"salt": SALT.hex(), "text": said[part]} for part in PARTS}
        record = Record(
            n=n, at=f"2026-11-22T09:00:{n:02}.000000Z", kind=kind, entry=entry, content=content, previous=previous
        )
        previous = record_digest(record)
        whole = Record(**{name: getattr(record, name) for name in Record.__slots__} | {"digest": previous})
        lines.append(json.loads(line(whole, parts)))
    return lines


@pytest.fixture
def lines() -> list[Line]:
    """Five entries, and a sixth record that takes the name out of the second."""
    texts = {
        n: {"question": f"Câu hỏi {n}", "answer": f"Trả lời {n}", "name": "An" if n == 2 else ""} for n in range(1, 6)
    }
    made = chained([*(("entry", n, "") for n in range(1, 6)), ("removal", 2, "name withdrawn")], texts)
    made[1]["parts"]["name"] = {"digest": part_digest(SALT, "An")}
    return made


def read(lines: Iterable[Line], known: Iterable[Line] = ()) -> Verdict:
    digests: dict[int, list[tuple[str, str]]] = {}
    for n, said in digests_in(_raw(known), "an older copy"):
        digests.setdefault(n, []).append(said)
    return Verifier(known=digests).read(_raw(lines))


def _raw(lines: Iterable[Line]) -> list[bytes]:
    return [json.dumps(said).encode() for said in lines]


def faults(verdict: Verdict) -> list[tuple[str, int]]:
    return [(fault.kind, fault.n) for fault in verdict.faults]


def test_an_untouched_chain_has_no_faults(lines: list[Line]) -> None:
    found = read(lines, known=lines[:3])
    assert (found.records, found.entries, found.removals, found.n, found.faults) == (6, 5, 1, 6, ())
    assert found.digest == lines[-1]["digest"]


def change_text(lines: list[Line]) -> None:
    lines[2]["parts"]["answer"]["text"] = "Khác"


def change_text_and_content(lines: list[Line]) -> None:
    change_text(lines)
    parts = lines[2]["parts"]
    lines[2]["content"] = commitment({part: part_digest(SALT, parts[part]["text"]) for part in PARTS})


def change_time(lines: list[Line]) -> None:
    lines[3]["at"] = "2026-11-22T08:00:00.000000Z"


def delete(lines: list[Line]) -> None:
    del lines[2]


def reorder(lines: list[Line]) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def twice(lines: list[Line]) -> None:
    lines.insert(3, lines[2])


def hide_text(lines: list[Line]) -> None:
    lines[3]["parts"]["question"] = {"digest": part_digest(SALT, lines[3]["parts"]["question"]["text"])}


def show_again(lines: list[Line]) -> None:
    lines[1]["parts"]["name"] = {"salt": SALT.hex(), "text": "An"}


def exchange(lines: list[Line]) -> None:
    """A record with a digest of its own making, in another's place."""
    record = Record(**{name: lines[2][name] for name in Record.__slots__} | {"at": "2026-11-22T09:00:03.500000Z"})
    lines[2] |= {"at": record.at, "digest": record_digest(record)}


def garbage(lines: list[Line]) -> None:
    lines[2] = {"n": "three"}


@pytest.mark.parametrize(
    ("tampering", "named"),
    [
        (change_text, [("changed", 3)]),
        (change_text_and_content, [("changed", 3)]),
        (change_time, [("moved", 4), ("changed", 4)]),
        (delete, [("missing", 3)]),
        (reorder, [("moved", 3)]),
        (twice, [("moved", 3)]),
        (hide_text, [("removed", 4)]),
        (show_again, [("shown", 2)]),
        (exchange, [("unlinked", 4)]),
        (garbage, [("unreadable", 3), ("missing", 3)]),
    ],
)
def test_tampering_is_named(
    lines: list[Line], tampering: Callable[[list[Line]], None], named: list[tuple[str, int]]
) -> None:
    tampering(lines)
    assert faults(read(lines)) == named


def test_a_history_written_anew_is_found_by_who_kept_a_digest(lines: list[Line]) -> None:
    texts = {n: {"question": f"Câu hỏi {n}"} for n in range(1, 6)}
    anew = chained([("entry", n, "") for n in range(1, 6)], texts)
    assert faults(read(anew)) == []
    checkpoint = {"day": "2026-11-21", "n": 3, "digest": lines[2]["digest"]}
    (fault,) = read(anew, known=[checkpoint]).faults
    assert (fault.kind, fault.n) == ("rewritten", 3)
    assert "the checkpoint of 2026-11-21" in fault.words


def test_the_newest_cut_off_are_missed_by_who_kept_their_digest(lines: list[Line]) -> None:
    assert faults(read(lines[:4])) == [("removed", 2)]
    assert faults(read(lines[:4], known=lines)) == [("removed", 2), ("cut", 6)]
