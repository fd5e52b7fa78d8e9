"""The register as data: JSON, CSV, an Atom feed, the chain with its checkpoints, a map for search engines."""

import csv
import io
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from aiohttp import web

from channels.web.register.asking import Asked, Asking
from channels.web.register.views import WORDS, title_of
from domain.agency import Agency
from domain.errors import NotFound
from domain.language import Language
from feedback_intake.published import MOST, Published, Reading
from feedback_intake.rates import OfficeFigures, Share
from lookup.cells import guarded
from pages.rendering import Pages

FEED_LENGTH = 50
SITEMAP_LENGTH = 49_000  # entries in one file, which by the protocol may name 50,000 pages
_EVERYBODY = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_SHORT = {"Cache-Control": "public, max-age=60", **_EVERYBODY}
_NEVER_CUT = {"Cache-Control": "public, no-cache", **_EVERYBODY}
_LINES = "application/x-ndjson"
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NOT_IN_XML = {0xFFFE: None, 0xFFFF: None}  # other such characters are not stored
_SITEMAPS = "http://www.sitemaps.org/schemas/sitemap/0.9"
_COLUMNS = (
    *("id", "url", "agency", "agency_name", "kind", "content", "filed_on", "answered_on", "on_time", "published_at"),
    *("state", "reopened", "name", "question", "answer"),
)
_SHARES = (
    *("answers_on_time", "reopened", "solved", "content_with_feedback", "controllers_content", "dossiers_in_time"),
    "content_with_dossiers",
)
# What search engines may read; everything else is for one person, or for machines.
ROBOTS = """\
User-agent: *
Allow: /$
Allow: /gop-y$
Allow: /kiem-tra$
Allow: /static/
Allow: /cong-khai
Disallow: /cong-khai?
Disallow: /cong-khai/chain.ndjson
Disallow: /cong-khai/checkpoints
Disallow: /
"""


