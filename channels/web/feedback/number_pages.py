"""The page of a number: how it stands for who has it, and with proof its words, answers, files and what may be done."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from urllib.parse import quote

from aiohttp import web

from channels.filing_budget import FilingBudget
from channels.guesses import GuardedFeedback
from channels.receipts.symbols import QUIET_ZONE, qr
from channels.web.feedback.views import NumberView, number_view
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.agency import Agency
from domain.errors import Invalid, NotFound, Unavailable
from domain.vietnamese import clean
from feedback_intake.filing import LONGEST_TEXT, MayPublish
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.hearing import SenderAct, SenderActs
from feedback_intake.progress import Progress, file_of, link_of
from feedback_intake.ratings import DISCONTENT, HIGHEST, LONGEST_REASON, LOWEST, HandlingRating, Ratings
from lookup.sealing import Seal
from lookup.wording import Words
from pages.rendering import Pages
from pages.requests import small_form
from pages.visitors import Visitors

WORDS = Words("channels.web.feedback")
PLACE = "/g"
_NEVER_KEPT = {"Cache-Control": "no-store"}
_MOST_FORM = 64 * 1024
_ACTS = {act.value: act for act in SenderAct}

Act = Callable[[Connection], Awaitable[None]]


class NumberPages:
    """Routes under /g, and the pages that /tra-cuu gives for numbers. `url` is where we are on the web."""

    def __init__(
        self,
        database: Database,
        seal: Seal,
        *,
        numbers: GuardedFeedback,
        acts: SenderActs,
        ratings: Ratings,
        budget: FilingBudget,
        agency: Callable[[int], Agency | None],
        pages: Pages,
        visitors: Visitors,
        url: str,
        sms_number: str | None,
    ) -> None:
        self._database = database
        self._seal = seal
        self._numbers = numbers
        self._acts = acts
        self._ratings = ratings
        self._budget = budget
        self._agency = agency
        self._pages = pages
        self._visitors = visitors
        self._url = url
        self._sms_number = sms_number

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """What the link of a confirmation opens, and what is done there."""
        return [
            web.get(f"{PLACE}/{{link}}", self.opened),
            web.post(f"{PLACE}/{{link}}", self.act),
            web.get(f"{PLACE}/{{link}}/tep/{{file}}", self.file),
        ]

    async def by_number(self, request: web.Request, number: str, proof: str | None) -> web.Response:
        """The page that /tra-cuu gives for `number`. Raises `NotFound` for unknown and not proven alike, `TooMany`."""
        origin = self._visitors.of(request).address
        if proof:
            found = await self._numbers.with_proof(number, proof, origin=origin)
        else:
            found = await self._numbers.by_code(number, origin=origin)
        if found is None:
            raise NotFound("We found nothing that matches this.")
        here = f"/tra-cuu?code={number}&lang={self._pages.other_language(request)}"
        return self._page(request, found, language_url=here, proof_missing=proof == "")

    async def opened(self, request: web.Request) -> web.Response:
        """GET /g/{link}: all of it, as a receipt's QR opens a dossier."""
        return self._page(request, await self._found(request))

    async def act(self, request: web.Request) -> web.Response:
        """POST /g/{link} with `act` and its words: back to the page, or the page again with what is wrong."""
        progress = await self._found(request)
        form = await small_form(request, _MOST_FORM)
        act, words = form.get("act", ""), clean(form.get("words", "").replace("\r\n", "\n"))
        done = self._chosen(request, progress.number, act, words, form)
        try:
            await self._budget.take(address=self._visitors.of(request).address, contacts=(), code=progress.number)
            async with self._database.transaction(Role.WORKER) as connection:
                await done(connection)
        except TooManyFiled:
            return self._page(request, progress, failed=(act, "too_many", words))
        except Invalid as refusal:
            return self._page(request, await self._found(request), failed=(act, refusal.field or "", words))
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        raise web.HTTPSeeOther(str(request.rel_url))

    async def file(self, request: web.Request) -> web.Response:
        """GET /g/{link}/tep/{file}: a file that came with it, to be saved and never shown as a page of ours."""
        progress = await self._found(request)
        wanted = request.match_info["file"]
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
            raise web.HTTPNotFound
        try:
            async with self._database.connection(Role.WORKER) as connection:
                held = await file_of(connection, self._seal, progress.number, int(wanted))
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
        if held is None:
            raise web.HTTPNotFound
        name, kind, content = held
        disposition = f"attachment; filename*=UTF-8''{quote(name)}"
        headers = {**_NEVER_KEPT, "Content-Disposition": disposition, "Content-Type": kind}
        return web.Response(body=content, headers=headers)

    def _chosen(self, request: web.Request, number: str, act: str, words: str, form: dict[str, str]) -> Act:
        """What is to be done. Raises `NotFound` for what is no act."""
        if act in _ACTS:
            return partial(self._acts.act, number=number, act=_ACTS[act], words=words)
        if act == "rate":
            score = form.get("score", "")
            rating = HandlingRating(
                number=number,
                score=int(score) if score in map(str, range(LOWEST, HIGHEST + 1)) else 0,
                reason=words,
                channel="web",
                language=self._pages.language(request),
            )
            return partial(self._ratings.rate_handling, rating=rating)
        if act == "publish" and (consent := form.get("may_publish")) in set(MayPublish):
            return partial(self._acts.may_publish, number=number, consent=MayPublish(consent))
        raise NotFound("There is no such act.")

    async def _found(self, request: web.Request) -> Progress:
        found = await self._numbers.with_receipt(request.match_info["link"])
        if found is None:
            raise NotFound("We found nothing that matches this.")
        return found

    def _page(
        self,
        request: web.Request,
        progress: Progress,
        *,
        language_url: str | None = None,
        proof_missing: bool = False,
        failed: tuple[str, str, str] | None = None,
    ) -> web.Response:
        language = self._pages.language(request)
        view = number_view(progress, self._agency, language)
        link = f"{PLACE}/{link_of(self._seal, progress.number)}" if view.own else ""
        return self._pages.render(
            request,
            "feedback_number.html",
            status=422 if proof_missing or failed else 200,
            headers=_NEVER_KEPT,
            language_url=language_url,
            words=partial(WORDS.say, language),
            view=view,
            link=link,
            symbol=self._symbol(view, link),
            proof_missing=proof_missing,
            failed=failed,
            lost=failed is not None and not _form_shown(view, failed[0]),
            sms_number=self._sms_number,
            discontent=DISCONTENT,
            scores=range(HIGHEST, LOWEST - 1, -1),
            longest=LONGEST_TEXT,
            longest_reason=LONGEST_REASON,
        )

    def _symbol(self, view: NumberView, link: str) -> tuple[int, str] | None:
        """The QR code of the page for the sender: its side in modules, and the path that paints it."""
        if view.own is None:
            return None
        pattern = qr(f"{self._url}{link}")
        dark = "".join(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h{w}v{h}h-{w}z" for x, y, w, h in pattern.dark)
        return pattern.columns + 2 * QUIET_ZONE, dark


def _form_shown(view: NumberView, act: str) -> bool:
    """Whether the page has the form of `act`, where what was typed stands again."""
    own = view.own
    return own is not None and {"add": own.may_add, "object": own.may_object, "rate": own.may_rate}.get(act, False)
