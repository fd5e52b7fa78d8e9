"""Which changes people are told of, and by which ways: rules and ladders of one's offices."""

from collections.abc import Mapping

from aiohttp import web

from console.notice_settings import ladders_of, rules_of
from console.offices import offered, office_typed
from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from domain.errors import Malformed
from notifications.kinds import EventKind
from notifications.ladder import drop_ladder, rungs_of, set_ladder
from notifications.rules import drop_rule, set_rule

_URL = f"{HOME}/thong-bao"


async def show(visit: Visit) -> web.Response:
    """GET /console/thong-bao"""
    return await _page(visit)


async def write_rule(visit: Visit) -> web.Response:
    """POST …/quy-tac: an event is told, or is not."""
    form, mistakes = visit.form, {}
    procedure_code = form.get("procedure")
    procedure = visit.means.registry.procedure_id(procedure_code) if procedure_code else None
    if procedure_code and procedure is None:
        mistakes["procedure"] = visit.say("notices.procedure_unknown")
    agency = office_typed(visit, form.get("agency"), mistakes)
    if agency is None or mistakes or form.get("event") not in set(EventKind):
        return await _page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    event, told = EventKind(form.get("event")), form.get("told") == "1"
    async with visit.acting("notice.rule", subject=agency.code, event=event, told=int(told)) as deed:
        await set_rule(deed.connection, event, agency_id=agency.agency_id, procedure_id=procedure, told=told)
    return visit.see(_URL, done="saved")


async def take_rule(visit: Visit) -> web.Response:
    """POST …/quy-tac/bo"""
    agency_id, event = visit.form.number("agency") or 0, visit.form.get("event")
    if event in set(EventKind) and visit.reaches(agency_id):
        async with visit.acting("notice.rule.dropped", subject=str(agency_id), event=event) as deed:
            await drop_rule(
                deed.connection,
                EventKind(event),
                agency_id=agency_id,
                procedure_id=visit.form.number("procedure"),
            )
    return visit.see(_URL, done="saved")


async def write_ladder(visit: Visit) -> web.Response:
    """POST …/bac-thang: the ways by which the holder of a phone is reached."""
    form, mistakes = visit.form, {}
    dong = form.number("dong")
    if form.get("dong") and dong is None:
        mistakes["dong"] = visit.say("notices.dong_unreadable")
    agency = office_typed(visit, form.get("ladder_agency"), mistakes, field="ladder_agency")
    try:
        rungs = rungs_of(form.get("rungs").replace(" ", ""))
    except Malformed:
        mistakes["rungs"] = visit.say("notices.rungs_unreadable")
    if agency is None or mistakes:
        return await _page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    async with visit.acting("notice.ladder", subject=agency.code, rungs=",".join(rungs), dong=dong) as deed:
        await set_ladder(deed.connection, agency.agency_id, rungs, dong=dong)
    return visit.see(_URL, done="saved")


async def take_ladder(visit: Visit) -> web.Response:
    """POST …/bac-thang/bo"""
    agency_id = visit.form.number("agency") or 0
    if visit.reaches(agency_id):
        async with visit.acting("notice.ladder.dropped", subject=str(agency_id)) as deed:
            await drop_ladder(deed.connection, agency_id)
    return visit.see(_URL, done="saved")


async def _page(
    visit: Visit,
    *,
    typed: Mapping[str, str] | None = None,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    async with visit.reading() as connection:
        rules = await rules_of(connection, visit.officer.agency_id)
        ladders = await ladders_of(connection, visit.officer.agency_id)
    return visit.render(
        "notices.html",
        status=status,
        rules=rules,
        ladders=ladders,
        usual=", ".join(visit.means.ladder.rungs),
        events=[(event.value, visit.say(f"event.{event}")) for event in EventKind],
        offices=offered(visit),
        typed=typed or {**await visit.draft(f"{_URL}/quy-tac"), **await visit.draft(f"{_URL}/bac-thang")},
        mistakes=mistakes or {},
    )


PAGE = Page(
    name="notices",
    path="/thong-bao",
    needs=Ability.NOTICES_EDIT,
    shows=show,
    does={
        "/quy-tac": write_rule,
        "/quy-tac/bo": take_rule,
        "/bac-thang": write_ladder,
        "/bac-thang/bo": take_ladder,
    },
    kept=frozenset({"/quy-tac", "/bac-thang"}),
    group=Group.NOTICES,
)
