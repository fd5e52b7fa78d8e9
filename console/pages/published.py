"""What the office has in the public register: found by number or words, looked at, and taken out again."""

from collections.abc import Mapping

from aiohttp import web

from console.feedback import files_of
from console.page import Group, Page
from console.pages import correction
from console.publications import case_of, may_remove
from console.roles import Ability
from console.visit import HOME, Visit
from domain.errors import Forbidden, NotFound
from feedback_intake.published import Found, Reading, Wanted
from feedback_intake.register import Register, RemovalReason, What

URL = f"{HOME}/da-cong-khai"
_LONGEST_NOTE = 2_000


async def show(visit: Visit) -> web.Response:
    """GET /console/da-cong-khai: the newest of the office, or those with the words of `q`; a number opens its entry."""
    typed = visit.asked("q")[:120]
    if (digits := typed.removeprefix("#").strip()).isascii() and digits.isdigit() and len(digits) <= 18:
        return visit.see(f"{URL}/{int(digits)}")
    wanted = Wanted(text=typed, office=visit.officer.agency_id, before=visit.number("truoc"))
    found: Found = await Reading(visit.means.database).newest(wanted)
    onward = str(visit.request.rel_url.update_query(truoc=found.before)) if found.before is not None else ""
    cut = found.unsearched
    return visit.render("published.html", entries=found.entries, typed=typed, onward=onward, unsearched=cut)


async def one(visit: Visit) -> web.Response:
    """GET …/{n}: the entry as everybody sees it, and the form that takes it out."""
    return await _page(visit)


async def remove(visit: Visit) -> web.Response:
    """POST …/{n}/go: `what` goes for `reason`; `note` stays with the case, among officers."""
    form, n = visit.form, visit.number("n")
    what, reason = form.get("what"), form.get("reason")
    mistakes = {}
    if what not in set(What):
        mistakes["what"] = visit.say("published.mistake.what")
    if reason not in set(RemovalReason):
        mistakes["reason"] = visit.say("published.mistake.reason")
    if len(form.get("note")) > _LONGEST_NOTE:
        mistakes["note"] = visit.say("published.mistake.note", most=_LONGEST_NOTE)
    if mistakes:
        return await _page(visit, form.typed(), mistakes)
    async with visit.acting("feedback.unpublish", entry=n, what=what, reason=reason) as deed:
        case, rights = await case_of(visit, deed.connection, n)
        if not may_remove(rights):
            raise Forbidden("None of your roles may take this out of the register.")
        deed.subject = await files_of(visit).number(deed.connection, case.case_id)
        if form.get("note"):
            await visit.means.feedback.cases.note(
                deed.connection, case.case_id, visit.officer.account_id, form.get("note")
            )
        await Register(visit.means.seal).remove(deed.connection, n or 0, What(what), RemovalReason(reason))
    return visit.see(f"{URL}/{n}", done="published.removed")


async def _page(
    visit: Visit, typed: Mapping[str, str] | None = None, mistakes: Mapping[str, str] | None = None
) -> web.Response:
    async with visit.reading() as connection:
        case, rights = await case_of(visit, connection, visit.number("n"))
    entry = await Reading(visit.means.database).entry(visit.number("n") or 0)
    if entry is None:
        raise NotFound("There is no such entry.")
    whats = [what for what in What if what is What.TEXT or entry.name]
    only = {"what": whats[-1].value if len(whats) == 1 else ""}
    return visit.render(
        "published_one.html",
        status=422 if mistakes else 200,
        entry=entry,
        case=case,
        may_remove=may_remove(rights) and entry.question is not None,
        may_correct=may_remove(rights) and entry.question is not None and entry.replaced_by is None,
        typed=typed or await visit.draft(f"{URL}/{entry.n}/go") or only,
        mistakes=mistakes or {},
        whats=[(what.value, visit.say(f"published.what.{what}")) for what in whats],
        reasons=[(reason.value, visit.say(f"published.reason.{reason}")) for reason in RemovalReason],
        office=visit.means.registry.agency(entry.agency_id),
    )


PAGE = Page(
    name="published",
    path="/da-cong-khai",
    needs=Ability.FEEDBACK_APPROVE,
    shows=show,
    group=Group.WORK,
    parts={"/{n}": one, "/{n}/sua": correction.show},
    does={"/{n}/go": remove, "/{n}/sua": correction.correct},
    kept=frozenset({"/{n}/go"}),
)
