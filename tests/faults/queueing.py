"""G04, G09, G10, G68: how soon notices leave, what goes first, how a backlog is worked off, what an import may cost."""

import asyncio
import time
from itertools import count
from pathlib import Path

from tests.faults.dispatchers import WAITING, until
from tests.faults.evidence import Evidence, percentile
from tests.faults.load import Producer, Reader, event, facts
from tests.faults.no_loss import nothing_lost
from tests.faults.provider import Faults
from tests.faults.rig import AGENCY, NO_MUTANT, Rig, open_rig
from tests.faults.waiting import sent_out
from tests.faults.webhooks import SETTINGS, Callers, by_kannel, open_line

ANNOUNCED = "SELECT id, created_at FROM message WHERE kind = 'status_changed' ORDER BY id"
EXPIRES = "UPDATE message SET expires_at = now() + interval '1 second' WHERE id % 20 = 0 AND state <= 20 RETURNING id"
HURRY = "UPDATE message SET run_at = now() WHERE state = 0 AND attempts > 0 RETURNING id"
TOLD = "SELECT count(*) AS n FROM message"
WITHIN = {0.99: 5.0, 0.999: 10.0}  # seconds from the event's commit to the ledger
URGENT_WITHIN = 5.0
MEMORY_MIB = 50
AN_HOUR = 3600.0
ON_THE_WAY = 0.2  # seconds


async def handed_over_soon(*, seconds: float, rate: float, mutant: str = NO_MUTANT) -> Evidence:
    """G04: under load, and with little of it, from the event's commit to the provider's ledger.

    Mutant: `hears_nothing`.
    """
    evidence = Evidence(guarantee="G04")
    async with open_rig(mutant=mutant) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(2_000)
        await asyncio.sleep(1)
        calm = await _delays(rig, producer, codes[:200], rate=12, seconds=4, batch=1, evidence=evidence)
        busy = await _delays(rig, producer, codes[200:], rate=rate, seconds=seconds, batch=20, evidence=evidence)
        evidence.figures |= {"calm p50 ms": round(percentile(calm, 0.5) * 1000), "notices": len(busy)}
        evidence.expect_within(0.5, percentile(calm, 0.5), "half of the notices, with little to do")
        for share, limit in WITHIN.items():
            found = percentile(busy, share)
            evidence.figures[f"p{share * 100:g} ms"] = round(found * 1000)
            evidence.expect_within(limit, found, f"{share:.1%} of the notices")
    return evidence


async def _delays(
    rig: Rig, producer: Producer, codes: list[str], *, rate: float, seconds: float, batch: int, evidence: Evidence
) -> list[float]:
    before = len(await rig.query(ANNOUNCED))
    await producer.events(codes, rate=rate, seconds=seconds, batch=batch)
    await sent_out(rig, evidence)
    queued = {str(row["id"]): row["created_at"].timestamp() for row in (await rig.query(ANNOUNCED))[before:]}
    return [at - queued[number] for number, _, at in rig.ledger.lines() if number in queued]


async def urgent_first(*, bulk: int, seconds: float, line: float, mutant: str = NO_MUTANT) -> Evidence:
    """G09: answers leave at once though thousands of notices wait for a line that takes `line` a second.

    Mutant: `one_lane`.
    """
    evidence = Evidence(guarantee="G09")
    settings = {**SETTINGS, "MOTMA_KANNEL_RATE": str(line)}
    async with open_rig(mutant=mutant, webs=1, dispatchers=1, settings=settings) as rig, open_line() as http:
        producer, callers, asked, ids = Producer(rig), Callers(rig, http), dict[str, float](), count(1)
        codes = await producer.dossiers(bulk)
        await producer.one_each(codes)
        number = 0
        began = time.monotonic()
        async with asyncio.TaskGroup() as calls:
            while time.monotonic() - began < seconds:
                number += 1
                phone = f"+8491{number:07d}"
                asked[phone] = time.time()
                calls.create_task(callers.call(by_kannel(phone, f"HS {codes[number % bulk]}", next(ids))))
                await asyncio.sleep(0.1)
        waiting = (await rig.query(WAITING))[0]["n"]
        answered: dict[str, float] = {}
        deadline = time.monotonic() + 30
        while len(answered) < len(asked) and time.monotonic() < deadline:
            answered = {phone: at - asked[phone] for _, phone, at in rig.ledger.lines() if phone in asked}
            await asyncio.sleep(0.2)
        slow = percentile(list(answered.values()), 0.99)
        evidence.figures |= {"bulk waiting at the end": waiting, "urgent": len(asked), "p99 ms": round(slow * 1000)}
        evidence.expect(len(answered) == len(asked), f"{len(asked) - len(answered)} were not answered within 30 s")
        evidence.expect_within(URGENT_WITHIN, slow, "99 % of the urgent ones")
        evidence.need(waiting > line, "nothing was waiting")
    return evidence


