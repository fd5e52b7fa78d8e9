"""One case: what was said, its dossier, its clocks, its way, and the moves that are open to the officer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from aiohttp import web

from console.feedback import Rights, files_of, found, opened
from console.publications import entries_of, may_remove
from console.roles import Ability
from console.visit import HOME, Visit
from database.pool import Connection
from domain.civil_time import civil_day
from domain.language import Language
from domain.message import DeliveryState
from feedback_intake.casefile import CaseFile, MessageTold, StepTaken
from feedback_intake.gathering import AlikeCase, Gathering
from feedback_intake.moves import MOVES, OPEN, Content, MoveName, Needs, RefusalReason
from feedback_intake.ratings import HIGHEST, LOWEST, ControlRating
from feedback_intake.templates import ReplyTemplate, usable

URL = f"{HOME}/phan-anh"
# Whoever handles a case for an office: an officer with the role there or above, in all sectors or the case's.
ASSIGNEES = """
    SELECT a.id, coalesce(nullif(a.name, ''), a.email) AS name,
           (SELECT count(*) FROM (SELECT FROM feedback_case c WHERE c.assignee = a.id AND c.is_open LIMIT 100) n)
               AS load
      FROM account a
     WHERE a.disabled_at IS NULL AND EXISTS (
           SELECT FROM account_role r JOIN agency_reach w ON w.scope_id = r.agency_id AND w.agency_id = $1
            WHERE r.account_id = a.id AND r.role IN ('handler', 'head') AND r.ended_at IS NULL
              AND r.valid_from <= $3 AND (r.valid_to IS NULL OR r.valid_to >= $3)
              AND (r.sector = '' OR r.sector = $2))
     ORDER BY name LIMIT 200"""
NAME_OF = "SELECT coalesce(nullif(a.name, ''), a.email) FROM account a WHERE a.id = $1"
# Moves that are made on a page of their own.
_ELSEWHERE = frozenset({MoveName.PUBLISH})
# What browsers may show in a window of their own; all else is kept as a file.
_SHOWN = frozenset({"image/jpeg", "application/pdf"})
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignee:
    """Somebody who may be given the case, and how many open ones they have (100 at most)."""

    account_id: int
    name: str
    load: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A form that was sent and could not be done: what was typed, what is wrong, and what has changed meanwhile."""

    form: str
    typed: Mapping[str, str]
    mistakes: Mapping[str, str]
    status: int = 422
    since: int | None = None  # the newest step the officer had seen
    offices: Sequence[object] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The controlling body's ratings of a case, the newest first, and whether the officer may give one."""

    given: Sequence[ControlRating]
    may_rate: bool

    @property
    def counts(self) -> ControlRating | None:
        """The one that counts."""
        return next((rating for rating in self.given if rating.counts), None)


async def show(visit: Visit) -> web.Response:
    """GET /console/phan-anh/{case}; `viec` names the move whose form is open."""
    return await page(visit)


async def attachment(visit: Visit) -> web.Response:
    """GET …/{case}/tep/{file}: opened for this answer alone, harmless in a browser, noted in the record."""
    async with visit.acting("feedback.file") as deed:
        case, _ = await found(visit, deed.connection, visit.number("case"))
        deed.subject = await files_of(visit).number(deed.connection, case.case_id)
        name, kind, content = await files_of(visit).file(deed.connection, case.case_id, visit.number("file") or 0)
    way = "inline" if kind in _SHOWN else "attachment"
    headers = {**_SAFE, "Content-Disposition": f"{way}; filename*=UTF-8''{quote(name, safe='')}"}
    return web.Response(body=content, content_type=kind, headers=headers)


