"""Figures of dossiers for heads, from the totals that offices without a system type in each day; to take along."""

from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from console.day_totals import DayTotals, together
from console.exports import check_may_export, format_of, named, patient, send_table
from console.page import Group, Page
from console.periods import offices_offered, offices_typed, period_typed
from console.roles import Ability
from console.tables import Cell
from console.visit import HOME, Visit
from database.pool import Connection
from feedback_intake.caseload import Period
from lookup.field_dictionary import TOTALS, TotalGroup

URL = f"{HOME}/so-lieu-ho-so"


async def show(visit: Visit) -> web.Response:
    """GET /console/so-lieu-ho-so: by default the last thirty days."""
    return await _page(visit, visit.asked("tu"), visit.asked("den"), visit.asked("agency"))


async def export(visit: Visit) -> web.StreamResponse:
    """POST …/xuat: a row for each office and day."""
    check_may_export(visit)
    form = visit.form
    period, mistakes = period_typed(visit, form.get("tu"), form.get("den"))
    offices, faults = offices_typed(visit, form.get("agency"))
    if mistakes or faults:
        return await _page(visit, form.get("tu"), form.get("den"), form.get("agency"))
    facts = {"first": period.first.isoformat(), "last": period.last.isoformat(), "format": format_of(visit)}
    await visit.note("totals.export", **facts)
    head = [visit.say("agency"), visit.say("figures.day")]
    head += [visit.say(f"total.{total.name}") for total in TOTALS] + [visit.say("totals.other")]
    async with visit.reading() as connection:
        await patient(connection)
        return await send_table(visit, named("so-lieu-ho-so", period), head, _rows(visit, connection, offices, period))


async def _rows(
    visit: Visit, connection: Connection, offices: Sequence[int], period: Period
) -> AsyncIterator[Sequence[Cell]]:
    async for agency_id, day, counts, other in DayTotals(visit.means.seal).rows(connection, offices, period):
        office = visit.means.registry.agency(agency_id)
        yield (office.name if office else "", day, *(counts.get(total.name, 0) for total in TOTALS), other)


async def _page(visit: Visit, first: str, last: str, agency: str) -> web.Response:
    period, mistakes = period_typed(visit, first, last)
    offices, faults = offices_typed(visit, agency)
    async with visit.reading() as connection:
        found = await DayTotals(visit.means.seal).sums(connection, offices, period)
    whole = together(found)
    finished = whole.group(TotalGroup.FINISHED)
    causes = [(total, whole.of(total.name)) for total in TOTALS if total.group is TotalGroup.CAUSES]
    mistakes |= faults
    return visit.render(
        "dossier_figures.html",
        status=422 if mistakes else 200,
        period=period,
        typed={"tu": first or visit.day(period.first), "den": last or visit.day(period.last), "agency": agency},
        mistakes=mistakes,
        found=found,
        whole=whole,
        percent=round(100 * (finished - whole.of("finished_late")) / finished) if finished else None,
        causes=sorted((one for one in causes if one[1]), key=lambda one: -one[1]),
        offices=offices_offered(visit),
        may_export=visit.officer.may(Ability.EXPORT),
        office_of=visit.means.registry.agency,
    )


PAGE = Page(
    name="dossier_figures",
    path="/so-lieu-ho-so",
    needs=Ability.DOSSIERS_FIGURES,
    shows=show,
    does={"/xuat": export},
    rare=frozenset({"/xuat"}),
    group=Group.WORK,
)
