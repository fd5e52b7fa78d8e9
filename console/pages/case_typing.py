"""Typing in what came by letter, fax, phone or visit: one screen, keyboard alone, and the sender's slip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from console.page import Group, Page
from console.pages.dossiers import tenant_of
from console.pages.own_account import qr_path
from console.roles import Ability
from console.visit import HOME, Visit
from database.pool import Connection
from domain.agency import Agency
from domain.civil_time import civil_day
from domain.contact import ChannelName, e164
from domain.errors import NotFound
from feedback_intake.attachments import Attachment, Unwanted, attachment
from feedback_intake.cases import IN_HAND, Actor, Step, confidential_too
from feedback_intake.choosing import OfficeFound
from feedback_intake.filing import FeedbackKind, Filed, Formal, MayPublish
from feedback_intake.moves import MoveName, Who
from feedback_intake.paper import LETTER, ON_PAPER, Paper, attach
from feedback_intake.progress import link_of
from feedback_intake.sorting import kind_by_words
from feedback_intake.typed import TypedFeedback, confirm, day_typed, find_typed, lacking
from lookup.agency_dossiers import AgencyDossiers
from lookup.code_finder import read
from lookup.wording import status_label

URL = f"{HOME}/ghi-nhan"
NUMBER_PLACE = "/g"  # where the public site shows feedback to who has its link
_MOST_OFFICES = 8
_MOST_SCANS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierFound:
    """What an inline look-up tells of a dossier of the officer's offices: enough to see that it is the right one."""

    code: str
    status: str
    agency: Agency | None


async def show(visit: Visit) -> web.Response:
    """GET /console/ghi-nhan: an empty sheet, or what was typed and not sent; after one sheet the next of its kind."""
    typed = await visit.draft(URL)
    drafted = bool(typed)
    if not typed:
        source = visit.asked("source")
        typed = {
            "source": source if source in set(ON_PAPER) else LETTER,
            "received_on": visit.asked("ngay")[:10] or visit.day(civil_day(visit.means.clock())),
        }
    return _sheet(visit, typed, drafted=drafted)


async def keep(visit: Visit) -> web.Response:
    """POST /console/ghi-nhan: file it; with `look` look up the dossier or the office; with `draft` keep it."""
    form, typed = visit.form, visit.form.typed()
    typed.pop("look", None)
    if form.get("draft"):
        await visit.keep_draft(URL, typed)
        return visit.see(URL, done="draft")
    office, offices = _office(visit)
    dossier = await _dossier(visit) if form.get("look") == "dossier" else None
    if form.get("look"):
        await visit.keep_draft(URL, typed)
        return _sheet(
            visit,
            typed,
            offices=offices,
            office=office,
            dossier=dossier,
            looked=form.get("look"),
            files_lost=_files(visit),
        )
    mistakes = _mistakes(visit, office, offices)
    scans: list[Attachment] = []
    if not mistakes:
        try:
            scans = [
                await attachment(upload.name, upload.content, scan=visit.means.feedback.scan)
                for upload in form.files.get("scan", ())[:_MOST_SCANS]
            ]
        except Unwanted as unwanted:
            mistakes["scan"] = visit.say(f"typing.scan.{unwanted.why}")
    if mistakes:
        await visit.keep_draft(URL, typed)
        return _sheet(
            visit, typed, offices=offices, office=office, mistakes=mistakes, status=422, files_lost=_files(visit)
        )
    filed = await _file(visit, office, scans)
    await visit.drop_draft(URL)
    return visit.see(f"{URL}/{filed.feedback_id}", done="typing.filed")


async def receipt(visit: Visit) -> web.Response:
    """GET …/{feedback}: the number, the slip to print, the read-back, more scans, and the way to the next letter."""
    return await _receipt(visit)


async def add_scan(visit: Visit) -> web.Response:
    """POST …/{feedback}/ban-quet"""
    try:
        scans = [
            await attachment(upload.name, upload.content, scan=visit.means.feedback.scan)
            for upload in visit.form.files.get("scan", ())[:_MOST_SCANS]
        ]
    except Unwanted as unwanted:
        return await _receipt(visit, {"scan": visit.say(f"typing.scan.{unwanted.why}")})
    if not scans:
        return await _receipt(visit, {"scan": visit.say("missing")})
    async with visit.acting("feedback.scan") as deed:
        typed = await _own(visit, deed.connection)
        deed.subject = typed.number
        for scan in scans:
            await attach(deed.connection, visit.means.seal, typed.filed, scan)
    return visit.see(f"{URL}/{typed.feedback_id}", done="typing.scan")


async def read_back(visit: Visit) -> web.Response:
    """POST …/{feedback}/doc-lai: the sender heard it and says that this is what they meant."""
    async with visit.acting("feedback.read_back") as deed:
        typed = await _own(visit, deed.connection)
        deed.subject = typed.number
        await confirm(deed.connection, typed.number)
    return visit.see(f"{URL}/{typed.feedback_id}", done="typing.read_back")


async def _receipt(visit: Visit, mistakes: Mapping[str, str] | None = None) -> web.Response:
    async with visit.acting("feedback.receipt") as deed:
        typed = await _own(visit, deed.connection)
        deed.subject = typed.number
    link = f"{visit.means.url}{NUMBER_PLACE}/{link_of(visit.means.seal, typed.number)}"
    return visit.render(
        "typed.html",
        status=422 if mistakes else 200,
        typed=typed,
        qr=qr_path(link),
        office=visit.means.registry.agency(typed.holder_agency),
        mistakes=mistakes or {},
        public=visit.means.url.partition("://")[2],
    )


