"""The record of what officers of this office and those below it did and saw; to take along."""

from collections.abc import Mapping

from aiohttp import web

from console.audit import entries, entries_between
from console.exports import Rows, check_may_export, send_noted
from console.page import Group, Page
from console.periods import days_shown, period_typed
from console.roles import Ability
from console.visit import WORDS, Visit
from database.pool import Connection
from feedback_intake.caseload import Period

_AT_ONCE = 50
_COLUMNS = ("record.number", "when", "who", "agency", "what", "record.about", "record.facts")


async def show(visit: Visit) -> web.Response:
    """GET /console/nhat-ky, by dossier or account where asked for."""
    return await _page(visit)


async def export(visit: Visit) -> web.StreamResponse:
    """POST …/xuat: the acts from `tu` to `den`; the record says that, too."""
    check_may_export(visit)
    period, mistakes = period_typed(visit, visit.form.get("tu"), visit.form.get("den"))
    if mistakes:
        return await _page(visit, mistakes)
    head = [visit.say(name) for name in _COLUMNS]
    return await send_noted(
        visit,
        "record.export",
        name="nhat-ky",
        period=period,
        head=head,
        rows=lambda connection: _rows(visit, connection, period),
    )


async def _rows(visit: Visit, connection: Connection, period: Period) -> Rows:
    acts, names, values = _named(visit, "act."), _named(visit, "fact.name."), _named(visit, "fact.value.")
    async for one in entries_between(connection, *period.bounds):
        who = one.name or one.email or (f"#{one.account_id}" if one.account_id else visit.say("record.command_line"))
        facts = "; ".join(
            f"{names.get(name, name)}: {values.get(str(value), value)}"
            for name, value in one.facts.items()
            if value not in {None, ""}
        )
        yield (one.number, one.at, who, one.agency, acts.get(one.action, one.action), one.subject, facts)


async def _page(visit: Visit, mistakes: Mapping[str, str] | None = None) -> web.Response:
    subject = visit.asked("ve").strip()[:80]
    before = visit.number("truoc")
    async with visit.reading() as connection:
        found = await entries(connection, before=before, subject=subject or None, most=_AT_ONCE)
    onward = ""
    if len(found) == _AT_ONCE:
        onward = str(visit.request.rel_url.update_query(truoc=found[-1].number))
    return visit.render(
        "record.html",
        status=422 if mistakes else 200,
        entries=found,
        subject=subject,
        onward=onward,
        named=_named(visit, "act."),
        facts_named=_named(visit, "fact.name."),
        values_named=_named(visit, "fact.value."),
        mistakes=mistakes or {},
        days=days_shown(visit),
        may_export=visit.officer.may(Ability.EXPORT),
    )


def _named(visit: Visit, family: str) -> dict[str, str]:
    """What has words of a family; the rest is shown by its name."""
    keys = WORDS.keys(visit.language)
    return {key.removeprefix(family): visit.say(key) for key in keys if key.startswith(family)}


PAGE = Page(
    name="record",
    path="/nhat-ky",
    needs=Ability.AUDIT_VIEW,
    shows=show,
    does={"/xuat": export},
    rare=frozenset({"/xuat"}),
    group=Group.ADMINISTRATION,
)
