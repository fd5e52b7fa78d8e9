"""The script that agencies put on their sites, and which of those may show answers in place.

What a foreign page may read is level L0: what anybody is told who has a code, with no cookie, no proof and no name in
it. It learns nothing that a program could not ask us for. Yet a page could make its readers' browsers guess codes, each
from an address of its own, and read what they find; so only sites an operator named may read answers. On every other
site the field opens our page.
"""

import gzip
import hashlib
import re
from collections.abc import Iterable
from importlib.resources import files
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web

from channels.code_route import BY_CODE
from domain.language import Language
from lookup.wording import Words
from pages.assets import accepts_gzip

_WORDS = Words("channels.web.widget")
_PLACE_OF_WORDS = "const WORDS = {};"
_INDENT = re.compile(r"^ +", re.MULTILINE)
_AN_HOUR = "public, max-age=3600"


class Widget:
    """GET /widget.js. `origins` (`https://bacninh.gov.vn`, comma-separated) may read answers. Raises `ValueError`."""

    def __init__(self, origins: str) -> None:
        self._origins = frozenset(_origin(part) for part in origins.split(",") if part.strip())
        self.body = _script()
        self._gzipped = gzip.compress(self.body, 9, mtime=0)
        self._etag = f'"{hashlib.sha256(self.body).hexdigest()[:20]}"'

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The script."""
        return [web.get("/widget.js", self.script)]

    def install(self, app: web.Application) -> None:
        """Let the sites named read the answers of `app`, and its refusals."""
        app.on_response_prepare.append(self._admit)

    async def script(self, request: web.Request) -> web.Response:
        """GET /widget.js: any site may run it."""
        headers = {
            "Cache-Control": _AN_HOUR,
            "ETag": self._etag,
            "Vary": "Accept-Encoding",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Access-Control-Allow-Origin": "*",
        }
        if request.headers.get(hdrs.IF_NONE_MATCH) == self._etag:
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = "text/javascript; charset=utf-8"
        if accepts_gzip(request):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=self._gzipped, headers=headers)
        return web.Response(body=self.body, headers=headers)

    async def _admit(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or origin not in self._origins or request.method != hdrs.METH_GET:
            return
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical == BY_CODE:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.VARY] = hdrs.ORIGIN


def _origin(text: str) -> str:
    """`text` as browsers write an origin. Raises `ValueError`."""
    text = text.strip().rstrip("/").lower()
    parts = urlsplit(text)
    if parts.scheme not in {"https", "http"} or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"{text!r} is not an origin such as https://bacninh.gov.vn.")
    return text


def _script() -> bytes:
    """The script with its words in both languages."""
    source = files("channels.web.widget").joinpath("widget.js").read_text(encoding="utf-8")
    words = {
        language.value: {key: _WORDS.say(language, key) for key in sorted(_WORDS.keys(language))}
        for language in Language
    }
    # In a script of the page's own a closing tag would end it; here nothing does, but one escape costs nothing.
    written = msgspec.json.encode(words).decode().replace("<", "\\u003c")
    if source.count(_PLACE_OF_WORDS) != 1:
        raise ValueError("widget.js has no place for its words.")
    return _INDENT.sub("", source.replace(_PLACE_OF_WORDS, f"const WORDS = {written};")).encode()
