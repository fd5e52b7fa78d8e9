"""What is done for every request, in one place: identity, limits, errors, headers, figures, the access log."""

import re
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from itertools import count
from secrets import token_hex
from time import gmtime, perf_counter, strftime, time
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import structlog
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Gauge

from cache.limits import Limit, Limits
from channels.web.access_log import AccessLog
from channels.web.figures import Figure, Figures
from channels.web.patience import Patience
from channels.web.ready import ReadyResponse
from domain.errors import Malformed, TooMany
from pages.headers import defaults
from pages.problems import REQUEST_ID, Problem, problem_bytes, problem_json, problem_of
from pages.requests import is_host
from pages.visitors import Visitor, Visitors

logger = structlog.get_logger(__name__)

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FOR_MACHINES = ("/api/", "/webhooks/", "/dvcqg/", "/healthz", "/readyz")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
_GONE = 499  # the client left before the answer; the number nginx uses
_WEBHOOKS = "/webhooks/"
_REFUSED = frozenset({401, 403, 404})
MOST_REFUSALS_LOGGED = 5  # webhook calls a second that were not genuine, of each process; all are counted


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

    __slots__ = ("limited", "name", "outcomes", "webhook")

    def __init__(self, name: str, *, limited: bool) -> None:
        self.name = name
        self.limited = limited
        self.webhook = name.startswith(_WEBHOOKS)
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
        self.patience = Patience()
        self.last_calls = False  # whether this process ends: each answer is the last of its connection
        self._figures = Figures()
        registry.register(self._figures)
        lost = Gauge("motma_access_log_lost_lines", "Lines lost because their reader stood still.", registry=registry)
        lost.set_function(lambda: log.lost)
        self._routes: dict[web.AbstractRoute, _Route] = {}
        self._nowhere = _Route("none", limited=False)
        self._process = token_hex(4).encode()
        self._numbers = count()
        self._refusals_logged = 0  # in the present second
        self._second = 0.0  # when the present second began, by perf_counter
        self._stamp = b""

    def install(self, app: web.Application) -> None:
        """Serve `app` under these duties. No other middleware should stand outside of this one."""
        app.middlewares.insert(0, self.middleware)
        app.on_response_prepare.append(self._dress)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Everything around one request."""
        self.patience.began(request)
        began = self.begin()
        route = self._routes.get(request.match_info.route) or self._meet(request.match_info.route)
        visitor = self._visitors.of(request)
        parent = request.headers.get("traceparent")
        request_id = (parent and _trace(parent)) or self.next_id()
        request[REQUEST_ID] = request_id
        try:
            _refuse_ambiguous(request)
            if wait := self.spend(route, visitor):
                _refuse_for(wait)
            if request.method not in _SAFE:
                _refuse_foreign_sites(request)
            response = await handler(request)
            if self.last_calls and isinstance(response, ReadyResponse):
                response = response.ordinary()
        except Exception as error:
            response = self._refusal(request, error, route)
        except BaseException:
            self.record(route, request.method, _GONE, began, visitor, request_id)
            raise
        finally:
            self.patience.ended(request)
        self.record(route, request.method, response.status, began, visitor, request_id)
        return response

    def around(self, route: str, lookups: "Unguarded") -> "GuardedLookups":
        """The same duties for look-ups that need no framework: what `channels.web.front_door` asks."""
        return GuardedLookups(self, _Route(route, limited=route in self._limited), lookups)

    def begin(self) -> float:
        """When a request begins, by perf_counter."""
        began = perf_counter()
        if began - self._second >= 1.0:
            self._new_second(began)
        return began

    def next_id(self) -> bytes:
        """The id of one more request."""
        return b"%b%08x" % (self._process, next(self._numbers))

    def spend(self, route: "_Route", visitor: Visitor) -> float:
        """Count a look-up against its address: seconds to wait, 0 when it may go on."""
        return self._spend(visitor.address) if route.limited else 0.0

    def _new_second(self, began: float) -> None:
        """The time of log lines, written out once a second."""
        now = time()
        self._refusals_logged = 0
        self._second = began - now % 1
        self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now)).encode()

    def _meet(self, route: web.AbstractRoute) -> _Route:
        """A route seen for the first time. What matches none gets one name, else strangers could invent names."""
        if route.resource is None:
            return self._nowhere
        name = route.resource.canonical
        met = self._routes[route] = _Route(name, limited=name in self._limited)
        return met

    def record(
        self, route: _Route, method: str, status: int, began: float, visitor: Visitor, request_id: bytes
    ) -> None:
        """Count and log one request."""
        outcome = route.outcomes.get((method, status))
        if outcome is None:
            known = method if method in _METHODS else "other"  # a method is any word a client likes
            outcome = route.outcomes[known, status] = _Outcome(self._figures.of(route.name, known, status))
        seconds = perf_counter() - began
        outcome.figure.add(seconds)
        if route.webhook and status in _REFUSED:  # a flood of forgeries is no flood of lines
            self._refusals_logged += 1
            if self._refusals_logged > MOST_REFUSALS_LOGGED:
                return
        stamp, part = self._stamp, began - self._second
        if part < 0:  # it began in an earlier second than the one written out
            then = time() - seconds
            stamp, part = strftime("%Y-%m-%dT%H:%M:%S", gmtime(then)).encode(), then % 1
        self._log.add(
            b'{"timestamp":"%b.%03d%b%d,"address":"%b","id":"%b"}\n'
            % (
                stamp,
                part * 1000,
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
        request_id = request[REQUEST_ID].decode()
        problem = self.problem(error, route, request_id)
        if request.path.startswith(_FOR_MACHINES):
            return problem_json(problem, request_id)
        return self._problem_page(request, problem)

    def problem(self, error: Exception, route: "_Route", request_id: str) -> Problem:
        """What is told of `error`, which is logged when it is ours."""
        problem = problem_of(error)
        if problem.ours:
            # The message of an unknown error may quote what it choked on, which may be personal: places only.
            logger.error("fault", route=route.name, id=request_id, kind=_kind(error), places=_places(error))
        return problem

    def problem_bytes(self, problem: Problem, request_id: bytes) -> bytes:
        """The whole response that tells of it to a machine."""
        return problem_bytes(problem, request_id, self._data_headers)

    async def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Headers of every response but the prepared ones, which have them."""
        page = response.content_type == "text/html"
        for name, value in (self._page_headers if page else self._data_headers).items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request[REQUEST_ID].decode()
        response.headers.popall(hdrs.SERVER, None)
        if self.last_calls:
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"


