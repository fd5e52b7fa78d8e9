"""A public office as the dated agency tree knows it."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class DisclosurePolicy(StrEnum):
    """What an agency lets a code alone show; `OPEN` adds the due date."""

    STRICT = "strict"
    OPEN = "open"


class AgencyLevel(StrEnum):
    """Where in the state an office stands. District exists for history only (closed 30/6/2025)."""

    NATIONAL = "national"
    MINISTRY = "ministry"
    PROVINCE = "province"
    DEPARTMENT = "department"
    DISTRICT = "district"
    COMMUNE = "commune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """One office during one period. `agency_id` is ours; `code` is the national identifier and never rewritten."""

    agency_id: int
    code: str
    name: str
    name_en: str
    level: AgencyLevel
    parent_id: int | None
    phone: str
    address: str
    disclosure: DisclosurePolicy
    valid_from: date
    valid_to: date | None
