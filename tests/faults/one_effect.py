"""G05, G06, G07: one effect per key; no bad item sinks the good; the order of arrival means nothing."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.faults.evidence import Evidence
from tests.faults.load import STATUSES, Producer, event, shuffled
from tests.faults.rig import AGENCIES, NO_MUTANT, Rig, open_rig

EFFECTS = "SELECT event_id, count(*) AS n FROM dossier_event WHERE event_id LIKE 'key-%' GROUP BY event_id"
A_DAY_LATER = "UPDATE idempotency SET recorded_at = recorded_at - interval '24 hours'"
HISTORY = """
    SELECT d.code, d.status, d.status_at, d.version,
           (SELECT count(*) FROM dossier_event e WHERE e.dossier_id = d.id AND e.event_id LIKE d.code || '/%') AS events
      FROM dossier d WHERE d.code LIKE 'H05.16-2610%'"""
# Notices that would go out of events that came after a newer one; 61 is superseded.
LATE_NEWS = """
    SELECT count(*) AS n FROM message m JOIN dossier_event e USING (dossier_id, event_key)
     WHERE m.state <> 61 AND EXISTS (SELECT FROM dossier_event n WHERE n.dossier_id = e.dossier_id AND n.at > e.at
                                        AND n.recorded_at < e.recorded_at)"""


async def same_key(*, requests: int, copies: int = 50, mutant: str = NO_MUTANT) -> Evidence:
    """G05: `copies` parallel copies of each request with one Idempotency-Key, once more a day later: one effect and
    identical answers.

    Mutant: `check_then_insert`.
    """
    evidence = Evidence(guarantee="G05")
    async with open_rig(mutant=mutant, dispatchers=0) as rig:
        codes = await Producer(rig).dossiers(requests)
        bodies = [{**event(code, 0), "id": f"key-{number}"} for number, code in enumerate(codes)]
        given, different = [], 0
        for body in bodies:
            answers = await asyncio.gather(*(with_key(rig, body["id"], body) for _ in range(copies)))
            different += len(set(answers)) != 1
            given.append(answers[0])
        await rig.query(A_DAY_LATER)
        later = [await with_key(rig, body["id"], body) for body in bodies]
        status, _ = await with_key(rig, "key-0", {**event(codes[0], 1), "id": "key-0"})
        effects = sum(row["n"] for row in await rig.query(EFFECTS))
        evidence.figures |= {"requests": requests, "copies": copies, "effects": effects}
        evidence.figures |= {"answered differently": different, "another body": status}
        evidence.expect(effects == requests, f"{effects} effects of {requests} requests")
        evidence.expect(different == 0, f"{different} keys were answered in different ways")
        evidence.expect({answer[0] for answer in given} == {201}, "some were not answered 201")
        evidence.expect(later == given, "a day later the answers were others")
        evidence.expect(status in {409, 422}, f"another body under the key was answered {status}")
    return evidence


async def with_key(rig: Rig, key: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """The answer to one event sent under an Idempotency-Key, asked again when the service says so."""
    headers = {**rig.headers, "Idempotency-Key": key}
    while True:
        async with rig.http.post(f"{rig.url}/api/v1/events", json=body, headers=headers) as response:
            answer = response.status, await response.read()
        if answer[0] != 503:
            return answer
        await asyncio.sleep(float(response.headers["Retry-After"]))


async def bad_items(*, mutant: str = NO_MUTANT) -> Evidence:
    """G06: 100 items, one with a bad code, one foreign, one twice, one oversize: 96 stored, none on repeat.

    Mutant: `all_or_nothing`.
    """
    evidence = Evidence(guarantee="G06")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig:
        codes = await Producer(rig).dossiers(100)
        foreign = f"{AGENCIES[1]}-261102-000001"
        await _post(rig, [event(foreign, 0)], key=rig.other_key)
        items = [event(code, 0) for code in codes]
        items[10] = {**items[10], "code": ""}
        items[20] = event(foreign, 1)
        items[30] = items[31]
        items[40] = {**items[40], "note": "x" * 200_000}
        first = await _post(rig, items)
        second = await _post(rig, items)
        told = {item["index"]: item.get("error", {}).get("code", item["result"]) for item in first["items"]}
        evidence.figures |= {"stored": first["stored"], "told": told, "stored on repeat": second["stored"]}
        evidence.expect(first["stored"] == 96, f"{first['stored']} stored, not 96")
        wanted = {10: "invalid", 20: "not_yours", 31: "duplicate", 40: "too_large"}
        evidence.expect(told == wanted, f"told {told}, not {wanted}")
        evidence.expect(second["stored"] == 0, f"{second['stored']} stored on repeat")
    return evidence


async def _post(rig: Rig, items: Sequence[dict[str, Any]], *, key: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key or rig.api_key}"}
    async with rig.http.post(f"{rig.url}/api/v1/events", json=list(items), headers=headers) as response:
        response.raise_for_status()
        answer: dict[str, Any] = await response.json()
    return answer


async def any_order(*, dossiers: int, mutant: str = NO_MUTANT) -> Evidence:
    """G07: eight events of each dossier shuffled, a fifth twice, over eight connections: the newest is the state.

    Mutant: `last_write_wins`.
    """
    evidence = Evidence(guarantee="G07")
    async with open_rig(mutant=mutant, dispatchers=0) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(dossiers)
        everything = [event(code, step) for code in codes for step in range(len(STATUSES))]
        mixed = shuffled(everything, twice=0.2, choice=random.Random(7))
        batches = [mixed[n : n + 50] for n in range(0, len(mixed), 50)]

        async def connection(mine: list[list[dict[str, Any]]]) -> None:
            for batch in mine:
                await producer.push("events", batch)

        async with asyncio.TaskGroup() as connections:
            for n in range(8):
                connections.create_task(connection(batches[n::8]))
        rows = await rig.query(HISTORY)
        last_at = datetime.fromisoformat(everything[-1]["at"])
        wrong = sum((row["status"], row["status_at"]) != (STATUSES[-1], last_at) for row in rows)
        missing = sum(row["events"] != len(STATUSES) for row in rows)
        late = (await rig.query(LATE_NEWS))[0]["n"]
        evidence.figures |= {"dossiers": len(rows), "events sent": len(mixed), "calls retried": producer.retries}
        evidence.figures |= {"wrong states": wrong, "notices of late events": late}
        evidence.expect(len(rows) == dossiers, f"{len(rows)} dossiers, not {dossiers}")
        evidence.expect(wrong == 0, f"{wrong} dossiers are not in the state of their newest event")
        evidence.expect(missing == 0, f"{missing} histories are not complete")
        evidence.expect(late == 0, f"{late} notices of events that came late")
        evidence.expect(not producer.faults, f"{len(producer.faults)} wrong answers, e.g. {producer.faults[:2]}")
    return evidence
