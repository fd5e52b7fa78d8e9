"""Keys of agencies' systems: made, shown once, revoked."""

from collections.abc import Mapping

from aiohttp import web

from console.offices import offered, office_typed
from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from lookup.api_keys import KeyKind, create_key, list_keys, revoke_key

_URL = f"{HOME}/khoa"
_AT_ONCE = 50


async def show(visit: Visit) -> web.Response:
    """GET /console/khoa"""
    return await _page(visit)


async def create(visit: Visit) -> web.Response:
    """POST …/moi: the whole key stands on the page that answers, and nowhere else."""
    form = visit.form
    mistakes = {}
    name, kind = form.get("name")[:120], form.get("kind")
    if not name:
        mistakes["name"] = visit.say("missing")
    agency = office_typed(visit, form.get("agency"), mistakes)
    if agency is None or mistakes or kind not in set(KeyKind):
        return await _page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    async with visit.acting("key.create", kind=kind) as deed:
        token = await create_key(deed.connection, agency_id=agency.agency_id, kind=KeyKind(kind), name=name)
        deed.subject = token.split("_")[2]
        deed.facts["agency"] = agency.code
    return await _page(visit, made=token)


async def revoke(visit: Visit) -> web.Response:
    """POST …/thu-hoi"""
    key_id = visit.form.get("id")
    async with visit.acting("key.revoke", subject=key_id) as deed:
        await revoke_key(deed.connection, key_id)
    return visit.see(_URL, done="key.revoked")


async def _page(
    visit: Visit,
    *,
    made: str = "",
    typed: Mapping[str, str] | None = None,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    async with visit.reading() as connection:
        keys = await list_keys(connection)
    keys.sort(key=lambda key: (key.revoked_at is not None, key.agency_code, key.name))
    first = visit.number("tu") or 0
    return visit.render(
        "keys.html",
        status=status,
        keys=keys[first : first + _AT_ONCE],
        onward=f"{_URL}?tu={first + _AT_ONCE}" if len(keys) > first + _AT_ONCE else "",
        made=made,
        offices=offered(visit),
        typed=typed or ({} if made else await visit.draft(f"{_URL}/moi")),
        mistakes=mistakes or {},
    )


PAGE = Page(
    name="keys",
    path="/khoa",
    needs=Ability.KEYS_MANAGE,
    shows=show,
    does={"/moi": create, "/thu-hoi": revoke},
    rare=frozenset({"/moi"}),
    kept=frozenset({"/moi"}),
    group=Group.ADMINISTRATION,
)
