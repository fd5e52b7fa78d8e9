"""G03, G08, G11, G64: dispatchers that die, sleep, meet what kills them, are replaced, or have a wrong clock."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from signal import SIGCONT, SIGSTOP

from service.listening import CLOSING_SECONDS
from tests.faults.conditions import CLOCK, LEASE, TRAP
from tests.faults.evidence import Evidence
from tests.faults.far_away import far_away
from tests.faults.load import Producer, Reader, event
from tests.faults.no_loss import everybody_told, nothing_lost
from tests.faults.provider import Faults
from tests.faults.rig import NO_MUTANT, Rig, open_rig
from tests.faults.waiting import sent_out

CLAIMED = "SELECT count(*) AS n FROM message WHERE state = 10"
WAITING = "SELECT count(*) AS n FROM message WHERE state <= 20"
# What a process with an old lease could spoil.
WRITTEN = """
    SELECT md5(string_agg(concat_ws('/', id, state, attempts, faults, doubts, route, failure, run_at, handed_over_at),
                          ',' ORDER BY id)) AS all, (SELECT count(*) FROM message_step) AS steps FROM message"""
HURRY = "UPDATE message SET run_at = now() WHERE state = 0 AND run_at > now() RETURNING id"
POISON = "UPDATE message SET address_sealed = 'poison' WHERE id = $1 RETURNING id"
BOOM = "UPDATE message SET event = 'boom' WHERE id = $1 RETURNING id"
FATES = "SELECT id, state, attempts, faults FROM message WHERE id = ANY ($1)"
SLOW_CALL = 6.0  # seconds: long enough for others to look at the whole queue meanwhile
TAKEN_OVER_SECONDS = 60.0
DRAIN_SECONDS = 20.0
TOO_SLOW = ("503", "TimeoutError")  # of a machine with other work, whose processes begin slowly
ONE_WAY_SECONDS = 0.03  # between callers and the service: a call may be on its way while its connection is being closed


async def until(rig: Rig, statement: str, done: Callable[[int], bool], within: float) -> float:
    """Wait until the count that `statement` gives is as wanted; the seconds it took, `within` at the most."""
    began = time.monotonic()
    while not done((await rig.query(statement))[0]["n"]):
        if time.monotonic() - began > within:
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def taken_over(*, leases: int, lease: float | None, mutant: str = NO_MUTANT) -> Evidence:
    """G03: one of two dispatchers is killed holding leases, then one sleeps beyond its lease and wakes.

    Mutant: `no_fence`.
    """
    evidence = Evidence(guarantee="G03")
    settings = {"MOTMA_KANNEL_CONCURRENCY": str(leases)} | ({LEASE: str(lease)} if lease else {})
    seconds = lease or 45.0
    async with open_rig(mutant=mutant, webs=1, settings=settings) as rig:
        producer, (first, second) = Producer(rig), rig.of("dispatcher")
        codes = await producer.dossiers(4 * leases)
        held = await _hold(rig, producer, codes, 0, most=2 * leases, seconds=seconds)
        await first.kill()
        rig.gateway.faults = Faults()
        took = await until(rig, WAITING, lambda n: n == 0, TAKEN_OVER_SECONDS)
        evidence.figures |= {"held at the kill": held, "all sent after s": round(took, 1)}
        evidence.expect_within(TAKEN_OVER_SECONDS, took, "what a dead dispatcher held")
        lost = sum(n == 0 for n in (rig.ledger.times_taken()[str(m)] for m in range(1, len(codes) + 1)))
        evidence.expect(lost == 0, f"{lost} notices were never taken")
        # And now one sleeps. What it had sent is taken while it sleeps; what it would write comes too late.
        await first.start()
        await _hold(rig, producer, codes, 1, most=2 * leases, seconds=seconds)
        asleep = second.process
        assert asleep is not None
        asleep.send_signal(SIGSTOP)
        rig.gateway.faults = Faults()
        await asyncio.sleep(seconds + 1)
        took = await until(rig, WAITING, lambda n: n == 0, TAKEN_OVER_SECONDS)
        before = (await rig.query(WRITTEN))[0]
        asleep.send_signal(SIGCONT)
        await asyncio.sleep(3)
        after = (await rig.query(WRITTEN))[0]
        evidence.figures |= {"taken over from a sleeper after s": round(seconds + 1 + took, 1)}
        evidence.figures["written by it when it woke"] = after["steps"] - before["steps"]
        evidence.expect(before["all"] == after["all"], "the woken process changed what others had ended")
        evidence.expect(before["steps"] == after["steps"], "the woken process wrote steps of what was not its any more")
        said = (rig.directory / "dispatcher-2.log").read_text("utf-8")
        evidence.need("outcome came after the lease" in said or mutant != NO_MUTANT, "it held nothing when it slept")
    return evidence


async def _hold(rig: Rig, producer: Producer, codes: list[str], step: int, *, most: int, seconds: float) -> int:
    """Have both dispatchers claim what they can, at a gateway that takes nothing yet; how much they hold."""
    rig.gateway.faults = Faults(latency=min(seconds * 0.25, 6.0))
    await producer.one_each(codes, step)
    await until(rig, CLAIMED, lambda n: n >= most, seconds * 0.2)
    return int((await rig.query(CLAIMED))[0]["n"])


async def poisoned(*, messages: int, mutant: str = NO_MUTANT) -> Evidence:
    """G08: among many messages one that cannot be worded and one that kills whoever words it.

    Mutants: `poison_for_ever`, `suspects_among_others`.
    """
    evidence = Evidence(guarantee="G08")
    settings = {LEASE: "3", TRAP: "boom"}
    async with open_rig(mutant=mutant, webs=1, dispatchers=1, settings=settings) as rig:
        producer, (dispatcher,) = Producer(rig), rig.of("dispatcher")
        codes = await producer.dossiers(messages)
        await dispatcher.stop()
        await producer.one_each(codes)
        unworded, killing = messages // 3, messages // 2
        await rig.query(POISON, unworded)
        await rig.query(BOOM, killing)
        await dispatcher.start()
        restarts = 0

        async def supervise() -> None:
            nonlocal restarts
            while True:
                await asyncio.sleep(0.2)
                await rig.query(HURRY)  # the ladder of retries is tried elsewhere
                if not dispatcher.runs:
                    restarts += 1
                    await dispatcher.start()

        supervisor = asyncio.create_task(supervise())
        began = time.monotonic()
        await until(rig, WAITING, lambda n: n <= 2, 60)
        others = time.monotonic() - began
        await until(rig, WAITING, lambda n: n == 0, 60)
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        fates = {row["id"]: row for row in await rig.query(FATES, [unworded, killing])}
        taken = rig.ledger.times_taken()
        missing = sum(str(n) not in taken for n in range(1, messages + 1)) - 2
        evidence.figures |= {"messages": messages, "others sent after s": round(others, 1), "crashes": restarts}
        evidence.figures["tries of the poison"] = [fates[n]["attempts"] for n in (unworded, killing)]
        evidence.expect(all(fate["state"] == 63 for fate in fates.values()), "the poison is no dead letter")
        evidence.expect(all(fate["attempts"] <= 5 for fate in fates.values()), "the poison was tried more than 5 times")
        evidence.expect(missing <= 0, f"{missing} others were not sent")
        given_up = (await rig.query("SELECT count(*) AS n FROM message WHERE state = 63"))[0]["n"]
        evidence.expect(given_up == 2, f"{given_up} dead letters, not 2")
        evidence.expect("message dead" in rig.logs, "nobody says that a message is dead")
        evidence.need(restarts > 0, "no process was killed by the poison")
    return evidence


async def replaced_in_use(*, rounds: int, rate: float, mutant: str = NO_MUTANT) -> Evidence:
    """G11: every process is stopped in order and started again, one after the other, under load from far away.

    Mutants: `no_grace`, `kept_connections_cut`, `nobody_told_to_leave`.
    """
    evidence = Evidence(guarantee="G11")
    settings = {"MOTMA_CLOSING_SECONDS": str(CLOSING_SECONDS)}
    async with open_rig(mutant=mutant, settings=settings) as rig, far_away(rig.port, seconds=ONE_WAY_SECONDS) as near:
        rig.port = near
        producer = Producer(rig)
        codes = await producer.dossiers(1_000)
        reader, done = Reader(rig, codes, rate / 4), asyncio.Event()
        slowest = 0.0

        async def replace() -> None:
            nonlocal slowest
            for _ in range(rounds):
                for process in rig.processes:
                    began = time.monotonic()
                    await process.stop()
                    slowest = max(slowest, time.monotonic() - began)
                    await process.start()
            done.set()

        async with asyncio.TaskGroup() as load:
            load.create_task(reader.read(done))
            replacing = load.create_task(replace())
            await _events_until(replacing, producer, codes, rate)
        await nothing_lost(rig, producer, evidence)
        evidence.figures |= {"restarts": rounds * len(rig.processes), "slowest drain s": round(slowest, 1)}
        evidence.figures |= {"calls": len(producer.acked) + len(reader.seconds)}
        evidence.figures |= {"failed look-ups": len(reader.failed), "failed pushes": producer.retries}
        cut = sorted({said for said in (*reader.failed, *producer.failed) if not said.startswith(TOO_SLOW)})
        evidence.expect(not cut, f"calls failed: {cut}")
        if slow := Counter((*reader.failed, *producer.failed)):
            evidence.late.append(f"calls were answered too late or not for now: {dict(slow)}")
        evidence.expect_within(DRAIN_SECONDS, slowest, "a process's last work")
        await everybody_told(rig, producer, evidence)
        twice = sum(n - 1 for n in rig.ledger.times_taken().values())
        evidence.expect(twice == 0, f"{twice} notices went out twice")
    return evidence


async def _events_until(done: "asyncio.Task[None]", producer: Producer, codes: list[str], rate: float) -> None:
    """Events one by one, each newer than the last of its dossier."""
    loop, sent = asyncio.get_running_loop(), 0
    began = loop.time()
    async with asyncio.TaskGroup() as calls:
        while not done.done():
            calls.create_task(producer.push("events", [event(codes[sent % len(codes)], sent // len(codes))]))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))


async def wrong_clocks(*, seconds: float, rate: float, mutant: str = NO_MUTANT) -> Evidence:
    """G64: one dispatcher ten minutes ahead, one an hour behind, one right.

    Mutant: `lease_by_own_clock`.
    """
    evidence = Evidence(guarantee="G64")
    async with open_rig(mutant=mutant, dispatchers=3, provider_delay=SLOW_CALL) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(1_000)
        for process, off in zip(rig.of("dispatcher"), ("600", "-3600"), strict=False):
            await process.stop()
            process.environment[CLOCK] = off
            await process.start()
        await producer.events(codes, rate=rate, seconds=seconds)
        await nothing_lost(rig, producer, evidence)
        await everybody_told(rig, producer, evidence)
        twice = sum(n - 1 for n in rig.ledger.times_taken().values())
        evidence.expect(twice == 0, f"{twice} notices went out twice")
        await sent_out(rig, evidence)
    return evidence
