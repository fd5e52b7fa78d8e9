"""The national portal's routes, `POST /dvcqg/v1` and `/dvcqg/v1/{service}`, answered as senders expect.

`error_code` is text: "00" when everything was taken (stored, known already, or kept for later), else one of `_CODES`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import hdrs, web

from channels.agency_api.admission import Admission
from channels.agency_api.bodies import JSON, MAX_ARRAY, MAX_ITEMS, whole
from channels.agency_api.callers import Caller, token_of
from channels.agency_api.intake import Intake
from channels.agency_api.portal_messages import Members, is_true
from channels.agency_api.portal_sorting import PROGRESS, SYNC, PortalSorting
from channels.agency_api.reading_back import ReadingBack
from channels.agency_api.tallies import Tally
from channels.json_bodies import decoded
from database.pool import Connection
from domain.errors import Invalid, Malformed, NotFound, TooLarge
from lookup.api_keys import Scope
from lookup.changes import Tenant
from lookup.idempotency import GivenAnswer
from pages.problems import problem_of

LOOK_UP = "TraCuuHoSo"
_SERVICES = MappingProxyType({name.lower(): name for name in (SYNC, PROGRESS, LOOK_UP)})
_SUCCESS = "00"
_CODES = MappingProxyType(
    {
        "malformed": "01",
        "malformed_code": "02",
        "invalid": "02",
        "unauthenticated": "03",
        "forbidden": "03",
        "not_found": "04",
        "not_yours": "05",
        "idempotency_conflict": "06",
        "too_large": "07",
        "too_many_requests": "08",
        "unavailable": "09",
    }
)
_OTHER = "99"
_KEPT = "Đã nhận; trạng thái chưa có trong danh mục nên được giữ lại chờ đối chiếu."

_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """One call, its parts found wherever this sender puts them."""

    service: str
    data: Sequence[Any]
    unit: str | None
    code: str | None
    body: bytes


class Portal:
    """Routes of the national portal's messages."""

    def __init__(
        self,
        *,
        admission: Admission,
        intake: Intake,
        sorting: PortalSorting,
        reading_back: ReadingBack,
    ) -> None:
        self._admission = admission
        self._intake = intake
        self._sorting = sorting
        self._reading_back = reading_back

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Both addresses."""
        handler = self._answering(self.receive)
        return [web.post("/dvcqg/v1", handler), web.post("/dvcqg/v1/{service}", handler)]

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """POST /dvcqg/v1[/{service}]"""
        with self._admission.room.body() as claim:
            header = _token_in_headers(request)
            if header is not None:  # who shows a key at once is turned away before the body is read
                await self._admission.callers.of(request, header)
            body = await whole(request, MAX_ARRAY, claim)
            given = decoded(_anything.decode, body) if body.strip() else {}
            members = Members(given if isinstance(given, dict) else {})
            token = header or token_of([members.raw("token"), request.query.get("token")])
            caller = await self._admission.callers.of(request, token or "")
            message = _message(request, given, members, body)
            return await self._dispatch(request, caller, message)

    async def _dispatch(self, request: web.Request, caller: Caller, message: _Message) -> web.StreamResponse:
        if message.service == LOOK_UP:
            caller.must(Scope.DOSSIERS_READ)
            await self._admission.allow(request, caller, 1)
            return _response(await self._look_up(caller.tenant, message))
        caller.must(Scope.DOSSIERS_WRITE if message.service == SYNC else Scope.EVENTS_WRITE)
        await self._admission.allow(request, caller, 1)
        said = request.query_string.encode() + b"\n" + message.body

        async def work(connection: Connection | None) -> GivenAnswer:
            await self._admission.allow(request, caller, len(message.data) - 1)
            tally = Tally()
            batch = await self._sorting.batch(caller.tenant, message.service, message.data, message.unit)
            await self._intake.store(caller.tenant, batch, tally, connection)
            return _answer(tally)

        return _response(await self._admission.once(request, caller, said, work))

    async def _look_up(self, tenant: Tenant, message: _Message) -> GivenAnswer:
        if not message.code:
            raise Invalid("The dossier code is missing.", field="mahoso")
        try:
            found = [await self._reading_back.for_portal(tenant, message.code)]
        except NotFound:
            found = []
        note = "Thành công" if found else "Không có hồ sơ"
        return GivenAnswer(
            status=HTTPStatus.OK, body=_encode({"error_code": _SUCCESS, "message": note, "result": found})
        )

    def _answering(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """`handler` with refusals in the portal's form."""

        async def answering(request: web.Request) -> web.StreamResponse:
            try:
                response = await handler(request)
            except Exception as error:
                problem = problem_of(error)
                if problem.ours:
                    raise
                said: dict[str, Any] = {"error_code": _CODES.get(problem.code, _OTHER), "message": problem.message}
                if problem.field is not None:
                    said["field"] = problem.field
                response = web.Response(
                    status=_status_for_senders(problem.status),
                    body=_encode({**said, "result": []}),
                    content_type=JSON,
                    headers=dict(problem.headers),
                )
                self._admission.end_broken_body(request, response, error)
            self._admission.told(request, response)
            return response

        return answering


