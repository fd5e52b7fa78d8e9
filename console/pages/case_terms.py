"""How long offices may take with feedback: the default, and what an office and all below it has instead."""

from collections.abc import Mapping

from aiohttp import web

from console.offices import offered, office_typed
from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from feedback_intake.terms import FeedbackTerm, drop_term, set_term, terms_within
from feedback_intake.watching import STEP_ABOVE

URL = f"{HOME}/thoi-han-phan-anh"
_DAYS = ("forward_days", "answer_days", "objection_days")


async def show(visit: Visit) -> web.Response:
    """GET /console/thoi-han-phan-anh"""
    return await _page(visit)


async def change(visit: Visit) -> web.Response:
    """POST /console/thoi-han-phan-anh"""
    form = visit.form
    mistakes = {name: visit.say("terms.mistake.days") for name in _DAYS if not 1 <= (form.number(name) or 0) <= 250}
    office = office_typed(visit, form.get("agency"), mistakes)
    if office is None or mistakes:
        return await _page(visit, form.typed(), mistakes, status=422)
    days = {name: form.number(name) or 0 for name in _DAYS}
    async with visit.acting("feedback.term", subject=office.code, **days) as deed:
        await set_term(deed.connection, office.agency_id, FeedbackTerm(**days))
    return visit.see(URL, done="saved")


async def drop(visit: Visit) -> web.Response:
    """POST …/bo: from now on as the office above."""
    mistakes: dict[str, str] = {}
    office = office_typed(visit, visit.form.get("agency"), mistakes)
    if office is None:
        return await _page(visit, mistakes=mistakes, status=422)
    async with visit.acting("feedback.term.dropped", subject=office.code) as deed:
        await drop_term(deed.connection, office.agency_id)
    return visit.see(URL, done="saved")


async def _page(
    visit: Visit,
    typed: Mapping[str, str] | None = None,
    mistakes: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> web.Response:
    async with visit.reading() as connection:
        default, own = await terms_within(connection, visit.officer.agency_id)
    return visit.render(
        "case_terms.html",
        status=status,
        default=default,
        own=own,
        typed=typed or await visit.draft(URL),
        mistakes=mistakes or {},
        offered=offered(visit),
        office_of=visit.means.registry.agency,
        above=STEP_ABOVE,
    )


PAGE = Page(
    name="case_terms",
    path="/thoi-han-phan-anh",
    needs=Ability.FEEDBACK_TERMS,
    shows=show,
    group=Group.REFERENCE,
    does={"": change, "/bo": drop},
    kept=frozenset({""}),
)
