"""Ready answers: what the office and those above it have, written and changed by who handles cases."""

from collections.abc import Mapping

from aiohttp import web

from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from domain.errors import ChangedMeanwhile, Invalid, NotFound
from feedback_intake.templates import (
    ReplyTemplate,
    add_template,
    change_template,
    find_template,
    remove_template,
    usable,
)

URL = f"{HOME}/mau-tra-loi"


async def show(visit: Visit) -> web.Response:
    """GET /console/mau-tra-loi: all, and an empty form."""
    return await _page(visit, None, await visit.draft(URL))


async def one(visit: Visit) -> web.Response:
    """GET …/{template}: all, and the form of one."""
    async with visit.reading() as connection:
        template = await find_template(connection, visit.number("template") or 0)
    return await _page(visit, template, await visit.draft(f"{URL}/{template.template_id}"))


async def add(visit: Visit) -> web.Response:
    """POST /console/mau-tra-loi"""
    try:
        async with visit.acting("feedback.template.add") as deed:
            added = await add_template(
                deed.connection, visit.officer.agency_id, visit.form.get("name"), visit.form.get("text")
            )
            deed.subject = f"template {added}"
    except Invalid as fault:
        await visit.keep_draft(URL)
        return await _page(visit, None, visit.form.typed(), fault)
    await visit.drop_draft(URL)
    return visit.see(URL, done="saved")


async def change(visit: Visit) -> web.Response:
    """POST …/{template}: with `remove` it goes."""
    number, form = visit.number("template") or 0, visit.form
    removing = bool(form.get("remove"))
    try:
        async with visit.acting(
            "feedback.template.removed" if removing else "feedback.template", subject=f"template {number}"
        ) as deed:
            template = await find_template(deed.connection, number)
            if not visit.reaches(template.agency_id):
                raise NotFound("There is no such template.")
            if removing:
                await remove_template(deed.connection, number, form.number("version") or 0)
            else:
                await change_template(
                    deed.connection, number, form.number("version") or 0, form.get("name"), form.get("text")
                )
    except (Invalid, ChangedMeanwhile) as fault:
        await visit.keep_draft(visit.request.path)
        async with visit.reading() as connection:
            template = await find_template(connection, number)
        return await _page(visit, template, form.typed(), fault)
    await visit.drop_draft(visit.request.path)
    return visit.see(URL, done="saved")


async def _page(
    visit: Visit,
    template: ReplyTemplate | None,
    typed: Mapping[str, str],
    fault: Invalid | ChangedMeanwhile | None = None,
) -> web.Response:
    async with visit.reading() as connection:
        templates = await usable(connection, visit.officer.agency_id)
    mistakes = {}
    if isinstance(fault, Invalid):
        mistakes[fault.field or "name"] = visit.say(f"templates.mistake.{fault.field or 'name'}")
    return visit.render(
        "reply_templates.html",
        status=200 if fault is None else 409 if isinstance(fault, ChangedMeanwhile) else 422,
        templates=templates,
        chosen=template,
        own=template is None or visit.reaches(template.agency_id),
        typed=typed or ({"name": template.name, "text": template.text} if template else {}),
        conflict=isinstance(fault, ChangedMeanwhile),
        mistakes=mistakes,
        office_of=visit.means.registry.agency,
    )


PAGE = Page(
    name="reply_templates",
    path="/mau-tra-loi",
    needs=Ability.FEEDBACK_HANDLE,
    shows=show,
    group=Group.REFERENCE,
    parts={"/{template}": one},
    does={"": add, "/{template}": change},
)
