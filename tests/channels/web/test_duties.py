"""What is done around every request: who asked, how it is written down, and what a fault tells."""

import asyncio
import re
import time

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from channels.web.duties import MOST_REFUSALS_LOGGED
from domain.errors import Conflict, Forbidden, Invalid, NotYours, ServiceError, TooLarge, Unauthenticated
from tests.channels.web.conftest import OpenSite, Site
from tests.channels.web.sample_answers import APPLICANT, SAMPLES

CODE = SAMPLES["in_progress"].code
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def raw(site: Site, request: bytes, *, break_off: bool = False) -> bytes:
    """What the server answers to these bytes, until it closes."""
    server = site.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request)
    if break_off:
        writer.write_eof()
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


# --- identity ---


async def test_a_request_has_an_id_of_its_own(site: Site) -> None:
    ids = {(await site.client.get("/")).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in ids)


async def test_a_request_within_a_trace_keeps_its_id(site: Site) -> None:
    response = await site.client.get("/", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert response.headers["X-Request-Id"] == TRACE


@pytest.mark.parametrize(
    "parent",
    ["", "00-xyz", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-00f067aa0ba902b7-01\u0661", TRACE.upper()],
)
async def test_a_broken_trace_is_not_carried_on(site: Site, parent: str) -> None:
    response = await site.client.get("/", headers={"traceparent": parent})
    assert re.fullmatch("[0-9a-f]{16}", response.headers["X-Request-Id"])


# --- the access log ---


async def test_a_request_that_lasts_is_logged_with_the_time_it_began(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.perf_counter
    for ahead in (5, 0):  # the second is under way while a request of five seconds later came and was logged
        monkeypatch.setattr("channels.web.duties.perf_counter", lambda ahead=ahead: clock() + ahead)
        await site.client.get("/")
    stamps = [line["timestamp"] for line in await site.logged()]
    assert len(stamps) == 2
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp) for stamp in stamps)


async def test_the_access_log_names_the_route_and_nobody(site: Site) -> None:
    await site.client.get("/tra-cuu", params={"code": CODE})
    await site.client.get(f"/api/v1/lookup/{CODE}")
    await site.client.get(f"/{APPLICANT}")
    first, second, third = await site.logged()
    assert (first["route"], first["method"], first["status"]) == ("/tra-cuu", "GET", 200)
    assert (second["route"], third["route"], third["status"]) == ("/api/v1/lookup/{code}", "none", 404)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["timestamp"])
    assert first["us"] >= 0
    assert first["address"] == second["address"]
    written = site.written.decode()
    assert CODE not in written
    assert "Nguy" not in written
    assert "127.0.0.1" not in written


async def test_a_method_nobody_knows_has_no_name_in_the_log(site: Site) -> None:
    answer = await raw(site, b"PURGE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b" 405 " in answer.splitlines()[0]
    assert {line["method"] for line in await site.logged()} == {"other"}


async def test_requests_are_counted_by_route_and_outcome(site: Site) -> None:
    for _ in range(3):
        await site.client.get("/tra-cuu", params={"code": CODE})
    labels = {"route": "/tra-cuu", "method": "GET", "status": "200"}
    assert site.registry.get_sample_value("motma_http_request_seconds_count", labels) == 3
    assert site.registry.get_sample_value("motma_http_request_seconds_bucket", {**labels, "le": "+Inf"}) == 3
    assert (site.registry.get_sample_value("motma_http_request_seconds_sum", labels) or 0) > 0
    assert site.registry.get_sample_value("motma_access_log_lost_lines") == 0


async def test_a_flood_of_forged_webhooks_is_counted_and_hardly_logged(open_site: OpenSite) -> None:
    async def forged(_request: web.Request) -> web.Response:
        raise Unauthenticated("The call is not signed as agreed.")

    site = await open_site(extra=(web.post("/webhooks/sms", forged),))
    for _ in range(40):
        assert (await site.client.post("/webhooks/sms")).status == 401
    await site.client.get("/nowhere")
    lines = await site.logged()
    # The calls may fall into two seconds.
    assert MOST_REFUSALS_LOGGED <= sum(line["route"] == "/webhooks/sms" for line in lines) <= 2 * MOST_REFUSALS_LOGGED
    assert lines[-1]["route"] == "none"
    labels = {"route": "/webhooks/sms", "method": "POST", "status": "401"}
    assert site.registry.get_sample_value("motma_http_request_seconds_count", labels) == 40


# --- who asks ---


async def test_only_our_proxies_say_who_asks(open_site: OpenSite) -> None:
    site = await open_site(limit="1/minute", trusted="127.0.0.0/8")
    for n in range(3):
        headers = {"X-Forwarded-For": f"198.51.100.{n}"}
        assert (await site.client.get("/tra-cuu", params={"code": CODE}, headers=headers)).status == 200
    # Whatever stands left of the address our proxy saw was written by the visitor.
    headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}
    assert (await site.client.get("/tra-cuu", params={"code": CODE}, headers=headers)).status == 429


