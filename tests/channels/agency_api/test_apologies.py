"""Agencies' systems see the drafts of their apologies, decide on them, and read back what came of it."""

from datetime import timedelta
from typing import Any

import pytest

from database.pool import Role
from domain.civil_time import CIVIL_ZONE, utc_now
from domain.status import Status
from lookup.api_keys import KeyKind, Scope
from notifications.apologies import Apologies
from notifications.apology_drafts import ApologyDrafts
from notifications.deadlines import Found
from tests.channels.agency_api.conftest import Agency, Reply, Stage, dossier

PATH = "/api/v1/apologies"
CODE = "H05.16-261102-0001"


async def drafted(stage: Stage, agency: Agency) -> dict[str, Any]:
    """A dossier that was due yesterday, and the draft of its apology as its system sees it."""
    due_at = utc_now().replace(microsecond=0) - timedelta(days=1)
    stated = {**dossier(1), "due_at": due_at.isoformat(), "status": int(Status.PROCESSING)}
    assert (await agency.post("/api/v1/dossiers", [stated])).json["stored"] == 1
    number = (await stage.rows("SELECT id FROM dossier"))[0]["id"]
    drafts = ApologyDrafts(
        stage.registry, Apologies(stage.database, stage.registry, announcer=stage.heard, forgetter=stage.heard)
    )
    async with stage.database.transaction(Role.WORKER) as worker:
        await drafts.draft(worker, [Found(due_at, number, counts=True, received_at=due_at)], utc_now())
    (found,) = (await agency.get(PATH)).json["items"]
    said: dict[str, Any] = found
    return said


async def test_a_draft_is_seen_and_confirmed_and_the_new_date_read_back(stage: Stage, agency: Agency) -> None:
    draft = await drafted(stage, agency)
    assert (draft["code"], draft["office"], draft["state"]) == (CODE, "H05.16", "drafted")
    assert CODE in draft["letter"]["vi"]
    given = await agency.post(f"{PATH}/{draft['id']}", {"decision": "confirm", "reason": "thiếu bản đồ"})
    assert (given.status, given.json["state"], given.json["new_due_on"]) == (200, "confirmed", draft["proposed_on"])
    assert given.json == (await agency.get(f"{PATH}/{draft['id']}")).json
    assert given.json == (await agency.post(f"{PATH}/{draft['id']}", {"decision": "confirm"})).json
    held = (await agency.get(f"/api/v1/dossiers/{CODE}")).json
    assert held["due_at"] == held["put_off"]["to"]
    assert held["put_off"]["from"].startswith(draft["due_on"][:8])
    events = (await agency.get(f"/api/v1/dossiers/{CODE}/events")).json["items"]
    assert [event["id"] for event in events][-1] == f"apology:{draft['id']}"
    assert (await agency.get(PATH)).json == {"items": [], "cursor": None, "more": False}
    (act,) = await stage.rows("SELECT actor FROM apology_act WHERE act = 'confirmed'")
    assert act["actor"].startswith("key:")


async def test_a_draft_is_changed_then_refused(stage: Stage, agency: Agency) -> None:
    draft = await drafted(stage, agency)
    path = f"{PATH}/{draft['id']}"
    day = utc_now().astimezone(CIVIL_ZONE).date() + timedelta(days=20)
    day = stage.registry.calendar.working_day_from(day)
    changed = await agency.post(path, {"decision": "change", "new_due_on": day.isoformat()})
    assert (changed.json["state"], changed.json["proposed_on"]) == ("drafted", day.isoformat())
    refused = await agency.post(path, {"decision": "refuse", "reason": "đã có kết quả"})
    assert (refused.json["state"], refused.json["reason"]) == ("refused", "đã có kết quả")
    again = await agency.post(path, {"decision": "confirm"})
    assert (again.status, again.json["error"]["code"]) == (409, "changed_meanwhile")


async def test_under_one_idempotency_key_a_decision_is_made_once(stage: Stage, agency: Agency) -> None:
    draft = await drafted(stage, agency)
    answers = [
        await agency.post(f"{PATH}/{draft['id']}", {"decision": "confirm"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert answers[0].body == answers[1].body
    assert await stage.count("apology_act") == 2


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"decision": "change"}, "new_due_on"),
        ({"decision": "change", "new_due_on": "2030-01-02", "reason": "x"}, "reason"),
        ({"decision": "refuse"}, "reason"),
        ({"decision": "refuse", "reason": " "}, "reason"),
        ({"decision": "refuse", "reason": "x", "new_due_on": "2030-01-02"}, "new_due_on"),
        ({"decision": "confirm", "new_due_on": "2020-01-02"}, "new_due_on"),
        ({"decision": "confirm", "new_due_on": "tomorrow"}, "new_due_on"),
        ({"decision": "confirm", "reason": "x" * 501}, "reason"),
        ({"decision": "forget"}, "decision"),
    ],
)
async def test_a_decision_that_lacks_something_is_told_what(
    stage: Stage, agency: Agency, said: dict[str, str], field: str
) -> None:
    draft = await drafted(stage, agency)
    answer = await agency.post(f"{PATH}/{draft['id']}", said)
    assert (answer.status, answer.json["error"]["field"]) == (422, field)


async def test_others_and_unknown_ids_are_not_found_and_the_scope_is_needed(stage: Stage, agency: Agency) -> None:
    draft = await drafted(stage, agency)

    async def asks(asker: Agency, number: str) -> Reply:
        return await asker.post(f"{PATH}/{number}", {"decision": "confirm"})

    unknown = await asks(agency, "999999")
    for stranger in (await stage.agency("H26"), await stage.agency(kind=KeyKind.TEST)):
        refused = await asks(stranger, draft["id"])
        assert (refused.status, refused.body) == (404, unknown.body)
        assert (await stranger.get(PATH)).json["items"] == []
    for odd in ("x", "-1", "9" * 30, "%00"):
        assert (await asks(agency, odd)).status == 404
    reader = await stage.agency(scopes=frozenset({Scope.DOSSIERS_READ}))
    assert (await asks(reader, draft["id"])).status == 403
    assert (await agency.get(f"{PATH}?cursor=x")).status == 422
