"""What stands before every page: whose session it is, whether the form is ours, whether the officer may."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aiohttp import hdrs, web

from console.accounts import Account, duties_of, get_account
from console.forms import GUARD, NOTHING_TYPED, Form, read_form
from console.means import Means
from console.page import Handler, Page
from console.roles import Officer, needs_two_proofs
from console.sessions import Session
from console.signing_in import strong
from console.visit import HOME, SET_OFFICER, Visit
from database.pool import DATABASE_AWAY, Role
from domain.civil_time import civil_day
from domain.errors import Forbidden, NotFound, Unavailable

COOKIE = "officer"
SIGN_IN = f"{HOME}/vao"
SECOND = f"{HOME}/vao/ma"
OWN_ACCOUNT = f"{HOME}/toi"
PROVE_AGAIN = f"{HOME}/xac-nhan"
NO_FORM = Form({})
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A living session, and whose it is."""

    session: Session
    account: Account
    officer: Officer
    lacks_proof: bool  # holds a strong role and has no second proof


class Guard:
    """Finds sessions and wraps the handlers of pages."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._places: tuple[Page, ...] = ()

    def knows(self, places: tuple[Page, ...]) -> None:
        """The pages of the menu."""
        self._places = places

    # --- sessions ---

    @property
    def cookie(self) -> str:
        """Browsers take a `__Host-` name from a secure page only."""
        return f"__Host-{COOKIE}" if self._means.secure else COOKIE

    def keep(self, response: web.Response, token: str) -> web.Response:
        """Give the browser its session; it ends with the browser."""
        response.set_cookie(
            self.cookie, token, path="/", secure=self._means.secure, httponly=True, samesite="Lax", max_age=None
        )
        return response

    def forget(self, response: web.Response) -> web.Response:
        """Take it back."""
        response.del_cookie(self.cookie, path="/", secure=self._means.secure, httponly=True, samesite="Lax")
        return response

    async def session(self, request: web.Request) -> Session | None:
        """The living session of a request, complete or not. Raises `Unavailable`."""
        token = request.cookies.get(self.cookie)
        if token is None:
            return None
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                return await self._means.sessions.find(connection, token, browser=browser_of(request))
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error

    async def known(self, request: web.Request) -> Known | Session | None:
        """Who is signed in; a session alone waits for its second proof."""
        token = request.cookies.get(self.cookie)
        if token is None:
            return None
        try:
            async with self._means.database.transaction(Role.GATE) as connection:
                session = await self._means.sessions.find(connection, token, browser=browser_of(request))
                if session is None or not session.complete:
                    return session
                account = await get_account(connection, session.account_id)
                duties = await duties_of(connection, account.account_id, civil_day(self._means.clock()))
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error
        offices = list(dict.fromkeys(duty.agency_id for duty in duties))
        office = session.agency_id if session.agency_id in offices else next(iter(offices), account.agency_id)
        officer = Officer(
            account_id=account.account_id,
            email=account.email,
            name=account.name or account.email,
            agency_id=office,
            duties=tuple(duty for duty in duties if duty.agency_id == office),
            elsewhere=tuple(other for other in offices if other != office),
        )
        lacks = self._means.two_proofs and needs_two_proofs(duties) and not strong(session.proofs)
        return Known(session=session, account=account, officer=officer, lacks_proof=lacks)

    # --- forms ---

    def check_form(self, request: web.Request, form: Form, expected: str) -> None:
        """Only a page of ours, opened in this session, may have sent it (G57). Raises `Forbidden`."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
        ours = site == "same-origin" if site is not None else False
        if site is None and origin is not None:
            ours = urlsplit(origin).netloc == request.host
        given = form.raw(GUARD).encode("utf-8", "surrogateescape")
        if not ours or not hmac.compare_digest(given, expected.encode()):
            raise Forbidden("This form was not sent from a page of ours.")

    # --- pages ---

    def shows(self, page: Page, handler: Handler, *, rare: bool = False) -> Answering:
        """The handler of a GET of `page`."""

        async def show(request: web.Request) -> web.StreamResponse:
            found = await self.known(request)
            refused = self._not_yet(request, page, found)
            if refused is not None or not isinstance(found, Known):
                return refused or _to(SIGN_IN, request)
            visit = self._visit(request, found, page, NO_FORM)
            if rare and not found.session.fresh:
                return _to(PROVE_AGAIN, request)
            return await handler(visit)

        return show

    def does(self, page: Page, handler: Handler, *, rare: bool, kept: bool) -> Answering:
        """The handler of a POST of `page`."""

        async def do(request: web.Request) -> web.StreamResponse:
            found = await self.known(request)
            refused = self._not_yet(request, page, found)
            if found is None and (kept or not rare):
                await self._rescue(request)
            if refused is not None or not isinstance(found, Known):
                return refused or _to(SIGN_IN, request, page.above(request.path))
            form = await read_form(request)
            self.check_form(request, form, self._means.sessions.form_token(found.session.token))
            visit = self._visit(request, found, page, form)
            if rare and not found.session.fresh:
                if kept:
                    await visit.keep_draft(request.path)
                return _to(PROVE_AGAIN, request, page.above(request.path) + ("" if kept else _narrowed(form)))
            response = await handler(visit)
            if kept and response.status >= 400:
                await visit.keep_draft(request.path)
            elif kept:
                await visit.drop_draft(request.path)
            return response

        return do

    async def _rescue(self, request: web.Request) -> None:
        """The session's time was over while its owner typed: what was typed waits as a draft."""
        token, browser = request.cookies.get(self.cookie, ""), browser_of(request)
        async with self._means.database.transaction(Role.GATE) as connection:
            account_id = await self._means.sessions.whose(connection, token, browser=browser)
        if account_id is None:
            return
        form = await read_form(request)
        self.check_form(request, form, self._means.sessions.form_token(token))
        if form.get(NOTHING_TYPED):
            return
        async with self._means.database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_OFFICER, "", str(account_id), "")
            await self._means.drafts.keep(connection, account_id, request.path, form.typed())

    def _not_yet(self, request: web.Request, page: Page, found: Known | Session | None) -> web.StreamResponse | None:
        """Where to go first, if anywhere."""
        if found is None:
            return _to(SIGN_IN, request, None if request.method in {"GET", "HEAD"} else page.above(request.path))
        if isinstance(found, Session):
            return _to(SECOND, request)
        at_own = request.path == OWN_ACCOUNT or request.path.startswith(OWN_ACCOUNT + "/")
        if (found.account.password_given or found.lacks_proof) and not at_own and request.path != f"{HOME}/ra":
            return web.Response(status=303, headers={"Location": OWN_ACCOUNT})
        return None

    def _visit(self, request: web.Request, found: Known, page: Page, form: Form) -> Visit:
        if page.needs is not None and not found.officer.may(page.needs):
            raise NotFound("There is nothing at this address.")
        menu = [p for p in self._places if p.group is not None and (p.needs is None or found.officer.may(p.needs))]
        return Visit(
            request,
            self._means,
            officer=found.officer,
            session=found.session,
            form=form,
            menu=menu,
            here=page.url,
            urgent="given" if found.account.password_given else "lacks" if found.lacks_proof else "",
        )


def browser_of(request: web.Request) -> str:
    """What the client says it is."""
    return request.headers.get(hdrs.USER_AGENT, "")[:512]


def next_of(request: web.Request, *, given: str | None = None) -> str:
    """Where an officer wanted to go: a place of the console, and never elsewhere."""
    wanted = given if given is not None else request.query.get("next", "")
    fits = wanted == HOME or wanted.startswith((f"{HOME}/", f"{HOME}?"))
    return wanted if fits and "\\" not in wanted and wanted.isprintable() and ".." not in wanted else HOME


def _narrowed(form: Form) -> str:
    """What of a form may stand in an address: the days and the office of a table to take along."""
    fields = {name: form.get(name) for name in ("tu", "den", "agency") if form.get(name)}
    return "?" + urlencode(fields) if fields else ""


def _to(path: str, request: web.Request, wanted: str | None = None) -> web.Response:
    if wanted is None and request.method in {"GET", "HEAD"}:
        wanted = str(request.rel_url)
    query = "?" + urlencode({"next": wanted}) if wanted and wanted != HOME else ""
    return web.Response(status=303, headers={"Location": path + query})
