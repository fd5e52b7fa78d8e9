"""Totals of a day for an office without a system: a sheet by the shared dictionary, drafts, reasoned corrections."""

from collections.abc import Mapping
from datetime import date, timedelta

from aiohttp import web

from console.day_totals import LONGEST_WORDS, MOST, DayTotals
from console.offices import office_typed
from console.page import Group, Page
from console.periods import offices_offered
from console.roles import Ability
from console.visit import HOME, Visit
from domain.agency import Agency
from domain.civil_time import civil_day
from domain.errors import ChangedMeanwhile, NotFound
from feedback_intake.typed import day_typed
from lookup.field_dictionary import TOTALS, TotalGroup

URL = f"{HOME}/so-lieu-ngay"
_SHOWN = 14  # days back
_OLDEST = 400
_CAUSES = tuple(total.name for total in TOTALS if total.group is TotalGroup.CAUSES)


async def show(visit: Visit) -> web.Response:
    """GET /console/so-lieu-ngay: leads to the sheet of `ngay` (today) and `agency` (the own office)."""
    today = civil_day(visit.means.clock())
    mistakes = {}
    day, office = day_typed(visit.asked("ngay")) if visit.asked("ngay") else today, visit.agency
    if day is None or not _allowed(day, today):
        mistakes["ngay"], day = visit.say("totals.mistake.day"), today
    if visit.asked("agency"):
        office = office_typed(visit, visit.asked("agency"), mistakes) or office
    if office is None:
        raise NotFound("There is no such office.")
    if mistakes:
        return await _page(visit, office, day, mistakes=mistakes)
    return visit.see(_place(office, day))


async def sheet(visit: Visit) -> web.Response:
    """GET …/{office}/{day}: what was typed for the day, or its draft."""
    office, day = _asked(visit)
    return await _page(visit, office, day)


async def keep(visit: Visit) -> web.Response:
    """POST …/{office}/{day}: with `draft` only kept. Raises nothing: what is wrong stands beside its field."""
    office, day = _asked(visit)
    form, place = visit.form, _place(office, day)
    if form.get("draft"):
        await visit.keep_draft(place)
        return visit.see(place, done="draft")
    counts, mistakes = _counts(visit)
    replaces = form.number("replaces")
    if replaces is not None and not form.get("why"):
        mistakes["why"] = visit.say("totals.mistake.why")
    if not mistakes:
        try:
            async with visit.acting("totals.keep", subject=office.code, day=day.isoformat()) as deed:
                await DayTotals(visit.means.seal).keep(
                    deed.connection,
                    office.agency_id,
                    day,
                    counts,
                    account_id=visit.officer.account_id,
                    other=form.get("other"),
                    why=form.get("why"),
                    replaces=replaces,
                )
        except ChangedMeanwhile:
            await visit.keep_draft(place)
            return await _page(visit, office, day, form.typed(), conflict=True)
        await visit.drop_draft(place)
        return visit.see(place, done="totals.kept")
    await visit.keep_draft(place)
    return await _page(visit, office, day, form.typed(), mistakes=mistakes)


def _counts(visit: Visit) -> tuple[dict[str, int], dict[str, str]]:
    """The numbers, an empty field being none; and what is wrong with which."""
    form, counts, mistakes = visit.form, dict[str, int](), dict[str, str]()
    for total in TOTALS:
        number = form.number(total.name) if form.get(total.name) else 0
        if number is None or number > MOST:
            mistakes[total.name] = visit.say("totals.mistake.number", most=visit.count(MOST))
        counts[total.name] = number or 0
    explained = sum(counts[name] for name in _CAUSES)
    if not mistakes and explained != counts["finished_late"]:
        mistakes["causes"] = visit.say("totals.mistake.causes", late=counts["finished_late"], explained=explained)
    if counts["late_other"] and not form.get("other"):
        mistakes["other"] = visit.say("totals.mistake.other")
    for name in ("other", "why"):
        if len(form.get(name)) > LONGEST_WORDS:
            mistakes[name] = visit.say("totals.mistake.long", most=LONGEST_WORDS)
    if not any(form.get(total.name) for total in TOTALS):
        mistakes[TOTALS[0].name] = visit.say("totals.mistake.nothing")
    return counts, mistakes


def _asked(visit: Visit) -> tuple[Agency, date]:
    """The office and the day in the address. Raises `NotFound`."""
    text = visit.request.match_info["day"]
    office = office_typed(visit, visit.request.match_info["office"], {})
    try:
        day = date.fromisoformat(text) if text.isascii() and text.isdigit() and len(text) == 8 else None
    except ValueError:
        raise NotFound("There is no such day.") from None
    if office is None or day is None or not _allowed(day, civil_day(visit.means.clock())):
        raise NotFound("There is no such office or day.")
    return office, day


def _allowed(day: date, today: date) -> bool:
    return today - timedelta(days=_OLDEST) <= day <= today


def _place(office: Agency, day: date) -> str:
    return f"{URL}/{office.code}/{day:%Y%m%d}"


async def _page(
    visit: Visit,
    office: Agency,
    day: date,
    typed: Mapping[str, str] | None = None,
    *,
    mistakes: Mapping[str, str] | None = None,
    conflict: bool = False,
) -> web.Response:
    today, calendar = civil_day(visit.means.clock()), visit.means.registry.calendar
    days = [today - timedelta(days=back) for back in range(_SHOWN)]
    async with visit.reading() as connection:
        totals = DayTotals(visit.means.seal)
        kept = await totals.find(connection, office.agency_id, day)
        done = await totals.typed(connection, office.agency_id, days[-1], today)
    counts = kept[0] if kept and kept[0].counted else None
    draft = {} if typed is not None else await visit.draft(_place(office, day))
    if typed is None and not draft and counts is not None:
        typed = {name: str(n) for name, n in counts.counts.items()} | {"other": counts.other}
    return visit.render(
        "day_totals.html",
        status=409 if conflict else 422 if mistakes else 200,
        office=office,
        day=day,
        place=_place(office, day),
        groups=[(group, [total for total in TOTALS if total.group is group]) for group in TotalGroup],
        typed=typed if typed is not None else draft,
        drafted=bool(draft),
        counts=counts,
        earlier=[one for one in kept if not one.counted],
        conflict=conflict,
        mistakes=mistakes or {},
        days=[(one, _place(office, one), one in done, calendar.is_working_day(one)) for one in days],
        offices=offices_offered(visit),
    )


PAGE = Page(
    name="day_totals",
    path="/so-lieu-ngay",
    needs=Ability.DOSSIERS_ENTER,
    shows=show,
    parts={"/{office}/{day}": sheet},
    does={"/{office}/{day}": keep},
    group=Group.WORK,
)
