"""Figures of a unit for its head: received, answered, on time, late, reopened; per officer, per day; to take along."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial

from aiohttp import web

from console.feedback import reader_of
from console.offices import office_typed, within_reach
from console.page import Group, Page
from console.roles import Ability, OfficerRole
from console.tables import MOST_XLSX, Cell, send_csv, send_xlsx
from console.visit import HOME, Visit
from database.pool import Connection
from domain.civil_time import civil_day
from domain.errors import Invalid, NotFound
from feedback_intake.caseload import MOST_DAYS, Period, case_rows, contentment, daily_totals, officer_loads, totals
from feedback_intake.cases import confidential_too
from feedback_intake.rates import FEWEST
from feedback_intake.typed import day_typed

URL = f"{HOME}/so-lieu-phan-anh"
_MOST_OFFICES = 200
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
    form = visit.form
    if not visit.officer.may(Ability.EXPORT):
        raise NotFound("There is nothing at this address.")
    period, mistakes = _period(visit, form.get("tu"), form.get("den"))
    office, faults = _office(visit, form.get("agency"))
    if mistakes or faults:
        return await _page(visit, form.get("tu"), form.get("den"), form.get("agency"))
    kind = "xlsx" if form.get("format") == "xlsx" else "csv"
    await visit.note("feedback.export", first=period.first.isoformat(), last=period.last.isoformat(), format=kind)
    head = [visit.say(f"figures.column.{name}") for name in _COLUMNS]
    name = f"phan-anh-{period.first:%Y%m%d}-{period.last:%Y%m%d}"
    cut = visit.say("figures.export.cut", most=f"{MOST_XLSX:,}")
    send = partial(send_xlsx, cut=cut) if kind == "xlsx" else send_csv
    async with visit.reading() as connection:
        return await send(visit.request, name, head, _rows(visit, connection, _offices(visit, office), period))


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
    period, mistakes = _period(visit, first, last)
    office, faults = _office(visit, agency)
    offices, today = _offices(visit, office), civil_day(visit.means.clock())
    async with visit.reading() as connection, confidential_too(connection):  # sums of all
        sums = await totals(connection, offices, period, today)
        loads = await officer_loads(connection, offices, period, today)
        days = await daily_totals(connection, offices, period)
        content, control = await contentment(connection, offices, period)
    choices = within_reach(visit)
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
        offices=[(one.code, one.name) for one in choices] if 1 < len(choices) <= _MOST_OFFICES else [],
        may_export=visit.officer.may(Ability.EXPORT),
    )


def _period(visit: Visit, first: str, last: str) -> tuple[Period, dict[str, str]]:
    today = civil_day(visit.means.clock())
    usual = Period(first=today - timedelta(days=29), last=today)
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


def _office(visit: Visit, typed: str) -> tuple[int | None, dict[str, str]]:
    if not typed:
        return None, {}
    try:
        return office_typed(visit, typed).agency_id, {}
    except Invalid as fault:
        return None, {"agency": visit.say(fault.message)}


def _offices(visit: Visit, office: int | None) -> tuple[int, ...]:
    return reader_of(visit, office=office).offices


PAGE = Page(
    name="case_figures",
    path="/so-lieu-phan-anh",
    needs=Ability.FEEDBACK_FIGURES,
    shows=show,
    group=Group.WORK,
    does={"/xuat": export},
    rare=frozenset({"/xuat"}),
)
