"""How the body that controls an office rates its handling of a case: once, changed with the earlier ones kept."""

from aiohttp import web

from console.feedback import files_of, found
from console.pages.case_page import URL, Trial, page
from console.roles import Ability
from console.visit import Visit
from domain.errors import ChangedMeanwhile, Forbidden, Invalid, NotFound

FORM = "control"


async def rate(visit: Visit) -> web.Response:
    """POST /console/phan-anh/{case}/danh-gia: `score` 1 to 5 in place of rating `replaces`, with a `reason`."""
    form, case_id = visit.form, visit.number("case")
    if not visit.officer.may(Ability.FEEDBACK_OVERSEE):
        raise NotFound("There is nothing at this address.")
    try:
        async with visit.acting("feedback.control") as deed:
            case, _ = await found(visit, deed.connection, case_id)
            deed.subject = await files_of(visit).number(deed.connection, case.case_id)
            score = form.number("score") or 0
            await visit.means.feedback.ratings.rate_control(
                deed.connection,
                case.case_id,
                visit.officer.account_id,
                score,
                reason=form.get("reason"),
                replaces=form.number("replaces"),
            )
            deed.facts["score"] = score
    except (ChangedMeanwhile, Invalid, Forbidden) as fault:
        return await _again(visit, fault)
    await visit.drop_draft(visit.request.path)
    return visit.see(f"{URL}/{case_id}", done="case.control")


async def _again(visit: Visit, fault: ChangedMeanwhile | Invalid | Forbidden) -> web.Response:
    """The page with what was typed, and what is wrong."""
    await visit.keep_draft(visit.request.path)
    field = "control"
    if isinstance(fault, ChangedMeanwhile):
        status, words = 409, "case.control.changed"
    elif isinstance(fault, Forbidden):
        status, field, words = 403, "move", "case.control.forbidden"
    else:
        status, field = 422, fault.field or "score"
        words = f"case.mistake.{'control_reason' if field == 'reason' else 'score'}"
    return await page(
        visit, Trial(form=FORM, typed=visit.form.typed(), mistakes={field: visit.say(words)}, status=status)
    )
