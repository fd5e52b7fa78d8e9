"""The description in openapi.yaml and the running API agree: schemathesis asks, in both directions."""

import asyncio
import re
from datetime import datetime
from importlib.resources import files
from typing import Any, TypeAlias

import jsonschema_rs
import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.channels.agency_api.conftest import Agency, Stage, dossier

Case: TypeAlias = schemathesis.Case[Any]

EXAMPLES = 10  # per operation and direction

# What a schema cannot say: how codes, phones and e-mail addresses are written, that text holds no U+0000, that an event
# has passed. Anything else that the schema allows must be taken.
BEYOND_SCHEMA = frozenset(
    {
        ("malformed_code", "code"),
        ("invalid", "code"),  # not the one in the address
        ("invalid", "applicant.phone"),
        ("invalid", "applicant.email"),
        ("invalid", "extra"),
        ("invalid", "secret"),  # not this dossier's
        ("invalid", "new_secret"),  # beside another
        ("malformed_code", "codes[]"),
        ("not_found", "codes[]"),
        ("invalid", "cursor"),
        ("invalid", "url"),  # not a public address
        ("invalid", "email"),
        ("invalid", "after"),  # no message of the journal
        ("not_found", "id"),
        ("invalid", "reference"),
        ("invalid", "at"),
        ("invalid", "data.code"),
        ("invalid", "data.id"),
        ("invalid", "datacontenttype"),
        ("idempotency_conflict", "Idempotency-Key"),
        ("idempotency_conflict", "id"),
        ("not_found", "code"),
        ("not_yours", "code"),
    }
)


LONG = 1_000  # items: arrays that long are tried elsewhere


def described(*, narrowed: bool) -> dict[str, Any]:
    """The description, if asked `narrowed` to what the test's key reaches: data that must be taken."""
    given: dict[str, Any] = msgspec.yaml.decode(files("channels.agency_api").joinpath("openapi.yaml").read_bytes())
    if narrowed:
        given["components"]["schemas"]["AgencyCode"] = {"enum": ["H05.16"]}
        given["components"]["parameters"]["Code"]["schema"] = {"enum": ["H05.16-261102-0001", "H05.16-2", "x"]}
    for path in given["paths"].values():
        for operation in path.values():
            body = operation.get("requestBody", {}) if isinstance(operation, dict) else {}
            body.get("content", {}).pop("application/x-ndjson", None)
    _drop(given, "security")  # every question is asked with a good key
    _drop(given, "maxItems", from_value=LONG)  # one more than a thousand is another test's
    return given


def _drop(given: object, name: str, *, from_value: int = 0) -> None:
    if isinstance(given, dict) and name in given and (not from_value or given[name] >= from_value):
        del given[name]
    for inner in given.values() if isinstance(given, dict) else given if isinstance(given, list) else ():
        _drop(inner, name, from_value=from_value)


@schemathesis.check
def refused_only_beyond_schema(_ctx: CheckContext, response: Response, case: Case) -> None:
    """Data the schema allows is refused only for what a schema cannot say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    said = msgspec.json.decode(response.content)
    if "error_code" in said:
        return
    error = said["error"]
    field = re.sub(r"\[\d+\]", "[]", error.get("field", ""))
    assert (error["code"], field) in BEYOND_SCHEMA, error


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    refused_only_beyond_schema,
]


def ask_everything(url: str, key: str) -> int:
    """Put generated questions to every operation; how many were asked."""
    schemathesis.openapi.format(
        "date-time",
        st.datetimes(
            min_value=datetime(1990, 1, 1),  # noqa: DTZ001
            max_value=datetime(2026, 11, 1),  # noqa: DTZ001
        ).map(lambda at: f"{at.isoformat()}Z"),
    )
    asked = 0
    for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
        schema = schemathesis.openapi.from_dict(described(narrowed=mode.is_positive))
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if mode.is_negative and (operation.method == "options" or operation.path.startswith("/dvcqg/")):
                continue  # takes anything
            if mode.is_negative and (operation.method, operation.path) == ("get", "/api/v1/callbacks"):
                continue  # takes nothing
            strategy = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def ask(case: Case) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)

            ask()
    return asked


async def test_whatever_is_asked_the_answer_is_as_described(stage: Stage, agency: Agency) -> None:
    await agency.post("/api/v1/dossiers", [dossier(1)])
    assert await asyncio.to_thread(ask_everything, stage.url, agency.key) > 100


async def test_the_description_is_served_and_can_be_read(stage: Stage, agency: Agency) -> None:
    served = await agency.get("/api/openapi.yaml")
    assert served.headers["Content-Type"] == "application/yaml; charset=utf-8"
    assert msgspec.yaml.decode(served.body)["openapi"] == "3.1.0"
    page = await agency.get("/api/")
    html = page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "PUT /api/v1/dossiers/{code}" in html
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)
    english = (await agency.get("/api/?lang=en")).body.decode()
    assert '<html lang="en">' in english


def test_every_example_is_what_its_schema_says() -> None:
    given = msgspec.yaml.decode(files("channels.agency_api").joinpath("openapi.yaml").read_bytes())
    checked = 0
    for path in given["paths"].values():
        for operation in path.values():
            if not isinstance(operation, dict):
                continue
            for kind, media in operation.get("requestBody", {}).get("content", {}).items():
                for example in media.get("examples", {}).values():
                    if "$ref" in example:
                        example = given["components"]["examples"][example["$ref"].rpartition("/")[2]]
                    schema = {**media["schema"], "components": given["components"]}
                    if kind != "application/x-ndjson":
                        jsonschema_rs.validate(schema, example["value"])
                        checked += 1
    assert checked >= 8
