"""What officers do with a case: moves, notes, confidence, merging and splitting. Nothing that was typed is lost."""

from aiohttp import web

from console.feedback import Rights, found
from console.pages.case_page import URL, Trial, assignees, page
from console.visit import HOME, WORDS, Visit
from domain.errors import ChangedMeanwhile, Forbidden, Invalid, NotFound, ServiceError
from feedback_intake.casefile import CaseFiles
from feedback_intake.cases import Case, Step, confidential_too
from feedback_intake.choosing import OfficeFound
from feedback_intake.gathering import Gathering
from feedback_intake.moves import MOVES, Content, MoveName, Needs, RefusalReason, Who
from feedback_intake.numbers import number_in
from feedback_intake.worklist import Reader, WorkList

APPROVALS = f"{HOME}/phe-duyet"
_MOST_OFFICES = 8


async def move(visit: Visit) -> web.Response:
    """POST /console/phan-anh/{case}/viec/{move}: with `draft` it is only kept."""
    form, name = visit.form, visit.request.match_info["move"]
    if name not in set(MoveName):
        return visit.see(_case_url(visit))
    if form.get("draft"):
        await visit.keep_draft(visit.request.path)
        return visit.see(_case_url(visit), viec=name, done="draft")
    if form.get("template"):  # a template was asked for: it takes the place of what was typed
        return visit.see(_case_url(visit), viec=name, mau=form.get("template"))
    try:
        step = await _step(visit, MoveName(name))
        case, rights = await _make(visit, step)
    except _Several as several:
        await visit.keep_draft(visit.request.path)
        mistakes = {"agency": visit.say("case.mistake.several" if several.offices else "case.mistake.agency")}
        return await page(visit, Trial(form=name, typed=form.typed(), mistakes=mistakes, offices=several.offices))
    except (ChangedMeanwhile, Invalid, Forbidden) as fault:
        return await _again(visit, name, fault)
    await visit.drop_draft(visit.request.path)
    if not rights.keeps_in_sight(case):
        holder = visit.means.registry.agency(case.holder_agency)
        return visit.see(f"{URL}/da-chuyen/{holder.code}" if holder else URL)
    url = APPROVALS if visit.asked("tu") == "duyet" else f"{URL}/{case.case_id}"
    return visit.see(url, done=f"case.{name}")


async def passed_on(visit: Visit) -> web.Response:
    """GET /console/phan-anh/da-chuyen/{office}: who forwarded a confidential case may not open it again."""
    office = visit.means.registry.agency_by_code(visit.request.match_info["office"])
    if office is None:
        raise NotFound("There is nothing at this address.")
    return visit.render("case_passed_on.html", office=office)


async def note(visit: Visit) -> web.Response:
    """POST …/ghi-chu: a note among officers."""
    if visit.form.get("draft"):
        await visit.keep_draft(visit.request.path)
        return visit.see(_case_url(visit), done="draft")
    try:
        async with visit.acting("feedback.note") as deed:
            case, rights = await found(visit, deed.connection, visit.number("case"))
            _check(rights.works, Forbidden("None of your roles may write notes."))
            deed.subject = await _number(visit, deed.connection, case)
            await visit.means.feedback.cases.note(
                deed.connection, case.case_id, visit.officer.account_id, visit.form.get("note")
            )
    except (Invalid, Forbidden) as fault:
        return await _again(visit, "note", fault)
    await visit.drop_draft(visit.request.path)
    return visit.see(_case_url(visit), done="case.note")


async def keep_confidential(visit: Visit) -> web.Response:
    """POST …/bao-mat: `confidential` 1 or 0."""
    confidential = visit.form.get("confidential") == "1"
    try:
        async with visit.acting("feedback.confidential" if confidential else "feedback.not_confidential") as deed:
            case, rights = await found(visit, deed.connection, visit.number("case"))
            deed.subject = await _number(visit, deed.connection, case)
            changed = await visit.means.feedback.cases.keep_confidential(
                deed.connection,
                case.case_id,
                rights.actor,
                version=visit.form.number("version") or 0,
                confidential=confidential,
            )
    except (ChangedMeanwhile, Forbidden) as fault:
        return await _again(visit, "confidential", fault)
    done = "case.confidential" if changed.confidential else "case.not_confidential"
    return visit.see(_case_url(visit) if rights.keeps_in_sight(changed) else URL, done=done)


async def merge(visit: Visit) -> web.Response:
    """POST …/gop: this case into the one with the number `into`."""
    try:
        async with visit.acting("feedback.merge") as deed:
            case, rights = await found(visit, deed.connection, visit.number("case"))
            deed.subject = await _number(visit, deed.connection, case)
            into = await _into(visit, deed.connection)
            other, _ = await found(visit, deed.connection, into)
            alike = other.confidential == case.confidential
            _check(alike, Invalid("A confidential case is not merged with one that is not.", field="into"))
            await Gathering(visit.means.seal).merge(deed.connection, case.case_id, other.case_id, rights.actor)
            deed.facts["into"] = other.case_id
    except (Invalid, Forbidden) as fault:
        return await _again(visit, "merge", fault)
    return visit.see(f"{URL}/{other.case_id}", done="case.merge")


