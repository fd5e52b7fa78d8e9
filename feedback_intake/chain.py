"""The chain of the public register: what is hashed, what a line of it says, and how anybody finds tampering.

Needs nothing but Python: a reader may take this file alone and verify a register with it. docs/register.md describes
the format for those who write a verifier of their own.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

PARTS = ("facts", "question", "answer", "name")
REMOVABLE = {"name": ("name",), "text": ("question", "answer", "name")}  # what a removal takes
FIRST = "0" * 64  # what the first record follows
_VERSION = "motma register 1"
_KINDS: Mapping[str, type] = {
    "n": int,
    "entry": int,
    "at": str,
    "kind": str,
    "content": str,
    "previous": str,
    "digest": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of the chain. `content`: see `commitment`, or what was removed and why. Digests are hex."""

    n: int
    at: str  # 2026-11-22T09:30:00.123456Z
    kind: str  # entry, removal
    entry: int  # itself, or the entry that lost something
    content: str
    previous: str
    digest: str = ""


def stamp(at: datetime) -> str:
    """An instant as records write it: UTC, six digits of a second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def part_digest(salt: bytes, text: str) -> str:
    """What stands for one part of an entry: with the salt gone too, it tells nothing of the text."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


def commitment(digests: Mapping[str, str]) -> str:
    """What stands for a whole entry, from the digests of its parts."""
    lines = "".join(f"{part} {digests[part]}\n" for part in PARTS)
    return hashlib.sha256(lines.encode()).hexdigest()


def record_digest(record: Record) -> str:
    """The digest of a record: over all it says and the digest of the one before."""
    said = (_VERSION, record.n, record.at, record.kind, record.entry, record.content, record.previous)
    return hashlib.sha256("".join(f"{part}\n" for part in said).encode()).hexdigest()


def checkpoint_text(day: date, n: int, digest: str) -> bytes:
    """What is signed at the end of a day."""
    return f"{_VERSION} checkpoint\n{day.isoformat()}\n{n}\n{digest}\n".encode()


def line(record: Record, parts: Mapping[str, Mapping[str, str]] | None) -> bytes:
    """One line of `chain.ndjson`; `parts` of an entry: `salt` and `text`, or the `digest` of one that was removed."""
    said: dict[str, Any] = {
        "n": record.n,
        "at": record.at,
        "kind": record.kind,
        "entry": record.entry,
        "content": record.content,
        "previous": record.previous,
        "digest": record.digest,
    }
    if parts is not None:
        said["parts"] = parts
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong. `kind`: changed, missing, moved, unlinked, cut, rewritten, removed, shown, unreadable."""

    kind: str
    n: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was read and found. `n` and `digest`: the head, for keeping and comparing later."""

    records: int
    entries: int
    removals: int
    n: int
    digest: str
    faults: tuple[Fault, ...]


