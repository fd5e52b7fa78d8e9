"""What agencies send by JSON, and what they are answered."""

from tests.channels.agency_api.conftest import Agency, Stage, dossier, event, ndjson


async def test_a_dossier_is_stored_once_and_read_back(stage: Stage, agency: Agency) -> None:
    first = await agency.put("/api/v1/dossiers/H05.16-261102-0001", dossier(code=...))
    again = await agency.put("/api/v1/dossiers/H05.16-261102-0001", dossier())
    held = await agency.get("/api/v1/dossiers/H05.16-261102-0001")
    assert (first.status, first.json) == (201, {"code": "H05.16-261102-0001", "result": "stored"})
    assert (again.status, again.json["result"]) == (200, "duplicate")
    assert held.status == 200
    assert held.json["applicant"] == {"name": "Nguyễn Văn An", "phone": "+84901234567"}
    assert held.json["procedure"]["code"] == "1.005129"
    assert "secret" not in held.json
    assert await stage.count("dossier") == 1


async def test_a_batch_stores_the_good_and_names_the_others(stage: Stage, agency: Agency) -> None:
    foreign = await stage.agency("H26")
    await foreign.post("/api/v1/events", event(3))
    await agency.post("/api/v1/events", event(4))
    batch = [event(n) for n in range(100)]
    batch[1]["code"] = "  "
    batch[2]["note"] = "x" * 70_000
    answer = await agency.post("/api/v1/events", batch)
    said = answer.json
    assert answer.status == 200
    assert {key: said[key] for key in ("stored", "duplicate", "rejected", "quarantined")} == {
        "stored": 96,
        "duplicate": 1,
        "rejected": 3,
        "quarantined": 0,
    }
    assert [(item["index"], item["result"], item.get("error", {}).get("code")) for item in said["items"]] == [
        (1, "rejected", "malformed_code"),
        (2, "rejected", "too_large"),
        (3, "rejected", "not_yours"),
        (4, "duplicate", None),
    ]
    again = (await agency.post("/api/v1/events", batch)).json
    assert (again["stored"], again["duplicate"], again["rejected"]) == (0, 97, 3)


async def test_lines_are_stored_like_an_array(stage: Stage, agency: Agency) -> None:
    lines = ndjson([event(n) for n in range(1200)]) + b"\n{bad\n"
    answer = await agency.post("/api/v1/events", lines, headers={"Content-Type": "application/x-ndjson"})
    said = answer.json
    assert (said["stored"], said["rejected"]) == (1200, 1)
    assert said["items"] == [
        {
            "index": 1201,
            "result": "rejected",
            "error": {"code": "malformed", "message": "This is not JSON (RFC 8259), or it is nested too deeply."},
        }
    ]
    assert await stage.count("dossier_event") == 1200
