"""The work list: cases of the officer's offices, late ones first; mine, my unit's, unassigned, waiting, ended."""

from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from console.feedback import reader_of
from console.offices import office_typed, within_reach
from console.page import Group, Page
from console.pages import case_acts, case_page, case_rating
from console.roles import Ability
from console.visit import HOME, Visit
from domain.civil_time import civil_day
from domain.contact import ChannelName, Contact, e164
from domain.errors import Invalid
from feedback_intake.filing import FeedbackKind
from feedback_intake.moves import ENDED, OPEN, CaseState
from feedback_intake.numbers import number_in
from feedback_intake.worklist import MOST_COUNTED, CaseLine, CasePage, Filters, Tab, WorkList, cursor_of
from lookup.code_finder import read

URL = f"{HOME}/phan-anh"
CHANNELS = (
    "form",
    "web",
    "sms",
    "zalo",
    "telegram",
    "messenger",
    "whatsapp",
    "email",
    "open311",
    "letter",
    "fax",
    "phone",
    "visit",
)
_MOST_OFFICES = 200  # in a choice; beyond, an office is typed


async def show(visit: Visit) -> web.Response:
    """GET /console/phan-anh: a tab, narrowed by `state`, `late`, `kind`, `channel`, `agency`."""
    filters = _filters(visit)
    mistakes: dict[str, str] = {}
    office = office_typed(visit, visit.asked("agency"), mistakes) if visit.asked("agency") else None
    reader, lists = reader_of(visit, office=office), WorkList(visit.means.seal)
    today = civil_day(visit.means.clock())
    async with visit.acting("feedback.list") as deed:
        counts = await lists.counts(deed.connection, reader)
        tab = _tab(visit, counts)
        page = await lists.page(deed.connection, reader, tab, filters, after=cursor_of(visit.asked("sau")), today=today)
        deed.facts["tab"] = tab
        deed.facts["shown"] = len(page.lines)
    onward = ""
    if page.onward is not None:
        onward = f"{URL}?{urlencode({**_kept(visit), 'tab': tab.value, 'sau': str(page.onward)})}"
    return _page(visit, page, tab=tab, filters=filters, counts=counts, onward=onward, mistakes=mistakes)


async def search(visit: Visit) -> web.Response:
    """POST …/tim: by number, dossier code or the sender's phone. Posted: neither belongs into an address."""
    typed = visit.form.get("q")[:120]
    if not typed:
        return visit.see(URL)
    reader, lists = reader_of(visit), WorkList(visit.means.seal)
    async with visit.acting("feedback.search") as deed:
        lines: list[CaseLine] = []
        if number := number_in(typed):
            deed.facts["by"] = "number"
            lines = await lists.by_number(deed.connection, reader, number)
        elif codes := read(typed).candidates:
            deed.facts["by"] = "dossier"
            lines = await lists.by_code(deed.connection, reader, codes)
        elif phone := _phone(typed):
            deed.facts["by"] = "phone"
            lines = await lists.by_sender(deed.connection, reader, Contact(channel=ChannelName.SMS, address=phone))
        deed.facts["found"] = len(lines)
    if len(lines) == 1:
        return visit.see(f"{URL}/{lines[0].case_id}")
    return _page(visit, CasePage(lines=tuple(lines)), tab=None, filters=Filters(), counts={}, typed=typed)


async def waits(visit: Visit) -> int:
    """How many open cases are the officer's own, or without anybody's hand."""
    async with visit.reading() as connection:
        counts = await WorkList(visit.means.seal).counts(connection, reader_of(visit))
    return counts[Tab.MINE] or counts[Tab.UNASSIGNED]


def _page(
    visit: Visit,
    page: CasePage,
    *,
    tab: Tab | None,
    filters: Filters,
    counts: Mapping[Tab, int],
    onward: str = "",
    typed: str = "",
    mistakes: Mapping[str, str] | None = None,
) -> web.Response:
    offices = within_reach(visit)
    states = sorted(ENDED if tab is Tab.ENDED else OPEN, key=list(CaseState).index)
    return visit.render(
        "cases.html",
        page=page,
        tab=tab,
        tabs=list(Tab),
        filters=filters,
        counts=counts,
        most=MOST_COUNTED,
        onward=onward,
        typed=typed,
        mistakes=mistakes or {},
        named_states=[(state.value, visit.say(f"case.state.{state}")) for state in states],
        named_kinds=[(kind.value, visit.say(f"case.kind.{kind}")) for kind in FeedbackKind],
        named_channels=[(channel, visit.say(f"case.channel.{channel}")) for channel in CHANNELS],
        named_offices=[(office.code, office.name) for office in offices],
        offices=1 < len(offices) <= _MOST_OFFICES,
        ended=[state.value for state in ENDED],
        calendar=visit.means.registry.calendar,
        narrowed=bool(filters.state or filters.late or filters.kind or filters.channel or visit.asked("agency")),
        office_of=visit.means.registry.agency,
        today=civil_day(visit.means.clock()),
    )


def _tab(visit: Visit, counts: Mapping[Tab, int]) -> Tab:
    """The one that was asked for, else where the officer's work is: what is nobody's where nothing is theirs."""
    asked = visit.asked("tab")
    if asked in set(Tab):
        return Tab(asked)
    if visit.officer.may(Ability.FEEDBACK_HANDLE):
        return Tab.MINE if counts[Tab.MINE] or not counts[Tab.UNASSIGNED] else Tab.UNASSIGNED
    if visit.officer.may(Ability.FEEDBACK_APPROVE):
        return Tab.APPROVAL
    return Tab.UNASSIGNED if visit.officer.may(Ability.FEEDBACK_RECEIVE) else Tab.UNIT


def _filters(visit: Visit) -> Filters:
    state, kind, channel = visit.asked("state"), visit.asked("kind"), visit.asked("channel")
    return Filters(
        state=CaseState(state) if state in set(CaseState) else None,
        late=visit.asked("late") == "1",
        kind=FeedbackKind(kind) if kind in set(FeedbackKind) else None,
        channel=channel if channel in CHANNELS else None,
    )


def _kept(visit: Visit) -> dict[str, str]:
    names = ("state", "late", "kind", "channel", "agency")
    return {name: value for name in names if (value := visit.asked(name))}


def _phone(typed: str) -> str:
    try:
        return e164(typed)
    except Invalid:
        return ""


PAGE = Page(
    name="cases",
    path="/phan-anh",
    needs=Ability.FEEDBACK_VIEW,
    shows=show,
    group=Group.WORK,
    parts={
        "/{case}": case_page.show,
        "/{case}/tep/{file}": case_page.attachment,
        "/da-chuyen/{office}": case_acts.passed_on,
    },
    does={
        "/tim": search,
        "/{case}/viec/{move}": case_acts.move,
        "/{case}/ghi-chu": case_acts.note,
        "/{case}/bao-mat": case_acts.keep_confidential,
        "/{case}/gop": case_acts.merge,
        "/{case}/tach": case_acts.split,
        "/{case}/danh-gia": case_rating.rate,
    },
    waits=waits,
)
