"""The tree of public offices through time: who stands below whom, who took over from whom, and search by name."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from domain.agency import AgencyLevel
from domain.vietnamese import folded
from lookup.reference_data import AgencyRow

# Short forms people type, as the names in the data spell them.
_SPELT_OUT = {
    "ubnd": "uy ban nhan dan",
    "tp": "thanh pho",
    "tphcm": "thanh pho ho chi minh",
    "q": "quan",
    "p": "phuong",
}
_LEVELS = tuple(AgencyLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAgency:
    """A search result: an office in one period, and those that took over from it."""

    agency: AgencyRow
    successors: tuple[AgencyRow, ...]


class AgencyTree:
    """All offices with their periods. A code names one office for ever; its rows say what it was called when.

    Edges follow codes, so what stood below a code in any period stands below it still: an office answers for the old
    dossiers of its closed units. Never changes once built; build a new tree when the data changes.
    """

    __slots__ = ("_children", "_periods", "_search_keys", "_successors")

    def __init__(self, rows: Iterable[AgencyRow]) -> None:
        """`rows` as checked by `reference_data.agencies`."""
        self._periods: dict[str, tuple[AgencyRow, ...]] = {}
        for row in sorted(rows, key=lambda row: row.valid_from):
            self._periods[row.code] = (*self._periods.get(row.code, ()), row)
        children: defaultdict[str, list[str]] = defaultdict(list)
        successors: defaultdict[AgencyRow, list[AgencyRow]] = defaultdict(list)
        for code, periods in self._periods.items():
            if parent := periods[-1].parent:
                children[parent].append(code)
            for row in periods:
                for before in self.predecessors(row):
                    successors[before].append(row)
        self._children = dict(children)
        self._successors = dict(successors)
        self._search_keys = tuple(
            (_search_key(row.code), name, frozenset(name.split()), row)
            for periods in self._periods.values()
            for row in periods
            for name in (_search_key(row.name),)
        )

    def by_code(self, code: str, on_day: date | None = None) -> AgencyRow | None:
        """The office of `code` as it was on a day; without one, as last known, closed or not."""
        periods = self._periods.get(code, ())
        if on_day is None:
            return periods[-1] if periods else None
        return next((row for row in periods if row.in_force(on_day)), None)

    def ancestors(self, code: str) -> tuple[AgencyRow, ...]:
        """The offices above `code` as last known, nearest first."""
        above: list[AgencyRow] = []
        row = self.by_code(code)
        while row and row.parent and (row := self.by_code(row.parent)):
            above.append(row)
        return tuple(above)

    def subtree(self, code: str, on_day: date | None = None) -> tuple[AgencyRow, ...]:
        """The office and all below it, parents first: those in force on a day, or without one all, as last known."""
        codes = [code]
        for above in codes:
            codes.extend(self._children.get(above, ()))
        return tuple(row for below in codes if (row := self.by_code(below, on_day)))

    def predecessors(self, row: AgencyRow) -> tuple[AgencyRow, ...]:
        """The offices `row` took over from directly: its own former self first, then those it names."""
        before: list[AgencyRow] = []
        for code in (row.code, *row.successor_of):
            older = [period for period in self._periods.get(code, ()) if period.valid_from < row.valid_from]
            before.extend(older[-1:])
        return tuple(before)

    def successors(self, code: str, on_day: date | None = None) -> tuple[AgencyRow, ...]:
        """Those that took over from the office of `code`, and in turn from them, nearest first, as last known.

        The period meant is that of `by_code`: an office that goes on under its code succeeds its former self.
        """
        row = self.by_code(code, on_day)
        return self._successors_of(row) if row else ()

    def search(self, text: str, limit: int = 20) -> tuple[FoundAgency, ...]:
        """Offices by code or by any name they ever had, accents and case ignored.

        Best matches first, then open before closed, then higher levels before lower.
        """
        wanted = _search_key(text)
        words = frozenset(wanted.split())
        # Of several periods under one name only the last is a result.
        found = {
            (code, name): (_rank(wanted, code, name), row.valid_to is not None, _LEVELS.index(row.level), name, row)
            for code, name, words_of_name, row in self._search_keys
            if words and (words <= words_of_name or wanted == code or wanted in name)
        }
        best = sorted(found.values(), key=lambda match: match[:-1])[:limit]
        return tuple(FoundAgency(agency=row, successors=self._successors_of(row)) for *_, row in best)

    def _successors_of(self, row: AgencyRow) -> tuple[AgencyRow, ...]:
        after = list(self._successors.get(row, ()))
        for one in after:
            after.extend(later for later in self._successors.get(one, ()) if later not in after)
        return tuple(self._periods[code][-1] for code in dict.fromkeys(one.code for one in after))


def _search_key(text: str) -> str:
    return " ".join(_SPELT_OUT.get(word, word) for word in folded(text).replace(",", " ").replace(".", " ").split())


def _rank(wanted: str, code: str, name: str) -> int:
    """How well an office answers the words, 0 best: by code, whole name, its beginning, a phrase, single words."""
    if wanted == code:
        return 0
    if wanted == name:
        return 1
    if name.startswith(wanted):
        return 2
    return 3 if wanted in name else 4
