"""Figures of a unit for its head: received, answered, on time, late, reopened; per officer, per day; to take along."""

from aiohttp import web

from console.exports import Rows, check_may_export, send_noted
from console.page import Group, Page
from console.periods import Wanted, offices_offered, wanted
from console.roles import Ability, OfficerRole
from console.visit import HOME, Visit
from database.pool import Connection
from domain.civil_time import civil_day
from feedback_intake.caseload import case_rows, contentment, daily_totals, officer_loads, totals
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
    return await _page(visit, wanted(visit, visit.asked))


async def export(visit: Visit) -> web.StreamResponse:
    """POST …/xuat: the cases of the time as a table, after a fresh proof; the record says so."""
    check_may_export(visit)
    asked = wanted(visit, visit.form.get)
    if asked.mistakes:
        return await _page(visit, asked)
    head = [visit.say(f"figures.column.{name}") for name in _COLUMNS]
    return await send_noted(
        visit,
        "feedback.export",
        name="phan-anh",
        period=asked.period,
        head=head,
        rows=lambda connection: _rows(visit, connection, asked),
    )


async def _rows(visit: Visit, connection: Connection, asked: Wanted) -> Rows:
    registry = visit.means.registry
    async for row in case_rows(connection, asked.offices, asked.period):
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


async def _page(visit: Visit, asked: Wanted) -> web.Response:
    """Sums of what the officer may see: row-level security leaves out what is confidential to others."""
    offices, period, today = asked.offices, asked.period, civil_day(visit.means.clock())
    async with visit.reading() as connection:
        sums = await totals(connection, offices, period, today)
        loads = await officer_loads(connection, offices, period, today)
        days = await daily_totals(connection, offices, period)
        content, control = await contentment(connection, offices, period)
    return visit.render(
        "case_figures.html",
        status=422 if asked.mistakes else 200,
        period=period,
        typed=asked.typed,
        mistakes=asked.mistakes,
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
        counts_confidential=OfficerRole.HEAD in visit.officer.roles,
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
