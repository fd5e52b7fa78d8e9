"""Dossiers of one's offices: what changed last, search, and all that is known of one (L2), noted in the record."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from aiohttp import web

from console.dossier_lists import DossierLists, OfficersDatabase, Part
from console.exports import Rows, check_may_export, send_noted
from console.page import Group, Page
from console.periods import days_shown, period_typed
from console.roles import Ability
from console.visit import HOME, Visit
from domain.contact import e164
from domain.errors import Invalid, MalformedCode, NotFound
from domain.status import Status
from feedback_intake.caseload import Period
from lookup.agency_dossiers import AgencyDossiers, HeldDossier
from lookup.changes import Tenant
from lookup.code_finder import read
from lookup.codes import canonical
from lookup.deadlines import LATE, punctuality, working_days_late

_URL = f"{HOME}/ho-so"
_AT_ONCE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COLUMNS = (
    *("code", "reference", "procedure_code", "procedure", "sector", "channel", "status", "punctuality"),
    *("received", "due", "finished", "delivered", "receiving", "resolving"),
)


async def show(visit: Visit) -> web.Response:
    """GET /console/ho-so: what changed last; a list without names is no view of personal data."""
    return await _newest(visit)


async def _newest(visit: Visit, mistakes: Mapping[str, str] | None = None) -> web.Response:
    before, number = _cursor(visit.asked("truoc")), visit.number("so")
    onward = ""
    async with visit.reading() as connection:
        lists = _lists(visit, connection)
        part = await lists.latest(before=before, most=_AT_ONCE) if number is None else None
        if part is None or (before is None and not part.lines):
            part, number = await lists.newest(before=number, most=_AT_ONCE)
            onward = f"{_URL}?so={number}" if number is not None else ""
    if part.onward is not None:
        at, last = part.onward
        onward = f"{_URL}?truoc={(at - _EPOCH) // _MICROSECOND}-{last}"
    return _page(visit, part, onward=onward, mistakes=mistakes)


async def search(visit: Visit) -> web.Response:
    """POST …/tim: by code, the agency's reference, a phone or a whole name. Posted: none belongs into an address."""
    typed = visit.form.get("q")[:120]
    if not typed:
        return visit.see(_URL)
    for code in read(typed).candidates:
        if await _is_held(visit, code):
            return visit.see(f"{_URL}/{quote(code)}")
    try:
        phone = e164(typed) if sum(c.isdigit() for c in typed) >= 9 else ""
    except Invalid:
        phone = ""
    async with visit.acting("dossier.search", by="phone" if phone else "reference") as deed:
        lists = _lists(visit, deed.connection)
        part = await lists.by_reference(typed, most=_AT_ONCE)
        if not part.lines and phone:
            part = await lists.by_phone(phone, visit.means.seal, most=_AT_ONCE)
        elif not part.lines and len(typed.split()) > 1 and not any(c.isdigit() for c in typed):
            deed.facts["by"] = "name"
            part = await lists.by_name(typed, most=_AT_ONCE)
        deed.facts["found"] = len(part.lines)
    return _page(visit, part, typed=typed, searched=True)


def _page(
    visit: Visit,
    part: Part,
    *,
    onward: str = "",
    typed: str = "",
    searched: bool = False,
    mistakes: Mapping[str, str] | None = None,
) -> web.Response:
    return visit.render(
        "dossiers.html",
        status=422 if mistakes else 200,
        part=part,
        onward=onward,
        typed=typed,
        searched=searched,
        mistakes=mistakes or {},
        days=days_shown(visit),
        may_export=visit.officer.may(Ability.EXPORT),
    )


