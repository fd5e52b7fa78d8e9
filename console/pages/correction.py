"""Putting right what is published: other texts in its place, for a reason that everybody reads."""

from collections.abc import Mapping

from aiohttp import web

from console.feedback import files_of
from console.publications import case_of, may_remove
from console.visit import HOME, Visit
from domain.errors import Forbidden, Invalid, NotFound
from feedback_intake.published import Published, Reading
from feedback_intake.register import Preview, Publication, Register, RemovalReason

ENTRIES = f"{HOME}/da-cong-khai"
_FIELDS = ("question", "answer", "named", "reason")


async def show(visit: Visit) -> web.Response:
    """GET /console/da-cong-khai/{n}/sua: the texts as they stand, or as they were begun to be changed."""
    return await _page(visit, await visit.draft(visit.request.path))


async def correct(visit: Visit) -> web.Response:
    """POST …/{n}/sua: with `look` it is only shown, with `draft` only kept."""
    typed = {name: visit.form.get(name) for name in _FIELDS}
    await visit.keep_draft(visit.request.path, typed)
    if visit.form.get("draft"):
        return visit.see(visit.request.path, done="draft")
    if visit.form.get("look"):
        return await _page(visit, typed)
    entry, reason = await _entry(visit), typed["reason"]
    if reason not in set(RemovalReason):
        return await _page(visit, typed, {"reason": visit.say("published.mistake.reason")})
    standing = (entry.question, entry.answer, bool(entry.name))
    if (typed["question"], typed["answer"], bool(typed["named"])) == standing:
        return await _page(visit, typed, {"question": visit.say("published.mistake.same")})
    try:
        async with visit.acting("feedback.correct", entry=entry.n, reason=reason) as deed:
            case, rights = await case_of(visit, deed.connection, entry.n)
            deed.subject = await files_of(visit).number(deed.connection, case.case_id)
            newer = await visit.means.feedback.cases.correct(
                deed.connection, entry.n, _publication(typed), RemovalReason(reason), rights.actor
            )
    except (Invalid, Forbidden) as fault:
        return await _page(visit, typed, {"question": why_not(visit, fault)})
    await visit.drop_draft(visit.request.path)
    return visit.see(f"{ENTRIES}/{newer}", done="published.corrected")


def why_not(visit: Visit, fault: Exception) -> str:
    """Why it cannot be published so, in the officer's words."""
    field = getattr(fault, "field", None)
    return visit.say(f"case.publish.refused.{field if field in {'question', 'answer', 'named', 'move'} else 'move'}")


async def _entry(visit: Visit) -> Published:
    """The entry, where it still says something. Raises `NotFound`."""
    entry = await Reading(visit.means.database).entry(visit.number("n") or 0)
    if entry is None or entry.replaced_by is not None or entry.question is None:
        raise NotFound("There is nothing to correct.")
    return entry


async def _page(visit: Visit, typed: Mapping[str, str], mistakes: Mapping[str, str] | None = None) -> web.Response:
    entry = await _entry(visit)
    standing = {"question": entry.question, "answer": entry.answer, "named": "1" if entry.name else ""}
    shown: Preview | None = None
    refused = ""
    async with visit.acting("feedback.preview", entry=entry.n) as deed:
        case, rights = await case_of(visit, deed.connection, entry.n)
        if not may_remove(rights):
            raise NotFound("There is nothing to correct.")
        file = await files_of(visit).open(deed.connection, case.case_id)
        deed.subject = file.number
        try:
            shown = await Register(visit.means.seal).preview(
                deed.connection, case.case_id, _publication(typed or standing)
            )
        except Invalid as fault:
            refused = why_not(visit, fault)
    if shown is not None and shown.refused is not None:
        refused = why_not(visit, shown.refused)
    return visit.render(
        "publication.html",
        status=422 if mistakes else 200,
        url=visit.request.path,
        corrects=entry.n,
        file=file,
        case=case,
        shown=shown,
        typed=typed or standing,
        mistakes=mistakes or {},
        conflict=False,
        refused=refused,
        reasons=[(reason.value, visit.say(f"published.reason.{reason}")) for reason in RemovalReason],
        office_of=visit.means.registry.agency,
    )


def _publication(typed: Mapping[str, str | None]) -> Publication:
    return Publication(
        question=typed.get("question") or "", answer=typed.get("answer") or "", named=typed.get("named") == "1"
    )