async def split(visit: Visit) -> web.Response:
    """POST …/tach: what `feedback` names gets a case of its own."""
    chosen = [int(text) for text in visit.form.all("feedback") if text.isascii() and text.isdigit() and len(text) < 19]
    try:
        async with visit.acting("feedback.split") as deed:
            case, rights = await found(visit, deed.connection, visit.number("case"))
            deed.subject = await _number(visit, deed.connection, case)
            async with confidential_too(deed.connection):  # the part is nobody's yet
                part = await Gathering(visit.means.seal).split(deed.connection, case.case_id, chosen, rights.actor)
            deed.facts["part"] = part
            hidden = case.confidential and Who.HEAD not in rights.roles  # the part has no assignee
    except (Invalid, Forbidden) as fault:
        return await _again(visit, "split", fault)
    return visit.see(_case_url(visit) if hidden else f"{URL}/{part}", done="case.split")


class _Several(Exception):
    """The office that was typed may be one of these, or none."""

    def __init__(self, offices: tuple[OfficeFound, ...]) -> None:
        super().__init__()
        self.offices = offices


def _check(condition: bool, fault: ServiceError) -> None:  # noqa: FBT001 - what is checked
    if not condition:
        raise fault


async def _make(visit: Visit, step: Step) -> tuple[Case, Rights]:
    """The case after the move, and what the officer could do with it before."""
    cases = visit.means.feedback.cases
    async with visit.acting(f"feedback.{step.move}") as deed:
        case, rights = await found(visit, deed.connection, visit.number("case"))
        deed.subject = await _number(visit, deed.connection, case)
        if step.move is MoveName.ASSIGN:
            await _check_assignee(visit, deed.connection, case, step.assignee)
        if step.agency_id is not None:
            deed.facts["agency"] = step.agency_id
        version = visit.form.number("version") or 0
        return await cases.move(deed.connection, case.case_id, step, rights.actor, version=version), rights


async def _step(visit: Visit, name: MoveName) -> Step:
    """What was typed. Raises `Invalid`, and `_Several` where the office is not clear."""
    form, needs = visit.form, MOVES[name].needs
    reason, content = form.get("reason"), form.get("content")
    fault, why = form.get("fault"), form.get("why")
    if name is MoveName.SEND_BACK and fault and WORDS.has(visit.language, f"case.fault.{fault}"):
        why = f"{visit.say(f'case.fault.{fault}')}. {why}".strip()
    return Step(
        move=name,
        why=why,
        reason=RefusalReason(reason) if reason in set(RefusalReason) else None,
        agency_id=_office(visit) if Needs.AGENCY in needs else None,
        assignee=form.number("assignee"),
        content=Content(content) if content in set(Content) else None,
        answer=form.get("answer"),
    )


def _office(visit: Visit) -> int:
    """The office by its code, or by any name; one of several is chosen with `agency_code`."""
    choosing, typed = visit.means.feedback.choosing, visit.form.get("agency")
    code = visit.form.get("agency_code") or typed.partition("·")[0].strip().upper()
    office = choosing.office(code) if code else None
    if office is not None:
        return office.agency_id
    offices = choosing.meant(typed, _MOST_OFFICES)
    if len(offices) == 1:
        return offices[0].office.agency_id
    raise _Several(offices)


async def _check_assignee(visit: Visit, connection: object, case: Case, assignee: int | None) -> None:
    file = await CaseFiles(visit.means.seal, visit.means.feedback.cases).open(connection, case.case_id)
    if assignee not in {person.account_id for person in await assignees(visit, connection, file)}:
        raise Invalid("Nobody of this name handles cases here.", field="assignee")


async def _into(visit: Visit, connection: object) -> int:
    number = number_in(visit.form.get("into"))
    reader = Reader(account_id=visit.officer.account_id, offices=(), reads_confidential=True)
    lines = await WorkList(visit.means.seal).by_number(connection, reader, number) if number else []
    if not lines:
        raise Invalid("There is no such case.", field="into")
    return lines[0].case_id


async def _number(visit: Visit, connection: object, case: Case) -> str:
    return await CaseFiles(visit.means.seal, visit.means.feedback.cases).number(connection, case.case_id)


async def _again(visit: Visit, form: str, fault: ServiceError) -> web.Response:
    """The page with the form as it was typed, and what is wrong; the typed is kept besides."""
    typed = visit.form.typed()
    await visit.keep_draft(visit.request.path)
    since = visit.form.number("seen") or 0 if isinstance(fault, ChangedMeanwhile) else None
    status = 409 if since is not None else 403 if isinstance(fault, Forbidden) else 422
    field = {"agency_id": "agency"}.get(fault.field or "", fault.field or "move")
    if isinstance(fault, Forbidden):
        field, key = "move", "case.mistake.other_person" if form == MoveName.APPROVE else "case.mistake.forbidden"
    else:
        key = f"case.mistake.{field}"
    mistakes = {} if since is not None else {field: visit.say(key)}
    return await page(visit, Trial(form=form, typed=typed, mistakes=mistakes, status=status, since=since))


def _case_url(visit: Visit) -> str:
    return f"{URL}/{visit.number('case')}"
