"""G01, G02, G25: nothing acknowledged is lost, whichever process dies; few notices are sent twice."""

import asyncio
import random
import time
from contextlib import suppress

from tests.faults.evidence import Evidence
from tests.faults.load import Producer, at_step
from tests.faults.rig import NO_MUTANT, Rig, open_rig

DOSSIERS = 2_000
IN_FLIGHT = 16  # concurrency of the Kannel route: the most one killed dispatcher can send twice
DRAIN_SECONDS = 150.0

STORED = "SELECT event_id FROM dossier_event WHERE event_id = ANY ($1)"
STATES = """
    SELECT d.code, d.status, d.status_at FROM dossier d WHERE d.code LIKE 'H05.16-261102-%'"""
WAITING = "SELECT count(*) AS n FROM message WHERE state <= 20"
# Each acknowledged event and what became of its notice.
UNTOLD = """
    SELECT count(*) AS n FROM dossier_event e
     WHERE e.event_id = ANY ($1)
       AND NOT EXISTS (SELECT FROM message m WHERE m.dossier_id = e.dossier_id AND m.event_key = e.event_key)"""
SENT = "SELECT id FROM message WHERE state >= 30 AND state NOT IN (60, 61, 62, 63)"


async def killed_processes(*, seconds: float, rate: float, every: float = 5.0, mutant: str = NO_MUTANT) -> Evidence:
    """G01 and G02: load with a random process killed every few seconds, then everything drained and compared."""
    evidence = Evidence(guarantee="G01 G02")
    async with open_rig(mutant=mutant) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(DOSSIERS)
        killing = asyncio.create_task(rig.kill_now_and_then(every, random.Random(1)))
        await producer.events(codes, rate=rate, seconds=seconds)
        killing.cancel()
        with suppress(asyncio.CancelledError):
            await killing
        await _restart_dead(rig)
        await nothing_lost(rig, producer, evidence)
        await _everybody_told(rig, producer, evidence)
    return evidence


async def killed_postgresql(*, kills: int, rate: float, mutant: str = NO_MUTANT) -> Evidence:
    """G25: the postmaster killed under load; C1, and ready again within 30 s without a restart of ours."""
    evidence = Evidence(guarantee="G25")
    async with open_rig(mutant=mutant, dispatchers=1) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(DOSSIERS)
        pids = [p.process.pid for p in rig.processes if p.process]
        load = asyncio.create_task(producer.events(codes, rate=rate, seconds=kills * 10.0))
        slowest = 0.0
        for _ in range(kills):
            await asyncio.sleep(3)
            killed = time.monotonic()
            await _kill_postmaster(rig)
            await rig.answers()
            slowest = max(slowest, time.monotonic() - killed)
        await load
        await nothing_lost(rig, producer, evidence)
        evidence.figures |= {"kills": kills, "slowest back s": round(slowest, 1)}
        evidence.expect(slowest <= 30, f"back after {slowest:.0f} s")
        same = pids == [p.process.pid for p in rig.processes if p.process and p.process.returncode is None]
        evidence.expect(same, "a process of ours ended")
    return evidence


async def _kill_postmaster(rig: Rig) -> None:
    first_line = (rig.directory / "data" / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    process = await asyncio.create_subprocess_exec("kill", "-9", first_line)
    await process.wait()


async def _restart_dead(rig: Rig) -> None:
    for process in rig.processes:
        if process.process is None or process.process.returncode is not None:
            await process.start()
    await rig.answers()


async def nothing_lost(rig: Rig, producer: Producer, evidence: Evidence) -> None:
    """C1: what was acknowledged is stored. C3: the state of each dossier is its newest acknowledged event or newer."""
    acked = sorted(producer.acked)
    stored = {row["event_id"] for row in await rig.query(STORED, acked)}
    lost = len(set(acked) - stored)
    evidence.figures |= {"acked": len(acked), "lost": lost, "calls retried": producer.retries}
    evidence.expect(lost == 0, f"{lost} acknowledged events are not stored")
    evidence.expect(not producer.refused, f"refused: {producer.refused[:3]}")
    evidence.expect(bool(acked), "nothing was acknowledged at all")
    behind = 0
    for row in await rig.query(STATES):
        step = producer.newest.get(row["code"])
        behind += step is not None and row["status_at"] < at_step(step)
    evidence.figures["states behind"] = behind
    evidence.expect(behind == 0, f"{behind} dossiers stand behind an acknowledged event")


async def _everybody_told(rig: Rig, producer: Producer, evidence: Evidence) -> None:
    """C2: every acknowledged event has its notice, every notice ended, and every one sent stands in the ledger."""
    deadline = time.monotonic() + DRAIN_SECONDS
    began = time.monotonic()
    waiting = 1
    while waiting and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        waiting = (await rig.query(WAITING))[0]["n"]
    evidence.figures["drained after s"] = round(time.monotonic() - began, 1)
    evidence.expect(not waiting, f"{waiting} messages never ended")
    untold = (await rig.query(UNTOLD, sorted(producer.acked)))[0]["n"]
    evidence.expect(untold == 0, f"{untold} acknowledged events have no notice")
    taken = rig.ledger.times_taken()
    sent = {str(row["id"]) for row in await rig.query(SENT)}
    lost = len(sent - set(taken))
    twice = sum(times - 1 for times in taken.values())
    kills = sum(p.kills for p in rig.of("dispatcher"))
    bound = kills * IN_FLIGHT
    evidence.figures |= {"sent": len(sent), "notices lost": lost, "kills": sum(p.kills for p in rig.processes)}
    evidence.figures |= {"sent twice": twice, "bound": bound}
    evidence.expect(lost == 0, f"{lost} notices count as sent and are not in the ledger")
    evidence.expect(twice <= bound, f"{twice} sent twice, more than {bound} in flight at {kills} kills")
    evidence.expect(bool(sent), "nothing was sent at all")
