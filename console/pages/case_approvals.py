"""Answers that wait for a second person, and what is published: question and answer side by side."""

from aiohttp import web

from console.feedback import Rights, opened, reader_of
from console.page import Group, Page
from console.pages.correction import why_not
from console.roles import Ability
from console.visit import HOME, Visit
from database.pool import Connection
from domain.civil_time import civil_day
from domain.errors import ChangedMeanwhile, Forbidden, Invalid, NotFound
from feedback_intake.casefile import CaseFile
from feedback_intake.cases import Step
from feedback_intake.moves import CaseState, MoveName
from feedback_intake.register import Preview, Publication, Register
from feedback_intake.worklist import Tab, WorkList, cursor_of

URL = f"{HOME}/phe-duyet"
FAULTS = ("off_topic", "incomplete", "unclear", "wrong")


async def show(visit: Visit) -> web.Response:
    """GET /console/phe-duyet: what waits, late first."""
    today = civil_day(visit.means.clock())
    async with visit.acting("feedback.list", tab=Tab.APPROVAL) as deed:
        page = await WorkList(visit.means.seal).page(
            deed.connection, reader_of(visit), Tab.APPROVAL, after=cursor_of(visit.asked("sau")), today=today
        )
        deed.facts["shown"] = len(page.lines)
    return visit.render(
        "approvals.html",
        page=page,
        onward=f"{URL}?sau={page.onward}" if page.onward else "",
        today=today,
        calendar=visit.means.registry.calendar,
        office_of=visit.means.registry.agency,
    )


async def one(visit: Visit) -> web.Response:
    """GET …/{case}: the question, the answer, and the two ways on."""
    async with visit.acting("feedback.view") as deed:
        file, rights = await opened(visit, deed.connection, visit.number("case"))
        deed.subject = file.number
        waiting = file.waiting
    if file.case.state is not CaseState.AWAITING_APPROVAL or waiting is None:
        return visit.see(f"{HOME}/phan-anh/{file.case.case_id}")
    path = f"{HOME}/phan-anh/{file.case.case_id}/viec/{MoveName.SEND_BACK}"
    return visit.render(
        "approval.html",
        file=file,
        case=file.case,
        waiting=waiting,
        own=waiting.written_by == visit.officer.account_id,
        may=MoveName.APPROVE in rights.moves(file.case),
        faults=[(fault, visit.say(f"case.fault.{fault}")) for fault in FAULTS],
        typed=await visit.draft(path),
        newest=file.steps[0].step_id if file.steps else 0,
        today=civil_day(visit.means.clock()),
        calendar=visit.means.registry.calendar,
        office_of=visit.means.registry.agency,
    )


async def preview(visit: Visit) -> web.Response:
    """GET …/{case}/cong-khai: the texts to edit, and what the public will see."""
    return await _preview(visit, await visit.draft(_publish_path(visit)))


async def publish(visit: Visit) -> web.Response:
    """POST …/{case}/cong-khai: with `look` it is only shown, with `draft` only kept."""
    typed = visit.form.typed()
    if visit.form.get("draft") or visit.form.get("look"):
        await visit.keep_draft(_publish_path(visit), _texts(typed))
        if visit.form.get("draft"):
            return visit.see(_publish_path(visit), done="draft")
        return await _preview(visit, typed)
    try:
        async with visit.acting("feedback.publish") as deed:
            file, rights = await _to_publish(visit, deed.connection)
            deed.subject = file.number
            await visit.means.feedback.cases.move(
                deed.connection,
                file.case.case_id,
                Step(move=MoveName.PUBLISH, publication=_publication(typed)),
                rights.actor,
                version=visit.form.number("version") or 0,
            )
    except (ChangedMeanwhile, Invalid, Forbidden) as fault:
        await visit.keep_draft(_publish_path(visit), _texts(typed))
        return await _preview(visit, typed, fault)
    await visit.drop_draft(_publish_path(visit))
    return visit.see(f"{HOME}/phan-anh/{file.case.case_id}", done="case.publish")


async def waits(visit: Visit) -> int:
    """How many answers wait."""
    async with visit.reading() as connection:
        return (await WorkList(visit.means.seal).counts(connection, reader_of(visit)))[Tab.APPROVAL]


async def _preview(
    visit: Visit, typed: dict[str, str], fault: ChangedMeanwhile | Invalid | Forbidden | None = None
) -> web.Response:
    shown: Preview | None = None
    async with visit.acting("feedback.preview") as deed:
        file, _ = await _to_publish(visit, deed.connection)
        deed.subject = file.number
        register = Register(visit.means.seal)
        try:
            shown = await register.preview(deed.connection, file.case.case_id, _publication(typed))
        except Invalid as refusal:
            fault = fault or refusal
    refused = shown.refused if shown is not None else None
    status = 200
    if fault is not None:
        status = 409 if isinstance(fault, ChangedMeanwhile) else 422
    return visit.render(
        "publication.html",
        status=status,
        file=file,
        case=file.case,
        shown=shown,
        typed={"question": shown.question, "answer": shown.answer, "named": typed.get("named", "")} if shown else typed,
        url=_publish_path(visit),
        corrects=None,
        mistakes={},
        conflict=isinstance(fault, ChangedMeanwhile),
        refused=_refusal(visit, refused if refused is not None else fault),
        office_of=visit.means.registry.agency,
    )


def _refusal(visit: Visit, fault: Exception | None) -> str:
    return "" if fault is None or isinstance(fault, ChangedMeanwhile) else why_not(visit, fault)


async def _to_publish(visit: Visit, connection: Connection) -> tuple[CaseFile, Rights]:
    file, rights = await opened(visit, connection, visit.number("case"))
    if MoveName.PUBLISH not in rights.moves(file.case):
        raise NotFound("There is nothing to publish.")
    return file, rights


def _publication(typed: dict[str, str]) -> Publication:
    return Publication(
        question=typed.get("question", ""), answer=typed.get("answer", ""), named=typed.get("named") == "1"
    )


def _texts(typed: dict[str, str]) -> dict[str, str]:
    return {name: typed[name] for name in ("question", "answer", "named") if name in typed}


def _publish_path(visit: Visit) -> str:
    return f"{URL}/{visit.number('case')}/cong-khai"


PAGE = Page(
    name="approvals",
    path="/phe-duyet",
    needs=Ability.FEEDBACK_APPROVE,
    shows=show,
    group=Group.WORK,
    parts={"/{case}": one, "/{case}/cong-khai": preview},
    does={"/{case}/cong-khai": publish},
    waits=waits,
)