async def test_a_stranger_cannot_take_another_name(open_site: OpenSite) -> None:
    site = await open_site(limit="1/minute")
    statuses = [
        (
            await site.client.get("/tra-cuu", params={"code": CODE}, headers={"X-Forwarded-For": f"198.51.100.{n}"})
        ).status
        for n in range(2)
    ]
    assert statuses == [200, 429]


async def test_pages_and_api_share_the_limit(open_site: OpenSite) -> None:
    site = await open_site(limit="2/minute")
    assert (await site.client.get("/tra-cuu", params={"code": CODE})).status == 200
    assert (await site.client.get(f"/api/v1/lookup/{CODE}")).status == 200
    refused = await site.client.post("/api/v1/lookup", json={"code": CODE, "proof": "1"})
    assert refused.status == 429
    assert (await refused.json())["error"]["code"] == "too_many_requests"
    assert int(refused.headers["Retry-After"]) >= 1


# --- errors ---


def raising(error: BaseException) -> tuple[web.AbstractRouteDef, ...]:
    async def handler(_request: web.Request) -> web.Response:
        raise error

    return (web.get("/api/v1/broken", handler), web.get("/broken", handler))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("Not this.", field="code"), 422),
        (NotYours("Not yours."), 403),
        (Unauthenticated("No key."), 401),
        (Forbidden("No scope."), 403),
        (Conflict("Used before."), 409),
        (TooLarge("Too large."), 413),
    ],
)
async def test_an_error_of_ours_is_told_as_it_is(open_site: OpenSite, error: ServiceError, status: int) -> None:
    site = await open_site(extra=raising(error))
    response = await site.client.get("/api/v1/broken")
    told = {"code": error.code, "message": error.message} | ({"field": error.field} if error.field else {})
    assert response.status == status
    assert await response.json() == {"error": told}
    assert ("WWW-Authenticate" in response.headers) is (status == 401)
    page = await site.client.get("/broken")
    assert page.status == status
    assert page.content_type == "text/html"


async def test_a_fault_tells_a_number_and_the_log_tells_where(open_site: OpenSite) -> None:
    site = await open_site(extra=raising(ValueError(f"Key (name)=({APPLICANT}) already exists")))
    with capture_logs() as logs:
        response = await site.client.get("/api/v1/broken")
    assert response.status == 500
    assert await response.json() == {
        "error": {
            "code": "internal",
            "message": "Something went wrong on our side.",
            "request_id": response.headers["X-Request-Id"],
        }
    }
    assert logs[0]["id"] == response.headers["X-Request-Id"]
    assert logs[0]["kind"] == "builtins.ValueError"
    assert "test_duties.py" in logs[0]["places"][-1]
    assert APPLICANT not in str(logs)


async def test_no_such_route_and_method_speak_json_to_machines(site: Site) -> None:
    response = await site.client.get("/api/v1/nothing")
    assert (response.status, (await response.json())["error"]["code"]) == (404, "not_found")
    response = await site.client.delete("/api/v1/lookup")
    assert (response.status, (await response.json())["error"]["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


ASKING = b"POST /api/v1/lookup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"Content-Length: 2\r\n\r\n\xff\xfe",
        b"Content-Length: 0\r\n\r\n",
    ],
)
async def test_a_body_that_cannot_be_read_is_the_senders_fault(site: Site, body: bytes) -> None:
    assert re.match(rb"HTTP/1.. 4\d\d ", await raw(site, ASKING + body))
    assert all(line["status"] < 500 for line in await site.logged())


@pytest.mark.parametrize(
    "body", [b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"cod', b'Content-Length: 99\r\n\r\n{"code":']
)
async def test_a_sender_that_breaks_off_leaves_no_fault(site: Site, body: bytes) -> None:
    with capture_logs() as logs:
        await raw(site, ASKING + body, break_off=True)
    assert logs == []
    assert all(line["status"] < 500 for line in await site.logged())


async def test_redirects_are_no_faults(site: Site) -> None:
    response = await site.client.get("/tra-cuu", allow_redirects=False)
    assert response.status == 303
    assert "Content-Security-Policy" in response.headers
    assert (await site.logged())[0]["status"] == 303
