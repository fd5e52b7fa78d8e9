"""What went wrong, as the asker may see it: one table from errors to a status, a stable code and a sentence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from domain.errors import ServiceError, TooMany, Unavailable

_STATUS_OF = MappingProxyType(
    {
        "malformed": 400,
        "malformed_code": 422,
        "invalid": 422,
        "not_found": 404,
        "not_yours": 403,
        "unauthenticated": 401,
        "forbidden": 403,
        "idempotency_conflict": 409,
        "changed_meanwhile": 409,
        "too_large": 413,
        "too_many_requests": 429,
        "unavailable": 503,
    }
)
# What aiohttp itself refuses, in the same words.
_OF_HTTP = MappingProxyType(
    {
        400: ("malformed", "The request cannot be read."),
        403: ("forbidden", "This is not allowed."),
        404: ("not_found", "There is nothing at this address."),
        405: ("method_not_allowed", "This address does not take that method."),
        408: ("timeout", "The request took too long."),
        411: ("length_required", "The request must say how long it is."),
        413: ("too_large", "The request is larger than this address takes."),
        414: ("too_large", "The address is too long."),
        415: ("unsupported_media_type", "This address does not take that content type."),
        417: ("malformed", "The expectation cannot be met."),
        421: ("misdirected", "This host is not served here."),
        431: ("too_large", "The headers are too large."),
    }
)
_KEPT_HEADERS = ("Allow", "WWW-Authenticate", "Accept")
INTERNAL = "internal"
REQUEST_ID = web.RequestKey("request_id", bytes)  # 16 or 32 hexadecimal digits; of every request


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal or fault as the asker may see it. `status` is the HTTP status; `after` is when to come back."""

    status: int
    code: str
    message: str
    field: str | None = None
    after: timedelta | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def ours(self) -> bool:
        """Whether the fault is ours, so that an operator must see it."""
        return self.code == INTERNAL


def problem_of(error: BaseException) -> Problem:
    """What the asker is told of `error`. An error of ours with no place in the table, and any other, tells nothing."""
    if isinstance(error, ServiceError) and (status := _STATUS_OF.get(error.code)):
        after = error.after if isinstance(error, (TooMany, Unavailable)) else None
        headers: tuple[tuple[str, str], ...] = ()
        if after is not None:
            headers = (("Retry-After", str(max(1, math.ceil(after.total_seconds())))),)
        elif status == web.HTTPUnauthorized.status_code:
            headers = (("WWW-Authenticate", "Bearer"),)
        return Problem(
            status=status, code=error.code, message=error.message, field=error.field, after=after, headers=headers
        )
    if isinstance(error, web.HTTPException) and error.status in _OF_HTTP:
        code, message = _OF_HTTP[error.status]
        headers = tuple((name, error.headers[name]) for name in _KEPT_HEADERS if name in error.headers)
        return Problem(status=error.status, code=code, message=message, headers=headers)
    # A body that breaks HTTP itself: bad chunks, bad gzip, fewer bytes than announced.
    if isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
        code, message = _OF_HTTP[400]
        return Problem(status=400, code=code, message=message)
    return Problem(status=500, code=INTERNAL, message="Something went wrong on our side.")


def problem_json(problem: Problem, request_id: str) -> web.Response:
    """`{"error": {"code", "message", "field"?}}`; a fault of ours also names the request, to be quoted to us."""
    return web.Response(
        status=problem.status,
        body=_told(problem, request_id),
        headers={"Cache-Control": "no-store", **dict(problem.headers)},
        content_type="application/json",
    )


def problem_bytes(problem: Problem, request_id: bytes, headers: Mapping[str, str]) -> bytes:
    """The same as all bytes of a response with `headers`, for where no framework stands."""
    body = _told(problem, request_id.decode())
    own = {"Content-Type": "application/json", "Content-Length": str(len(body)), "X-Request-Id": request_id.decode()}
    lines = {**headers, "Cache-Control": "no-store", **dict(problem.headers), **own, "Date": formatdate(usegmt=True)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n{head}\r\n".encode("latin-1") + body


def _told(problem: Problem, request_id: str) -> bytes:
    told: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.field is not None:
        told["field"] = problem.field
    if problem.ours:
        told["request_id"] = request_id
    return msgspec.json.encode({"error": told})
