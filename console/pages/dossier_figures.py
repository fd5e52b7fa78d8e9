"""Figures of dossiers for heads, from the totals that offices without a system type in each day; to take along."""

from aiohttp import web

from console.day_totals import DayTotals, together
from console.exports import Rows, check_may_export, send_noted
from console.page import Group, Page
from console.periods import Wanted, offices_offered, wanted
from console.roles import Ability
from console.visit import HOME, Visit
from database.pool import Connection
from lookup.field_dictionary import TOTALS, TotalGroup

URL = f"{HOME}/so-lieu-ho-so"


async def show(visit: Visit) -> web.Response:
    """GET /console/so-lieu-ho-so: by default the last thirty days."""
    return await _page(visit, wanted(visit, visit.asked))


async def export(visit: Visit) -> web.StreamResponse:
    """POST …/xuat: a row for each office and day."""
    check_may_export(visit)
    asked = wanted(visit, visit.form.get)
    if asked.mistakes:
        return await _page(visit, asked)
    head = [visit.say("agency"), visit.say("figures.day")]
    head += [visit.say(f"total.{total.name}") for total in TOTALS] + [visit.say("totals.other")]
    return await send_noted(
        visit,
        "totals.export",
        name="so-lieu-ho-so",
        period=asked.period,
        head=head,
        rows=lambda connection: _rows(visit, connection, asked),
    )


async def _rows(visit: Visit, connection: Connection, asked: Wanted) -> Rows:
    rows = DayTotals(visit.means.seal).rows(connection, asked.offices, asked.period)
    async for agency_id, day, counts, other in rows:
        office = visit.means.registry.agency(agency_id)
        yield (office.name if office else "", day, *(counts.get(total.name, 0) for total in TOTALS), other)


async def _page(visit: Visit, asked: Wanted) -> web.Response:
    async with visit.reading() as connection:
        found = await DayTotals(visit.means.seal).sums(connection, asked.offices, asked.period)
    whole = together(found)
    finished = whole.group(TotalGroup.FINISHED)
    causes = [(total, whole.of(total.name)) for total in TOTALS if total.group is TotalGroup.CAUSES]
    return visit.render(
        "dossier_figures.html",
        status=422 if asked.mistakes else 200,
        period=asked.period,
        typed=asked.typed,
        mistakes=asked.mistakes,
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
