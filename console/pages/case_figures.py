"""Figures of a unit for its head: received, answered, on time, late, reopened; per officer, per day; to take along."""

from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from console.exports import check_may_export, format_of, named, patient, send_table
from console.page import Group, Page
from console.periods import offices_offered, offices_typed, period_typed
from console.roles import Ability, OfficerRole
from console.tables import Cell
from console.visit import HOME, Visit
from database.pool import Connection
from domain.civil_time import civil_day
from feedback_intake.caseload import Period, case_rows, contentment, daily_totals, officer_loads, totals
from feedback_intake.cases import confidential_too
from feedback_intake.rates import FEWEST

URL = f"{HOME}/so-lieu-phan-anh"
_COLUMNS = (
    "number",
    "kind",
    "channel",
    "received_on",
    "content",
    "state",
    "filed_at",
    "answer_by",
    "answered_at",
    "reopened",
    "holder",
    "assignee",
)


async def show(visit: Visit) -> web.Response:
    """GET /console/so-lieu-phan-anh: by default the last thirty days."""
    return await _page(visit, visit.asked("tu"), visit.asked("den"), visit.asked("agency"))


async def export(visit: Visit) -> web.StreamResponse:
    """POST …/xuat: the cases of the time as a table, after a fresh proof; the record says so."""
    check_may_export(visit)
    form = visit.form
    period, mistakes = period_typed(visit, form.get("tu"), form.get("den"))
    offices, faults = offices_typed(visit, form.get("agency"))
    if mistakes or faults:
        return await _page(visit, form.get("tu"), form.get("den"), form.get("agency"))
    facts = {"first": period.first.isoformat(), "last": period.last.isoformat(), "format": format_of(visit)}
    await visit.note("feedback.export", **facts)
    head = [visit.say(f"figures.column.{name}") for name in _COLUMNS]
    async with visit.reading() as connection:
        await patient(connection)
        return await send_table(visit, named("phan-anh", period), head, _rows(visit, connection, offices, period))


async def _rows(
    visit: Visit, connection: Connection, offices: Sequence[int], period: Period
) -> AsyncIterator[Sequence[Cell]]:
    registry = visit.means.registry
    confidential = OfficerRole.HEAD in visit.officer.roles
    async for row in case_rows(connection, offices, period, confidential=confidential):
        holder = registry.agency(row.holder_agency)
        yield (
            row.number,
            visit.say(f"case.kind.{row.kind}"),
            row.channel,
            row.received_on,
            visit.say(f"case.content.{row.content}") if row.content else "",
            visit.say(f"case.state.{row.state}"),
            row.filed_at,
            row.answer_due_on,
            row.answered_at,
            row.reopened,
            holder.name if holder else "",
            row.assignee,
        )


async def _page(visit: Visit, first: str, last: str, agency: str) -> web.Response:
    period, mistakes = period_typed(visit, first, last)
    offices, faults = offices_typed(visit, agency)
    today = civil_day(visit.means.clock())
    async with visit.reading() as connection, confidential_too(connection):  # sums of all
        sums = await totals(connection, offices, period, today)
        loads = await officer_loads(connection, offices, period, today)
        days = await daily_totals(connection, offices, period)
        content, control = await contentment(connection, offices, period)
    mistakes |= faults
    return visit.render(
        "case_figures.html",
        status=422 if mistakes else 200,
        period=period,
        typed={"tu": first or visit.day(period.first), "den": last or visit.day(period.last), "agency": agency},
        mistakes=mistakes,
        sums=sums,
        loads=loads,
        days=days,
        content=content,
        control=control,
        fewest=FEWEST,
        most=max((max(one.received, one.answered) for one in days), default=1),
        percent=round(100 * sums.on_time / sums.answered) if sums.answered else None,
        offices=offices_offered(visit),
        may_export=visit.officer.may(Ability.EXPORT),
    )


PAGE = Page(
    name="case_figures",
    path="/so-lieu-phan-anh",
    needs=Ability.FEEDBACK_FIGURES,
    shows=show,
    group=Group.WORK,
    does={"/xuat": export},
    rare=frozenset({"/xuat"}),
)
