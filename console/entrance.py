"""The pages before a session: signing in, the second step, signing out, proving it again."""

from collections.abc import Iterable
from secrets import token_urlsafe
from typing import Any

from aiohttp import web
from yarl import URL

from console.forms import Form, read_form
from console.guard import PROVE_AGAIN, SECOND, SIGN_IN, Guard, Known, browser_of, next_of
from console.means import Means
from console.sessions import Session
from console.signing_in import SigningIn
from console.visit import HOME
from database.pool import Role
from domain.errors import Malformed, ServiceError, TooMany, Unauthenticated, Unavailable
from pages.problems import problem_of

SIGN_OUT = f"{HOME}/ra"
ELSEWHERE = f"{HOME}/vao/don-vi"
BACK = f"{HOME}/vao/don-vi/ve"
BY_PASSKEY = f"{HOME}/vao/khoa"
_DOOR = "officer-door"  # ties the form of signing in to the browser that was shown it
_AWAY = "officer-elsewhere"  # what the identity provider must bring back
_NEVER_KEPT = {"Cache-Control": "no-store"}


class Entrance:
    """Routes of everybody's own door."""

    def __init__(self, means: Means, guard: Guard) -> None:
        self._means = means
        self._guard = guard
        self._signing_in = SigningIn(means)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """All of them."""
        routes = [
            web.get(SIGN_IN, self.ask),
            web.post(SIGN_IN, self.sign_in),
            web.get(SECOND, self.ask_second),
            web.post(SECOND, self.second),
            web.get(PROVE_AGAIN, self.ask_again),
            web.post(PROVE_AGAIN, self.prove_again),
            web.post(SIGN_OUT, self.sign_out),
        ]
        if self._means.elsewhere is not None:
            routes += [web.get(ELSEWHERE, self.leave), web.get(BACK, self.come_back)]
        if self._means.passkeys is not None:
            routes.append(web.post(BY_PASSKEY, self.by_passkey))
        return routes

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """GET /console/vao"""
        if isinstance(await self._guard.known(request), Known):
            return _see(next_of(request))
        return self._sign_in_page(request)

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """POST /console/vao: address and password."""
        form = await read_form(request)
        self._guard.check_form(request, form, self._door_token(request.cookies.get(self._door, "")))
        origin = self._means.visitors.of(request).address
        try:
            signed_in = await self._signing_in.by_password(
                form.raw("email"), form.raw("password"), origin=origin, browser=browser_of(request)
            )
        except (Unauthenticated, TooMany) as refusal:
            return self._sign_in_page(request, form, refusal)
        wanted = next_of(request, given=form.get("next"))
        if not signed_in.complete:
            return self._guard.keep(_see(SECOND, wanted), signed_in.token)
        return self._guard.keep(_see(wanted), signed_in.token)

    async def by_passkey(self, request: web.Request) -> web.StreamResponse:
        """POST /console/vao/khoa: the device says who it is."""
        form = await read_form(request)
        self._guard.check_form(request, form, self._door_token(request.cookies.get(self._door, "")))
        origin = self._means.visitors.of(request).address
        try:
            token = await self._signing_in.by_passkey(
                kept=form.raw("kept"), answer=form.raw("credential"), origin=origin, browser=browser_of(request)
            )
        except (Unauthenticated, TooMany, Malformed) as refusal:
            return self._sign_in_page(request, form, refusal, refused="passkey.failed")
        return self._guard.keep(_see(next_of(request, given=form.get("next"))), token)

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """GET /console/vao/don-vi: to the identity provider."""
        elsewhere = self._means.elsewhere
        if elsewhere is None:
            raise web.HTTPNotFound
        begun = await elsewhere.begin(next_of(request))
        response = web.Response(status=303, headers={"Location": begun.address})
        response.set_cookie(
            self._away, begun.kept, path="/", secure=self._means.secure, httponly=True, samesite="Lax", max_age=600
        )
        return response

    async def come_back(self, request: web.Request) -> web.StreamResponse:
        """GET /console/vao/don-vi/ve: with the provider's answer, once."""
        elsewhere = self._means.elsewhere
        if elsewhere is None:
            raise web.HTTPNotFound
        try:
            person = await elsewhere.finish(request.cookies.get(self._away, ""), request.query)
            token = await self._signing_in.by_person(person, browser=browser_of(request))
        except (Unauthenticated, Unavailable) as refusal:
            response = self._sign_in_page(request, None, refusal, refused="sign_in.elsewhere_failed")
        else:
            response = self._guard.keep(_see(next_of(request, given=person.wanted)), token)
        response.del_cookie(self._away, path="/", secure=self._means.secure, httponly=True, samesite="Lax")
        return response

    async def ask_second(self, request: web.Request) -> web.StreamResponse:
        """GET /console/vao/ma"""
        half = await self._half(request)
        return self._second_page(request, half) if half else _see(SIGN_IN)

    async def second(self, request: web.Request) -> web.StreamResponse:
        """POST /console/vao/ma: the app's code."""
        half = await self._half(request)
        if half is None:
            return _see(SIGN_IN)
        form = await read_form(request)
        self._guard.check_form(request, form, self._means.sessions.form_token(half.token))
        try:
            token = await self._signing_in.by_totp(half, form.get("code"), browser=browser_of(request))
        except (Unauthenticated, TooMany) as refusal:
            return self._second_page(request, half, form, refusal)
        return self._guard.keep(_see(next_of(request, given=form.get("next"))), token)

    async def ask_again(self, request: web.Request) -> web.StreamResponse:
        """GET /console/xac-nhan: before what is rare and far-reaching."""
        known = await self._guard.known(request)
        if not isinstance(known, Known):
            return _see(SIGN_IN, next_of(request))
        return self._again_page(request, known)

    async def prove_again(self, request: web.Request) -> web.StreamResponse:
        """POST /console/xac-nhan"""
        known = await self._guard.known(request)
        if not isinstance(known, Known):
            return _see(SIGN_IN)
        form = await read_form(request)
        self._guard.check_form(request, form, self._means.sessions.form_token(known.session.token))
        wanted = next_of(request, given=form.get("next"))
        try:
            right = await self._signing_in.prove_again(
                known.session, password=form.raw("password"), code=form.get("code")
            )
        except TooMany as refusal:
            return self._again_page(request, known, wanted=wanted, refusal=refusal)
        if not right:
            return self._again_page(request, known, wanted=wanted, refusal=Unauthenticated("This does not fit."))
        return _see(wanted)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """POST /console/ra"""
        session = await self._guard.session(request)
        if session is None:
            return self._guard.forget(_see(SIGN_IN))
        form = await read_form(request)
        self._guard.check_form(request, form, self._means.sessions.form_token(session.token))
        async with self._means.database.transaction(Role.GATE) as connection:
            await self._means.sessions.end(connection, session.account_id, session.session_id)
        return self._guard.forget(_see(SIGN_IN))

    async def _half(self, request: web.Request) -> Session | None:
        session = await self._guard.session(request)
        return session if session is not None and not session.complete else None

    # --- pages ---

    def _sign_in_page(
        self,
        request: web.Request,
        form: Form | None = None,
        refusal: ServiceError | None = None,
        *,
        refused: str = "sign_in.refused",
    ) -> web.Response:
        elsewhere, passkeys = self._means.elsewhere, self._means.passkeys
        door = request.cookies.get(self._door) or token_urlsafe(18)
        response = self._page(
            request,
            "sign_in.html",
            refusal,
            email=form.get("email") if form else "",
            wanted=next_of(request, given=form.get("next") if form else None),
            elsewhere=elsewhere.name if elsewhere else "",
            passkey=passkeys.ask() if passkeys else None,
            why=refused,
            form_token=self._door_token(door),
        )
        response.set_cookie(
            self._door, door, path="/", secure=self._means.secure, httponly=True, samesite="Strict", max_age=3600
        )
        return response

    def _second_page(
        self,
        request: web.Request,
        half: Session,
        form: Form | None = None,
        refusal: Unauthenticated | TooMany | None = None,
    ) -> web.Response:
        return self._page(
            request,
            "second_step.html",
            refusal,
            wanted=next_of(request, given=form.get("next") if form else None),
            form_token=self._means.sessions.form_token(half.token),
        )

    def _again_page(
        self,
        request: web.Request,
        known: Known,
        *,
        wanted: str | None = None,
        refusal: Unauthenticated | TooMany | None = None,
    ) -> web.Response:
        return self._page(
            request,
            "prove_again.html",
            refusal,
            wanted=wanted or next_of(request),
            by_code=known.account.totp_sealed is not None,
            form_token=self._means.sessions.form_token(known.session.token),
        )

    def _page(
        self,
        request: web.Request,
        name: str,
        refusal: ServiceError | None,
        **context: Any,  # noqa: ANN401 - what its template needs
    ) -> web.Response:
        headers, status, minutes = dict(_NEVER_KEPT), 200, 0
        if refusal is not None:
            problem = problem_of(refusal)
            status = problem.status
            # A browser would open its own window for a challenge.
            headers |= {name: value for name, value in problem.headers if name != "WWW-Authenticate"}
        if isinstance(refusal, TooMany):
            minutes = max(1, round(refusal.after.total_seconds() / 60))
        return self._means.pages.render(
            request, name, status=status, headers=headers, refused=refusal is not None, minutes=minutes, **context
        )

    @property
    def _away(self) -> str:
        return f"__Host-{_AWAY}" if self._means.secure else _AWAY

    @property
    def _door(self) -> str:
        return f"__Host-{_DOOR}" if self._means.secure else _DOOR

    def _door_token(self, door: str) -> str:
        return self._means.seal.digest("console door", door).hex()


def _see(path: str, wanted: str = HOME) -> web.Response:
    query = {} if wanted == HOME else {"next": wanted}
    return web.Response(status=303, headers={"Location": str(URL(path).with_query(query)) if query else path})