def _status_for_senders(status: int) -> int:
    """Senders know 400, 401, 403, 404 and what tells them to come back."""
    return HTTPStatus.BAD_REQUEST if status in {405, 409, 415, 422} else status


def _token_in_headers(request: web.Request) -> str | None:
    written = request.headers.get(hdrs.AUTHORIZATION) or request.headers.get("token")
    if not written:
        return None
    return written[7:].strip() if written[:7].lower() == "bearer " else written.strip()


def _message(request: web.Request, given: object, members: Members, body: bytes) -> _Message:
    query = Members(dict(request.query))
    named = request.match_info.get("service") or members.text("service") or query.text("service") or ""
    service = _SERVICES.get(named.lower())
    if service is None and not named:
        raise Malformed("The message names no service.")
    if service is None:
        raise NotFound("There is no such service here.", field="service")
    for source in (members, query):
        updating = source.raw("isUpdating")
        if updating not in (None, "") and is_true(updating) is None:
            raise Invalid('This must be "True" or "False".', field="isUpdating")
    data = given if isinstance(given, list) else members.raw("data")
    if isinstance(data, str):  # some wrap the array once more
        data = decoded(_anything.decode, data.encode())
    if isinstance(data, dict):
        data = [data]
    if service == LOOK_UP:
        data = data or []
        first = Members(data[0]) if isinstance(data, list) and data and isinstance(data[0], dict) else Members({})
        return _Message(
            service=service,
            data=[],
            unit=None,
            code=members.text("mahoso") or query.text("mahoso") or first.text("mahoso"),
            body=body,
        )
    if not isinstance(data, list):
        raise Invalid("This must be an array.", field="data")
    if len(data) > MAX_ITEMS:
        raise TooLarge(f"A message may have {MAX_ITEMS} items at most.")
    unit = next((found for name in _UNITS for s in (query, members) if (found := s.text(name))), None)
    return _Message(service=service, data=data, unit=unit, code=None, body=body)


_UNITS = ("MaDinhDanhDV", "madonvi")


def _answer(tally: Tally) -> GivenAnswer:
    said = tally.said()
    for item in said["items"]:
        if "error" in item:
            item["error_code"] = (
                _SUCCESS if item["result"] == "quarantined" else _CODES.get(item["error"]["code"], _OTHER)
            )
    if not tally.rejected:
        message = _KEPT if tally.quarantined else "Thành công"
        return GivenAnswer(
            status=HTTPStatus.OK, body=_encode({"error_code": _SUCCESS, "message": message, "result": said})
        )
    first = next(item for item in said["items"] if item["result"] == "rejected")
    message = f"{tally.rejected} hồ sơ không được nhận; những hồ sơ khác đã được ghi. {first['error']['message']}"
    return GivenAnswer(
        status=HTTPStatus.OK,
        body=_encode({"error_code": first["error_code"], "message": message, "result": said}),
    )


def _response(answer: GivenAnswer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type=JSON)
