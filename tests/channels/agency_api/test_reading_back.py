"""Reading back what was sent: one dossier, its history, lists by cursor."""

from urllib.parse import quote

from tests.channels.agency_api.conftest import Agency, Stage, dossier, event


async def test_the_history_tells_everything_in_order_of_recording(stage: Stage, agency: Agency) -> None:
    await agency.post("/api/v1/events", event(1, id="late", status=9, at="2026-11-12T15:00:00+07:00"))
    await agency.post("/api/v1/events", event(1, id="first", officer="Lê Thị Chi", note="đã nhận"))
    await agency.post("/api/v1/dossiers", [dossier(1)])
    said = (await agency.get("/api/v1/dossiers/H05.16-261102-0001/events")).json
    assert [(item.get("id"), item["status"]) for item in said["items"]][:2] == [("late", 9), ("first", 4)]
    assert said["items"][1]["officer"] == "Lê Thị Chi"
    assert said["items"][2]["from_facts"] is True
    first = (await agency.get("/api/v1/dossiers/H05.16-261102-0001/events?limit=2")).json
    rest = (await agency.get(f"/api/v1/dossiers/H05.16-261102-0001/events?cursor={first['cursor']}")).json
    assert (first["more"], rest["more"], len(rest["items"])) == (True, False, 1)
    assert (await agency.get("/api/v1/dossiers/H05.16-261102-0009/events")).error[:2] == (404, "not_found")


async def test_a_list_is_walked_by_its_cursor_and_later_shows_what_changed(stage: Stage, agency: Agency) -> None:
    await agency.post("/api/v1/dossiers", [dossier(n) for n in range(1, 6)])
    codes, cursor, more = [], "", True
    while more:
        page = (await agency.get(f"/api/v1/dossiers?limit=2&cursor={cursor}")).json
        codes += [item["code"] for item in page["items"]]
        cursor, more = page["cursor"], page["more"]
    assert sorted(set(codes)) == [f"H05.16-261102-000{n}" for n in range(1, 6)]
    await agency.post("/api/v1/events", event(3))
    changed = (await agency.get(f"/api/v1/dossiers?cursor={cursor}")).json["items"]
    assert {"H05.16-261102-0003": 4}.items() <= {item["code"]: item["status"] for item in changed}.items()


async def test_dossiers_are_found_by_reference_and_by_time(stage: Stage, agency: Agency) -> None:
    await agency.post("/api/v1/dossiers", [dossier(n) for n in range(1, 4)])
    found = (await agency.get("/api/v1/dossiers?reference=MC-000002")).json["items"]
    assert [item["code"] for item in found] == ["H05.16-261102-0002"]
    earlier = quote("2026-11-02T08:00:00+07:00")
    assert len((await agency.get(f"/api/v1/dossiers?changed_since={earlier}")).json["items"]) == 3
    assert (await agency.get("/api/v1/dossiers?changed_since=2026-11-02T08:00:00+07:00")).json["items"]
    assert (await agency.get("/api/v1/dossiers?changed_since=2099-11-02T08:00:00Z")).json["items"] == []


async def test_bad_questions_are_refused_by_field(stage: Stage, agency: Agency) -> None:
    for query, field in {
        "limit=0": "limit",
        "limit=501": "limit",
        "limit=x": "limit",
        "limit=%C2%B2": "limit",
        "cursor=x": "cursor",
        "cursor=%00": "cursor",
        "cursor=" + "A" * 200: "cursor",
        "cursor=f%2F%2F%2F%2F%2F%2F%2F%2F38AAAAAAAAAAAAAAAAAAAAA": "cursor",
        "changed_since=2026-11-02": "changed_since",
        "changed_since=1889-11-02T08:00:00Z": "changed_since",
        "reference=" + "x" * 101: "reference",
        "reference=%00": "reference",
    }.items():
        assert (await agency.get(f"/api/v1/dossiers?{query}")).error == (422, "invalid", field), query
    assert (await agency.get("/api/v1/dossiers/%00")).error == (422, "malformed_code", "code")
    assert (await agency.get("/api/v1/dossiers/" + "x" * 65)).error == (422, "malformed_code", "code")
