"""G01, G02, G25: nothing acknowledged is lost, whichever process dies; what goes out twice was on its way at a kill."""

import asyncio
import math
import os
import random
import signal
import time
from collections import Counter

from channels.sms.kannel import KannelSettings
from tests.faults.evidence import Evidence
from tests.faults.load import Producer, Reader, at_step, event
from tests.faults.rig import NO_MUTANT, Rig, open_rig

DOSSIERS = 2_000
IN_FLIGHT = KannelSettings().concurrency  # the most one killed dispatcher can make go out twice
IN_FLIGHT_SECONDS = 1.0  # from a text's being taken to our having written it down
PROVIDER_SECONDS = 0.01  # the provider's answer takes as long
DRAIN_SECONDS = 150.0
BACK_SECONDS = 30.0
BEHIND_SECONDS = 20.0  # a killed process is back sooner
MANY = 10_000  # sends of which a share can be told

STORED = "SELECT event_id FROM dossier_event WHERE event_id = ANY ($1)"
STATES = """
    SELECT d.code, d.status, d.status_at FROM dossier d WHERE d.code LIKE 'H05.16-2610%'"""
WAITING = "SELECT count(*) AS n FROM message WHERE state <= 20"
# Acknowledged events that were news when they came, to somebody who did not refuse, and of which no notice was made.
# No news is what comes after something newer, and a status that the dossier has already: an event that is sent again
# after the next one leaves that one between two of the same status.
UNTOLD = """
    SELECT count(*) AS n FROM dossier_event e JOIN dossier d ON d.id = e.dossier_id
     WHERE e.event_id = ANY ($1)
       AND NOT EXISTS (SELECT FROM message m WHERE m.dossier_id = e.dossier_id AND m.event_key = e.event_key)
       AND NOT EXISTS (SELECT FROM opt_out o WHERE o.contact_digest = d.phone_digest)
       AND NOT EXISTS (SELECT FROM dossier_event n
                        WHERE n.dossier_id = e.dossier_id AND n.at > e.at AND n.recorded_at < e.recorded_at)
       AND e.status IS DISTINCT FROM (SELECT p.status FROM dossier_event p
                                       WHERE p.dossier_id = e.dossier_id AND p.at < e.at
                                         AND p.recorded_at < e.recorded_at ORDER BY p.at DESC LIMIT 1)"""
# By state; 61 is superseded: a newer notice of the same dossier went out instead.
MESSAGES = "SELECT id, state FROM message"
TWO_NOTICES = """
    SELECT count(*) AS n FROM (SELECT FROM message WHERE kind = 'status_changed'
                                GROUP BY dossier_id, event_key, contact_digest HAVING count(*) > 1) AS twice"""
SENT, SUPERSEDED = {30, 40, 80}, 61


async def killed_processes(
    *, seconds: float, rate: float, look_ups: float, every: float = 5.0, mutant: str = NO_MUTANT
) -> Evidence:
    """G01 and G02: load, a process killed every few seconds; then everything drained and compared.

    Mutants: `ack_before_commit`, `no_lease`.
    """
    evidence = Evidence(guarantee="G01 G02")
    async with open_rig(mutant=mutant, provider_delay=PROVIDER_SECONDS) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(DOSSIERS)
        reader, done = Reader(rig, codes, look_ups), asyncio.Event()
        async with asyncio.TaskGroup() as faults:
            faults.create_task(rig.kill_now_and_then(every, random.Random(1), done))
            faults.create_task(reader.read(done))
            began = time.monotonic()
            await producer.events(codes, rate=rate, seconds=seconds)
            behind = time.monotonic() - began - seconds
            done.set()
        await rig.answers()
        evidence.figures |= {"events a second": rate, "look-ups a second": look_ups, "behind s": round(behind, 1)}
        evidence.expect_within(BEHIND_SECONDS, behind, "the last events' being acknowledged after their time")
        evidence.figures |= {"look-ups": len(reader.seconds), "cut off": dict(Counter(reader.failed))}
        untrue = {said for said in reader.failed if said.isdigit()} - {"503"}
        evidence.expect(not untrue, f"look-ups of dossiers that exist were answered {untrue}")
        await nothing_lost(rig, producer, evidence)
        await everybody_told(rig, producer, evidence)
    return evidence