@dataclass(slots=True, kw_only=True)
class Verifier:
    """Reads a chain line by line; its memory grows by one number per record.

    `known`: digests by number that somebody kept: of checkpoints, or of an older copy.
    """

    known: Mapping[int, Sequence[tuple[str, str]]] = field(default_factory=dict)  # n -> (whose word it is, digest)
    most: int = 100  # faults told
    _faults: list[Fault] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _gone: dict[int, set[str]] = field(default_factory=dict)  # parts that entries do not show
    _removed: dict[int, set[str]] = field(default_factory=dict)  # parts that records say were removed
    _last: Record | None = None
    _entries: int = 0
    _removals: int = 0

    def read(self, lines: Iterable[bytes]) -> Verdict:
        """The verdict on a whole chain, oldest line first."""
        for number, raw in enumerate(lines, start=1):
            if raw.strip():
                self._read(number, raw)
        self._compare_removals()
        self._compare_end()
        last = self._last
        return Verdict(
            records=len(self._seen),
            entries=self._entries,
            removals=self._removals,
            n=last.n if last else 0,
            digest=last.digest if last else FIRST,
            faults=tuple(self._faults),
        )

    def _read(self, number: int, raw: bytes) -> None:
        try:
            said = json.loads(raw)
            record = Record(**{name: _KINDS[name](said[name]) for name in Record.__slots__})
        except (ValueError, TypeError, KeyError, RecursionError):
            self._tell("unreadable", number, f"Line {number} is no record.")
            return
        self._place(record)
        if record_digest(record) != record.digest:
            self._tell("changed", record.n, f"Record {record.n} was changed: its digest does not fit what it says.")
        for whose, digest in self.known.get(record.n, ()):
            if digest != record.digest:
                words = f"Record {record.n} had another digest according to {whose}: history was rewritten."
                self._tell("rewritten", record.n, words)
        if record.kind == "entry":
            self._entries += 1
            self._check_parts(record, said.get("parts"))
        else:
            self._removals += 1
            what = record.content.partition(" ")[0]
            self._removed.setdefault(record.entry, set()).update(REMOVABLE.get(what, ()))
        self._seen.add(record.n)
        if self._last is None or record.n > self._last.n:
            self._last = record

    def _place(self, record: Record) -> None:
        """Whether the record stands where it belongs, and follows the one before it."""
        n, last = record.n, self._last
        if n in self._seen:
            self._tell("moved", n, f"Record {n} stands there twice.")
            return
        expected = last.n + 1 if last else 1
        if n < expected:
            self._faults = [f for f in self._faults if not (f.kind == "missing" and f.n == n)]
            self._tell("moved", n, f"Record {n} stands after record {last.n if last else 0}: the order was changed.")
            return
        for missing in range(expected, min(n, expected + self.most)):
            self._tell("missing", missing, f"Record {missing} is missing.")
        if n > expected:
            return
        if last is None:
            if record.previous != FIRST:
                self._tell("unlinked", n, "The first record says that another came before it.")
        elif record.previous != last.digest:
            words = f"Record {n} does not follow record {last.n}: one of them was put there or exchanged."
            self._tell("unlinked", n, words)
        elif record.at < last.at:
            self._tell("moved", n, f"Record {n} is older than record {last.n} before it.")

    def _check_parts(self, record: Record, parts: object) -> None:
        if not isinstance(parts, dict):
            self._tell("changed", record.n, f"Entry {record.n} says nothing of its parts.")
            return
        digests, gone = {}, set()
        for name in PARTS:
            try:
                part = parts[name]
                if "digest" in part:
                    digests[name] = str(part["digest"])
                    gone.add(name)
                else:
                    digests[name] = part_digest(bytes.fromhex(part["salt"]), part["text"])
            except (TypeError, KeyError, ValueError, AttributeError):
                self._tell("changed", record.n, f"The {name} of entry {record.n} cannot be read.")
                return
        if commitment(digests) != record.content:
            words = f"Entry {record.n} was changed: its text is not what was published."
            self._tell("changed", record.n, words)
        if gone:
            self._gone[record.n] = gone

    def _compare_removals(self) -> None:
        for n in sorted(self._gone.keys() | self._removed.keys()):
            gone, removed = self._gone.get(n, set()), self._removed.get(n, set())
            if unsaid := gone - removed:
                self._tell("removed", n, f"{_listed(unsaid)} of entry {n} is gone, and no record says so.")
            if n in self._seen and (shown := removed - gone):
                self._tell("shown", n, f"{_listed(shown)} of entry {n} was removed and is still shown.")

    def _compare_end(self) -> None:
        end = self._last.n if self._last else 0
        later = sorted(n for n in self.known if n > end)
        if later:
            whose = self.known[later[-1]][0][0]
            words = f"The chain ends with record {end}; {whose} knows record {later[-1]}: the newest were cut off."
            self._tell("cut", later[-1], words)

    def _tell(self, kind: str, n: int, words: str) -> None:
        if len(self._faults) < self.most:
            self._faults.append(Fault(kind=kind, n=n, words=words))


def digests_in(lines: Iterable[bytes], whose: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """What an older copy of a chain, or a list of checkpoints, says of records: number, whose word it is, digest."""
    for raw in lines:
        try:
            said = json.loads(raw)
            source = f"the checkpoint of {said['day']}" if "day" in said else whose
            yield int(said["n"]), (source, str(said["digest"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _listed(parts: set[str]) -> str:
    return ", ".join(f"the {part}" for part in PARTS if part in parts).capitalize()
