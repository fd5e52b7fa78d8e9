"""Offices and procedures as the system knows them."""

from aiohttp import web

from console.offices import matching, within_reach
from console.page import Group, Page
from console.reference_lists import procedures
from console.roles import Ability
from console.visit import Visit
from domain.civil_time import civil_day

_AT_ONCE = 50


async def show_offices(visit: Visit) -> web.Response:
    """GET /console/co-quan: one's own and all below, closed ones too."""
    typed, after = visit.asked("q")[:80], visit.asked("sau")
    found = [a for a in matching(within_reach(visit, closed=True), typed) if f"{a.code} {a.valid_from}" > after]
    onward = ""
    if len(found) > _AT_ONCE:
        last = found[_AT_ONCE - 1]
        onward = str(visit.request.rel_url.update_query(sau=f"{last.code} {last.valid_from}"))
    registry = visit.means.registry
    rows = [(a, registry.successors(a.agency_id)) for a in found[:_AT_ONCE]]
    return visit.render("offices.html", rows=rows, typed=typed, onward=onward, today=civil_day(visit.means.clock()))


async def show_procedures(visit: Visit) -> web.Response:
    """GET /console/thu-tuc"""
    typed, after = visit.asked("q")[:80], visit.asked("sau")[:80]
    today = civil_day(visit.means.clock())
    async with visit.reading() as connection:
        found = await procedures(connection, today, typed=typed, after=after, most=_AT_ONCE)
    onward = ""
    if len(found) > _AT_ONCE:
        onward = str(visit.request.rel_url.update_query(sau=found[_AT_ONCE - 1].code))
    return visit.render("procedures.html", procedures=found[:_AT_ONCE], typed=typed, onward=onward)


OFFICES = Page(name="offices", path="/co-quan", needs=Ability.REFERENCE_VIEW, shows=show_offices, group=Group.REFERENCE)
PROCEDURES = Page(
    name="procedures", path="/thu-tuc", needs=Ability.REFERENCE_VIEW, shows=show_procedures, group=Group.REFERENCE
)
