"""A stretch of days and an office, as forms of figures and exports ask for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from console.feedback import reader_of
from console.offices import office_typed, within_reach
from console.visit import Visit
from domain.civil_time import civil_day
from feedback_intake.caseload import MOST_DAYS, Period
from feedback_intake.typed import day_typed

USUAL_DAYS = 30
_MOST_OFFICES = 200  # in a choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a form of figures asks for: what is wrong with it by field, and what the form shows again."""

    period: Period
    offices: Sequence[int]
    typed: Mapping[str, str]
    mistakes: Mapping[str, str]


def wanted(visit: Visit, typed: Callable[[str], str]) -> Wanted:
    """`tu`, `den` and `agency` of an address or a form, which `typed` reads."""
    first, last, agency = typed("tu"), typed("den"), typed("agency")
    period, mistakes = period_typed(visit, first, last)
    offices, faults = offices_typed(visit, agency)
    return Wanted(
        period=period,
        offices=offices,
        typed={"tu": first or visit.day(period.first), "den": last or visit.day(period.last), "agency": agency},
        mistakes=mistakes | faults,
    )


def period_typed(visit: Visit, first: str, last: str) -> tuple[Period, dict[str, str]]:
    """The days that were typed, by default the last thirty; with what is wrong with `tu` and `den`."""
    today = civil_day(visit.means.clock())
    usual = Period(first=today - timedelta(days=USUAL_DAYS - 1), last=today)
    begins, ends = day_typed(first) if first else usual.first, day_typed(last) if last else usual.last
    mistakes = {}
    if begins is None:
        mistakes["tu"] = visit.say("typing.mistake.date")
    if ends is None:
        mistakes["den"] = visit.say("typing.mistake.date")
    if begins is None or ends is None:
        return usual, mistakes
    if ends < begins or (ends - begins).days >= MOST_DAYS or not 2000 < begins.year < 2200 or ends.year > 2200:
        return usual, {"den": visit.say("figures.mistake.period", days=MOST_DAYS)}
    return Period(first=begins, last=ends), mistakes


def days_shown(visit: Visit) -> dict[str, str]:
    """The first and last day that a form of an export shows: what was typed, or the usual."""
    period, _ = period_typed(visit, "", "")
    return {
        "tu": visit.form.get("tu") or visit.asked("tu") or visit.day(period.first),
        "den": visit.form.get("den") or visit.asked("den") or visit.day(period.last),
    }


def offices_typed(visit: Visit, typed: str) -> tuple[tuple[int, ...], dict[str, str]]:
    """An office with all below it, by default the officer's; with what is wrong with `agency`."""
    mistakes: dict[str, str] = {}
    office = office_typed(visit, typed, mistakes) if typed else None
    return reader_of(visit, office=office).offices, mistakes


def offices_offered(visit: Visit) -> list[tuple[str, str]]:
    """Codes and names for a choice; none where there is one office only, or too many to choose from."""
    offices = within_reach(visit)
    return [(one.code, one.name) for one in offices] if 1 < len(offices) <= _MOST_OFFICES else []
