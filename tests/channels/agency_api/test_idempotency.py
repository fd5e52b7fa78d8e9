"""The same request under one key, any number of times at once: one effect, one answer. Guarantee G05.

Mutant: with CLAIM taking every turn (no condition in its ON CONFLICT) the copies work again, and two tests here fail.
"""

import asyncio

from database.pool import Role
from tests.channels.agency_api.conftest import Agency, Stage, dossier, event, ndjson

H05 = "H05.16"
KEY = {"Idempotency-Key": "6f1c2d"}


async def test_fifty_copies_at_once_have_one_effect_and_one_answer(stage: Stage, agency: Agency) -> None:
    batch = [event(n) for n in range(20)] + [event(1, id="bad", at="x")]
    answers = await asyncio.gather(*(agency.post("/api/v1/events", batch, headers=KEY) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert (answers[0].json["stored"], answers[0].json["rejected"]) == (20, 1)
    assert await stage.count("dossier_event") == 20
    assert len(stage.heard.announced) == 20


async def test_a_single_event_is_answered_stored_again_and_again(stage: Stage, agency: Agency) -> None:
    first = await agency.post("/api/v1/events", event(), headers=KEY)
    await asyncio.gather(*(agency.post("/api/v1/events", event()) for _ in range(3)))
    again = await agency.post("/api/v1/events", event(), headers=KEY)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body


async def test_another_request_under_the_key_is_a_conflict(stage: Stage, agency: Agency) -> None:
    await agency.post("/api/v1/events", event(1), headers=KEY)
    other = await agency.post("/api/v1/events", event(2), headers=KEY)
    elsewhere = await agency.put("/api/v1/dossiers/H05.16-261102-0001", dossier(), headers=KEY)
    assert other.error == (409, "idempotency_conflict", "Idempotency-Key")
    assert elsewhere.error == (409, "idempotency_conflict", "Idempotency-Key")
    assert await stage.count("dossier_event") == 1


async def test_keys_of_two_systems_have_nothing_to_do_with_each_other(stage: Stage, agency: Agency) -> None:
    other = await stage.agency("H26")
    assert (await agency.post("/api/v1/events", event(1), headers=KEY)).status == 201
    assert (await other.post("/api/v1/events", event(2), headers=KEY)).status == 201


async def test_a_refused_request_may_be_mended_under_its_key(stage: Stage, agency: Agency) -> None:
    assert (await agency.post("/api/v1/events", b"[", headers=KEY)).status == 400
    assert (await agency.post("/api/v1/events", event(at="x"), headers=KEY)).status == 422
    assert (await agency.post("/api/v1/events", event(), headers=KEY)).status == 201


async def test_answers_are_kept_for_seven_days(stage: Stage, agency: Agency, database_url: str) -> None:
    await agency.post("/api/v1/events", event(), headers=KEY)

    async def grow_old(by: str) -> None:
        async with stage.database.transaction(Role.APP) as connection:
            await connection.execute(
                "SELECT set_config('motma.scope', id::text, true) FROM agency WHERE code = 'H05.16'"
            )
            await connection.execute("UPDATE idempotency SET recorded_at = now() - $1::text::interval", by)

    await grow_old("24 hours")
    assert (await agency.post("/api/v1/events", event(), headers=KEY)).status == 201
    await grow_old("169 hours")
    assert (await agency.post("/api/v1/events", event(), headers=KEY)).status == 200
    assert (await agency.post("/api/v1/events", event(), headers=KEY)).status == 200


async def test_lines_under_a_key_are_stored_all_or_none(stage: Stage, agency: Agency) -> None:
    headers = {**KEY, "Content-Type": "application/x-ndjson"}
    lines = ndjson([event(n) for n in range(700)])
    await agency.post("/api/v1/dossiers", [dossier(650)])
    async with stage.database.transaction(Role.APP) as holder:
        await holder.execute("SELECT set_config('motma.scope', id::text, true) FROM agency WHERE code = $1", H05)
        await holder.execute("SELECT set_config('motma.test', 'off', true)")
        await holder.execute("SELECT FROM dossier FOR UPDATE")
        refused = await agency.post("/api/v1/events", lines, headers=headers)
        assert refused.error[:2] == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
    assert await stage.count("dossier_event") == 1
    first = await agency.post("/api/v1/events", lines, headers=headers)
    again = await agency.post("/api/v1/events", lines, headers=headers)
    assert first.json["stored"] == 700
    assert first.body == again.body


async def test_a_key_is_short_printable_ascii(stage: Stage, agency: Agency) -> None:
    for key in ("x" * 256, "ă"):
        answer = await agency.post("/api/v1/events", event(), headers={"Idempotency-Key": key})
        assert answer.error == (422, "invalid", "Idempotency-Key")
