"""Static files: read once, named by their content, served for ever."""

import gzip
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import web

SHARED = "pages"
# What may be served, and as what; a file of any other kind in `static/` (a licence, a note) stays there.
_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "woff2": "font/woff2",
}
_COMPRESSED_ALREADY = {"png", "woff2"}
_STYLE_REFERENCE = re.compile(r'url\("([^":]+)"\)')
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file as it is sent. `gzipped` is None where compressing gains nothing."""

    path: str  # /static/motma.3f2a9c1b04.css
    kind: str
    body: bytes
    gzipped: bytes | None


class Assets:
    """The `static/` folders of this package and of others, served by names that change with their content."""

    def __init__(self, packages: Sequence[str] = ()) -> None:
        self._by_name: dict[str, Asset] = {}
        folders = [files(package).joinpath("static") for package in (SHARED, *packages)]
        found = {name: item for folder in folders for name, item in _walk(folder, "")}
        # Style sheets last: they name other files.
        for name in sorted(found, key=lambda name: (name.endswith(".css"), name)):
            body = found[name].read_bytes()
            if name.endswith(".css"):
                body = _STYLE_REFERENCE.sub(lambda m: f'url("{self.path(m[1])}")', body.decode()).encode()
            self._by_name[name] = _asset(name, body)
        self._by_path = {asset.path: asset for asset in self._by_name.values()}

    def path(self, name: str) -> str:
        """Where `name` (`motma.css`, `fonts/….woff2`) is served. Raises `KeyError`."""
        return self._by_name[name].path

    def body(self, name: str) -> bytes:
        """The content of `name`. Raises `KeyError`."""
        return self._by_name[name].body

    def paths(self) -> list[str]:
        """Every path that is served."""
        return sorted(self._by_path)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One route for them all."""
        return [web.get("/static/{name:.+}", self.serve, name="static")]

    async def serve(self, request: web.Request) -> web.Response:
        """GET /static/…"""
        asset = self._by_path.get(request.path)
        if asset is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": asset.kind, "Cache-Control": _FOR_EVER, "ETag": f'"{asset.path.split(".")[-2]}"'}
        if asset.gzipped is None:
            return web.Response(body=asset.body, headers=headers)
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=asset.gzipped, headers=headers)
        return web.Response(body=asset.body, headers=headers)


def accepts_gzip(request: web.Request) -> bool:
    """Whether the client takes gzip; a client that says q=0 is not met in practice and gets it all the same."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _walk(folder: Traversable, prefix: str) -> Iterable[tuple[str, Traversable]]:
    if not folder.is_dir():
        return
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        elif item.name.rpartition(".")[2] in _KINDS:
            yield prefix + item.name, item


def _asset(name: str, body: bytes) -> Asset:
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:10]
    gzipped = None if ending in _COMPRESSED_ALREADY else gzip.compress(body, 9, mtime=0)
    return Asset(path=f"/static/{stem}.{digest}.{ending}", kind=_KINDS[ending], body=body, gzipped=gzipped)
