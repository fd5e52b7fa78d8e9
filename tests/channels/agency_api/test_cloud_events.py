"""CloudEvents 1.0 in its three modes, and the handshake. Guarantee G39a."""

from tests.channels.agency_api.conftest import Agency, Stage, event

STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
BATCHED = {"Content-Type": "application/cloudevents-batch+json"}


def cloud_event(**changes: object) -> dict[str, object]:
    """An event as a CloudEvents sender writes it."""
    given: dict[str, object] = {
        "specversion": "1.0",
        "id": "A-1",
        "source": "/h05.16/mot-cua",
        "type": "vn.motma.dossier.status_changed",
        "subject": "H05.16-261102-0001",
        "time": "2026-11-03T09:15:00+07:00",
        "datacontenttype": "application/json",
        "data": {"status": 4, "office": "Phòng Tư pháp"},
        "traceid": "an extension",
    }
    return {name: value for name, value in (given | changes).items() if value is not ...}


def headers_of(given: dict[str, object]) -> dict[str, str]:
    """The same event's attributes as headers of binary mode."""
    return {f"ce-{k}": str(v) for k, v in given.items() if k not in {"data", "datacontenttype"}} | {
        "Content-Type": "application/json"
    }


async def test_one_event_is_the_same_in_all_three_modes(stage: Stage, agency: Agency) -> None:
    structured = await agency.post("/api/v1/events", cloud_event(), headers=STRUCTURED)
    binary = await agency.post("/api/v1/events", cloud_event()["data"], headers=headers_of(cloud_event()))
    batched = await agency.post("/api/v1/events", [cloud_event(), cloud_event(id="A-2")], headers=BATCHED)
    assert (structured.status, structured.json) == (
        201,
        {"id": "A-1", "code": "H05.16-261102-0001", "result": "stored"},
    )
    assert (binary.status, binary.json["result"]) == (200, "duplicate")
    assert batched.json["stored"] == 1
    assert batched.json["items"] == [
        {"index": 0, "id": "A-1", "code": "H05.16-261102-0001", "result": "duplicate"},
    ]
    history = (await agency.get("/api/v1/dossiers/H05.16-261102-0001/events")).json["items"]
    assert [(item["id"], item["office"]) for item in history] == [
        ("/h05.16/mot-cua#A-1", "Phòng Tư pháp"),
        ("/h05.16/mot-cua#A-2", "Phòng Tư pháp"),
    ]


async def test_two_sources_may_use_one_id(stage: Stage, agency: Agency) -> None:
    for source in ("a", "b", "x" * 300):
        answer = await agency.post("/api/v1/events", cloud_event(source=source), headers=STRUCTURED)
        assert answer.status == 201
    again = await agency.post("/api/v1/events", cloud_event(source="x" * 300), headers=STRUCTURED)
    assert again.status == 200


async def test_data_may_name_code_and_time_and_come_as_base64(stage: Stage, agency: Agency) -> None:
    told = event()
    del told["id"]
    given = cloud_event(subject=..., time=..., data=told)
    assert (await agency.post("/api/v1/events", given, headers=STRUCTURED)).status == 201
    packed = cloud_event(id="A-9", data=..., data_base64="eyJzdGF0dXMiOiA5fQ==", time="2026-11-04T09:15:00+07:00")
    assert (await agency.post("/api/v1/events", packed, headers=STRUCTURED)).status == 201
    assert (await agency.get("/api/v1/dossiers/H05.16-261102-0001")).json["status"] == 9


BAD: tuple[tuple[dict[str, object], str], ...] = (
    ({"specversion": "0.3"}, "specversion"),
    ({"id": ""}, "id"),
    ({"id": ...}, "id"),
    ({"source": ...}, "source"),
    ({"type": ...}, "type"),
    ({"time": "yesterday"}, "time"),
    ({"time": ...}, "at"),
    ({"subject": ...}, "code"),
    ({"data": [1]}, "data"),
    ({"data": {"status": 4, "id": "other"}}, "data.id"),
    ({"data": {"status": 4, "code": "H05"}}, "data.code"),
    ({"data": ..., "data_base64": "%"}, "data_base64"),
    ({"datacontenttype": "text/xml"}, "datacontenttype"),
    ({"data": {"status": 4, "color": 1}}, "color"),
)


async def test_a_bad_cloud_event_names_its_attribute(stage: Stage, agency: Agency) -> None:
    for changes, field in BAD:
        answer = await agency.post("/api/v1/events", cloud_event(**changes), headers=STRUCTURED)
        assert answer.error == (422, "invalid", field), changes
    many = [cloud_event(**changes) for changes, _ in BAD] + [cloud_event(id="good")]
    said = (await agency.post("/api/v1/events", many, headers=BATCHED)).json
    assert said["stored"] == 1
    assert [item["error"]["field"] for item in said["items"]] == [field for _, field in BAD]


async def test_an_unknown_status_in_a_cloud_event_waits(stage: Stage, agency: Agency) -> None:
    answer = await agency.post("/api/v1/events", cloud_event(data={"status": "ký số"}), headers=STRUCTURED)
    assert (answer.status, answer.json["id"]) == (202, "A-1")


async def test_senders_are_welcomed_before_they_send(stage: Stage) -> None:
    asked = {"WebHook-Request-Origin": "events.example.vn", "WebHook-Request-Rate": "120"}
    async with stage.session.options(f"{stage.url}/api/v1/events", headers=asked) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "events.example.vn"
        assert answer.headers["WebHook-Allowed-Rate"] == "*"
        assert "POST" in answer.headers["Allow"]
