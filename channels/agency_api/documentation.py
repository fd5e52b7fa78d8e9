"""The API's own description: openapi.yaml as it stands in this folder, and a page made from it for reading."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from aiohttp import web

from pages.rendering import Pages

_METHODS = ("get", "post", "put", "delete", "options")


class Documentation:
    """Serves both. The page is made once for each language of its frame."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._yaml = files("channels.agency_api").joinpath("openapi.yaml").read_bytes()
        self.described: dict[str, Any] = msgspec.yaml.decode(self._yaml)
        self._operations = [
            _Operation(self.described, path, method, item)
            for path, item in self.described["paths"].items()
            for method in _METHODS
            if method in item
        ]
        shown = {answer.shape: answer.examples for operation in self._operations for answer in operation.refusals}
        shapes = self.described["components"]["schemas"]
        self._shapes = [_Shape(name, given, shown.get(name, [])) for name, given in shapes.items()]

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The description and the page."""
        return [web.get("/api/openapi.yaml", self.openapi), web.get("/api/", self.page), web.get("/api", self.moved)]

    async def openapi(self, _request: web.Request) -> web.Response:
        """GET /api/openapi.yaml"""
        return web.Response(
            body=self._yaml,
            content_type="application/yaml",
            charset="utf-8",
            headers={"Cache-Control": "public, max-age=3600"},
        )

    async def moved(self, _request: web.Request) -> web.Response:
        """GET /api: what people type."""
        raise web.HTTPPermanentRedirect("/api/")

    async def page(self, request: web.Request) -> web.Response:
        """GET /api/"""
        return self._pages.render(
            request,
            "agency_api.html",
            headers={"X-Robots-Tag": "all"},
            info=self.described["info"],
            operations=self._operations,
            shapes=self._shapes,
            names={shape.name for shape in self._shapes},
            paragraphs=_paragraphs,
        )


class _Operation:
    """One method of one address, its references followed. The shape of refusals has their example."""

    def __init__(self, described: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]) -> None:
        given = item[method]
        self.method = method.upper()
        self.path = path
        self.anchor = given["operationId"]
        self.summary = given["summary"]
        self.description = given.get("description", "")
        parameters = [*item.get("parameters", ()), *given.get("parameters", ())]
        self.parameters = [_followed(described, parameter) for parameter in parameters]
        content = _followed(described, given.get("requestBody", {})).get("content", {})
        self.bodies = [(kind, _shape_of(media), _examples(described, media)) for kind, media in content.items()]
        answers = [_Answer(described, status, answer) for status, answer in given["responses"].items()]
        self.answers = [answer for answer in answers if not answer.refused]
        self.refusals = [answer for answer in answers if answer.refused]


class _Answer:
    """One possible answer."""

    def __init__(self, described: Mapping[str, Any], status: str, given: Mapping[str, Any]) -> None:
        given = _followed(described, given)
        self.status = status
        self.refused = status[0] in "45"
        self.description = given["description"]
        content = given.get("content", {})
        self.shape = next((_shape_of(media) for media in content.values()), "")
        self.examples = [example for media in content.values() for example in _examples(described, media)]


class _Shape:
    """One schema as a table of members."""

    def __init__(self, name: str, given: Mapping[str, Any], examples: Sequence[tuple[str, str]]) -> None:
        self.name = name
        self.examples = examples
        self.description = given.get("description", "")
        required = set(given.get("required", ()))
        self.members = [
            (member, member in required, _kind_of(schema), schema.get("description", ""))
            for member, schema in given.get("properties", {}).items()
        ]
        self.kind = _kind_of(given)


def _followed(described: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in given:
        return given
    found: Any = described
    for part in given["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _followed(described, found)


def _examples(described: Mapping[str, Any], media: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Title and text of every example."""
    found = []
    for name, example in media.get("examples", {}).items():
        example = _followed(described, example)
        value = example["value"]
        text = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode()
        found.append((example.get("summary", name), text))
    return found


def _shape_of(media: Mapping[str, Any]) -> str:
    return _kind_of(media.get("schema", {}))


def _kind_of(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind_of(part) for part in schema[several] if part))
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    kinds = [kind] if isinstance(kind, str) else kind
    if kinds == ["array"]:
        return f"array of {_kind_of(schema.get('items', {})) or 'anything'}"
    said = " or ".join(kinds)
    limits = [str(schema[key]) for key in ("format",) if key in schema]
    if "maxLength" in schema:
        limits.append(f"at most {schema['maxLength']} characters")
    return f"{said} ({', '.join(limits)})" if limits else said


def _paragraphs(text: str) -> list[str]:
    """Text of the description, split at empty lines."""
    return [part.strip() for part in text.split("\n\n") if part.strip()]
