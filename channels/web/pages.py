"""The citizens' pages: one field, the answer, the second factor, live news of it, and the installable shell."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

import msgspec
from aiohttp import web

from channels.guesses import GuardedDesk, ProofNeeded
from channels.web.enquiries import LONGEST_PROOF, NotACode, Typed, TypedInstead, answer_to, understood
from channels.web.feedback.number_pages import NumberPages
from channels.web.live import Streams
from channels.web.seen import SeenOnPages
from channels.web.views import answer_view, wait_words
from domain.dossier import PublicDossier
from domain.errors import NotFound, TooMany, Unavailable
from domain.vietnamese import clean
from feedback_intake.numbers import number_in
from lookup.disclosure import Answer
from lookup.wording import Words
from pages.assets import Assets
from pages.problems import REQUEST_ID, Problem, problem_of
from pages.rendering import Pages
from pages.requests import small_form
from pages.visitors import Visitors

_WORDS = Words("channels.web")
# Each version of the dossier behind a code, the present one first; never ends by itself. Nothing for an unknown code.
Watch = Callable[[str], AsyncGenerator[PublicDossier, None]]

LIMITED_ROUTES = frozenset({"/tra-cuu"})  # against the look-ups of one address
_NEVER_KEPT = {"Cache-Control": "no-store"}
_MANY_DIGITS = 9  # an unreadable text with this many may hold a citizen's ID
_UNREADABLE = "nothing"
_INSTEAD = frozenset(TypedInstead) | {_UNREADABLE}


class WebPages:
    """Routes of the pages; `desk` answers, `watch` tells of changes, `sms_number` is ours or None, `numbers` gives the
    pages of feedback by its number."""

    def __init__(
        self,
        *,
        pages: Pages,
        assets: Assets,
        desk: GuardedDesk,
        watch: Watch,
        visitors: Visitors,
        sms_number: str | None,
        numbers: NumberPages | None = None,
        seen: SeenOnPages | None = None,
    ) -> None:
        self._pages = pages
        self._assets = assets
        self._desk = desk
        self._watch = watch
        self._visitors = visitors
        self._sms_number = sms_number
        self._numbers = numbers
        self._seen = seen
        self._streams = Streams()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page, and the static files they use."""
        return [
            web.get("/", self.home),
            web.get("/tra-cuu", self.by_code),
            web.post("/tra-cuu", self.with_proof),
            web.get("/tra-cuu/live", self.live, allow_head=False),
            web.get("/manifest.webmanifest", self.manifest),
            web.get("/sw.js", self.service_worker),
            *self._assets.routes(),
        ]

    async def close(self) -> None:
        """End the live pages, so that a server that stops need not wait for their readers."""
        await self._streams.close()

    # --- asking and answering ---

    async def home(self, request: web.Request) -> web.Response:
        """GET /: one field. `?instead=` says what was typed in place of a code, never the text itself."""
        instead = request.query.get("instead")
        if instead is not None and instead not in _INSTEAD:
            instead = None
        return self._home(request, instead=instead)

    async def by_code(self, request: web.Request) -> web.Response:
        """GET /tra-cuu?code=…: level L0 and the field for the second factor."""
        text = request.query.get("code", "")
        if not text.strip():
            raise web.HTTPSeeOther("/")
        if number := number_in(text):
            return await self._by_number(request, number, None)
        try:
            typed = understood(text)
        except NotACode as misread:
            # What may be somebody's number must not stay in the address line, the page or the history.
            if misread.instead is not None or sum(c.isdecimal() for c in text) >= _MANY_DIGITS:
                raise web.HTTPSeeOther(f"/?instead={misread.instead or _UNREADABLE}") from None
            return self._home(request, instead=_UNREADABLE, typed=clean(text))
        if typed.has_more:  # perhaps the secret
            raise web.HTTPSeeOther(str(request.rel_url.update_query(code=typed.code)))
        try:
            answer = await answer_to(self._desk, typed, origin=self._visitors.of(request).address)
        except NotFound:
            return self._not_found(request, typed, with_proof=False)
        except ProofNeeded as refusal:
            return self._proof_needed(request, typed, refusal)
        return self._answer(request, answer)

    async def with_proof(self, request: web.Request) -> web.Response:
        """POST /tra-cuu with `code` and `proof`: level L1, never kept by anybody."""
        form = await small_form(request)
        if number := number_in(form.get("code", "")):
            return await self._by_number(request, number, clean(form.get("proof", "")))
        try:
            typed = understood(form.get("code", ""))
        except NotACode as misread:
            raise web.HTTPSeeOther(f"/?instead={misread.instead or _UNREADABLE}") from None
        proof = clean(form.get("proof", ""))
        origin = self._visitors.of(request).address
        try:
            answer = await answer_to(self._desk, typed, proof or None, origin=origin)
        except NotFound:
            return self._not_found(request, typed, with_proof=True)
        except ProofNeeded as refusal:
            return self._proof_needed(request, typed, refusal)
        if self._seen is not None:
            await self._seen.by_holder(answer)
        return self._answer(request, answer, proof_missing=not proof)

    async def _by_number(self, request: web.Request, number: str, proof: str | None) -> web.Response:
        """The page of feedback; unknown and not proven get the page that dossiers get."""
        typed = Typed(text=number, candidates=(number,), resembles_receipt_number=False, has_more=False)
        if self._numbers is None or (proof and len(proof) > LONGEST_PROOF):
            return self._not_found(request, typed, with_proof=proof is not None)
        try:
            return await self._numbers.by_number(request, number, proof)
        except NotFound:
            return self._not_found(request, typed, with_proof=proof is not None)
        except ProofNeeded as refusal:
            return self._proof_needed(request, typed, refusal)

    def _home(self, request: web.Request, *, instead: str | None, typed: str = "") -> web.Response:
        return self._pages.render(
            request,
            "home.html",
            status=422 if instead else 200,
            headers={} if instead else {"X-Robots-Tag": "all"},
            instead=instead,
            typed=typed,
            sms_number=self._sms_number,
        )

    def _answer(self, request: web.Request, answer: Answer, *, proof_missing: bool = False) -> web.Response:
        language = self._pages.language(request)
        here = request.rel_url.with_path("/tra-cuu").with_query(code=answer.code)
        return self._pages.render(
            request,
            "answer.html",
            status=422 if proof_missing else 200,
            headers=_NEVER_KEPT if answer.proven else {},
            language_url=str(here.update_query(lang=self._pages.other_language(request))),
            answer=answer_view(answer, language, sms_number=self._sms_number),
            here=str(here),
            live_url=str(here.with_path("/tra-cuu/live").with_query(code=answer.code)),
            proof_missing=proof_missing,
            sms_number=self._sms_number,
        )

    def _not_found(self, request: web.Request, typed: Typed, *, with_proof: bool) -> web.Response:
        """The same page whether the code is unknown or the proof does not fit it."""
        return self._pages.render(
            request,
            "not_found.html",
            status=404,
            headers=_NEVER_KEPT,
            language_url=str(request.rel_url.with_query(code=typed.code, lang=self._pages.other_language(request))),
            typed=typed.text,
            receipt_number=typed.resembles_receipt_number,
            with_proof=with_proof,
        )

    def _proof_needed(self, request: web.Request, typed: Typed, refusal: ProofNeeded) -> web.Response:
        """The same page whether or not the code is known: the secret on the slip is answered all the same."""
        return self._pages.render(
            request,
            "proof_needed.html",
            status=429,
            headers={**_NEVER_KEPT, **dict(problem_of(refusal).headers)},
            language_url=str(request.rel_url.with_query(code=typed.code, lang=self._pages.other_language(request))),
            typed=typed.text,
            wait=wait_words(refusal.after, self._pages.language(request)),
        )

    def problem(self, request: web.Request, problem: Problem) -> web.Response:
        """The page that says what went wrong and what to do; `Duties` asks for it."""
        language = self._pages.language(request)
        words = problem.code if _WORDS.has(language, f"problem.{problem.code}.title") else "malformed"
        return self._pages.render(
            request,
            "problem.html",
            status=problem.status,
            headers={**_NEVER_KEPT, **dict(problem.headers)},
            language_url=f"/?lang={self._pages.other_language(request)}",
            words=words,
            wait=wait_words(problem.after, language) if problem.after else "",
            urgent=problem.code in {TooMany.code, Unavailable.code},
            reference=request[REQUEST_ID].decode() if problem.ours else "",
        )

    # --- live news ---

    async def live(self, request: web.Request) -> web.StreamResponse:
        """GET /tra-cuu/live?code=…: an event `changed` with the version whenever there is a new one, for any code."""
        code = understood(request.query.get("code", "")).code
        address = self._visitors.of(request).address
        await self._desk.by_code(code, origin=address)  # news of a code tell that it exists: a guess like any other
        return await self._streams.changed(request, _versions(self._watch(code)), address=address)

    # --- the installable shell ---

    async def manifest(self, request: web.Request) -> web.Response:
        """GET /manifest.webmanifest"""
        language = self._pages.language(request)
        manifest = {
            "name": _WORDS.say(language, "app.name"),
            "short_name": "Một Mã",
            "description": _WORDS.say(language, "app.description"),
            "lang": language,
            "start_url": "/",
            "display": "standalone",
            "background_color": "#fbfaf7",
            "theme_color": "#0b5d66",
            "icons": [
                {
                    "src": self._assets.path("icon.svg"),
                    "type": "image/svg+xml",
                    "sizes": "any",
                    "purpose": "any maskable",
                }
            ],
        }
        return web.Response(
            body=msgspec.json.encode(manifest),
            content_type="application/manifest+json",
            headers={"Cache-Control": "no-cache", "Vary": "Cookie"},
        )

    async def service_worker(self, _request: web.Request) -> web.Response:
        """GET /sw.js: at the root, because a worker rules only what lies below it. It may fetch from here only."""
        return web.Response(
            body=self._assets.body("sw.js"),
            content_type="text/javascript",
            charset="utf-8",
            headers={"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'self'"},
        )


async def _versions(changes: AsyncGenerator[PublicDossier, None]) -> AsyncGenerator[int, None]:
    async with aclosing(changes):
        async for dossier in changes:
            yield dossier.version
