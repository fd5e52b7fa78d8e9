"""G05, G06, G07: one effect per key; no bad item sinks the good; the order of arrival means nothing."""

import asyncio
import random
from datetime import datetime
from typing import Any

from tests.faults.evidence import Evidence
from tests.faults.load import STATUSES, Producer, event, shuffled
from tests.faults.rig import NO_MUTANT, Rig, open_rig

EFFECTS = "SELECT event_id, count(*) AS n FROM dossier_event WHERE event_id LIKE 'key-%' GROUP BY event_id"
HISTORY = """
    SELECT d.code, d.status, d.status_at, d.version,
           (SELECT count(*) FROM dossier_event e WHERE e.dossier_id = d.id AND e.event_id LIKE d.code || '/%') AS events
      FROM dossier d WHERE d.code LIKE 'H05.16-261102-%'"""


async def same_key(*, requests: int, copies: int = 50, mutant: str = NO_MUTANT) -> Evidence:
    """G05: `copies` parallel copies of each request with one Idempotency-Key: one effect, identical answers."""
    evidence = Evidence(guarantee="G05")
    async with open_rig(mutant=mutant, dispatchers=0) as rig:
        codes = await Producer(rig).dossiers(requests)
        different = 0
        for number, code in enumerate(codes):
            body = {**event(code, 0), "id": f"key-{number}"}
            answers = await asyncio.gather(*(_with_key(rig, f"key-{number}", body) for _ in range(copies)))
            different += len(set(answers)) != 1
        other = {**event(codes[0], 1), "id": "key-0"}
        status, _ = await _with_key(rig, "key-0", other)
        effects = await rig.query(EFFECTS)
        evidence.figures |= {"requests": requests, "copies": copies, "effects": sum(row["n"] for row in effects)}
        evidence.expect(sum(row["n"] for row in effects) == requests, "not one effect per key")
        evidence.expect(different == 0, f"{different} keys were answered in different ways")
        evidence.expect(status in {409, 422}, f"another body under the key was answered {status}")
    return evidence


async def _with_key(rig: Rig, key: str, body: dict[str, Any]) -> tuple[int, bytes]:
    headers = {**rig.headers, "Idempotency-Key": key}
    while True:
        async with rig.http.post(f"{rig.url}/api/v1/events", json=body, headers=headers) as response:
            answer = response.status, await response.read()
        if answer[0] != 503:  # full: the same request may be sent again
            return answer


async def bad_items(*, mutant: str = NO_MUTANT) -> Evidence:
    """G06: 100 items, one malformed, one twice, one oversize, one unknown: 96 stored, none on repeat."""
    evidence = Evidence(guarantee="G06")
    async with open_rig(mutant=mutant, webs=1, dispatchers=0) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(100)
        items = [event(code, 0) for code in codes]
        items[10] = {**items[10], "code": "not a code at all \u2603" * 5}
        items[20] = {**items[20], "id": items[21]["id"], "code": items[21]["code"]}
        items[30] = {**items[30], "note": "x" * 200_000}
        items[40] = {**items[40], "status": "no such word"}
        first = await producer.push("events", items)
        second = await producer.push("events", items)
        evidence.figures |= {
            "stored": first["stored"],
            "told": len(first["items"]),
            "stored on repeat": second["stored"],
        }
        evidence.expect(first["stored"] == 96, f"{first['stored']} stored, not 96")
        evidence.expect(len(first["items"]) == 4, f"{len(first['items'])} items told of, not 4")
        evidence.expect(second["stored"] == 0, f"{second['stored']} stored on repeat")
    return evidence


async def any_order(*, dossiers: int, mutant: str = NO_MUTANT) -> Evidence:
    """G07: eight events of each dossier shuffled, a fifth twice, over eight connections: the newest is the state."""
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

        await asyncio.gather(*(connection(batches[n::8]) for n in range(8)))
        rows = await rig.query(HISTORY)
        last_at = datetime.fromisoformat(everything[-1]["at"])
        wrong = sum((row["status"], row["status_at"]) != (STATUSES[-1], last_at) for row in rows)
        missing = sum(row["events"] != len(STATUSES) for row in rows)
        evidence.figures |= {"dossiers": len(rows), "events sent": len(mixed), "wrong states": wrong}
        evidence.expect(len(rows) == dossiers, f"{len(rows)} dossiers, not {dossiers}")
        evidence.expect(wrong == 0, f"{wrong} dossiers are not in the state of their newest event")
        evidence.expect(missing == 0, f"{missing} histories are not complete")
    return evidence
