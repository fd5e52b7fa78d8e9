"""Whatever is sent: a stable error of interface.md, nothing lost, never a fault of ours."""

import gzip
import math
import zlib
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import msgspec

from channels.agency_api.admission import items_per_key
from tests.channels.agency_api.conftest import Agency, Open, Stage, dossier, event, ndjson

EVENTS = "/api/v1/events"
LINES = {"Content-Type": "application/x-ndjson"}


BAD_EVENTS: tuple[tuple[object, tuple[int, str, str | None]], ...] = (
    (b"", (400, "malformed", None)),
    (b"{", (400, "malformed", None)),
    (b"null", (422, "invalid", None)),
    (b'"text"', (422, "invalid", None)),
    (b'{"id": NaN}', (400, "malformed", None)),
    (b'{"id": "\xff"}', (400, "malformed", None)),
    ("{}".encode("utf-16"), (400, "malformed", None)),
    (b"[" * 100_000, (400, "malformed", None)),
    (b'{"id":' * 10_000 + b"1", (422, "invalid", "id")),
    (b'{"id": "\\ud800"}', (400, "malformed", None)),
    (msgspec.json.encode(event()) * 2, (400, "malformed", None)),
    (b"{}", (422, "invalid", "id")),
    (event(id=""), (422, "invalid", "id")),
    (event(id="x" * 201), (422, "invalid", "id")),
    (event(id=7), (422, "invalid", "id")),
    (event(code="x" * 65), (422, "invalid", "code")),
    (event(code="\x00"), (422, "malformed_code", "code")),
    (event(status=True), (422, "invalid", "status")),
    (event(status=4.5), (422, "invalid", "status")),
    (event(status=None), (422, "invalid", "status")),
    (event(status=""), (422, "invalid", "status")),
    (event(at="2026-11-03T09:15:00"), (422, "invalid", "at")),
    (event(at="2026-02-30T09:15:00Z"), (422, "invalid", "at")),
    (event(at="03/11/2026"), (422, "invalid", "at")),
    (event(at=1762135200), (422, "invalid", "at")),
    (event(at="1889-11-03T09:15:00Z"), (422, "invalid", "at")),
    (event(at="9999-12-31T23:59:59-23:59"), (422, "invalid", "at")),
    (event(at="2099-01-01T00:00:00Z"), (422, "invalid", "at")),
    (event(due_at="0001-01-01T00:00:00+23:59"), (422, "invalid", "due_at")),
    (event(notes="typing error"), (422, "invalid", "notes")),
    (event(note=["x"]), (422, "invalid", "note")),
    (b'{"id":"1","id":"2","code":"H05","status":1,"at":"2026-11-03T09:15:00Z"}', (422, "invalid", "id")),
    (b'{"id":"1","status":1e999}', (422, "invalid", "status")),
)


async def test_one_bad_event_gets_one_stable_error(stage: Stage, agency: Agency) -> None:
    for body, answer in BAD_EVENTS:
        assert (await agency.post(EVENTS, body)).error == answer, str(body)[:100]
    assert await stage.count("dossier_event") == 0


BAD_DOSSIERS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"code": "H05.16-261102-0002"}, "code"),
    ({"receiving_agency": "X99"}, "receiving_agency"),
    ({"resolving_agency": "X99"}, "resolving_agency"),
    ({"filing_channel": 4}, "filing_channel"),
    ({"filing_channel": 1.5}, "filing_channel"),
    ({"applicant": {"phone": "+84901234567"}}, "applicant.name"),
    ({"applicant": {"name": "An", "phone": "12"}}, "applicant.phone"),
    ({"applicant": {"name": "An", "email": "an"}}, "applicant.email"),
    ({"applicant": {"name": "An", "id_number": "012345678901"}}, "applicant.id_number"),
    ({"procedure": {}}, "procedure.code"),
    ({"secret": "1"}, "secret"),
    ({"extra": []}, "extra"),
    ({"extra": {"a": "\0"}}, "extra"),
    ({"extra": 1}, "extra"),
    ({"received_at": ...}, "received_at"),
    ({"status_at": "2026-11-02"}, "status_at"),
)


async def test_one_bad_dossier_names_its_field(stage: Stage, agency: Agency) -> None:
    for changes, field in BAD_DOSSIERS:
        answer = await agency.put("/api/v1/dossiers/H05.16-261102-0001", dossier(**changes))
        assert answer.error == (422, "invalid", field), changes
    deep = b'{"extra":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}"
    assert (await agency.put("/api/v1/dossiers/H05.16-261102-0001", deep)).error[:2] == (400, "malformed")
    assert await stage.count("dossier_code") == 0


async def test_what_json_schema_calls_an_integer_is_one(stage: Stage, agency: Agency) -> None:
    body = b'{"id":"1","code":"H05.16-261102-0001","status":4.0,"at":"2026-11-03 09:15:00+07:00"}'
    assert (await agency.post(EVENTS, body)).status == 201
    assert (await agency.put("/api/v1/dossiers/H05.16-261102-0002", dossier(2, filing_channel=2.0))).status == 201


