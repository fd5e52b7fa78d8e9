"""Offices as pages name them: found by what was typed, within the officer's part."""

from console.visit import Visit
from domain.agency import Agency
from domain.civil_time import civil_day
from domain.vietnamese import folded

MOST_OFFERED = 200


def within_reach(visit: Visit, *, closed: bool = False) -> list[Agency]:
    """The officer's office and all below it, by code; without those that were closed unless asked."""
    registry, today = visit.means.registry, civil_day(visit.means.clock())
    found = [agency for reached in registry.reach(visit.officer.agency_id) if (agency := registry.agency(reached))]
    living = (agency for agency in found if closed or agency.valid_to is None or agency.valid_to >= today)
    return sorted(living, key=lambda agency: (agency.code, agency.valid_from))


def office_typed(visit: Visit, text: str, mistakes: dict[str, str], *, field: str = "agency") -> Agency | None:
    """The office of a code (`H05.16`, or `H05.16 · name` as lists offer it) within reach; else a mistake of `field`."""
    code = text.partition("·")[0].strip().upper()
    agency = visit.means.registry.agency_by_code(code)
    if agency is None or not visit.reaches(agency.agency_id):
        mistakes[field] = visit.say("agency.unknown")
        return None
    return agency


def matching(agencies: list[Agency], typed: str) -> list[Agency]:
    """Those whose code or name holds what was typed, with or without accents."""
    wanted = folded(typed)
    return [a for a in agencies if wanted in folded(f"{a.code} {a.name} {a.name_en}")] if wanted else agencies


def offered(visit: Visit) -> list[str]:
    """What a field for an office offers: `H05.16 · name`."""
    return [f"{agency.code} · {agency.name}" for agency in within_reach(visit)[:MOST_OFFERED]]
