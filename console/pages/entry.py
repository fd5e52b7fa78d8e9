"""Entering dossiers of an office without a system: one by one, or pasted from a spreadsheet; and printing slips."""

from collections.abc import Mapping

from aiohttp import web

from console.entering import MOST_ROWS, Entered, RefusedRow, Table, table_of, text_of
from console.page import Group, Page
from console.pages.dossiers import tenant_of, within_reach
from console.roles import Ability
from console.visit import HOME, WORDS, Visit
from domain.errors import Invalid, MalformedCode, NotFound
from domain.status import Status
from lookup.codes import canonical
from lookup.field_dictionary import FIELDS, FieldKind

_URL = f"{HOME}/nhap-ho-so"
_TIMES = frozenset(field.name for field in FIELDS if field.kind is FieldKind.TIME)
_ONE, _PASTED = f"{_URL}/mot", f"{_URL}/dan"


async def show(visit: Visit) -> web.Response:
    """GET /console/nhap-ho-so: with what was typed and not sent."""
    typed = await visit.draft(_ONE)
    return await _page(visit, typed=typed, pasted=(await visit.draft(_PASTED)).get("table", ""), drafted=bool(typed))


async def enter_one(visit: Visit) -> web.Response:
    """POST …/mot: one dossier; its people are told as of any other."""
    form = visit.form
    names = [field.name for field in FIELDS if field.typed]
    mistakes = {f.name: visit.say("missing") for f in FIELDS if f.typed and f.needed and not form.get(f.name)}
    if not mistakes:
        await visit.note("dossier.enter", subject=form.get("code")[:64])
        cells = [form.get(name) for name in names]
        entered = await visit.means.entering.enter(tenant_of(visit), names, [cells], notify=True)
        mistakes = {row.field or "code": _why(visit, row) for row in entered.refused}
    if mistakes:
        await visit.keep_draft(_ONE)
        return await _page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    await visit.drop_draft(_ONE)
    return visit.see(_URL, done="entry.stored", ma=form.get("code")[:64])


async def enter_pasted(visit: Visit) -> web.Response:
    """POST …/dan: rows of a spreadsheet. Those that were refused stay in the field, with reasons, to be mended."""
    text = visit.form.raw("table")
    table = table_of(text)
    mistakes = {}
    if not table.rows:
        mistakes["table"] = visit.say("missing")
    elif len(table.rows) > MOST_ROWS:
        mistakes["table"] = visit.say("entry.too_many", most=MOST_ROWS)
    entered = None
    if not mistakes:
        await visit.note("dossier.enter", rows=len(table.rows))
        try:
            entered = await visit.means.entering.enter(
                tenant_of(visit), table.headers, table.rows, notify=bool(visit.form.get("notify"))
            )
        except Invalid as fault:
            mistakes["table"] = visit.say("entry.headers", field=_label(visit, fault.field or ""))
    if entered is None:
        await visit.keep_draft(_PASTED)
        return await _page(visit, pasted=text, mistakes=mistakes, status=422)
    left = [table.rows[row.place] for row in entered.refused]
    pasted = text_of(table.headers, left) if left else ""
    if pasted:
        await visit.keep_draft(_PASTED, {"table": pasted})
    else:
        await visit.drop_draft(_PASTED)
    return await _page(visit, pasted=pasted, entered=entered, table=table)


async def slip(visit: Visit) -> web.StreamResponse:
    """GET …/phieu/{code}: the slip to print, an A5 page or with `kho=80` a roll; it opens the dossier to its holder."""
    try:
        code = canonical(visit.request.match_info["code"])
    except MalformedCode:
        raise NotFound("There is no such dossier.") from None
    await within_reach(visit, code)
    await visit.note("receipt.print", subject=code)
    body = await visit.means.entering.slip(tenant_of(visit), code, visit.language, roll=visit.asked("kho") == "80")
    headers = {"Content-Disposition": 'inline; filename="phieu.pdf"', "Cache-Control": "no-store"}
    return web.Response(body=body, content_type="application/pdf", headers=headers)


def _why(visit: Visit, row: RefusedRow) -> str:
    """A sentence for a refused row, by the stable code of its refusal."""
    if row.code == Invalid.code and row.field in _TIMES:
        return visit.say("day.unreadable")
    key = f"entry.error.{row.code}"
    return visit.say(key if WORDS.has(visit.language, key) else "entry.error.other")


def _label(visit: Visit, name: str) -> str:
    key = f"field.{name}"
    return visit.say(key) if WORDS.has(visit.language, key) else name


async def _page(
    visit: Visit,
    *,
    typed: Mapping[str, str] | None = None,
    pasted: str = "",
    drafted: bool = False,
    entered: Entered | None = None,
    table: Table | None = None,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    rows = table.rows if table else ()
    refused = [
        (row.place + 1, " · ".join(rows[row.place][:3]), _label(visit, row.field or ""), _why(visit, row))
        for row in (entered.refused if entered else ())
    ]
    return visit.render(
        "entry.html",
        status=status,
        fields=[field for field in FIELDS if field.typed],
        statuses=[(status.value, f"{status.value}. {visit.status(status)}") for status in Status],
        channels=[("", "–"), *((str(n), visit.say(f"channel.{n}")) for n in (1, 2, 3))],
        typed=typed or {},
        pasted=pasted,
        drafted=drafted,
        entered=entered,
        refused=refused,
        stored=visit.asked("ma"),
        mistakes=mistakes or {},
    )


PAGE = Page(
    name="entry",
    path="/nhap-ho-so",
    needs=Ability.DOSSIERS_ENTER,
    shows=show,
    parts={"/phieu/{code}": slip},
    does={"/mot": enter_one, "/dan": enter_pasted},
    group=Group.WORK,
)
