"""The routes of GeoReport v2 (https://wiki.open311.org/GeoReport_v2): discovery, services, requests, tokens."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from channels.agency_api.callers import Caller, Callers
from channels.open311.filing import Post, form_of
from channels.open311.formats import answer, refusal
from channels.open311.reading import Reader, ServiceRequests
from channels.open311.services import definition, notice_of, services
from database.pool import DATABASE_AWAY, Database, Role
from domain.agency import Agency
from domain.errors import NotFound, Unavailable
from domain.language import Language
from feedback_intake.filed_by_systems import FiledBySystems
from feedback_intake.numbers import number_in
from lookup.registry import Registry
from pages.problems import problem_of
from pages.visitors import Visitors

PLACE = "/open311/v2"
_EXT = "{ext:json|xml}"
_SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"
_CHANGED = "2026-11-22T00:00:00+07:00"
_LONGEST_TOKEN = 64

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Open311:
    """Every route. `url` is where we are."""

    def __init__(
        self,
        *,
        callers: Callers,
        requests: ServiceRequests,
        post: Post,
        filed: FiledBySystems,
        database: Database,
        registry: Registry,
        visitors: Visitors,
        url: str,
    ) -> None:
        self._callers = callers
        self._requests = requests
        self._post = post
        self._filed = filed
        self._database = database
        self._registry = registry
        self._visitors = visitors
        self._url = url.rstrip("/")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every route, in both formats."""
        guarded = _guarded
        return [
            web.get(f"{PLACE}/discovery.{_EXT}", guarded(self.discovery)),
            web.get(f"{PLACE}/services.{_EXT}", guarded(self.services)),
            web.get(f"{PLACE}/services/{{code:[^/.]+}}.{_EXT}", guarded(self.service)),
            web.get(f"{PLACE}/requests.{_EXT}", guarded(self.requests)),
            web.post(f"{PLACE}/requests.{_EXT}", guarded(self.file)),
            web.get(f"{PLACE}/requests/{{id:[^/.]+}}.{_EXT}", guarded(self.request)),
            web.get(f"{PLACE}/tokens/{{token:[^/.]+}}.{_EXT}", guarded(self.token)),
            web.route("*", f"{PLACE}/{{rest:.*}}", guarded(self.nothing)),
        ]

    async def discovery(self, request: web.Request) -> web.Response:
        """GET discovery: where the service is, and what it speaks."""
        endpoint = {
            "specification": _SPECIFICATION,
            "url": self._url + PLACE,
            "changeset": _CHANGED,
            "type": "production",
            "formats": ["application/json", "text/xml"],
        }
        said = {
            "changeset": _CHANGED,
            "contact": f"{self._url}/gop-y",
            "key_service": f"{self._url}/api/",
            "endpoints": [endpoint],
        }
        return answer(_kind(request), "discovery", said)

    async def services(self, request: web.Request) -> web.Response:
        """GET services: what can be reported."""
        self._jurisdiction(request.query.get("jurisdiction_id", ""))
        return answer(_kind(request), "services", services(_language(request)))

    async def service(self, request: web.Request) -> web.Response:
        """GET a service definition: what may be told besides the description."""
        self._jurisdiction(request.query.get("jurisdiction_id", ""))
        return answer(_kind(request), "service_definition", definition(request.match_info["code"], _language(request)))

    async def requests(self, request: web.Request) -> web.Response:
        """GET service requests: the published ones; with a key, those it filed."""
        return answer(
            _kind(request), "service_requests", await self._requests.many(request, await self._reader(request))
        )

    async def request(self, request: web.Request) -> web.Response:
        """GET a service request."""
        reader = await self._reader(request)
        return answer(_kind(request), "service_requests", await self._requests.one(request.match_info["id"], reader))

    async def file(self, request: web.Request) -> web.Response:
        """POST a service request. With `Prefer: respond-async` a token is given instead of the number."""
        form = await form_of(request)
        caller = await self._caller(request, form.get("api_key") or request.query.get("api_key", ""))
        jurisdiction = self._jurisdiction(form.get("jurisdiction_id") or request.query.get("jurisdiction_id", ""))
        language = _language(request)
        accepted = await self._post.accept(form, caller, language=language, jurisdiction=jurisdiction)
        await self._callers.note_use()
        later = "respond-async" in request.headers.get("Prefer", "")
        named = {"token": accepted.token} if later else {"service_request_id": accepted.number}
        said = {**named, "service_notice": notice_of(accepted.resembles, language), "account_id": None}
        return answer(_kind(request), "service_requests", [said], status=200)

    async def token(self, request: web.Request) -> web.Response:
        """GET the number that a token was given for."""
        token = request.match_info["token"]
        if number := number_in(token):  # some programs ask with what they were given, whichever it was
            return answer(_kind(request), "service_requests", [{"service_request_id": number, "token": token}])
        try:
            async with self._database.connection(Role.WORKER) as connection:
                number = await self._filed.number_of(connection, token[:_LONGEST_TOKEN])
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment. Please try again shortly.") from error
        if number is None:
            raise NotFound("There is no such token.", field="token")
        return answer(_kind(request), "service_requests", [{"service_request_id": number, "token": token}])

    async def nothing(self, _request: web.Request) -> web.Response:
        """Whatever else is asked for. Raises `NotFound`."""
        raise NotFound("There is nothing at this address; addresses end in .json or .xml.")

    async def _reader(self, request: web.Request) -> Reader:
        key = request.query.get("api_key", "")
        caller = await self._caller(request, key) if key else None
        jurisdiction = self._jurisdiction(request.query.get("jurisdiction_id", ""))
        agencies = None
        if jurisdiction is not None and jurisdiction.parent_id is not None:
            agencies = self._registry.reach(jurisdiction.agency_id) or frozenset({jurisdiction.agency_id})
        return Reader(
            api_key_id=caller.tenant.api_key_id if caller else None,
            origin=self._visitors.of(request).address,
            language=_language(request),
            agencies=agencies,
        )

    async def _caller(self, request: web.Request, key: str) -> Caller:
        return await self._callers.of(request, key)

    def _jurisdiction(self, name: str) -> Agency | None:
        """The office a `jurisdiction_id` names by its code; None for all. Raises `NotFound`."""
        if not name:
            return None
        agency = self._registry.agency_by_code(name.strip().upper())
        if agency is None:
            raise NotFound("There is no such jurisdiction.", field="jurisdiction_id")
        return agency


def _guarded(handler: Handler) -> Handler:
    """`handler` with refusals in the specification's shape; faults of ours are told by whoever stands around."""

    async def guarded(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Exception as error:
            problem = problem_of(error)
            if problem.ours:
                raise
            return refusal(_kind(request), problem)

    return guarded


def _kind(request: web.Request) -> str:
    return request.match_info.get("ext") or ("json" if request.path.endswith(".json") else "xml")


def _language(request: web.Request) -> Language:
    return Language.ENGLISH if request.query.get("lang") == "en" else Language.VIETNAMESE