async def page(visit: Visit, trial: Trial | None = None) -> web.Response:
    """The page of the case in the address, with the form that was tried, if any."""
    async with visit.acting("feedback.view") as deed:
        file, rights = await opened(visit, deed.connection, visit.number("case"))
        merged_away = file.case.merged_into is not None and not file.senders
        deed.subject = f"case {file.case.case_id}" if merged_away else file.number
        moves = rights.moves(file.case)
        open_form = trial.form if trial else _asked(visit, moves)
        beside = await _beside(visit, deed.connection, file, rights)
        people = await assignees(visit, deed.connection, file) if open_form == MoveName.ASSIGN else []
        templates = await usable(deed.connection, visit.officer.agency_id) if open_form == MoveName.SUBMIT else []
    if merged_away:
        return visit.see(f"{URL}/{file.case.merged_into}", done="case.merged_away")
    return visit.render(
        "case.html",
        status=trial.status if trial else 200,
        file=file,
        case=file.case,
        rights=rights,
        moves=[name for name in moves if name not in _ELSEWHERE],
        may_publish=MoveName.PUBLISH in moves,
        may_remove=may_remove(rights),
        is_open=file.case.state in OPEN,
        open_form=open_form,
        newest=file.steps[0].step_id if file.steps else 0,
        **beside,
        **await _form(visit, file, trial, open_form, templates),
        **await _forms_beside(visit, trial),
        **_named(visit, people, templates),
        **_read_by(visit),
    )


async def _beside(visit: Visit, connection: Connection, file: CaseFile, rights: Rights) -> dict[str, object]:
    """What stands in the store about the case and is no part of its file."""
    return {
        "alike": await _alike(visit, connection, file, rights),
        "assignee_name": await _assigned_to(connection, file.case.assignee, visit),
        "entries": await entries_of(connection, file.case.case_id),
        "control": await _control(visit, connection, file.case.case_id),
    }


async def _form(
    visit: Visit, file: CaseFile, trial: Trial | None, open_form: str, templates: Sequence[ReplyTemplate]
) -> dict[str, object]:
    """The form that is open: what is in it, what is wrong with it, what others did while it was open."""
    typed = trial.typed if trial else await visit.draft(f"{URL}/{file.case.case_id}/viec/{open_form}")
    since = trial.since if trial else None
    return {
        "needs": MOVES[MoveName(open_form)].needs if open_form in set(MoveName) else frozenset(),
        "typed": typed or _suggested(visit, file, open_form, templates),
        "drafted": bool(typed) and trial is None,
        "mistakes": trial.mistakes if trial else {},
        "found_offices": trial.offices if trial else (),
        "conflict": since is not None,
        "changes": [step for step in file.steps if since is not None and step.step_id > since],
    }


async def _forms_beside(visit: Visit, trial: Trial | None) -> dict[str, object]:
    """What was typed into the forms that are always open."""
    return {
        "note": await _typed_beside(visit, trial, "note", "ghi-chu"),
        "control_typed": await _typed_beside(visit, trial, "control", "danh-gia"),
    }


def _named(visit: Visit, people: Sequence[Assignee], templates: Sequence[ReplyTemplate]) -> dict[str, object]:
    """What the choices of the forms offer, in words."""
    return {
        "people_named": [(one.account_id, visit.say("case.person", name=one.name, n=one.load)) for one in people],
        "templates_named": [(one.template_id, one.name) for one in templates],
        "scores": [(score, visit.say(f"case.score.{score}")) for score in range(HIGHEST, LOWEST - 1, -1)],
        "contents_named": [(one.value, visit.say(f"case.content.{one}")) for one in Content],
        "reasons_named": [(one.value, visit.say(f"case.reason.{one}")) for one in RefusalReason],
    }


def _read_by(visit: Visit) -> dict[str, object]:
    """What the template reads a file with."""
    registry = visit.means.registry
    return {
        "Needs": Needs,
        "step_words": partial(_step_words, visit),
        "who_of": partial(_who_of, visit),
        "message_words": partial(_message_words, visit),
        "office_of": registry.agency,
        "today": civil_day(visit.means.clock()),
        "calendar": registry.calendar,
    }