async def _own(visit: Visit, connection: Connection) -> TypedFeedback:
    number = visit.number("feedback")
    if number is None:
        raise NotFound("There is nothing of the kind.")
    async with confidential_too(connection):  # what they typed themselves, and that it came
        typed = await find_typed(connection, visit.means.seal, number, visit.officer.account_id)
    await connection.execute(IN_HAND, typed.filed.case_id)
    return typed


async def _file(visit: Visit, office: Agency | None, scans: Sequence[Attachment]) -> Filed:
    """File it with our office, and pass it on where it is another's."""
    form, means, officer = visit.form, visit.means, visit.officer
    dossier = await _dossier(visit)
    office = office or (dossier.agency if dossier else None)
    within = office is not None and visit.reaches(office.agency_id)
    paper = _paper(visit, dossier.code if dossier else next(iter(read(form.get("code")).candidates), None))
    async with visit.acting("feedback.typed", source=form.get("source")) as deed, confidential_too(deed.connection):
        filed = await means.feedback.paper.take(
            deed.connection,
            paper,
            office=office.agency_id if office is not None and within else officer.agency_id,
            typed_by=officer.account_id,
            scans=scans,
        )
        deed.subject = filed.number
        if form.get("read_back") == "1":
            await confirm(deed.connection, filed.number)
        if office is not None and not within:
            await means.feedback.cases.move(
                deed.connection,
                filed.case_id,
                Step(move=MoveName.FORWARD, agency_id=office.agency_id, why=visit.say("typing.forwarded")),
                Actor(roles=frozenset({Who.CLERK}), account_id=officer.account_id),
            )
    return filed


def _paper(visit: Visit, code: str | None) -> Paper:
    form = visit.form
    kind, resembles, consent = form.get("kind"), form.get("resembles"), form.get("may_publish")
    return Paper(
        channel=ChannelName(form.get("source")),
        received_on=day_typed(form.get("received_on")) or civil_day(visit.means.clock()),
        text=form.get("text"),
        kind=FeedbackKind(kind) if kind in set(FeedbackKind) else kind_by_words(form.get("text")),
        code=code,
        name=form.get("name"),
        postal_address=form.get("postal_address"),
        phone=e164(form.get("phone")) if form.get("phone") else "",
        checked=form.get("checked") == "1",
        may_publish=MayPublish(consent) if consent in set(MayPublish) else MayPublish.NO,
        resembles=Formal(resembles) if resembles in set(Formal) else None,
        confidential=form.get("confidential") == "1",
    )


def _office(visit: Visit) -> tuple[Agency | None, Sequence[OfficeFound]]:
    """The office by its code or name, else those that may be meant."""
    choosing, typed = visit.means.feedback.choosing, visit.form.get("agency")
    code = visit.form.get("agency_code") or typed.partition("·")[0].strip().upper()
    office = choosing.office(code) if code else None
    if office is not None or not typed:
        return office, ()
    offices = choosing.meant(typed, _MOST_OFFICES)
    return (offices[0].office, ()) if len(offices) == 1 else (None, offices)


async def _dossier(visit: Visit) -> DossierFound | None:
    """The dossier of the typed code, of the officer's offices, without what is personal in it."""
    dossiers, tenant = AgencyDossiers(visit.means.database, visit.means.seal), tenant_of(visit)
    for code in read(visit.form.get("code")).candidates:
        try:
            held = await dossiers.get(tenant, code)
        except NotFound:
            continue
        registry = visit.means.registry
        agency = registry.agency(held.resolving_agency or held.receiving_agency)
        return DossierFound(code=held.code, status=status_label(held.status, visit.language), agency=agency)
    return None


def _mistakes(visit: Visit, office: Agency | None, offices: Sequence[OfficeFound]) -> dict[str, str]:
    form = visit.form
    faults = lacking(
        text=form.get("text"),
        name=form.get("name"),
        postal_address=form.get("postal_address"),
        phone=form.get("phone"),
        received_on=form.get("received_on"),
        today=civil_day(visit.means.clock()),
    )
    mistakes = {name: visit.say(f"typing.mistake.{fault}") for name, fault in faults.items()}
    if form.get("source") not in set(ON_PAPER):
        mistakes["source"] = visit.say("missing")
    if form.get("agency") and office is None:
        mistakes["agency"] = visit.say("case.mistake.several" if offices else "case.mistake.agency")
    return mistakes


def _files(visit: Visit) -> bool:
    """Whether files were chosen, which a browser does not choose again by itself."""
    return bool(visit.form.files.get("scan"))


def _sheet(
    visit: Visit,
    typed: Mapping[str, str],
    *,
    drafted: bool = False,
    offices: Sequence[OfficeFound] = (),
    office: Agency | None = None,
    dossier: DossierFound | None = None,
    looked: str = "",
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
    files_lost: bool = False,
) -> web.Response:
    return visit.render(
        "typing.html",
        status=status,
        typed=typed,
        drafted=drafted,
        offices=offices,
        office=office,
        dossier=dossier,
        looked=looked,
        mistakes=mistakes or {},
        files_lost=files_lost,
        sources=ON_PAPER,
        kinds=[
            ("", visit.say("typing.kind.by_words")),
            *((kind.value, visit.say(f"case.kind.{kind}")) for kind in FeedbackKind),
        ],
        formals=[
            ("", visit.say("typing.resembles.none")),
            *((one.value, visit.say(f"case.resembles.{one}")) for one in Formal),
        ],
        consents=[(one.value, visit.say(f"case.publish.{one}")) for one in MayPublish],
    )


PAGE = Page(
    name="typing",
    path="/ghi-nhan",
    needs=Ability.FEEDBACK_RECEIVE,
    shows=show,
    group=Group.WORK,
    parts={"/{feedback}": receipt},
    does={"": keep, "/{feedback}/ban-quet": add_scan, "/{feedback}/doc-lai": read_back},
)