Completed = Callable[[bytes], bytes]  # from a request's id to all bytes of its response


class Unguarded(Protocol):
    """Look-ups by target, as `channels.public_api` answers them."""

    def ready(self, target: str, address: str) -> Completed | None:
        """The response to GET `target` if it is at hand."""

    def asked(self, target: str) -> Callable[[str], Awaitable[Completed]] | None:
        """What finds the response to GET `target` for an address, and raises what the desk raises.

        None where aiohttp must read the target.
        """


class GuardedLookups:
    """Look-ups with the duties of every request: `channels.web.front_door.Lookups`."""

    def __init__(self, duties: Duties, route: _Route, lookups: Unguarded) -> None:
        self._duties = duties
        self._route = route
        self._lookups = lookups

    def at_once(self, target: str, visitor: Visitor) -> bytes | None:
        """The response to GET `target`, or None when it is not ready or may not be given."""
        duties = self._duties
        began = duties.begin()
        complete = self._lookups.ready(target, visitor.address)
        if complete is None or duties.spend(self._route, visitor):
            return None
        request_id = duties.next_id()
        response = complete(request_id)
        duties.record(self._route, hdrs.METH_GET, 200, began, visitor, request_id)
        return response

    def in_time(self, target: str, visitor: Visitor) -> Coroutine[Any, Any, bytes] | None:
        """The response as soon as it is known, a refusal included; None where aiohttp must read the target."""
        find = self._lookups.asked(target)
        return None if find is None else self._respond(find, visitor)

    async def _respond(self, find: Callable[[str], Awaitable[Completed]], visitor: Visitor) -> bytes:
        duties, route, status = self._duties, self._route, 200
        began, request_id = duties.begin(), duties.next_id()
        try:
            if wait := duties.spend(route, visitor):
                _refuse_for(wait)
            response = (await find(visitor.address))(request_id)
        except Exception as error:
            problem = duties.problem(error, route, request_id.decode())
            status, response = problem.status, duties.problem_bytes(problem, request_id)
        except BaseException:
            duties.record(route, hdrs.METH_GET, _GONE, began, visitor, request_id)
            raise
        duties.record(route, hdrs.METH_GET, status, began, visitor, request_id)
        return response


def _trace(parent: str) -> bytes | None:
    """The id of the trace that the caller's request belongs to."""
    found = _TRACEPARENT.fullmatch(parent)
    return found[1].encode() if found else None


def _refuse_ambiguous(request: web.Request) -> None:
    """What aiohttp takes, and a proxy before us may have read otherwise (RFC 9112 3.2, 6.1), ends the connection."""
    if not is_host(request.headers.get(hdrs.HOST, "")):
        request.protocol.close()
        raise Malformed("The Host header names no host.")
    if request.version < HttpVersion11 and hdrs.TRANSFER_ENCODING in request.headers:
        request.protocol.close()
        raise Malformed("HTTP/1.0 knows no Transfer-Encoding.")


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
