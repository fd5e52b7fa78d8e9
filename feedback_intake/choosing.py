"""Help in choosing the office: by its name, old or new, or by where and what about. None need be chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from domain.agency import Agency, AgencyLevel
from domain.civil_time import civil_day, utc_now
from domain.language import Language
from domain.vietnamese import folded
from feedback_intake.telling import WORDS
from lookup.registry import Registry

MOST_FOUND = 12
_LEVELS = tuple(AgencyLevel)
# Short forms people type, as names spell them.
_SPELT_OUT = {"ubnd": "uy ban nhan dan", "tp": "thanh pho", "tphcm": "thanh pho ho chi minh", "p": "phuong"}
_NATIONWIDE = frozenset({AgencyLevel.NATIONAL, AgencyLevel.MINISTRY})


class Subject(StrEnum):
    """What feedback is about, as people say it; words for each are in the catalogues of the pages that ask."""

    CIVIL_STATUS = "civil_status"  # khai sinh, kết hôn, chứng thực
    LAND = "land"  # đất đai, nhà ở, môi trường
    BUSINESS = "business"  # đăng ký kinh doanh, thuế
    CONSTRUCTION = "construction"  # xây dựng, giao thông
    RESIDENCE = "residence"  # cư trú, căn cước
    SOCIAL = "social"  # bảo hiểm, người có công, việc làm
    HEALTH = "health"
    EDUCATION = "education"
    OTHER = "other"


# Words in the names of the offices that handle a subject, folded; an office of the commune handles civil status.
_HANDLED_BY: Mapping[Subject, tuple[str, ...]] = {
    Subject.CIVIL_STATUS: ("tu phap", "xa ", "phuong ", "hanh chinh cong"),
    Subject.LAND: ("moi truong", "dat dai"),
    Subject.BUSINESS: ("tai chinh", "thue", "cong thuong", "ke hoach"),
    Subject.CONSTRUCTION: ("xay dung", "giao thong"),
    Subject.RESIDENCE: ("cong an",),
    Subject.SOCIAL: ("noi vu", "bao hiem", "lao dong"),
    Subject.HEALTH: ("y te",),
    Subject.EDUCATION: ("giao duc",),
    Subject.OTHER: ("hanh chinh cong", "uy ban nhan dan", "van phong"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeFound:
    """An office that works today; `formerly`: the closed office that was asked for, and whose work it took over."""

    office: Agency
    formerly: str | None = None


@dataclass(frozen=True, slots=True)
class _Named:
    key: str
    words: frozenset[str]
    agency: Agency
    is_open: bool


class Choosing:
    """Finds offices in the registry's picture of the tree."""

    def __init__(self, registry: Registry, *, desk: str = "") -> None:
        """`desk` is the code of the agency that sorts what names no office, by default the root of the tree."""
        self._registry = registry
        self._desk = desk
        self._read_of: object = None
        self._named: tuple[_Named, ...] = ()

    def holder(self, agency_id: int) -> Agency | None:
        """An office as who filed with it reads of it: where no desk is named, the root that sorts has not taken a
        matter in hand itself, as its name would say."""
        agency = self._registry.agency(agency_id)
        if agency is None or self._desk or agency.parent_id is not None:
            return agency
        names = {language: WORDS.say(language, "desk.name") for language in Language}
        return replace(agency, name=names[Language.VIETNAMESE], name_en=names[Language.ENGLISH])

    def search(self, text: str, limit: int = MOST_FOUND) -> tuple[OfficeFound, ...]:
        """Offices by any name they or those before them had, or by code; accents, case and order do not count."""
        wanted = _key(text)
        words = frozenset(wanted.split())
        if not words:
            return ()
        hits = sorted(
            (_rank(wanted, each), not each.is_open, _LEVELS.index(each.agency.level), each.key, n)
            for n, each in enumerate(self._all())
            if words <= each.words or wanted == each.agency.code.lower() or wanted in each.key
        )
        found: dict[int, OfficeFound] = {}
        for *_, n in hits:
            each = self._named[n]
            former = None if each.is_open else each.agency.name
            for office in (each.agency,) if each.is_open else self._today(each.agency):
                found.setdefault(office.agency_id, OfficeFound(office=office, formerly=former))
            if len(found) >= limit:
                break
        return tuple(found.values())[:limit]

    def meant(self, text: str, limit: int = MOST_FOUND) -> tuple[OfficeFound, ...]:
        """As `search`; the one office alone that is called just so, where there is one."""
        found, wanted = self.search(text, limit), _key(text)
        same = tuple(each for each in found if _key(each.office.name) == wanted)
        return same if len(same) == 1 else found

    def places(self) -> tuple[Agency, ...]:
        """The provinces and centrally-run cities of today, by name."""
        open_ones = {each.agency.agency_id: each.agency for each in self._all() if each.is_open}
        provinces = [agency for agency in open_ones.values() if agency.level is AgencyLevel.PROVINCE]
        return tuple(sorted(provinces, key=lambda agency: folded(agency.name)))

    def guided(self, place: str, subject: Subject, limit: int = MOST_FOUND) -> tuple[OfficeFound, ...]:
        """The offices that handle `subject` in the province with the code `place`; '' for the ministries."""
        above = self._registry.agency_by_code(place) if place else None
        reach = self._registry.reach(above.agency_id) if above else frozenset[int]()
        names = _HANDLED_BY[subject]
        found = [
            each
            for each in self._all()
            if each.is_open
            and (each.agency.agency_id in reach if above else each.agency.level in _NATIONWIDE)
            and any(name in f"{each.key} " for name in names)
        ]
        found.sort(key=lambda each: (_LEVELS.index(each.agency.level), self._depth(each.agency), each.key))
        return tuple(OfficeFound(office=each.agency) for each in found[:limit])

    def office(self, code: str) -> Agency | None:
        """The office of `code` as it works today: of a closed one, what took over, where that is one office alone."""
        agency = self._registry.agency_by_code(code)
        if agency is None or _open(agency, civil_day(utc_now())):
            return agency
        after = self._today(agency)
        return after[0] if len(after) == 1 else None

    def heir(self, agency_id: int) -> int | None:
        """The office that works in its place today, itself where it still does; None where nobody is known to.

        It may go on under its code; else what took over counts, where that is one office alone, else what stands above.
        """
        agency, day, seen = self._registry.agency(agency_id), civil_day(utc_now()), set[int]()
        while agency is not None and agency.agency_id not in seen:
            seen.add(agency.agency_id)
            after = self.office(agency.code)
            if after is not None and _open(after, day):
                return after.agency_id
            agency = self._registry.agency(agency.parent_id) if agency.parent_id is not None else None
        return None

    def ended(self) -> list[int]:
        """The offices that work no more."""
        day = civil_day(utc_now())
        periods = (agency for of_one in self._registry.periods().values() for agency in of_one)
        return [agency.agency_id for agency in periods if agency.valid_to is not None and agency.valid_to < day]

    def _depth(self, agency: Agency) -> int:
        """How far below the root it stands: a department comes before its branches."""
        depth, above = 0, agency.parent_id
        while above is not None and depth < len(_LEVELS):
            depth += 1
            parent = self._registry.agency(above)
            above = parent.parent_id if parent else None
        return depth

    def _today(self, closed: Agency) -> tuple[Agency, ...]:
        """The offices that do its work today."""
        day = civil_day(utc_now())
        after, seen, working = [closed], {closed.agency_id}, []
        for agency in after:
            for successor in self._registry.successors(agency.agency_id):
                if successor.agency_id in seen:
                    continue
                seen.add(successor.agency_id)
                if _open(successor, day):
                    working.append(successor)
                else:
                    after.append(successor)
        return tuple(working)

    def _all(self) -> tuple[_Named, ...]:
        periods = self._registry.periods()
        if periods is not self._read_of:
            day = civil_day(utc_now())
            self._named = tuple(
                _Named(key, frozenset(key.split()), agency, _open(agency, day))
                for of_one in periods.values()
                for agency in of_one
                for key in (_key(agency.name),)
            )
            self._read_of = periods
        return self._named


def _open(agency: Agency, day: date) -> bool:
    return agency.valid_from <= day and (agency.valid_to is None or agency.valid_to >= day)


def _key(text: str) -> str:
    """Folded, marks taken out, short forms spelt out; a code stays in one piece."""
    words = folded(text).replace(",", " ").replace(" - ", " ").split()
    return " ".join(_SPELT_OUT.get(word.rstrip("."), word) for word in words)


def _rank(wanted: str, each: _Named) -> int:
    """How well an office answers the words, 0 best: by code, whole name, its beginning, a phrase, single words."""
    if wanted == each.agency.code.lower():
        return 0
    if wanted == each.key:
        return 1
    if each.key.startswith(wanted):
        return 2
    return 3 if wanted in each.key else 4
