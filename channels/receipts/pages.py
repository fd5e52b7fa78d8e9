"""The pages behind a slip: what its QR opens, the slip to print again, and the page that tells genuine from forged."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import web
from markupsafe import Markup

from channels.receipts.checking import Checked, Verdict, checked, office_names
from channels.receipts.feed import CACHING, CONTENT_TYPE, etag, feed
from channels.receipts.layout import a5
from channels.receipts.painting import svg
from channels.receipts.slip import CHECK_PATH, WaysToAsk, slip
from channels.web.seen import SeenOnPages
from channels.web.views import answer_view
from lookup.disclosure import Answer
from lookup.receipt_tokens import ReceiptKeys
from lookup.registry import Registry
from lookup.wording import Words
from pages.rendering import Pages
from pages.requests import small_form

PLACES = ("/r/{token}", "/R/{token}")  # some readers hand over an address in capitals
PRINT_PLACE = "/r/{token}/in"
FEED_PLACE = "/r/{token}/feed"
LIMITED_ROUTES = frozenset({*PLACES, PRINT_PLACE, FEED_PLACE})  # against the look-ups of one address
_WORDS = Words("channels.receipts")
_NEVER_KEPT = {"Cache-Control": "no-store"}


class Desk(Protocol):
    """Answers about dossiers; `lookup.desk.LookupDesk` fulfils it."""

    async def with_receipt(self, token: str) -> Answer | None:
        """Level L1 for the dossier of a receipt's token; None for every other text. Raises `Unavailable`."""


class ReceiptPages:
    """Routes of the pages. What proves a right is never part of a query, kept by a browser, or sent as a referrer."""

    def __init__(
        self,
        *,
        pages: Pages,
        desk: Desk,
        keys: ReceiptKeys,
        registry: Registry,
        ways: WaysToAsk,
        seen: SeenOnPages | None = None,
    ) -> None:
        self._seen = seen
        self._pages = pages
        self._desk = desk
        self._keys = keys
        self._registry = registry
        self._ways = ways
        self._verifying_keys = " ".join(key.hex() for key in keys.public_keys)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every page."""
        return [
            *(web.get(place, self.opened) for place in PLACES),
            web.get(PRINT_PLACE, self.again),
            web.get(FEED_PLACE, self.feed),
            web.get(CHECK_PATH, self.check),
            web.post(CHECK_PATH, self.checked),
            web.get(f"{CHECK_PATH}/co-quan.json", self.offices),
        ]

    async def opened(self, request: web.Request) -> web.Response:
        """GET /r/{token}: level L1 without typing anything. Whatever is wrong with a token, the page is the same."""
        token = request.match_info["token"]
        answer = await self._desk.with_receipt(token)
        if answer is None:
            return self._not_found(request)
        if self._seen is not None:
            await self._seen.by_holder(answer)
        language = self._pages.language(request)
        return self._pages.render(
            request,
            "receipt_answer.html",
            headers=_NEVER_KEPT,
            answer=answer_view(answer, language, sms_number=self._ways.sms_number),
            here=f"/r/{token}",
            live_url=str(request.rel_url.with_path("/tra-cuu/live").with_query(code=answer.code)),
            proof_missing=False,
            sms_number=self._ways.sms_number,
            tell=self._teller(request),
            check_url=f"{CHECK_PATH}#{token}",
            print_url=f"/r/{token}/in",
            feed_url=f"/r/{token}/feed?lang={language}",
        )

    async def again(self, request: web.Request) -> web.Response:
        """GET /r/{token}/in: the same slip, to be printed."""
        token = request.match_info["token"]
        receipt, answer = self._keys.read(token), await self._desk.with_receipt(token)
        if receipt is None or answer is None:
            return self._not_found(request)
        language = self._pages.language(request)
        office = self._registry.agency_by_code(receipt.office) or answer.agency
        whole = slip(
            receipt,
            token,
            office=office,
            procedure_name=answer.proven.procedure_name if answer.proven else None,
            ways=self._ways,
            language=language,
        )
        return self._pages.render(
            request,
            "receipt_print.html",
            headers=_NEVER_KEPT,
            drawing=Markup(svg(a5(whole))),  # noqa: S704 - our own drawing, whose texts are escaped
            here=f"/r/{token}",
            tell=self._teller(request),
        )

    async def feed(self, request: web.Request) -> web.Response:
        """GET /r/{token}/feed: the history for a news reader, 304 while it is the same."""
        token = request.match_info["token"]
        answer = await self._desk.with_receipt(token)
        if answer is None:
            return self._not_found(request)
        page_url = f"{self._ways.public_url}/r/{token}"
        title = self._teller(request)("feed.title", code=answer.code)
        language = self._pages.language(request)
        body = feed(answer, language, url=f"{page_url}/feed", page_url=page_url, title=title)
        mark = etag(body)
        given = {known.value for known in request.if_none_match or ()}
        headers = {"Cache-Control": CACHING, "ETag": f'"{mark}"'}
        if mark in given:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type=CONTENT_TYPE, charset="utf-8", headers=headers)

    def _not_found(self, request: web.Request) -> web.Response:
        """The page for a code that is unknown, too: it tells nothing of the token."""
        return self._pages.render(
            request,
            "not_found.html",
            status=404,
            headers=_NEVER_KEPT,
            language_url=f"/?lang={self._pages.other_language(request)}",
            typed="",
            receipt_number=False,
            with_proof=False,
        )

    async def check(self, request: web.Request) -> web.Response:
        """GET /kiem-tra: the page that checks slips by itself, also without a network."""
        return self._check_page(request, None)

    async def checked(self, request: web.Request) -> web.Response:
        """POST /kiem-tra with `receipt`: the same check, done here."""
        pasted = (await small_form(request)).get("receipt", "")
        return self._check_page(request, checked(pasted, self._keys, self._registry, self._pages.language(request)))

    def _check_page(self, request: web.Request, result: Checked | None) -> web.Response:
        return self._pages.render(
            request,
            "receipt_check.html",
            headers=_NEVER_KEPT if result else {"X-Robots-Tag": "all"},
            language_url=f"{CHECK_PATH}?lang={self._pages.other_language(request)}",
            tell=self._teller(request),
            verdicts=tuple(Verdict),
            result=result,
            keys=self._verifying_keys,
            offices_url=f"{CHECK_PATH}/co-quan.json",
        )

    async def offices(self, _request: web.Request) -> web.Response:
        """GET /kiem-tra/co-quan.json: `{code: [name, English name]}`."""
        body = msgspec.json.encode(office_names(self._registry))
        response = web.Response(body=body, content_type="application/json", headers={"Cache-Control": "max-age=3600"})
        response.enable_compression()
        return response

    def _teller(self, request: web.Request) -> Callable[..., str]:
        return partial(_WORDS.say, self._pages.language(request))
