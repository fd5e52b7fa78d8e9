"""Working days: the year's days off, and corrections by the system's owner."""

from collections.abc import Mapping
from datetime import date, timedelta

from aiohttp import web

from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from console.working_days import correct, corrections, drop_correction
from domain.civil_time import civil_day
from lookup.working_time import DayKind, DayOverride

_URL = f"{HOME}/lich"
_SHOWN = timedelta(days=400)
_AT_ONCE = 50


async def show(visit: Visit) -> web.Response:
    """GET /console/lich"""
    return await _page(visit)


async def set_day(visit: Visit) -> web.Response:
    """POST …/sua: a decision that came late, a swapped day."""
    form, mistakes = visit.form, {}
    day = typed_day(form.get("day"))
    if day is None:
        mistakes["day"] = visit.say("day.unreadable")
    for name in ("reason", "source"):
        if not form.get(name):
            mistakes[name] = visit.say("missing")
    kind = form.get("kind")
    if not _may(visit) or mistakes or day is None or kind not in set(DayKind):
        return await _page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    override = DayOverride(
        day=day, kind=DayKind(kind), reason=form.get("reason")[:200], source=form.get("source")[:200]
    )
    async with visit.operating("calendar.set", subject=day.isoformat(), kind=kind) as deed:
        await correct(deed.connection, override)
    await visit.means.registry.refresh()
    return visit.see(_URL, done="saved")


async def drop_day(visit: Visit) -> web.Response:
    """POST …/bo"""
    day = typed_day(visit.form.get("day"))
    if day is not None and _may(visit):
        async with visit.operating("calendar.drop", subject=day.isoformat()) as deed:
            await drop_correction(deed.connection, day)
        await visit.means.registry.refresh()
    return visit.see(_URL, done="saved")


def typed_day(text: str) -> date | None:
    """A day as a browser's field sends it (2026-11-20) or as people write it (20/11/2026); None where it is none."""
    parts = text.replace("/", "-").replace(".", "-").split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    first, month, last = map(int, parts)
    year, day = (first, last) if len(parts[0]) == 4 else (last, first)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _may(visit: Visit) -> bool:
    """There is one calendar for the whole country: only the system's owner corrects it."""
    return visit.at_root and visit.officer.may(Ability.CALENDAR_EDIT)


async def _page(
    visit: Visit,
    *,
    typed: Mapping[str, str] | None = None,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    today = civil_day(visit.means.clock())
    async with visit.reading() as connection:
        ours = await corrections(connection, today - timedelta(days=31))
    calendar = visit.means.registry.calendar
    corrected = {override.day for override in ours}
    days = (today + timedelta(days=n) for n in range(_SHOWN.days))
    shipped = [o for o in calendar.overrides if o.day >= today and o.day not in corrected]
    since = typed_day(visit.asked("sau")) or date.min
    later = [override for override in ours if override.day > since]
    return visit.render(
        "calendar.html",
        status=status,
        ours=later[:_AT_ONCE],
        onward=f"{_URL}?sau={later[_AT_ONCE - 1].day.isoformat()}" if len(later) > _AT_ONCE else "",
        shipped=shipped if since == date.min else [],
        off=[day for day in days if day.weekday() < 5 and not calendar.is_working_day(day)],
        may=_may(visit),
        typed=typed or await visit.draft(f"{_URL}/sua"),
        mistakes=mistakes or {},
    )


PAGE = Page(
    name="calendar",
    path="/lich",
    needs=Ability.REFERENCE_VIEW,
    shows=show,
    does={"/sua": set_day, "/bo": drop_day},
    kept=frozenset({"/sua"}),
    group=Group.REFERENCE,
)
