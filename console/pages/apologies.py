"""Apologies with a new date that wait for an officer's word: one tap confirms the date that was proposed."""

from collections.abc import Mapping

from aiohttp import web

from console.page import Group, Page
from console.pages.calendar import typed_day
from console.pages.dossiers import tenant_of
from console.roles import Ability
from console.visit import HOME, Visit
from domain.errors import Invalid, ServiceError

_URL = f"{HOME}/xin-loi"
_AT_ONCE = 50


async def show(visit: Visit) -> web.Response:
    """GET /console/xin-loi"""
    return await _page(visit)


async def confirm(visit: Visit) -> web.Response:
    """POST …/xac-nhan: the office apologises, and the people of the dossier are told the new date."""
    form, number = visit.form, visit.form.number("apology") or 0
    day = typed_day(form.get("day")) if form.get("day") else None
    if form.get("day") and day is None:
        return await _page(visit, number=number, mistake=visit.say("day.unreadable"), typed=form.typed(), status=422)
    try:
        async with visit.acting("apology.confirm", subject=str(number)) as deed:
            given = await visit.means.apologies.confirm(
                tenant_of(visit),
                number,
                actor=_actor(visit),
                new_due_on=day,
                reason=form.get("reason")[:400] or None,
                connection=deed.connection,
            )
            deed.facts["code"] = given.code
    except ServiceError as fault:
        return await _refused(visit, number, fault)
    return visit.see(_URL, done="apology.confirmed")


async def refuse(visit: Visit) -> web.Response:
    """POST …/khong: no apology, for a reason that is kept."""
    number, reason = visit.form.number("apology") or 0, visit.form.get("reason")[:400]
    if not reason:
        return await _page(
            visit, number=number, mistake=visit.say("apologies.say_why"), typed=visit.form.typed(), status=422
        )
    try:
        async with visit.acting("apology.refuse", subject=str(number)) as deed:
            await visit.means.apologies.refuse(
                tenant_of(visit), number, actor=_actor(visit), reason=reason, connection=deed.connection
            )
    except ServiceError as fault:
        return await _refused(visit, number, fault)
    return visit.see(_URL, done="apology.refused")


async def waits(visit: Visit) -> int:
    """How many wait, to 500."""
    return len(await visit.means.apologies.waiting(tenant_of(visit), limit=500))


async def _refused(visit: Visit, number: int, fault: ServiceError) -> web.Response:
    """A date that will not do, or somebody else was faster: the page as it is now, with what was typed."""
    if fault.code not in {Invalid.code, "changed_meanwhile"}:
        raise fault
    words = "apologies.day_refused" if fault.code == Invalid.code else "conflict"
    return await _page(visit, number=number, mistake=visit.say(words), typed=visit.form.typed(), status=422)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _actor(visit: Visit) -> str:
    return f"account {visit.officer.account_id}"


async def _page(
    visit: Visit,
    *,
    number: int = 0,
    mistake: str = "",
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    after = visit.number("sau") or 0
    waiting = await visit.means.apologies.waiting(tenant_of(visit), after=after, limit=_AT_ONCE)
    typed = typed or await visit.draft(f"{_URL}/xac-nhan") or await visit.draft(f"{_URL}/khong")
    letters = {one.apology_id: visit.means.apologies.letter(one, visit.language) for one in waiting}
    onward = f"{_URL}?sau={waiting[-1].apology_id}" if len(waiting) == _AT_ONCE else ""
    return visit.render(
        "apologies.html",
        status=status,
        waiting=waiting,
        letters=letters,
        offices={one.office: visit.means.registry.agency(one.office) for one in waiting},
        onward=onward,
        number=number or _number(typed.get("apology", "")),
        mistake=mistake,
        typed=typed,
    )


PAGE = Page(
    name="apologies",
    path="/xin-loi",
    needs=Ability.APOLOGIES_CONFIRM,
    shows=show,
    does={"/xac-nhan": confirm, "/khong": refuse},
    kept=frozenset({"/xac-nhan", "/khong"}),
    waits=waits,
    group=Group.WORK,
)
