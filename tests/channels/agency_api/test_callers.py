"""Keys: who may do what, how a key ends, and that test keys touch nothing real."""

import pytest

from channels.agency_api import callers
from database.pool import Role
from lookup.api_keys import KeyKind, Scope, revoke_key, split
from tests.channels.agency_api.conftest import Agency, Stage, dossier, event

NO_KEYS = (
    "",
    "motma_live_0123456789ab_wrong",
    "motma_other_0123456789ab_x",
    "motma_live__",
    "x" * 5000,
    "motma_live_0123456789ab",
)


async def test_whoever_has_no_good_key_hears_the_same(stage: Stage, agency: Agency) -> None:
    right = agency.key
    bodies = set()
    for key in (*NO_KEYS, right[:-1] + ("A" if right[-1] != "A" else "B")):
        agency.key = key
        answer = await agency.post("/api/v1/events", event())
        assert answer.error == (401, "unauthenticated", None)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        bodies.add(answer.body)
    assert len(bodies) == 1


async def test_a_revoked_key_is_out_as_soon_as_it_is_forgotten(
    stage: Stage, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "REMEMBERED", 0.0)
    assert (await agency.post("/api/v1/events", event())).status == 201
    async with stage.database.transaction(Role.OPERATOR) as connection:
        await revoke_key(connection, split(agency.key)[0])
    assert (await agency.post("/api/v1/events", event())).status == 401
    assert callers.REMEMBERED <= 30


async def test_a_key_does_what_its_scopes_say(stage: Stage) -> None:
    reader = await stage.agency(scopes=frozenset({Scope.DOSSIERS_READ}))
    writer = await stage.agency(scopes=frozenset({Scope.EVENTS_WRITE}))
    assert (await reader.post("/api/v1/events", event())).error[:2] == (403, "forbidden")
    assert (await reader.put("/api/v1/dossiers/H05.16-261102-0001", dossier())).error[:2] == (403, "forbidden")
    assert (await writer.post("/api/v1/events", event())).status == 201
    assert (await writer.get("/api/v1/dossiers")).error[:2] == (403, "forbidden")
    assert (await reader.get("/api/v1/dossiers/H05.16-261102-0001")).status == 200


async def test_what_a_test_key_does_no_live_key_and_no_citizen_sees(stage: Stage, agency: Agency) -> None:
    trying = await stage.agency(kind=KeyKind.TEST)
    address = "/api/v1/dossiers/H05.16-261102-0001"
    assert (await trying.put(address, dossier())).status == 201
    assert (await trying.get(address)).json["status"] == 2
    assert (await agency.get(address)).error[:2] == (404, "not_found")
    assert (stage.heard.announced, stage.heard.expected) == ([], {})
    async with stage.database.transaction(Role.PUBLIC) as connection:
        assert await connection.fetchval("SELECT count(*) FROM dossier") == 0
    assert (await agency.put(address, dossier(status=9, status_at="2026-11-05T08:00:00+07:00"))).status == 201
    assert (await trying.get(address)).json["status"] == 2
    assert (await trying.put(address, dossier())).status == 200


async def test_another_agencys_dossier_is_neither_written_nor_seen(stage: Stage, agency: Agency) -> None:
    foreign = await stage.agency("H26")
    address = "/api/v1/dossiers/H05.16-261102-0001"
    await agency.put(address, dossier())
    assert (await foreign.post("/api/v1/events", event())).error == (403, "not_yours", "code")
    assert (await foreign.put(address, dossier(receiving_agency="H26"))).error == (403, "not_yours", "code")
    assert (await foreign.put("/api/v1/dossiers/H26-261102-1", dossier(code=...))).error == (
        403,
        "not_yours",
        "receiving_agency",
    )
    unknown, hidden = await foreign.get("/api/v1/dossiers/H05.16-261102-0009"), await foreign.get(address)
    assert (hidden.status, hidden.body) == (unknown.status, unknown.body)
    assert (await foreign.get("/api/v1/dossiers")).json["items"] == []
    assert len((await agency.get("/api/v1/dossiers")).json["items"]) == 1
    province = await stage.agency("H05")
    assert (await province.get(address)).status == 200


async def test_guessing_keys_is_slowed_down(stage: Stage, agency: Agency) -> None:
    right = agency.key
    answers = []
    for n in range(70):
        agency.key = f"motma_live_{n:012x}_guess"
        answers.append((await agency.post("/api/v1/events", event())).status)
    assert set(answers) == {401, 429}
    agency.key = right
    assert (await (await stage.agency()).get("/api/v1/dossiers")).status == 429


async def test_use_of_a_key_is_written_down(stage: Stage, agency: Agency) -> None:
    assert (await stage.rows("SELECT last_used_at FROM api_key"))[0]["last_used_at"] is None
    await agency.post("/api/v1/events", event())
    await stage.api.keep_house_once()
    assert (await stage.rows("SELECT last_used_at FROM api_key"))[0]["last_used_at"] is not None
