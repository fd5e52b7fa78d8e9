"""What is done for every request, in one place: identity, limits, errors, headers, figures, the access log."""

import re
import traceback
from collections.abc import Callable
from datetime import timedelta
from email.utils import formatdate
from itertools import count
from secrets import token_hex
from time import gmtime, perf_counter, strftime, time
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Gauge, Histogram

from cache.limits import Limit, Limits
from channels.web.access_log import AccessLog
from channels.web.headers import defaults
from channels.web.problems import Problem, problem_json, problem_of
from channels.web.ready import Ready
from channels.web.visitors import Visitor, Visitors
from domain.errors import TooMany

REQUEST_ID = web.RequestKey("request_id", str)
CLIENT_ADDRESS = web.RequestKey("client_address", str)  # what limits count by; personal data, never logged

logger = structlog.get_logger(__name__)

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FOR_MACHINES = ("/api/", "/webhooks/", "/dvcqg/", "/healthz", "/readyz")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
_GONE = 499  # the client left before the answer; the number nginx uses
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class _Route:
    """One route: its name in figures and logs, whether it counts against the limit, and its figures by status."""

    __slots__ = ("figures", "limited", "name")

    def __init__(self, name: str, *, limited: bool) -> None:
        self.name = name
        self.limited = limited
        self.figures: dict[int, Histogram] = {}


class Duties:
    """The one middleware.

    `limited` are canonical routes ('/tra-cuu') that count against `lookup_limit` per address; `secure` says that
    citizens reach us by https; `problem_page` renders an error for people, other callers get JSON.
    """

    def __init__(
        self,
        *,
        visitors: Visitors,
        limits: Limits,
        lookup_limit: Limit,
        limited: frozenset[str],
        log: AccessLog,
        registry: CollectorRegistry,
        secure: bool,
        problem_page: Callable[[web.Request, Problem], web.Response],
    ) -> None:
        self._visitors = visitors
        self._limits = limits
        self._lookup_limit = lookup_limit
        self._limited = frozenset() if lookup_limit.off else limited
        self._log = log
        self._page_headers, self._data_headers = defaults(secure=secure)
        self._problem_page = problem_page
        self._seconds = Histogram(
            "motma_http_request_seconds",
            "Time to answer a request.",
            ("route", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )
        lost = Gauge("motma_access_log_lost_lines", "Lines lost because their reader stood still.", registry=registry)
        lost.set_function(lambda: log.lost)
        self._routes: dict[web.AbstractRoute, _Route] = {}
        self._nowhere = _Route("none", limited=False)
        self._process = token_hex(8)
        self._numbers = count()
        self._second = 0.0  # when the present second began, by perf_counter
        self._date = b""
        self._stamp = ""

    def install(self, app: web.Application) -> None:
        """Serve `app` under these duties. No other middleware should stand outside of this one."""
        app.middlewares.insert(0, self.middleware)
        app.on_response_prepare.append(self._dress)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Everything around one request."""
        began = perf_counter()
        if began - self._second >= 1.0:
            self._new_second(began)
        route = self._routes.get(request.match_info.route) or self._meet(request.match_info.route)
        visitor = self._visitors.of(request)
        parent = request.headers.get("traceparent")
        request_id = self._trace(parent) if parent else f"{self._process}{next(self._numbers):016x}"
        request[REQUEST_ID] = request_id
        request[CLIENT_ADDRESS] = visitor.address
        try:
            if route.limited:
                self._count(visitor)
            if request.method not in _SAFE:
                _refuse_foreign_sites(request)
            response = await handler(request)
        except Exception as error:
            response = self._refusal(request, error, route)
        except BaseException:
            self._record(route, request.method, _GONE, perf_counter() - began, visitor, request_id)
            raise
        if isinstance(response, Ready):
            response.stamp(self._date, request_id.encode())
        self._record(route, request.method, response.status, perf_counter() - began, visitor, request_id)
        return response

    def _new_second(self, began: float) -> None:
        """What changes with the second: the Date header and the time of log lines."""
        now = time()
        self._second = began - now % 1
        self._date = f"{formatdate(now, usegmt=True)}\r\nX-Request-Id: ".encode()
        self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now))

    def _meet(self, route: web.AbstractRoute) -> _Route:
        """A route seen for the first time. What matches none gets one name, else strangers could invent names."""
        if route.resource is None:
            return self._nowhere
        name = route.resource.canonical
        met = self._routes[route] = _Route(name, limited=name in self._limited)
        return met

    def _count(self, visitor: Visitor) -> None:
        """One look-up more from this address. Raises `TooMany`."""
        verdict = self._limits.take_local(self._lookup_limit, visitor.address)
        if not verdict.allowed:
            raise TooMany("Too many look-ups from this address.", after=timedelta(seconds=verdict.retry_after))

    def _trace(self, parent: str) -> str:
        found = _TRACEPARENT.fullmatch(parent)
        return found[1] if found else f"{self._process}{next(self._numbers):016x}"

    def _record(
        self, route: _Route, method: str, status: int, seconds: float, visitor: Visitor, request_id: str
    ) -> None:
        figure = route.figures.get(status)
        if figure is None:
            figure = route.figures[status] = self._seconds.labels(route.name, str(status))
        figure.observe(seconds)
        line = (
            f'{{"timestamp":"{self._stamp}.{int((perf_counter() - self._second) * 1000) % 1000:03d}Z","level":"info",'
            f'"event":"request","route":"{route.name}","method":"{method if method in _METHODS else "other"}",'
            f'"status":{status},"ms":{seconds * 1000:.2f},"address":"{visitor.shown}","id":"{request_id}"}}\n'
        )
        self._log.add(line.encode())

    def _refusal(self, request: web.Request, error: Exception, route: _Route) -> web.StreamResponse:
        """The response that tells of `error`, to a person or to a machine."""
        if isinstance(error, web.HTTPException) and error.status < web.HTTPBadRequest.status_code:
            return web.Response(status=error.status, headers={hdrs.LOCATION: error.headers[hdrs.LOCATION]})
        if request.writer.output_size > 0 or isinstance(error, ConnectionError):
            raise error  # too late to say anything
        problem = problem_of(error)
        if problem.ours:
            # The message of an unknown error may quote what it choked on, which may be personal: places only.
            logger.error("fault", route=route.name, id=request[REQUEST_ID], kind=_kind(error), places=_places(error))
        if request.path.startswith(_FOR_MACHINES):
            return problem_json(problem, request[REQUEST_ID])
        return self._problem_page(request, problem)

    async def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Headers of every response but the prepared ones, which have them."""
        page = response.content_type == "text/html"
        for name, value in (self._page_headers if page else self._data_headers).items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")
        response.headers.popall(hdrs.SERVER, None)


def _refuse_foreign_sites(request: web.Request) -> None:
    """Nobody's page but ours may make a browser change something here. Other programs send neither header."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise web.HTTPForbidden
        return
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _places(error: BaseException) -> list[str]:
    """Where `error` and its causes were raised, innermost last."""
    places: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(places) < 40:
        places += [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(cause.__traceback__)[-8:]]
        cause = cause.__cause__ or cause.__context__
        if cause is not None:
            places.append(f"because of {_kind(cause)}")
    return places