async def killed_postgresql(*, kills: int, rate: float, drained: bool, mutant: str = NO_MUTANT) -> Evidence:
    """G25: the postmaster killed under load; C1, and writes again within 30 s without a restart of ours.

    Mutant: `commit_without_waiting`.
    """
    evidence = Evidence(guarantee="G25")
    async with open_rig(mutant=mutant, dispatchers=1) as rig:
        producer, probe = Producer(rig), Producer(rig)
        codes = await producer.dossiers(DOSSIERS)
        pids = [p.process.pid for p in rig.processes if p.process]
        slowest = 0.0
        async with asyncio.TaskGroup() as load:
            load.create_task(producer.events(codes[1:], rate=rate, seconds=kills * 8.0))
            for n in range(kills):
                await asyncio.sleep(3 + random.Random(n).random())
                killed = time.monotonic()
                _kill_postmaster(rig)
                await probe.push("events", [event(codes[0], n)])
                await rig.answers()
                slowest = max(slowest, time.monotonic() - killed)
        producer.acked |= probe.acked
        producer.faults += probe.faults
        await nothing_lost(rig, producer, evidence)
        evidence.figures |= {"kills of the postmaster": kills, "slowest back s": round(slowest, 1)}
        evidence.expect_within(BACK_SECONDS, slowest, "writing again")
        same = pids == [p.process.pid for p in rig.processes if p.process and p.runs]
        evidence.expect(same, "a process of ours ended")
        if drained:
            await everybody_told(rig, producer, evidence)
    return evidence


def _kill_postmaster(rig: Rig) -> None:
    first_line = (rig.directory / "data" / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    os.kill(int(first_line), signal.SIGKILL)


async def nothing_lost(rig: Rig, producer: Producer, evidence: Evidence) -> None:
    """C1: what was acknowledged is stored. C3: the state of each dossier is its newest acknowledged event or newer."""
    acked = sorted(producer.acked)
    stored = {row["event_id"] for row in await rig.query(STORED, acked)}
    lost = len(set(acked) - stored)
    evidence.figures |= {"acked": len(acked), "lost": lost, "calls retried": producer.retries}
    evidence.expect(lost == 0, f"{lost} acknowledged events are not stored")
    evidence.expect(not producer.faults, f"{len(producer.faults)} wrong answers, e.g. {producer.faults[:2]}")
    evidence.need(bool(acked), "nothing was acknowledged")
    behind = 0
    for row in await rig.query(STATES):
        step = producer.newest.get(row["code"])
        behind += step is not None and row["status_at"] < at_step(step)
    evidence.figures["states behind"] = behind
    evidence.expect(behind == 0, f"{behind} dossiers stand behind an acknowledged event")


async def everybody_told(rig: Rig, producer: Producer, evidence: Evidence) -> None:
    """C2: every acknowledged news has one notice, every notice ended, every one sent stands in the ledger.

    G02: what stands there twice was on its way when a dispatcher was killed, and is never more than it held.
    """
    began = time.monotonic()
    while waiting := (await rig.query(WAITING))[0]["n"]:
        if time.monotonic() - began > DRAIN_SECONDS:
            break
        await asyncio.sleep(0.5)
    evidence.figures["drained after s"] = round(time.monotonic() - began, 1)
    evidence.expect(not waiting, f"{waiting} messages never ended")
    untold = (await rig.query(UNTOLD, sorted(producer.acked)))[0]["n"]
    evidence.expect(untold == 0, f"{untold} acknowledged events have no notice")
    two = (await rig.query(TWO_NOTICES))[0]["n"]
    evidence.expect(two == 0, f"{two} changes have two notices for one person")
    messages = {str(row["id"]): row["state"] for row in await rig.query(MESSAGES)}
    sent = {number for number, state in messages.items() if state in SENT}
    given_up = sum(state not in SENT and state != SUPERSEDED for state in messages.values())
    evidence.expect(given_up == 0, f"{given_up} notices were given up")
    lost = len(sent - set(rig.ledger.times_taken()))
    evidence.figures |= {"sent": len(sent), "notices lost": lost}
    evidence.expect(lost == 0, f"{lost} notices count as sent and are not in the ledger")
    evidence.need(bool(sent), "nothing was sent")
    _few_twice(rig, len(sent), evidence)


def _few_twice(rig: Rig, sent: int, evidence: Evidence) -> None:
    taken = rig.ledger.times_taken()
    first: dict[str, float] = {}
    for number, _, at in rig.ledger.lines():
        first.setdefault(number, at)
    killed = [at for process in rig.of("dispatcher") for at in process.killed_at]
    twice = [number for number, times in taken.items() if times > 1]
    extra = sum(taken[number] - 1 for number in twice)
    # What a killed process had sent may be taken just after its end.
    from_kill = max((min((abs(at - first[n]) for at in killed), default=math.inf) for n in twice), default=0.0)
    bound = len(killed) * IN_FLIGHT
    evidence.figures |= {"kills": sum(len(p.killed_at) for p in rig.processes), "of dispatchers": len(killed)}
    evidence.figures |= {"sent twice": extra, "at most": bound, "furthest from a kill s": round(from_kill, 2)}
    evidence.expect(extra <= bound, f"{extra} sent twice, more than {bound} in flight at {len(killed)} kills")
    evidence.expect_within(IN_FLIGHT_SECONDS, from_kill, "between a kill and what went out twice because of it")
    evidence.expect(sent < MANY or extra <= sent / 1000, f"{extra} of {sent} sent twice, more than 0.1 %")