async def assignees(visit: Visit, connection: Connection, file: CaseFile) -> list[Assignee]:
    """Who may be given the case."""
    sector = file.dossier.sector if file.dossier else ""
    rows = await connection.fetch(ASSIGNEES, file.case.holder_agency, sector, civil_day(visit.means.clock()))
    return [Assignee(account_id=row["id"], name=row["name"], load=row["load"]) for row in rows]


async def _assigned_to(connection: Connection, account_id: int | None, visit: Visit) -> str:
    """Who has the case; somebody of another office is not named."""
    if account_id is None:
        return ""
    return await connection.fetchval(NAME_OF, account_id) or visit.say("case.officer.elsewhere")


async def _typed_beside(visit: Visit, trial: Trial | None, form: str, place: str) -> Mapping[str, str]:
    """What was typed into a form that is always open: just now, or kept."""
    if trial and trial.form == form:
        return trial.typed
    return await visit.draft(f"{URL}/{visit.number('case')}/{place}")


async def _control(visit: Visit, connection: Connection, case_id: int) -> Control:
    ratings, may = visit.means.feedback.ratings, visit.officer.may(Ability.FEEDBACK_OVERSEE)
    return Control(
        given=await ratings.control_of(connection, case_id),
        may_rate=may and await ratings.may_control(connection, case_id),
    )


async def _alike(visit: Visit, connection: Connection, file: CaseFile, rights: Rights) -> list[AlikeCase]:
    """Open cases that may be the same, of those the officer may read."""
    if file.case.state not in OPEN or not rights.works or file.case.confidential:
        return []
    alike = []
    for other in await Gathering(visit.means.seal).alike(connection, file.case.case_id):
        case = await visit.means.feedback.cases.find(connection, other.case_id)
        if not case.confidential:
            alike.append(other)
    return alike[:5]


def _asked(visit: Visit, moves: Sequence[MoveName]) -> str:
    asked = visit.asked("viec")
    return asked if asked in set(moves) and asked not in _ELSEWHERE else ""


def _suggested(visit: Visit, file: CaseFile, form: str, templates: Sequence[ReplyTemplate]) -> Mapping[str, str]:
    """What a form holds before anything was typed: a template that was chosen, an answer that was sent back."""
    if form != MoveName.SUBMIT:
        return {}
    chosen = next((t for t in templates if t.template_id == visit.number("mau")), None)
    if chosen is not None:
        return {"answer": chosen.text}
    back = next((answer for answer in file.answers if answer.sent_back_at is not None), None)
    return {"answer": back.text} if back else {}


def _office_name(visit: Visit, agency_id: int) -> str:
    agency = visit.means.registry.agency(agency_id)
    if agency is None:
        return visit.say("case.office.unknown")
    return agency.name_en if visit.language is Language.ENGLISH and agency.name_en else agency.name


def _step_words(visit: Visit, step: StepTaken) -> str:
    """What was done."""
    if step.move == "warn":
        return visit.say(f"case.escalated.{step.reason}")
    words = visit.say(f"case.step.{step.move}")
    return f"{words}: {_office_name(visit, step.to_agency)}" if step.to_agency is not None else words


def _who_of(visit: Visit, step: StepTaken) -> str:
    """Who did it."""
    if step.by != "officer":
        return visit.say(f"case.by.{step.by}")
    return step.officer or (
        _office_name(visit, step.from_agency) if step.from_agency is not None else visit.say("case.officer.elsewhere")
    )


def _message_words(visit: Visit, message: MessageTold) -> str:
    """How far a message got."""
    state = message.state
    if state == DeliveryState.DELIVERED:
        return visit.say("case.message.delivered")
    if state >= DeliveryState.EXPIRED:
        return visit.say("case.message.not_sent")
    return visit.say("case.message.sent" if state >= DeliveryState.HANDED_OVER else "case.message.waiting")


STATEMENTS = (ASSIGNEES, NAME_OF)
