"""An application under the duties every answer of ours has, for tests that serve a part of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry

from cache.limits import Limit, Limits
from channels.web.access_log import AccessLog
from channels.web.duties import Duties
from pages.problems import Problem
from pages.visitors import Visitors


def plain_problem(_request: web.Request, problem: Problem) -> web.Response:
    """What went wrong as text, where the pages around it are not served."""
    return web.Response(status=problem.status, text=problem.message)


@dataclass(slots=True, kw_only=True)
class OnDuty:
    """`app` under its duties; `log` is closed by whoever made it, and what it wrote stands in `written`."""

    limits: Limits
    visitors: Visitors
    problem_page: Callable[[web.Request, Problem], web.Response] = plain_problem
    secure: bool = False
    lookups: str = "off"
    limited: frozenset[str] = frozenset()
    app: web.Application = field(default_factory=web.Application)
    written: bytearray = field(default_factory=bytearray)
    log: AccessLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = AccessLog(self.written.extend)
        Duties(
            visitors=self.visitors,
            limits=self.limits,
            lookup_limit=Limit.parse("lookup", self.lookups),
            limited=self.limited,
            log=self.log,
            registry=CollectorRegistry(),
            secure=self.secure,
            problem_page=self.problem_page,
        ).install(self.app)