class RegisterFiles:
    """Routes of what programs read. `url` is where we are."""

    def __init__(self, *, pages: Pages, reading: Reading, asking: Asking, url: str) -> None:
        self.url = url.rstrip("/")
        self._pages = pages
        self._reading = reading
        self._asking = asking

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every file."""
        return [
            web.get("/cong-khai.json", self.as_json),
            web.get("/cong-khai.csv", self.as_csv),
            web.get("/cong-khai.atom", self.feed),
            web.get("/cong-khai/{n:[0-9]{1,15}}.json", self.entry),
            web.get("/cong-khai/co-quan.json", self.figures_as_json),
            web.get("/cong-khai/co-quan.csv", self.figures_as_csv),
            web.get("/cong-khai/chain.ndjson", self.chain),
            web.get("/cong-khai/checkpoints", self.checkpoints),
            web.get("/sitemap.xml", self.sitemap),
            web.get("/sitemap-{block:[0-9]{1,9}}.xml", self.sitemap_block),
            web.get("/robots.txt", self.robots),
        ]

    # --- entries ---

    async def as_json(self, request: web.Request) -> web.Response:
        """GET /cong-khai.json: what the page shows, up to `most` (1,000) entries, and where the next are."""
        entries, following = await self._entries(request)
        return _json({"entries": [self._said(entry) for entry in entries], "next": following})

    async def as_csv(self, request: web.Request) -> web.Response:
        """GET /cong-khai.csv: the same for a spreadsheet, which runs none of it; `Link` says where the next are."""
        entries, following = await self._entries(request)
        said = (self._said(entry) for entry in entries)
        response = _csv(_COLUMNS, ([row[name] for name in _COLUMNS] for row in said), "cong-khai.csv")
        if following:
            response.headers["Link"] = f'<{following}>; rel="next"'
        return response

    async def entry(self, request: web.Request) -> web.Response:
        """GET /cong-khai/{id}.json"""
        entry = await self._reading.entry(int(request.match_info["n"]))
        if entry is None:
            raise NotFound("There is no such entry.")
        more = {"removal": entry.removal, "replaced_by": entry.replaced_by, "replaces": entry.replaces}
        return _json({**self._said(entry), **more})

    async def feed(self, request: web.Request) -> web.Response:
        """GET /cong-khai.atom: the newest that fit, for a news reader (RFC 4287)."""
        asked = self._asked(request)
        found = await self._reading.newest(asked.wanted, most=FEED_LENGTH)
        language = self._pages.language(request)
        query = urlencode({name: value for name, value in asked.typed.items() if value})
        host = urlsplit(self.url).hostname or ""
        updated = found.entries[0].published_at if found.entries else datetime(2026, 1, 1, tzinfo=UTC)
        lines = [
            _XML + f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{language.value}">',
            f"<id>tag:{escape(host)},2026:cong-khai?{escape(query)}</id>",
            f"<title>{escape(WORDS.say(language, 'feed.title'))}</title>",
            f"<updated>{updated.isoformat()}</updated>",
            f'<link rel="self" type="application/atom+xml" href="{escape(self.url)}/cong-khai.atom?{escape(query)}"/>',
            f'<link rel="alternate" type="text/html" href="{escape(self.url)}/cong-khai?{escape(query)}"/>',
            *(self._feed_entry(entry, language, host) for entry in found.entries),
            "</feed>\n",
        ]
        headers = {**_SHORT, "Vary": "Cookie, Accept-Encoding"}
        return _compressed(web.Response(text="\n".join(lines), content_type="application/atom+xml", headers=headers))

    # --- offices ---

    async def figures_as_json(self, request: web.Request) -> web.Response:
        """GET /cong-khai/co-quan.json?agency=: an office and those right below it."""
        said = await self._figures(request)
        return _json({"months": 12, "offices": [row for row, _ in said]})

    async def figures_as_csv(self, request: web.Request) -> web.Response:
        """GET /cong-khai/co-quan.csv?agency="""
        said = [flat for _, flat in await self._figures(request)]
        columns = list(said[0])
        return _csv(columns, ([row[name] for name in columns] for row in said), "co-quan.csv")

    # --- the chain ---

    async def chain(self, request: web.Request) -> web.StreamResponse:
        """GET /cong-khai/chain.ndjson?after=: every record after a number, the oldest first (docs/register.md)."""
        after = request.query.get("after", "0")
        start = int(after) if after.isascii() and after.isdecimal() and len(after) < 16 else 0
        response = web.StreamResponse(headers={**_NEVER_CUT, "Content-Type": _LINES})
        response.enable_compression()
        await response.prepare(request)
        async for piece in _gathered(self._reading.chain(start)):
            await response.write(piece)
        await response.write_eof()
        return response

    async def checkpoints(self, _request: web.Request) -> web.Response:
        """GET /cong-khai/checkpoints: where the chain stood at the end of each day, signed; the newest first."""
        lines = [msgspec.json.encode(each) + b"\n" for each in await self._reading.checkpoints()]
        response = web.Response(body=b"".join(lines), headers={**_NEVER_CUT, "Content-Type": _LINES})
        return _compressed(response)

    # --- search engines ---

    async def robots(self, _request: web.Request) -> web.Response:
        """GET /robots.txt: what may be found by searching the web."""
        headers = {"Cache-Control": "public, max-age=86400"}
        return web.Response(text=f"{ROBOTS}Sitemap: {self.url}/sitemap.xml\n", headers=headers)

    async def sitemap(self, _request: web.Request) -> web.Response:
        """GET /sitemap.xml: every public page, or of a long register the list of the maps that name them."""
        ends = await self._reading.ends()
        last = ends.last if ends else 0
        if last < SITEMAP_LENGTH:
            return await self._block(0)
        maps = "".join(
            f"<sitemap><loc>{escape(self.url)}/sitemap-{block}.xml</loc></sitemap>\n"
            for block in range(last // SITEMAP_LENGTH + 1)
        )
        return _xml(f'{_XML}<sitemapindex xmlns="{_SITEMAPS}">\n{maps}</sitemapindex>\n')

    async def sitemap_block(self, request: web.Request) -> web.Response:
        """GET /sitemap-{block}.xml: the entries of one block of numbers."""
        return await self._block(int(request.match_info["block"]))

    async def _block(self, block: int) -> web.Response:
        own = ("/", "/cong-khai", "/cong-khai/co-quan", "/cong-khai/kiem-chung", "/kiem-tra") if block == 0 else ()
        found = await self._reading.listed(block * SITEMAP_LENGTH, (block + 1) * SITEMAP_LENGTH)
        pages = "".join(f"<url><loc>{escape(self.url)}{page}</loc></url>\n" for page in own)
        entries = "".join(
            f"<url><loc>{escape(self.url)}/cong-khai/{n}</loc><lastmod>{at.date().isoformat()}</lastmod></url>\n"
            for n, at in found
        )
        return _xml(f'{_XML}<urlset xmlns="{_SITEMAPS}">\n{pages}{entries}</urlset>\n')

    # --- parts ---

    def _asked(self, request: web.Request) -> Asked:
        """Raises `NotFound` for an office that is none, so that nobody takes all entries for those of one office."""
        asked = self._asking.understood(request)
        if asked.unknown_office or asked.offices:
            raise NotFound("There is no such office.", field="agency")
        return asked

    async def _entries(self, request: web.Request) -> tuple[Sequence[Published], str | None]:
        asked = self._asked(request)
        most = request.query.get("most", "")
        limit = min(MOST, int(most)) if most.isascii() and most.isdecimal() and 0 < len(most) < 6 else 100
        found = await self._reading.newest(asked.wanted, most=max(1, limit))
        if found.before is None:
            return found.entries, None
        query = {name: value for name, value in asked.typed.items() if value}
        following = urlencode({**query, "most": limit, "before": found.before})
        return found.entries, f"{self.url}{request.path}?{following}"

    def _said(self, entry: Published) -> dict[str, Any]:
        return {
            "id": entry.n,
            "url": f"{self.url}/cong-khai/{entry.n}",
            "agency": entry.agency_code,
            "agency_name": entry.agency_name,
            "kind": entry.kind.value,
            "content": entry.content,
            "filed_on": entry.filed_on.isoformat(),
            "answered_on": entry.answered_on.isoformat(),
            "on_time": entry.on_time,
            "published_at": entry.published_at.astimezone(UTC).isoformat(timespec="seconds"),
            "state": entry.state.value,
            "reopened": entry.reopened,
            "name": entry.name or None,
            "question": entry.question,
            "answer": entry.answer,
        }

    async def _figures(self, request: web.Request) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Nested for JSON, flat for CSV."""
        code = request.query.get("agency", "")
        agency = self._asking.office(code.upper()) if code else self._asking.root()
        if agency is None:
            raise NotFound("There is no office.")
        offices = (agency, *self._asking.directly_below(agency))
        figures = await self._reading.figures(each.agency_id for each in offices)
        nothing = OfficeFigures.nothing
        return [_office_said(office, figures.get(office.agency_id) or nothing(office.agency_id)) for office in offices]

    def _feed_entry(self, entry: Published, language: Language, host: str) -> str:
        link = f"{escape(self.url)}/cong-khai/{entry.n}"
        said = f"{entry.question}\n\n{entry.agency_name}: {entry.answer}".translate(_NOT_IN_XML)
        at = entry.published_at.isoformat()
        return (
            f"<entry><id>tag:{escape(host)},2026:cong-khai/{entry.n}</id>"
            f"<title>{escape(title_of(entry, language).translate(_NOT_IN_XML))}</title>"
            f"<published>{at}</published><updated>{at}</updated>"
            f"<author><name>{escape(entry.agency_name)}</name></author>"
            f'<link rel="alternate" type="text/html" href="{link}"/>'
            f'<content type="text">{escape(said)}</content></entry>'
        )


