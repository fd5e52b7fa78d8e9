"""Look-up as JSON: what a code shows, what a proof opens, and answers sent as bytes kept for a while."""

import asyncio
import re
from dataclasses import replace

import pytest

from channels import public_api
from lookup.disclosure import Answer
from tests.channels.web.conftest import OpenSite, Site
from tests.channels.web.sample_answers import APPLICANT, OFFICE, SAMPLES, SECRET

SAMPLE = SAMPLES["in_progress"]
CODE = SAMPLE.code
UNKNOWN = "H05.16-261102-9999"
ADDRESS = f"/api/v1/lookup/{CODE}"


async def raw(site: Site, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer on a connection that is closed after it."""
    server = site.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length
        body = b"" if request.startswith(b"HEAD") else await reader.readexactly(int(length[1]))
    writer.close()
    return head, body


def keep_at_hand(site: Site) -> None:
    site.at_hand[CODE] = SAMPLE.dossier().public


async def count_answers(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes the desk is asked for from now on."""
    asked: list[str] = []
    by_code = site.desk.by_code

    async def counted(code: str) -> Answer | None:
        asked.append(code)
        return await by_code(code)

    monkeypatch.setattr(site.desk, "by_code", counted)
    return asked


# --- what is told ---


async def test_a_code_alone_shows_level_0(site: Site) -> None:
    response = await site.client.get(ADDRESS)
    assert response.status == 200
    assert response.content_type == "application/json"
    assert await response.json() == {
        "code": CODE,
        "stage": "in_progress",
        "stage_label": "Đang giải quyết",
        "on_time": True,
        "due_on": None,
        "agency": {"code": "H05.16", "name": OFFICE.name, "phone": OFFICE.phone, "address": OFFICE.address},
        "next": "Cơ quan sẽ báo khi có kết quả hoặc khi cần thêm giấy tờ. Ông/Bà chưa phải làm gì.",
        "as_of": "2026-11-20T07:05:00Z",
        "fresh": True,
    }


async def test_an_open_agency_shows_the_due_date(site: Site) -> None:
    response = await site.client.get(f"/api/v1/lookup/{SAMPLES['open_policy'].code}", params={"lang": "en"})
    told = await response.json()
    assert told["due_on"] == "2026-11-26"
    assert told["stage_label"] == "In progress"
    assert told["agency"]["name"] == OFFICE.name_en


async def test_a_proof_opens_level_1(site: Site) -> None:
    response = await site.client.post("/api/v1/lookup", json={"code": CODE, "proof": SECRET})
    told = await response.json()
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert (told["status"], told["status_label"], told["applicant"]) == (4, "Đang xử lý", "N*** V** A*")
    assert told["received_at"] == "2026-11-02T07:55:00+07:00"
    assert told["due_at"] == "2026-11-26T17:00:00+07:00"
    assert told["asked_of_you"] is None
    assert [entry["status"] for entry in told["timeline"]] == [1, 2, 4]
    assert told["timeline"][0] == {"at": "2026-11-02T07:55:00+07:00", "status": 1, "label": "Mới đăng ký"}
    assert APPLICANT not in await response.text()
    assert "Cán Bộ" not in await response.text()


async def test_a_file_that_was_finished_late_says_so_and_by_how_much(site: Site) -> None:
    response = await site.client.post("/api/v1/lookup", json={"code": SAMPLES["delivered_late"].code, "proof": SECRET})
    told = await response.json()
    assert (told["stage"], told["punctuality"], told["days_late"]) == ("closed", "finished_late", 1)
    assert told["finished_at"] == "2026-11-18T16:40:00+07:00"


async def test_unknown_and_not_proven_are_one(site: Site) -> None:
    unknown = await site.client.post("/api/v1/lookup", json={"code": UNKNOWN, "proof": SECRET})
    wrong = await site.client.post("/api/v1/lookup", json={"code": CODE, "proof": "000000"})
    missing = await site.client.get(f"/api/v1/lookup/{UNKNOWN}")
    assert unknown.status == wrong.status == missing.status == 404
    assert await unknown.read() == await wrong.read() == await missing.read()
    assert (await unknown.json())["error"]["code"] == "not_found"


@pytest.mark.parametrize("code", ["xin chào", "001085012345", "0901234567", "1.005129", "A" * 300, "%00", "<script>"])
async def test_what_is_no_code_is_refused_and_not_repeated(site: Site, code: str) -> None:
    for response in (
        await site.client.get(f"/api/v1/lookup/{code}"),
        await site.client.post("/api/v1/lookup", json={"code": code, "proof": "1"}),
    ):
        told = (await response.json())["error"]
        assert (response.status, told["code"], told["field"]) == (422, "malformed_code", "code")
        assert code not in told["message"]


async def test_a_code_may_hold_slashes(site: Site) -> None:
    for path in ("03706%2F2026%2F07906", "03706/2026/07906"):
        response = await raw(site, f"GET /api/v1/lookup/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b'"code":"03706/2026/07906"' in response[1]


async def test_a_code_is_read_as_it_was_meant(site: Site) -> None:
    response = await site.client.get("/api/v1/lookup/h05.16 - 261102 - 1")
    assert (await response.json())["code"] == CODE


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b"\xff", "application/json", 400, "malformed"),
        (b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"}", "application/json", 400, "malformed"),
        (b"[]", "application/json", 422, "invalid"),
        (b'{"code": 5, "proof": "1"}', "application/json", 422, "invalid"),
        (b'{"code": "H05.16-261102-0001"}', "application/json", 422, "invalid"),
        (b'{"code": "H05.16-261102-0001", "proof": " "}', "application/json", 422, "invalid"),
        (b'{"code": "H05.16-261102-0001", "proof": "246810"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"code": "' + b"9" * 5000, "application/json", 413, "too_large"),
    ],
)
async def test_a_question_that_cannot_be_read(site: Site, body: bytes, kind: str, status: int, code: str) -> None:
    response = await site.client.post("/api/v1/lookup", data=body, headers={"Content-Type": kind})
    assert (response.status, (await response.json())["error"]["code"]) == (status, code)


