"""The page of the web chat: say something, be answered on the same page, be told while it is open."""

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from secrets import token_urlsafe

from aiohttp import web

from cache.limits import Limit, Limits
from channels.web.chat.channel import SESSION
from channels.web.chat.talk import Line, Talks
from channels.web.live import Streams
from channels.web.unbroken import unbroken
from domain.errors import TooMany
from domain.language import Language
from domain.message import Choice
from domain.vietnamese import clean
from lookup.wording import Words, moment
from pages.rendering import Pages
from pages.requests import small_form
from pages.visitors import Visitors

_WORDS = Words("channels.web.chat")

# A session costs nothing to begin, so what one may say counts by address: no more than a page may be asked.
SAID_BY_ORIGIN = Limit.parse("web_chat", "60/hour", burst=20)
LONGEST_SAID = 1_600  # characters, as the field says
MOST_BODY = 16_384  # bytes
ANSWER_WITHIN = timedelta(seconds=1)
_SESSION = re.compile(r"[A-Za-z0-9_-]{32}")
_WORD_ID = re.compile(r"[A-Za-z0-9_-]{16}")
_NEVER_KEPT = {"Cache-Control": "no-store"}


class ChatPages:
    """Routes under /chat; `talks` holds what was said. `sms_number` is ours, None where there is no SMS channel."""

    def __init__(
        self,
        talks: Talks,
        *,
        pages: Pages,
        visitors: Visitors,
        limits: Limits,
        secure: bool,
        sms_number: str | None,
    ) -> None:
        self._talks = talks
        self._pages = pages
        self._visitors = visitors
        self._limits = limits
        self._secure = secure
        self._sms_number = sms_number
        self._streams = Streams()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The page, what it sends, its live news."""
        return [
            web.get("/chat", self.page),
            web.post("/chat", self.say),
            web.post("/chat/ket-thuc", self.end),
            web.get("/chat/live", self.live, allow_head=False),
        ]

    async def close(self) -> None:
        """End the live pages, so that a server that stops need not wait for their readers."""
        await self._streams.close()

    async def page(self, request: web.Request) -> web.Response:
        """GET /chat: what was said so far, and room for more."""
        session = self._session(request)
        lines = await self._talks.lines(session) if session else []
        return self._shown(request, session or _new_session(), lines)

    async def say(self, request: web.Request) -> web.Response:
        """POST /chat with `text` and the page's `id`: said once, however often it is sent; the answer with the page."""
        form = await small_form(request, MOST_BODY)
        text, word_id = clean(form.get("text", ""))[:LONGEST_SAID], form.get("id", "")
        session = self._session(request)
        if session is None:  # it ended meanwhile, or the browser keeps no cookies
            return self._shown(request, _new_session(), [], typed=text, lost=True)
        if not text or not _WORD_ID.fullmatch(word_id):
            return self._back(session)
        verdict = await self._limits.take(SAID_BY_ORIGIN, self._visitors.of(request).address)
        if not verdict.allowed:
            raise TooMany("Too many messages from this address.", after=timedelta(seconds=verdict.retry_after))
        before = await self._talks.newest(session)
        if await self._talks.say(session, text, word_id=word_id, language=self._pages.language(request)):
            await self._talks.answered(session, before, ANSWER_WITHIN)
        return self._back(session)

    async def end(self, request: web.Request) -> web.Response:
        """POST /chat/ket-thuc: forget the session on this device; nothing more is told in it."""
        session = self._session(request)
        if session and await self._talks.lines(session):
            await self._talks.end(session)
        response = web.Response(status=web.HTTPSeeOther.status_code, headers={"Location": "/chat"})
        response.del_cookie(self._cookie, path=self._cookie_path, secure=self._secure, httponly=True, samesite="Strict")
        return response

    async def live(self, request: web.Request) -> web.StreamResponse:
        """GET /chat/live: an event `changed` whenever something new is shown in the session."""
        session = self._session(request)
        if session is None:
            raise web.HTTPNotFound
        address = self._visitors.of(request).address
        return await self._streams.changed(request, self._talks.news(session, 0), address=address, headers=_NEVER_KEPT)

    def _shown(
        self, request: web.Request, session: str, lines: list[Line], *, typed: str = "", lost: bool = False
    ) -> web.Response:
        language = self._pages.language(request)
        newest = next((line for line in reversed(lines) if line.ours), None)
        response = self._pages.render(
            request,
            "chat.html",
            status=422 if lost else 200,
            headers=_NEVER_KEPT,
            language_url=f"/chat?lang={self._pages.other_language(request)}",
            words=partial(_WORDS.say, language),
            unbroken=unbroken,
            lines=[(line, moment(line.at, language)) for line in lines],
            choices=newest.choices if newest else _beginnings(language) if not lines else (),
            waiting=bool(lines) and not lines[-1].ours,
            word_id=_new_word_id(),
            typed=typed,
            lost=lost,
            hours=int(SESSION.total_seconds() // 3600),
            longest=LONGEST_SAID,
            sms_number=self._sms_number,
        )
        self._keep(response, session)
        return response

    def _back(self, session: str) -> web.Response:
        """To the page, at its newest line."""
        response = web.Response(status=web.HTTPSeeOther.status_code, headers={"Location": "/chat#newest"})
        self._keep(response, session)
        return response

    def _session(self, request: web.Request) -> str | None:
        session = request.cookies.get(self._cookie, "")
        return session if _SESSION.fullmatch(session) else None

    def _keep(self, response: web.Response, session: str) -> None:
        response.set_cookie(
            self._cookie,
            session,
            max_age=int(SESSION.total_seconds()),
            path=self._cookie_path,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )

    @property
    def _cookie(self) -> str:
        """Browsers take a `__Secure-` name from a secure page only."""
        return "__Secure-chat" if self._secure else "chat"

    @property
    def _cookie_path(self) -> str:
        return "/chat"


def _new_session() -> str:
    return token_urlsafe(24)  # 192 bits


def _new_word_id() -> str:
    return token_urlsafe(12)


def _beginnings(language: Language) -> tuple[Choice, ...]:
    """What may be tapped before anything was said."""
    return (Choice(label=_WORDS.say(language, "begin.help"), says="TRO GIUP"),)
