"""What senders said and we could not read: items that wait until somebody says what a word means."""

from collections.abc import Mapping

from aiohttp import web

from console.offices import office_typed
from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from domain.status import Status
from lookup.quarantine import map_status, overview

_URL = f"{HOME}/tu-cho-nghia"
_AT_ONCE = 50
STATUS_FIELDS = frozenset({"status", "TrangThaiHoSo", "TrangThai"})


async def show(visit: Visit) -> web.Response:
    """GET /console/tu-cho-nghia"""
    return await _page(visit)


async def explain(visit: Visit) -> web.Response:
    """POST …/nghia: from now on a sender's word means a status; what waits is read again."""
    form = visit.form
    raw, number = form.get("raw")[:200], form.number("status")
    mistakes: dict[str, str] = {}
    agency = office_typed(visit, form.get("agency"), mistakes, field="status")
    if agency is None:
        return await _page(visit, mistakes=mistakes, status=422)
    if not raw or number not in {status.value for status in Status}:
        return await _page(visit, mistakes={"status": visit.say("missing")}, status=422)
    async with visit.acting("word.map", subject=agency.code, raw=raw, status=number) as deed:
        await map_status(deed.connection, agency_id=agency.agency_id, raw=raw, status=Status(number))
    await visit.means.registry.refresh()
    await visit.means.read_again(agency.code)
    return visit.see(_URL, done="words.mapped")


async def read_again(visit: Visit) -> web.Response:
    """POST …/doc-lai: everything of one sender that waits."""
    agency = office_typed(visit, visit.form.get("agency"), {})
    if agency is None:
        return visit.see(_URL)
    await visit.note("word.read_again", subject=agency.code)
    await visit.means.read_again(agency.code)
    return visit.see(_URL, done="words.read_again")


async def waits(visit: Visit) -> int:
    """How many items wait."""
    async with visit.reading() as connection:
        return sum(item.waiting for item in await overview(connection))


async def _page(visit: Visit, *, mistakes: Mapping[str, str] | None = None, status: int = 200) -> web.Response:
    async with visit.reading() as connection:
        items = await overview(connection)
    words = [item for item in items if item.field in STATUS_FIELDS and item.value]
    others = [item for item in items if item.field not in STATUS_FIELDS or not item.value]
    first = visit.number("tu") or 0
    end = first + _AT_ONCE
    return visit.render(
        "sender_words.html",
        status=status,
        words=words[first:end],
        others=others[first:end],
        onward=f"{_URL}?tu={end}" if max(len(words), len(others)) > end else "",
        statuses=[(status.value, f"{status.value}. {visit.status(status)}") for status in Status],
        mistakes=mistakes or {},
    )


PAGE = Page(
    name="sender_words",
    path="/tu-cho-nghia",
    needs=Ability.WORDS_MAP,
    shows=show,
    does={"/nghia": explain, "/doc-lai": read_again},
    waits=waits,
    group=Group.OPERATION,
)
