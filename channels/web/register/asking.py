"""What a reader of the register asks for, from the address: words, office, kind, year, in time or late."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from domain.agency import Agency
from domain.errors import NotFound
from domain.vietnamese import clean, folded
from feedback_intake.filing import FeedbackKind
from feedback_intake.published import Wanted
from lookup.registry import Registry

LONGEST = 200  # characters of what is searched
MOST_OFFICES = 20  # that a name is offered for
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_YEAR = re.compile(r"20[0-9]{2}", re.ASCII)
_TIMES = {"on": True, "late": False}
FIELDS = ("q", "agency", "kind", "year", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question: as it was typed, as it is understood, and the offices a name may mean where it is not one's own."""

    typed: Mapping[str, str]
    wanted: Wanted
    agency: Agency | None
    offices: Sequence[Agency] = ()
    unknown_office: bool = False

    @property
    def filtered(self) -> bool:
        """Whether anything but the newest is asked for."""
        return any(self.typed.values())


class Asking:
    """Understands questions. What makes no sense is left out rather than refused: a link may be old."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._names: dict[int, tuple[Agency, str]] = {}

    def understood(self, request: web.Request) -> Asked:
        """The question in the query of `request`."""
        given = {name: clean(request.query.get(name, ""))[:LONGEST] for name in FIELDS}
        kind = next((kind for kind in FeedbackKind if kind == given["kind"]), None)
        time = _TIMES.get(given["time"])
        year = int(given["year"]) if _YEAR.fullmatch(given["year"]) else None
        before = request.query.get("before", "")
        agency, offices = self._office(given["agency"])
        typed = {
            "q": given["q"],
            "agency": agency.code if agency else given["agency"],
            "kind": kind or "",
            "year": str(year or ""),
            "time": given["time"] if time is not None else "",
        }
        wanted = Wanted(
            text=given["q"],
            office=agency.agency_id if agency and agency.parent_id is not None else None,  # the root is all
            kind=kind,
            on_time=time,
            year=year,
            before=int(before) if _NUMBER.fullmatch(before) else None,
        )
        missing = bool(given["agency"]) and agency is None
        return Asked(typed=typed, wanted=wanted, agency=agency, offices=offices, unknown_office=missing and not offices)

    def office(self, code: str) -> Agency:
        """The office of a code. Raises `NotFound`."""
        agency = self._registry.agency_by_code(code)
        if agency is None:
            raise NotFound("There is no such office.")
        return agency

    def root(self) -> Agency | None:
        """The office above all others."""
        return next((agency for agency in self._registry.agencies() if agency.parent_id is None), None)

    def directly_below(self, agency: Agency) -> list[Agency]:
        """The offices right below, by name; those that work today."""
        below = (a for a in self._registry.agencies() if a.parent_id == agency.agency_id and a.valid_to is None)
        return sorted(below, key=lambda each: folded(each.name))

    def above(self, agency: Agency) -> Sequence[Agency]:
        """The offices above, nearest first."""
        return self._registry.ancestors(agency.agency_id)

    def _office(self, text: str) -> tuple[Agency | None, Sequence[Agency]]:
        """The office that a code or name means, or those it may mean."""
        if not text:
            return None, ()
        if agency := self._registry.agency_by_code(text.upper()):
            return agency, ()
        wanted = folded(text)
        found = [agency for agency in self._registry.agencies() if wanted in self._folded(agency)]
        exact = [agency for agency in found if self._folded(agency) == wanted]
        if len(exact) == 1:
            return exact[0], ()
        if len(found) == 1:
            return found[0], ()
        found.sort(key=lambda agency: (len(agency.name), agency.name))
        return None, found[:MOST_OFFICES]

    def _folded(self, agency: Agency) -> str:
        """A name as it is compared, worked out once."""
        known = self._names.get(agency.agency_id)
        if known is None or known[0] is not agency:
            known = self._names[agency.agency_id] = agency, folded(agency.name)
        return known[1]