def _office_said(office: Agency, figures: OfficeFigures) -> tuple[dict[str, Any], dict[str, Any]]:
    """As JSON says it, and in one row."""
    counts = ("cases_filed", "cases_proposals", "cases_answered", "cases_solved", "cases_published")
    as_of = figures.as_of.astimezone(UTC).isoformat(timespec="seconds") if figures.as_of else None
    said: dict[str, Any] = {"agency": office.code, "name": office.name, "as_of": as_of}
    said |= {name: getattr(figures, name) for name in (*counts, "dossiers_finished")}
    flat = dict(said)
    for name in _SHARES:
        share: Share = getattr(figures, name)
        said[name] = {"percent": share.percent, "of": share.of}
        flat |= {f"{name}_percent": share.percent, f"{name}_of": share.of}
    return said, flat


async def _gathered(lines: AsyncIterable[bytes], size: int = 65_536) -> AsyncIterable[bytes]:
    """Lines in larger pieces."""
    piece = bytearray()
    async for line in lines:
        piece += line
        if len(piece) >= size:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _json(said: Mapping[str, Any]) -> web.Response:
    return _compressed(
        web.Response(body=msgspec.json.encode(said), content_type="application/json", headers=dict(_SHORT))
    )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]], name: str) -> web.Response:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    headers = {**_SHORT, "Content-Disposition": f'attachment; filename="{name}"'}
    # The mark at the start tells spreadsheets that this is UTF-8.
    return _compressed(
        web.Response(
            body=("\ufeff" + out.getvalue()).encode(), content_type="text/csv", charset="utf-8", headers=headers
        )
    )


def _xml(text: str) -> web.Response:
    headers = {"Cache-Control": "public, max-age=3600"}
    return _compressed(web.Response(text=text, content_type="application/xml", headers=headers))


def _compressed(response: web.Response) -> web.Response:
    response.enable_compression()
    return response
