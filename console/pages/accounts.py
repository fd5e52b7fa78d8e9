"""Accounts of one's offices: made, given roles and taken them, reset, ended."""

from collections.abc import Mapping
from datetime import date

from aiohttp import web

from console.accounts import (
    create_account,
    disable,
    enable,
    find_by_email,
    get_account,
    give_role,
    list_accounts,
    rename,
    roles_held,
    set_password,
    set_totp,
    take_role,
)
from console.offices import offered, office_typed
from console.page import Group, Page
from console.pages.calendar import typed_day
from console.passwords import given
from console.reference_lists import sectors
from console.roles import Ability, OfficerRole
from console.visit import HOME, Visit
from database.pool import Connection
from domain.civil_time import civil_day
from domain.errors import ChangedMeanwhile, Invalid

_URL = f"{HOME}/tai-khoan"
_AT_ONCE = 50


async def show(visit: Visit) -> web.Response:
    """GET /console/tai-khoan"""
    return await _list_page(visit, typed=await visit.draft(f"{_URL}/moi"))


async def create(visit: Visit) -> web.Response:
    """POST …/moi: an account with its first role; the first password stands on the page that answers."""
    form = visit.form
    mistakes: dict[str, str] = {}
    role = form.get("role")
    agency = office_typed(visit, form.get("agency"), mistakes)
    if role not in set(OfficerRole):
        mistakes["role"] = visit.say("missing")
    if agency is None or mistakes:
        return await _list_page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    password = given()
    digest = await visit.means.passwords.digest(password)
    try:
        async with visit.acting("account.create", role=role) as deed:
            account_id = await create_account(
                deed.connection,
                email=form.get("email"),
                name=form.get("name")[:120],
                agency_id=agency.agency_id,
                password_hash=digest,
            )
            await give_role(
                deed.connection,
                account_id,
                OfficerRole(role),
                agency_id=agency.agency_id,
                sector=form.get("sector"),
                valid_from=_today(visit),
                given_by=visit.officer.account_id,
            )
            deed.subject = str(account_id)
    except Invalid as fault:
        mistakes["email"] = visit.say(f"accounts.{fault.message}")
        return await _list_page(visit, typed=form.typed(), mistakes=mistakes, status=422)
    return await _one_page(visit, account_id, password=password)


async def one(visit: Visit) -> web.Response:
    """GET …/{account}"""
    return await _one_page(visit, visit.number("account") or 0)


async def change_name(visit: Visit) -> web.Response:
    """POST …/{account}/ten: with a readable conflict where somebody else was faster."""
    account_id = visit.number("account") or 0
    try:
        async with visit.acting("account.rename", subject=str(account_id)) as deed:
            version = visit.form.number("version") or 0
            await rename(deed.connection, account_id, version=version, name=visit.form.get("name")[:120])
    except ChangedMeanwhile:
        mistakes = {"name": visit.say("conflict")}
        return await _one_page(visit, account_id, typed=visit.form.typed(), mistakes=mistakes, status=409)
    return visit.see(f"{_URL}/{account_id}", done="saved")


async def give(visit: Visit) -> web.Response:
    """POST …/{account}/vai-tro: one more role, for a time or on behalf of a colleague."""
    account_id, form = visit.number("account") or 0, visit.form
    mistakes: dict[str, str] = {}
    role, begins = form.get("role"), typed_day(form.get("valid_from")) or _today(visit)
    ends = _ends(visit, mistakes)
    agency = office_typed(visit, form.get("agency"), mistakes)
    if role not in set(OfficerRole):
        mistakes["role"] = visit.say("missing")
    async with visit.acting("account.role.given", subject=str(account_id), role=role) as deed:
        await get_account(deed.connection, account_id)  # another office's is not found
        delegated_by = await _colleague(visit, deed.connection, mistakes)
        if agency is not None and not mistakes:
            deed.facts["agency"] = agency.code
            await give_role(
                deed.connection,
                account_id,
                OfficerRole(role),
                agency_id=agency.agency_id,
                sector=form.get("sector"),
                valid_from=begins,
                valid_to=ends,
                delegated_by=delegated_by,
                given_by=visit.officer.account_id,
            )
        else:
            deed.action = "account.role.refused"
    if mistakes:
        return await _one_page(visit, account_id, typed=form.typed(), mistakes=mistakes, status=422)
    return visit.see(f"{_URL}/{account_id}", done="saved")


async def take(visit: Visit) -> web.Response:
    """POST …/{account}/vai-tro/bo"""
    account_id = visit.number("account") or 0
    async with visit.acting("account.role.taken", subject=str(account_id)) as deed:
        deed.facts["role"] = await take_role(deed.connection, account_id, visit.form.number("role") or 0)
    return visit.see(f"{_URL}/{account_id}", done="saved")