async def test_a_code_of_another_scheme_is_addressed_with_its_slashes(stage: Stage, agency: Agency) -> None:
    foreign = "/api/v1/dossiers/03706%2F2026%2F07906"
    stored = await agency.put(foreign, dossier(code=...))
    assert (stored.status, stored.json["code"]) == (201, "03706/2026/07906")
    assert (await agency.get(foreign)).json["code"] == "03706/2026/07906"


async def test_other_content_types_are_refused_with_those_taken(agency: Agency) -> None:
    for content_type in ("text/plain", "application/xml", "application/json; charset=utf-16", ""):
        answer = await agency.post(EVENTS, event(), headers={"Content-Type": content_type})
        assert answer.error[:2] == (415, "unsupported_media_type")
        assert "application/json" in answer.headers["Accept"]
    packed = await agency.post(EVENTS, event(), headers={"Content-Encoding": "compress"})
    assert packed.error[:2] == (415, "unsupported_media_type")


async def test_compressed_bodies_are_read_and_broken_ones_refused(stage: Stage, agency: Agency) -> None:
    packed = gzip.compress(ndjson([event(1), event(2)]))
    gzipped = {**LINES, "Content-Encoding": "gzip"}
    assert (await agency.post(EVENTS, packed, headers=gzipped)).json["stored"] == 2
    for broken in (b"no gzip", packed[:-9] + b"\0" * 9):
        assert (await agency.post(EVENTS, broken, headers=gzipped)).error[:2] == (400, "malformed")


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(stage: Stage, agency: Agency) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
    bomb = zlib.compress(b"[" + b" " * 50_000_000 + b"]")
    assert (await agency.post("/api/v1/dossiers", bomb, headers=headers)).error[:2] == (413, "too_large")


async def test_one_byte_over_a_limit_is_refused_before_the_rest_is_read(stage: Stage, agency: Agency) -> None:
    most = 65_536
    note = "x" * (most - len(b'{"id":"1","note":""}'))
    within, over = f'{{"id":"1","note":"{note}"}}', f'{{"id":"1","note":"x{note}"}}'
    assert (await agency.post(EVENTS, within.encode())).error[:2] == (422, "invalid")
    assert (await agency.post(EVENTS, over.encode())).error[:2] == (413, "too_large")
    array = BytesIO(b"[" + b" " * (16 * 1024 * 1024 - 1) + b"]")
    assert (await agency.post("/api/v1/dossiers", array)).error[:2] == (413, "too_large")
    assert (await agency.post("/api/v1/dossiers", [{}] * 1001)).error[:2] == (413, "too_large")


async def test_an_endless_body_is_cut_off(stage: Stage, agency: Agency) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1024):
            sent += 1
            yield b" " * 1_048_576

    headers = {"Authorization": f"Bearer {agency.key}", "Content-Type": "application/json"}
    try:
        async with stage.session.post(f"{stage.url}/api/v1/dossiers", data=endless(), headers=headers) as answer:
            assert answer.status == 413
    except ConnectionError:
        pass  # the answer was there, and the connection closed under the rest
    assert sent < 100


async def test_lines_too_long_or_too_many_are_said_and_the_others_stored(stage: Stage, agency: Agency) -> None:
    long = b'{"id":"x","note":"' + b"x" * 200_000 + b'"}'
    answer = await agency.post(EVENTS, ndjson([event(1)]) + long + b"\n\n" + ndjson([event(2)]), headers=LINES)
    assert (answer.json["stored"], answer.json["rejected"]) == (2, 1)
    assert answer.json["items"][0]["index"] == 1
    assert answer.json["items"][0]["error"]["code"] == "too_large"
    many = ndjson([event(n, status=math.ceil(9)) for n in range(100)]) + b"\n" * 9_900 + ndjson([event(500)])
    answer = await agency.post(EVENTS, many, headers=LINES)
    assert (answer.error[:2], answer.json["stored"]) == ((413, "too_large"), 98)


async def test_an_unknown_status_waits_for_its_meaning(stage: Stage, agency: Agency) -> None:
    one = await agency.post(EVENTS, event(1, status="chờ ký số"))
    many = await agency.post(EVENTS, [event(1, status="chờ ký số"), event(2, status=0), event(3, status="4")])
    assert (one.status, one.json["result"], one.json["error"]["code"]) == (202, "quarantined", "unknown_status")
    assert (many.json["stored"], many.json["quarantined"]) == (1, 2)
    waiting = await stage.rows("SELECT route, value, payload_sealed FROM quarantine ORDER BY id")
    assert [(row["route"], row["value"]) for row in waiting] == [("events", "chờ ký số"), ("events", "0")]
    assert "chờ ký số" in stage.seal.open(waiting[0]["payload_sealed"])


async def test_a_sender_over_its_limit_is_told_when_to_come_back(open_stage: Open) -> None:
    stage = await open_stage(items_per_key("600/hour"))
    agency = await stage.agency()
    first = await agency.post(EVENTS, [event(n) for n in range(1000)])
    assert (first.status, first.headers["RateLimit-Remaining"]) == (200, "0")
    refused = await agency.post(EVENTS, event(2000))
    assert refused.error[:2] == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    assert refused.headers["RateLimit-Limit"] == "1000"
    assert await stage.count("dossier_event") == 1000
    assert (await (await stage.agency()).post(EVENTS, event(2000))).status == 201
