"""The route of the busiest address, told by its prefix: a pattern would cost every look-up another microsecond."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from yarl import URL

WITH_PROOF = "/api/v1/lookup"
BY_CODE = "/api/v1/lookup/{code}"
_PREFIX = "/api/v1/lookup/"


class _CodeResource(web.AbstractResource):
    """/api/v1/lookup/{code} for GET and HEAD; a code may hold slashes, escaped or not."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        methods = (hdrs.METH_GET, hdrs.METH_HEAD)
        self._by_method = {method: web.ResourceRoute(method, handler, self) for method in methods}
        self._methods = set(methods)

    @property
    def canonical(self) -> str:
        return BY_CODE

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        path = request.rel_url.path_safe  # decoded, but for %25 and %2F
        if not path.startswith(_PREFIX) or len(path) == len(_PREFIX):
            return None, set()
        route = self._by_method.get(request.method)
        if route is None:
            return None, self._methods
        code = path[len(_PREFIX) :]
        return web.UrlMappingMatchInfo({"code": unquote(code) if "%" in code else code}, route), self._methods

    def raw_match(self, path: str) -> bool:
        return path == BY_CODE

    def url_for(self, **parts: str) -> URL:
        return URL.build(path=_PREFIX + quote(parts["code"], safe=""), encoded=True)

    def get_info(self) -> Any:  # noqa: ANN401 - a private type of aiohttp
        return {"formatter": BY_CODE}

    def add_prefix(self, prefix: str) -> None:
        raise NotImplementedError(f"This route stands at the root only, not below {prefix}.")

    def __len__(self) -> int:
        return len(self._by_method)

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(self._by_method.values())


class CodeRoute(web.AbstractRouteDef):
    """The route definition for `handler`, as `web.get` is for others; the code stands in `match_info`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        """Add the resource to `router`."""
        resource = _CodeResource(self._handler)
        router.register_resource(resource)
        return list(resource)