async def one(visit: Visit) -> web.Response:
    """GET …/{code}: everything, for who may."""
    try:
        code = canonical(visit.request.match_info["code"])
    except MalformedCode:
        raise NotFound("There is no such dossier.") from None
    await visit.note("dossier.view", subject=code)
    held = await within_reach(visit, code)
    events = await _dossiers(visit).events(tenant_of(visit), code, limit=200)
    now, registry = visit.means.clock(), visit.means.registry
    timeliness = punctuality(held.status, due_at=held.due_at, finished_at=held.finished_at, now=now)
    late = 0
    if timeliness in LATE and held.due_at is not None:
        late = working_days_late(registry.calendar, due_at=held.due_at, until=held.finished_at or now)
    return visit.render(
        "dossier.html",
        held=held,
        events=sorted(events.items, key=lambda event: event.at, reverse=True),
        punctuality=timeliness,
        late=late,
        receiving=registry.agency(held.receiving_agency),
        resolving=registry.agency(held.resolving_agency or held.receiving_agency),
    )


async def export(visit: Visit) -> web.StreamResponse:
    """POST …/xuat: what changed from `tu` to `den`, without who the applicants are."""
    check_may_export(visit)
    period, mistakes = period_typed(visit, visit.form.get("tu"), visit.form.get("den"))
    if mistakes:
        return await _newest(visit, mistakes)
    head = [visit.say(f"dossiers.column.{name}") for name in _COLUMNS]
    return await send_noted(
        visit,
        "dossier.export",
        name="ho-so",
        period=period,
        head=head,
        rows=lambda connection: _rows(visit, _lists(visit, connection), period),
    )


async def _rows(visit: Visit, lists: DossierLists, period: Period) -> Rows:
    now, registry = visit.means.clock(), visit.means.registry
    async for row in lists.changed(*period.bounds):
        status = Status(row["status"])
        standing = punctuality(status, due_at=row["due_at"], finished_at=row["finished_at"], now=now)
        receiving, resolving = registry.agency(row["receiving_agency"]), registry.agency(row["resolving_agency"])
        yield (
            row["code"],
            row["reference"],
            row["procedure_code"],
            row["procedure"],
            row["sector"],
            visit.say(f"channel.{row['filing_channel']}") if row["filing_channel"] else "",
            f"{status.value}. {visit.status(status)}",
            visit.say(f"punctuality.{standing}"),
            row["received_at"],
            row["due_at"],
            row["finished_at"],
            row["delivered_at"],
            receiving.name if receiving else "",
            resolving.name if resolving else "",
        )


async def within_reach(visit: Visit, code: str) -> HeldDossier:
    """The dossier of a canonical `code`, if the officer's office and sectors reach it. Raises `NotFound`."""
    held = await _dossiers(visit).get(tenant_of(visit), code)
    if visit.officer.sectors(Ability.DOSSIERS_VIEW) is not None:
        async with visit.reading() as connection:
            if not await _lists(visit, connection).within(held.procedure_code):
                raise NotFound("There is no such dossier.")
    return held


def tenant_of(visit: Visit) -> Tenant:
    """The officer's office as those know it who store and read dossiers."""
    agency = visit.agency
    return Tenant(
        agency_id=visit.officer.agency_id,
        agency_code=agency.code if agency else "",
        test=False,
        api_key_id=f"officer {visit.officer.account_id}",
    )


async def _is_held(visit: Visit, code: str) -> bool:
    try:
        await within_reach(visit, code)
    except NotFound:
        return False
    return True


def _dossiers(visit: Visit) -> AgencyDossiers:
    return AgencyDossiers(OfficersDatabase.of(visit.means.database), visit.means.seal)


def _lists(visit: Visit, connection: object) -> DossierLists:
    sectors = visit.officer.sectors(Ability.DOSSIERS_VIEW)
    return DossierLists(connection, visit.officer.agency_id, sectors, visit.means.clock())


def _cursor(text: str) -> tuple[datetime, int] | None:
    """Where to go on; what is none begins anew."""
    at, _, number = text.partition("-")
    if (
        not (at.isascii() and at.isdigit() and number.isascii() and number.isdigit())
        or len(at) > 17
        or len(number) > 18
    ):
        return None
    return _EPOCH + int(at) * _MICROSECOND, int(number)


PAGE = Page(
    name="dossiers",
    path="/ho-so",
    needs=Ability.DOSSIERS_VIEW,
    shows=show,
    parts={"/{code}": one},
    does={"/tim": search, "/xuat": export},
    rare=frozenset({"/xuat"}),
    group=Group.WORK,
)
