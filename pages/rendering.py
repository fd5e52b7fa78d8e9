"""Turning templates into pages: one frame, two languages, strict about what is missing."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from aiohttp import ETag, web
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from domain.language import Language
from lookup.wording import Words
from pages.assets import SHARED, Assets, accepts_gzip

LANGUAGE_COOKIE = "lang"
_ONE_YEAR = 365 * 86400
_BY_TAG = {language.value: language for language in Language}
_OTHER = {Language.VIETNAMESE: Language.ENGLISH, Language.ENGLISH: Language.VIETNAMESE}


class Pages:
    """Renders the templates of some packages in the reader's language.

    Every template finds `say(key, **values)` (words of the first package), `language`, `other_language`,
    `language_url`, `static(name)` and `offers`: which ways beside the look-up there are (`scan`, `chat`, `mine`).
    A page with words of its own passes them, e.g. `words=partial(Words("channels.sms").say, language)`.
    Templates of all packages share one set of names.
    """

    def __init__(
        self,
        *,
        assets: Assets,
        secure: bool,
        packages: Sequence[str],
        offers: frozenset[str] = frozenset(),
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """`more` is what else templates find, by name."""
        self._secure = secure
        self._words = Words(packages[0])
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package) for package in (SHARED, *packages)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = assets.path
        self._environment.globals["offers"] = offers
        self._environment.globals.update(more)

    def read_all(self) -> None:
        """Read every template now and not when the first reader waits; takes 20 ms of each."""
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def language(self, request: web.Request) -> Language:
        """What the reader asked for: `?lang=`, else the cookie, else Vietnamese."""
        asked, kept = request.query.get("lang", ""), request.cookies.get(self._cookie, "")
        return _BY_TAG.get(asked) or _BY_TAG.get(kept) or Language.VIETNAMESE

    def other_language(self, request: web.Request) -> Language:
        """The language the reader may change to."""
        return _OTHER[self.language(request)]

    def render(
        self,
        request: web.Request,
        name: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        language_url: str | None = None,
        **context: object,
    ) -> web.Response:
        """The page `name` as an answer to `request`; `language_url` is this page in the other language, by default
        the same address. The page may be kept but is asked for again each time, unless `headers` say otherwise."""
        language = self.language(request)
        other = self.other_language(request)
        html = self._environment.get_template(name).render(
            say=partial(self._words.say, language),
            language=language,
            other_language=other,
            language_url=language_url or str(request.rel_url.update_query(lang=other)),
            **context,
        )
        sent = {"Cache-Control": "private, no-cache", **(headers or {})}
        sent |= {"Vary": "Cookie, Accept-Encoding", "Content-Language": language}
        response = web.Response(status=status, headers=sent, content_type="text/html", charset="utf-8")
        _fill(response, request, html.encode())
        if request.query.get("lang") in _BY_TAG:
            response.set_cookie(
                self._cookie, language, max_age=_ONE_YEAR, path="/", secure=self._secure, httponly=True, samesite="Lax"
            )
        return response

    @property
    def _cookie(self) -> str:
        """Browsers take a `__Host-` name from a secure page only."""
        return f"__Host-{LANGUAGE_COOKIE}" if self._secure else LANGUAGE_COOKIE


def _fill(response: web.Response, request: web.Request, body: bytes) -> None:
    """Put `body` into `response`, unless the browser has it: a look for news then costs a phone a few hundred bytes.

    What a 304 says in its headers, the browser believes of the page it has: they are the page's own.
    """
    if response.status == web.HTTPOk.status_code and "no-store" not in response.headers["Cache-Control"]:
        response.etag = ETag(hashlib.sha256(body).hexdigest()[:20], is_weak=True)
        if request.if_none_match and any(known.value == response.etag.value for known in request.if_none_match):
            response.set_status(web.HTTPNotModified.status_code)
            return
    if accepts_gzip(request):
        response.headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 6, mtime=0)
    response.body = body