async def reset(visit: Visit) -> web.Response:
    """POST …/{account}/dat-lai: a new first password, no authenticator app, no sessions."""
    account_id = visit.number("account") or 0
    password = given()
    digest = await visit.means.passwords.digest(password)
    async with visit.acting("account.reset", subject=str(account_id)) as deed:
        await get_account(deed.connection, account_id)
        await set_password(deed.connection, account_id, digest, given=True)
        await set_totp(deed.connection, account_id, None)
        await visit.means.sessions.end_all(deed.connection, account_id)
    return await _one_page(visit, account_id, password=password)


async def end(visit: Visit) -> web.Response:
    """POST …/{account}/khoa: nobody signs in with it; `enable` opens it again. Nobody locks himself out."""
    account_id = visit.number("account") or 0
    opens = bool(visit.form.get("enable"))
    if account_id == visit.officer.account_id:
        return visit.see(f"{_URL}/{account_id}")
    async with visit.acting("account.enable" if opens else "account.disable", subject=str(account_id)) as deed:
        if opens:
            await enable(deed.connection, account_id)
        else:
            await disable(deed.connection, account_id)
            await visit.means.sessions.end_all(deed.connection, account_id)
    return visit.see(f"{_URL}/{account_id}", done="saved")


def _today(visit: Visit) -> date:
    return civil_day(visit.means.clock())


def _ends(visit: Visit, mistakes: dict[str, str]) -> date | None:
    """The last day, if one was typed; what cannot be one is a mistake."""
    text = visit.form.get("valid_to")
    ends, begins = typed_day(text), typed_day(visit.form.get("valid_from"))
    if text and ends is None:
        mistakes["valid_to"] = visit.say("day.unreadable")
    elif ends is not None and ends < (begins or _today(visit)):
        mistakes["valid_to"] = visit.say("accounts.dates")
    return ends


async def _colleague(visit: Visit, connection: Connection, mistakes: dict[str, str]) -> int | None:
    """On whose behalf; somebody of one's own offices. A delegation has an end."""
    email = visit.form.get("delegated_by").lower()
    if not email:
        return None
    colleague = await find_by_email(connection, email)
    if colleague is None:
        mistakes["delegated_by"] = visit.say("accounts.unknown")
        return None
    if not visit.form.get("valid_to"):
        mistakes["valid_to"] = visit.say("accounts.delegation_ends")
    return colleague.account_id


async def _list_page(
    visit: Visit,
    *,
    typed: Mapping[str, str] | None = None,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    email = visit.asked("q").strip().lower()
    async with visit.reading() as connection:
        found = await list_accounts(connection, after=visit.number("sau") or 0, email=email or None, most=_AT_ONCE + 1)
        shown = found[:_AT_ONCE]
        held = await roles_held(connection, [account.account_id for account in shown])
        known = await sectors(connection)
    onward = ""
    if len(found) > _AT_ONCE:
        onward = str(visit.request.rel_url.update_query(sau=shown[-1].account_id))
    return visit.render(
        "accounts.html",
        status=status,
        accounts=shown,
        held=held,
        sought=email,
        onward=onward,
        roles=_roles(visit),
        sectors=[("", visit.say("all")), *((sector, sector) for sector in known)],
        offices=offered(visit),
        typed=typed or {},
        mistakes=mistakes or {},
    )


async def _one_page(
    visit: Visit,
    account_id: int,
    *,
    password: str = "",
    typed: Mapping[str, str] | None = None,
    mistakes: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.Response:
    async with visit.reading() as connection:
        account = await get_account(connection, account_id)
        held = (await roles_held(connection, [account_id]))[account_id]
        sessions = await visit.means.sessions.list(connection, account_id)
        known = await sectors(connection)
    place = f"{_URL}/{account_id}"
    return visit.render(
        "account.html",
        status=status,
        account=account,
        held=held,
        sessions=len(sessions),
        password=password,
        today=_today(visit),
        roles=_roles(visit),
        sectors=[("", visit.say("all")), *((sector, sector) for sector in known)],
        offices=offered(visit),
        typed=typed or {**await visit.draft(f"{place}/ten"), **await visit.draft(f"{place}/vai-tro")},
        mistakes=mistakes or {},
    )


def _roles(visit: Visit) -> list[tuple[str, str]]:
    return [(role.value, visit.say(f"role.{role}")) for role in OfficerRole]


PAGE = Page(
    name="accounts",
    path="/tai-khoan",
    needs=Ability.ACCOUNTS_MANAGE,
    shows=show,
    parts={"/{account}": one},
    does={
        "/moi": create,
        "/{account}/ten": change_name,
        "/{account}/vai-tro": give,
        "/{account}/vai-tro/bo": take,
        "/{account}/dat-lai": reset,
        "/{account}/khoa": end,
    },
    kept=frozenset({"/moi", "/{account}/ten", "/{account}/vai-tro"}),
    rare=frozenset({"/moi", "/{account}/vai-tro", "/{account}/dat-lai"}),
    group=Group.ADMINISTRATION,
)
