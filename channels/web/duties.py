"""What is done for every request, in one place: identity, limits, errors, headers, figures, the access log."""

import re
import traceback
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from secrets import token_hex
from time import gmtime, perf_counter, strftime, time
from typing import NoReturn
from urllib.parse import urlsplit

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Gauge

from cache.limits import Limit, Limits
from channels.web.access_log import AccessLog
from channels.web.figures import Figure, Figures
from channels.web.front_door import AtOnce
from channels.web.headers import defaults
from channels.web.problems import Problem, problem_json, problem_of
from channels.web.visitors import Visitor, Visitors
from domain.errors import TooMany

REQUEST_ID = web.RequestKey("request_id", bytes)  # 16 or 32 hexadecimal digits

logger = structlog.get_logger(__name__)

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FOR_MACHINES = ("/api/", "/webhooks/", "/dvcqg/", "/healthz", "/readyz")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
_GONE = 499  # the client left before the answer; the number nginx uses


class _Outcome:
    """Requests of one route that ended one way: their figure, and the part of the log line they share."""

    __slots__ = ("figure", "logged")

    def __init__(self, figure: Figure) -> None:
        route, method, status = figure.labels
        self.figure = figure
        self.logged = (
            f'Z","level":"info","event":"request","route":"{route}","method":"{method}","status":{status},"us":'
        ).encode()


class _Route:
    """One route: its name in figures and logs, whether it counts against the limit, and its outcomes."""

    __slots__ = ("limited", "name", "outcomes")

    def __init__(self, name: str, *, limited: bool) -> None:
        self.name = name
        self.limited = limited
        self.outcomes: dict[tuple[str, int], _Outcome] = {}


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
        self._spend = limits.local(lookup_limit)
        self._limited = limited
        self._log = log
        self._page_headers, self._data_headers = defaults(secure=secure)
        self._problem_page = problem_page
        self._figures = Figures()
        registry.register(self._figures)
        lost = Gauge("motma_access_log_lost_lines", "Lines lost because their reader stood still.", registry=registry)
        lost.set_function(lambda: log.lost)
        self._routes: dict[web.AbstractRoute, _Route] = {}
        self._nowhere = _Route("none", limited=False)
        self._process = token_hex(4).encode()
        self._numbers = count()
        self._second = 0.0  # when the present second began, by perf_counter
        self._stamp = b""

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
        request_id = (parent and _trace(parent)) or b"%b%08x" % (self._process, next(self._numbers))
        request[REQUEST_ID] = request_id
        try:
            if route.limited and (wait := self._spend(visitor.address)):
                _refuse_for(wait)
            if request.method not in _SAFE:
                _refuse_foreign_sites(request)
            response = await handler(request)
        except Exception as error:
            response = self._refusal(request, error, route)
        except BaseException:
            self._record(route, request.method, _GONE, began, visitor, request_id)
            raise
        self._record(route, request.method, response.status, began, visitor, request_id)
        return response

    def at_once(self, route: str, ready: Callable[[str, str], Callable[[bytes], bytes] | None]) -> AtOnce:
        """The same duties for a GET that needs no handler: what `channels.web.front_door` asks.

        `ready(target, address)` is what completes the response to an id, or None when there is no such response.
        """
        name = _Route(route, limited=route in self._limited)

        def answer(target: str, visitor: Visitor) -> bytes | None:
            began = perf_counter()
            if began - self._second >= 1.0:
                self._new_second(began)
            if (complete := ready(target, visitor.address)) is None or (name.limited and self._spend(visitor.address)):
                return None
            request_id = b"%b%08x" % (self._process, next(self._numbers))
            response = complete(request_id)
            self._record(name, hdrs.METH_GET, 200, began, visitor, request_id)
            return response

        return answer

    def _new_second(self, began: float) -> None:
        """The time of log lines, written out once a second."""
        now = time()
        self._second = began - now % 1
        self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now)).encode()

    def _meet(self, route: web.AbstractRoute) -> _Route:
        """A route seen for the first time. What matches none gets one name, else strangers could invent names."""
        if route.resource is None:
            return self._nowhere
        name = route.resource.canonical
        met = self._routes[route] = _Route(name, limited=name in self._limited)
        return met

    def _record(
        self, route: _Route, method: str, status: int, began: float, visitor: Visitor, request_id: bytes
    ) -> None:
        """Count and log one request."""
        outcome = route.outcomes.get((method, status))
        if outcome is None:
            known = method if method in _METHODS else "other"  # a method is any word a client likes
            outcome = route.outcomes[known, status] = _Outcome(self._figures.of(route.name, known, status))
        seconds = perf_counter() - began
        outcome.figure.add(seconds)
        self._log.add(
            b'{"timestamp":"%b.%03d%b%d,"address":"%b","id":"%b"}\n'
            % (
                self._stamp,
                (began - self._second) * 1000,
                outcome.logged,
                seconds * 1_000_000,
                visitor.shown,
                request_id,
            )
        )

    def _refusal(self, request: web.Request, error: Exception, route: _Route) -> web.StreamResponse:
        """The response that tells of `error`, to a person or to a machine."""
        if isinstance(error, web.HTTPException) and error.status < web.HTTPBadRequest.status_code:
            return web.Response(status=error.status, headers={hdrs.LOCATION: error.headers[hdrs.LOCATION]})
        if request.writer.output_size > 0 or isinstance(error, ConnectionError):
            raise error  # too late to say anything
        problem, request_id = problem_of(error), request[REQUEST_ID].decode()
        if problem.ours:
            # The message of an unknown error may quote what it choked on, which may be personal: places only.
            logger.error("fault", route=route.name, id=request_id, kind=_kind(error), places=_places(error))
        if request.path.startswith(_FOR_MACHINES):
            return problem_json(problem, request_id)
        return self._problem_page(request, problem)

    async def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Headers of every response but the prepared ones, which have them."""
        page = response.content_type == "text/html"
        for name, value in (self._page_headers if page else self._data_headers).items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request[REQUEST_ID].decode()
        response.headers.popall(hdrs.SERVER, None)


def _trace(parent: str) -> bytes | None:
    """The id of the trace that the caller's request belongs to."""
    found = _TRACEPARENT.fullmatch(parent)
    return found[1].encode() if found else None


def _refuse_for(wait: float) -> NoReturn:
    raise TooMany("Too many look-ups from this address.", after=timedelta(seconds=wait))


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