async def backlog(*, down: float, rate: float, line: float, mutant: str = NO_MUTANT) -> Evidence:
    """G10: the provider is out of order, then takes `line` a second and not one more, counted when they arrive.

    On their way messages take up to `ON_THE_WAY`, each its own time, so that what leaves well spaced arrives in heaps.

    Mutants: `no_pace`, `paced_by_leaving`, `sent_too_late`.
    """
    evidence = Evidence(guarantee="G10")
    settings = {"MOTMA_KANNEL_RATE": str(line)}
    async with open_rig(mutant=mutant, webs=1, settings=settings) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(int(down * rate))
        rig.gateway.faults = Faults(broken=1)
        before = _memory(rig)
        await producer.events(codes, rate=rate, seconds=down, batch=10)
        expired = {str(row["id"]) for row in await rig.query(EXPIRES)}
        await asyncio.sleep(1.5)
        waiting = (await rig.query(WAITING))[0]["n"]
        rig.gateway.calls.clear()
        rig.gateway.faults = Faults(rate=line, jitter=ON_THE_WAY)
        await asyncio.sleep(6)  # the breaker's pause
        await rig.query(HURRY)
        took = 6 + await until(rig, WAITING, lambda n: n == 0, 3 * waiting / line + 60)
        refused = sum(call.answer == "429" for call in rig.gateway.calls)
        late = len(expired & set(rig.ledger.times_taken()))
        grown = max(after - first for first, after in zip(before, _memory(rig), strict=True))
        evidence.figures |= {"waiting": waiting, "drained s": round(took, 1), "calls": len(rig.gateway.calls)}
        evidence.figures["over the limit"] = refused
        evidence.figures |= {"expired": len(expired), "of these sent": late, "memory grew MiB": round(grown)}
        evidence.expect_within(waiting / line * 4 / 3 + 10, took, "working off the backlog")
        evidence.expect(refused == 0, f"the limit was exceeded {refused} times")
        evidence.expect(late == 0, f"{late} were sent after they had expired")
        evidence.expect(grown <= MEMORY_MIB, f"a dispatcher grew by {grown:.0f} MiB")
        evidence.need(waiting > line and bool(expired), "nothing was waiting")
    return evidence


def _memory(rig: Rig) -> list[float]:
    """MiB held by each dispatcher."""
    held = []
    for process in rig.of("dispatcher"):
        assert process.process is not None
        status = Path(f"/proc/{process.process.pid}/status").read_text("utf-8")
        held.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
    return held


async def backfilled(*, events: int, look_ups: float, mutant: str = NO_MUTANT) -> Evidence:
    """G68: an import as fast as it is taken, with look-ups beside it; nobody is told of it.

    Mutant: `imports_told`.
    """
    evidence = Evidence(guarantee="G68")
    async with open_rig(mutant=mutant, dispatchers=1) as rig:
        producer = Producer(rig)
        known = await producer.dossiers(500)
        told = (await rig.query(TOLD))[0]["n"]
        reader, done = Reader(rig, known, look_ups), asyncio.Event()
        codes = [f"{AGENCY}-2609{n % 25 + 1:02d}-{n:06d}" for n in range(events // 4)]
        began = time.monotonic()
        async with asyncio.TaskGroup() as load:
            load.create_task(reader.read(done))
            for start in range(0, len(codes), 1_000):
                some = codes[start : start + 1_000]
                await producer.push("dossiers", [facts(code, 100_000 + start + n) for n, code in enumerate(some)])
            for step in range(3):
                for start in range(0, len(codes), 1_000):
                    some = codes[start : start + 1_000]
                    await producer.push("events", [event(code, step) | {"notify": False} for code in some])
            took = time.monotonic() - began
            done.set()
        await nothing_lost(rig, producer, evidence)
        notices = (await rig.query(TOLD))[0]["n"] - told
        a_second = len(codes) * 4 / took
        evidence.figures |= {"changes": len(codes) * 4, "a second": round(a_second)}
        evidence.figures |= {"look-ups": len(reader.seconds), "p99 ms": round(percentile(reader.seconds, 0.99) * 1000)}
        evidence.figures |= {"a million takes min": round(1e6 / a_second / 60), "notices": notices}
        evidence.expect(notices == 0, f"{notices} notices of an import nobody asked for")
        evidence.expect(not reader.failed, f"look-ups failed: {sorted(set(reader.failed))}")
        evidence.expect_within(AN_HOUR, 1e6 / a_second, "a million changes")
        evidence.expect_within(0.3, percentile(reader.seconds, 0.99), "99 % of the look-ups")
    return evidence