async def test_the_member_that_is_wrong_is_named(site: Site) -> None:
    response = await site.client.post("/api/v1/lookup", json={"code": 5, "proof": "1"})
    error = {"code": "invalid", "message": "This must be text, not a number.", "field": "code"}
    assert (await response.json())["error"] == error


# --- answers kept as bytes ---


async def test_a_hot_answer_is_not_worked_out_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_at_hand(site)
    asked = await count_answers(site, monkeypatch)
    bodies = {await (await site.client.get(ADDRESS)).read() for _ in range(5)}
    assert len(bodies) == 1
    assert asked == [CODE]


async def test_a_change_makes_the_kept_answer_void(site: Site) -> None:
    keep_at_hand(site)
    await site.client.get(ADDRESS)
    changed = replace(SAMPLES["done"], code=CODE)
    site.desk.samples[CODE] = changed
    for at_hand in (changed.dossier().public, None):
        if at_hand is None:
            del site.at_hand[CODE]
        else:
            site.at_hand[CODE] = at_hand
        assert (await (await site.client.get(ADDRESS)).json())["stage"] == "done"


async def test_an_answer_made_while_the_dossier_changed_is_not_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_at_hand(site)
    by_code = site.desk.by_code
    newer = replace(SAMPLES["done"], code=CODE)

    async def overtaken(code: str) -> Answer | None:
        answer = await by_code(code)
        site.at_hand[CODE] = newer.dossier().public
        site.desk.samples[CODE] = newer
        return answer

    monkeypatch.setattr(site.desk, "by_code", overtaken)
    assert (await (await site.client.get(ADDRESS)).json())["stage"] == "in_progress"
    monkeypatch.undo()
    assert (await (await site.client.get(ADDRESS)).json())["stage"] == "done"


async def test_with_the_minute_the_answer_is_worked_out_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_at_hand(site)
    asked = await count_answers(site, monkeypatch)
    now = 1_800_000_000.0
    for seconds, answers in ((0.0, 1), (59.9, 1), (60.0, 2), (61.0, 2)):
        monkeypatch.setattr(public_api, "time", lambda at=now + seconds: at)
        await site.client.get(ADDRESS)
        assert len(asked) == answers


async def test_only_so_many_answers_are_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_at_hand(site)
    monkeypatch.setattr(public_api, "MOST_READY", 1)
    asked = await count_answers(site, monkeypatch)
    for target in (ADDRESS, ADDRESS + "?a=1", ADDRESS + "?a=1", ADDRESS):
        await site.client.get(target)
    assert len(asked) == 3


async def test_a_kept_answer_says_what_an_ordinary_one_says(open_site: OpenSite) -> None:
    site = await open_site(secure=True, limit="1000/second")
    keep_at_hand(site)
    get = f"GET {ADDRESS} HTTP/1.1\r\nHost: a\r\n".encode()
    await raw(site, get + b"\r\n")
    hot, hot_body = await raw(site, get + b"\r\n")
    old, old_body = await raw(site, get.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n")
    last, last_body = await raw(site, get + b"Connection: close\r\n\r\n")
    head, _ = await raw(site, get.replace(b"GET", b"HEAD") + b"\r\n")

    def headers(block: bytes) -> dict[str, str]:
        lines = (line.split(": ", 1) for line in block.decode().split("\r\n")[1:] if line)
        return {
            name.lower(): value for name, value in lines if name.lower() not in {"date", "x-request-id", "connection"}
        }

    assert hot_body == old_body == last_body
    assert headers(hot) == headers(old) == headers(last) == headers(head)
    assert "strict-transport-security" in headers(hot)
    assert re.search(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nX-Request-Id: [0-9a-f]{16}\r\n", hot)
    assert len({line["id"] for line in await site.logged()}) == 5


async def test_kept_answers_are_limited_and_counted_too(open_site: OpenSite) -> None:
    site = await open_site(limit="3/hour")
    keep_at_hand(site)
    assert [(await site.client.get(ADDRESS)).status for _ in range(4)] == [200, 200, 200, 429]
    labels = {"route": "/api/v1/lookup/{code}", "method": "GET", "status": "200"}
    assert site.registry.get_sample_value("motma_http_request_seconds_count", labels) == 3


async def test_requests_in_a_row_are_answered_in_order(site: Site) -> None:
    keep_at_hand(site)
    await site.client.get(ADDRESS)
    server = site.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    paths = (ADDRESS, f"/api/v1/lookup/{UNKNOWN}", ADDRESS)
    writer.write(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
    found = []
    for _ in paths:
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length
            await reader.readexactly(int(length[1]))
        found.append(head[9:12])
    writer.close()
    assert found == [b"200", b"404", b"200"]
