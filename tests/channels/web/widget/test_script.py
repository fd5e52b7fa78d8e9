"""The field on other sites: its script, and who may read what it asks for."""

import re
from collections.abc import AsyncIterator

import pytest

from channels.web.widget.script import Widget
from service.wiring import Core
from tests.channels.story import CODE, SECRET
from tests.channels.web.corner import Corner, open_corner

NEIGHBOUR = "https://bacninh.gov.vn"
STRANGER = "https://evil.example"
MOST = 10_000  # bytes
LOOKUP = f"/api/v1/lookup/{CODE}"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    async with open_corner(core, origins=f"{NEIGHBOUR}, https://other.gov.vn") as opened:
        await opened.office.files()
        yield opened


def test_the_script_is_small_and_speaks_both_languages() -> None:
    body = Widget("").body
    assert len(body) <= MOST
    text = body.decode()
    assert '"Xem hồ sơ"' in text
    assert '"See my file"' in text


def test_the_script_does_nothing_that_a_strict_policy_forbids() -> None:
    text = Widget("").body.decode()
    for forbidden in (
        "innerHTML",
        "eval(",
        "Function(",
        "cookie",
        "localStorage",
        "style=",
        ".style",
        "createElement('style",
    ):
        assert forbidden not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


async def test_any_site_may_run_the_script(corner: Corner) -> None:
    response = await corner.client.get("/widget.js", headers={"Origin": STRANGER, "Accept-Encoding": "gzip"})
    assert response.status == 200
    assert response.content_type == "text/javascript"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Set-Cookie" not in response.headers
    again = await corner.client.get("/widget.js", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304


async def test_a_site_that_was_named_reads_what_a_code_alone_tells(corner: Corner) -> None:
    for _ in range(3):  # the answer made for all, too
        response = await corner.client.get(LOOKUP, headers={"Origin": NEIGHBOUR})
        assert response.status == 200
        assert response.headers[ALLOWED] == NEIGHBOUR
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert set(await response.json()) == {
            "code", "stage", "stage_label", "on_time", "due_on", "agency", "next", "as_of", "fresh"
        }  # fmt: skip
        plain = await corner.client.get(LOOKUP)
        assert ALLOWED not in plain.headers


async def test_refusals_are_readable_where_answers_are(corner: Corner) -> None:
    for path, status in (("/api/v1/lookup/H05.16-261102-9999", 404), ("/api/v1/lookup/x", 422)):
        response = await corner.client.get(path, headers={"Origin": NEIGHBOUR})
        assert (response.status, response.headers[ALLOWED]) == (status, NEIGHBOUR)


@pytest.mark.parametrize(
    "origin",
    [STRANGER, "null", "http://bacninh.gov.vn", "https://bacninh.gov.vn.evil.example", f"{NEIGHBOUR}:8443", ""],
)
async def test_no_other_site_reads_anything(corner: Corner, origin: str) -> None:
    for path in (LOOKUP, "/api/v1/lookup/H05.16-261102-9999"):
        response = await corner.client.get(path, headers={"Origin": origin})
        assert ALLOWED not in response.headers


async def test_nothing_but_a_code_can_be_asked_from_elsewhere(corner: Corner) -> None:
    headers = {"Origin": NEIGHBOUR}
    asked = await corner.client.post("/api/v1/lookup", json={"code": CODE, "proof": SECRET}, headers=headers)
    assert asked.status == 403
    assert ALLOWED not in asked.headers
    for path in ("/", f"/tra-cuu?code={CODE}", "/cua-toi", "/chat", "/chat/live"):
        assert ALLOWED not in (await corner.client.get(path, headers=headers)).headers
    asked = await corner.client.options(LOOKUP, headers={**headers, "Access-Control-Request-Method": "GET"})
    assert ALLOWED not in asked.headers


@pytest.mark.parametrize(
    "origins", ["bacninh.gov.vn", "https://", "https://a.vn/path", "ftp://a.vn", "*", "https://a.vn?x"]
)
def test_what_is_no_origin_stops_the_start(origins: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        Widget(origins)


def test_origins_are_written_as_browsers_write_them() -> None:
    assert Widget("https://BacNinh.gov.vn/ ,")._origins == {NEIGHBOUR}
