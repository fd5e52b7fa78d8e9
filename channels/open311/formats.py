"""The two formats of GeoReport v2: the same tree as JSON, and as XML with the names the specification gives."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

import msgspec
from aiohttp import web

from pages.problems import Problem

_KINDS = {"json": "application/json", "xml": "text/xml"}
# What one member of a list is called in XML.
_MEMBERS = {
    "services": "service",
    "service_requests": "request",
    "errors": "error",
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
}
_CODES = {401: 403, 409: 400, 413: 400, 415: 400, 422: 400}  # the specification knows 400, 403 and 404
_UNPRINTABLE = {n: None for n in range(32) if n not in {9, 10, 13}} | {0xFFFE: None, 0xFFFF: None}


def answer(kind: str, root: str, said: object, *, status: int = 200) -> web.Response:
    """`said` in the format `kind` (json, xml); `root` is the outermost element of XML. A None is empty there."""
    if kind == "json":
        body = msgspec.json.encode(said)
    else:
        body = ('<?xml version="1.0" encoding="utf-8"?>\n' + _element(root, said) + "\n").encode()
    response = web.Response(body=body, status=status, content_type=_KINDS[kind], charset="utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def refusal(kind: str, problem: Problem) -> web.Response:
    """What went wrong, in the specification's shape: a list of `code` and `description`."""
    status = _CODES.get(problem.status, problem.status)
    words = f"{problem.field}: {problem.message}" if problem.field else problem.message
    response = answer(kind, "errors", [{"code": status, "description": words}], status=status)
    response.headers.update(dict(problem.headers))
    return response


def _element(name: str, value: object) -> str:
    if value is None:
        return f"<{name}/>"
    if isinstance(value, bool):
        return f"<{name}>{str(value).lower()}</{name}>"
    if isinstance(value, Mapping):
        return f"<{name}>" + "".join(_element(key, part) for key, part in value.items()) + f"</{name}>"
    if isinstance(value, (list, tuple)):
        return f"<{name}>" + "".join(_element(_MEMBERS[name], part) for part in value) + f"</{name}>"
    return f"<{name}>{escape(str(value).translate(_UNPRINTABLE))}</{name}>"
