"""An office's own words for its notices: looked at before they are used, kept as versions, taken back."""

from collections.abc import Mapping

from aiohttp import web

from console.notice_settings import OfficeWords, version_of, words_of
from console.offices import offered, office_typed
from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Said, Visit
from domain.language import Language
from notifications.kinds import EventKind
from notifications.wordings import PARTS, Form, Preview, UnfitWords, preview, write_words

_URL = f"{HOME}/cau-chu"


async def show(visit: Visit) -> web.Response:
    """GET /console/cau-chu; `?sua=` opens one for editing."""
    async with visit.reading() as connection:
        words = await words_of(connection, visit.officer.agency_id)
    chosen = next((one for one in words if _name(one) == visit.asked("sua")), None)
    typed = await visit.draft(f"{_URL}/luu")
    if chosen is not None:
        typed = {
            "agency": chosen.agency,
            "event": chosen.event,
            "form_kind": chosen.form,
            "language": chosen.language,
            "words": chosen.words,
            "version": str(chosen.version),
        }
    return await _page(visit, typed=typed, drafted=bool(typed) and chosen is None)


async def save(visit: Visit) -> web.Response:
    """POST …/luu: shows it first, then keeps it as a new version; what is refused stays as a draft."""
    form = visit.form
    mistakes: dict[str, str] = {}
    event, kind, language = form.get("event"), form.get("form_kind"), form.get("language")
    if event not in set(EventKind) or kind not in set(Form) or language not in set(Language):
        return visit.see(_URL)
    agency = office_typed(visit, form.get("agency"), mistakes)
    shown = None
    try:
        shown = preview(form.get("words"), Form(kind), Language(language), price=visit.means.segment_price)
    except UnfitWords as fault:
        mistakes["words"] = Said(fault.told(visit.language), code="wordings.unfit")
    if agency is None or mistakes:
        await visit.keep_draft(f"{_URL}/luu")
        return await _page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    if form.get("look"):
        await visit.keep_draft(f"{_URL}/luu")
        return await _page(visit, typed=form.typed(), shown=shown)
    where = (agency.agency_id, EventKind(event), Form(kind), Language(language))
    async with visit.acting("notice.words", subject=agency.code, event=event, form=kind, language=language) as deed:
        present = await version_of(deed.connection, *where)
        conflict = form.get("version").isdigit() and form.number("version") != present
        if not conflict:
            await write_words(deed.connection, *where, form.get("words"))
    if conflict:
        await visit.keep_draft(f"{_URL}/luu")
        typed = {**form.typed(), "version": str(present)}
        return await _page(visit, typed=typed, mistakes={"words": visit.say("conflict")}, status=409)
    await visit.drop_draft(f"{_URL}/luu")
    return visit.see(_URL, done="saved")


async def take_back(visit: Visit) -> web.Response:
    """POST …/bo: ours are used again."""
    name = visit.form.get("words")
    async with visit.acting("notice.words.dropped", subject=name) as deed:
        words = await words_of(deed.connection, visit.officer.agency_id)
        for one in (one for one in words if _name(one) == name):
            await write_words(deed.connection, one.agency_id, one.event, one.form, one.language, None)
    return visit.see(_URL, done="saved")


def _name(words: OfficeWords) -> str:
    return f"{words.agency}-{words.event}-{words.form}-{words.language}"


async def _page(
    visit: Visit,
    *,
    typed: Mapping[str, str],
    shown: Preview | None = None,
    drafted: bool = False,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    async with visit.reading() as connection:
        words = await words_of(connection, visit.officer.agency_id)
    return visit.render(
        "wordings.html",
        status=status,
        words=[(_name(one), one) for one in words],
        shown=shown,
        drafted=drafted,
        parts=", ".join(f"{{{part}}}" for part in sorted(PARTS)),
        events=[(event.value, visit.say(f"event.{event}")) for event in EventKind],
        forms=[(form.value, visit.say(f"form.{form}")) for form in Form],
        languages=[(language.value, visit.say(f"language.{language}")) for language in Language],
        offices=offered(visit),
        typed=typed,
        mistakes=mistakes or {},
    )


PAGE = Page(
    name="wordings",
    path="/cau-chu",
    needs=Ability.NOTICES_EDIT,
    shows=show,
    does={"/luu": save, "/bo": take_back},
    group=Group.NOTICES,
)
