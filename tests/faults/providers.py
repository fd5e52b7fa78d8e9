"""G33, G34, G35, G36, G38: providers that refuse, dawdle, say things twice, late, in the wrong order or never."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, pairwise

from tests.faults.conditions import FASTER
from tests.faults.dispatchers import WAITING, until
from tests.faults.evidence import Evidence, percentile
from tests.faults.load import Producer, Reader, event
from tests.faults.no_loss import nothing_lost
from tests.faults.provider import SENDSMS, Faults
from tests.faults.rig import NO_MUTANT, Rig, open_rig
from tests.faults.waiting import handled, sent_out
from tests.faults.webhooks import SETTINGS, Callers, by_telegram, open_line

RETRY_AFTER = 3.0
CHATS = 6_000_000
IN_FLIGHT = 16  # of one dispatcher, by one gateway
BREAKER_PAUSE = 5.0
ROUTES = {
    "MOTMA_ESMS_API_KEY": "key",
    "MOTMA_ESMS_SECRET_KEY": "secret",
    "MOTMA_ESMS_BRANDNAME": "MOTMA",
    "MOTMA_ESMS_HOOK_SECRET": "hook-secret-of-esms-0001",
}
ROUTE = "SELECT route FROM sms_traffic"
STATES = "SELECT id, state, route FROM message ORDER BY id"
REPORTS = "SELECT count(*) AS n FROM delivery_report"
LATER = """
    UPDATE message SET handed_over_at = handed_over_at - interval '72 hours 10 minutes'
     WHERE state IN (30, 40) RETURNING id"""
UNDER_WAY = "SELECT count(*) AS n FROM message WHERE state IN (30, 40)"


async def storm(*, messages: int, seconds: float, mutant: str = NO_MUTANT) -> Evidence:
    """G33: too many, then out of order, then 200 with an error in the body; another channel meanwhile.

    Mutants: `wishes_unheeded`, `no_breaker_of_routes`.
    """
    evidence = Evidence(guarantee="G33")
    async with open_rig(mutant=mutant, webs=1, dispatchers=1, settings=SETTINGS) as rig, open_line() as http:
        producer, callers = Producer(rig), Callers(rig, http)
        codes = await producer.dossiers(3 * messages)
        await _followed(rig, callers, codes[messages : messages + 20], evidence)
        gateway = rig.gateway
        gateway.by_wire["kannel"] = Faults(too_many=1, retry_after=RETRY_AFTER)
        await producer.one_each(codes[:messages])
        await asyncio.sleep(2 * RETRY_AFTER + 1)
        asked = defaultdict(list)
        for call in gateway.calls:
            if call.wire == "kannel":
                asked[call.reference].append(call.at)
        waits = [later - earlier for times in asked.values() for earlier, later in pairwise(times)]
        evidence.need(bool(waits), "nothing was asked again")
        evidence.figures["429: asked again after s"] = f"{min(waits):.2f} to {max(waits):.2f}"
        evidence.expect(min(waits) >= RETRY_AFTER - 0.05, f"asked again after {min(waits):.2f} s, not {RETRY_AFTER}")
        evidence.expect_within(RETRY_AFTER + 1.3, percentile(waits, 0.9), "asking again when the provider wished")
        gateway.by_wire["kannel"] = Faults(broken=1)
        gateway.calls.clear()
        began = time.monotonic()
        await producer.one_each(codes[messages : 2 * messages])
        await asyncio.sleep(seconds)
        tries = [call.at - began for call in gateway.calls if call.wire == "kannel"]
        late = [at for at in tries if at > seconds / 3]
        chats = [call.at - began for call in gateway.calls if call.wire == "telegram"]
        evidence.figures |= {"503: tries": len(tries), "after the first third": len(late)}
        evidence.figures |= {"another channel's slowest s": round(max(chats, default=99), 1)}
        most = IN_FLIGHT + seconds / BREAKER_PAUSE + 3
        evidence.expect(len(tries) <= most, f"{len(tries)} tries of a provider that is out of order")
        evidence.expect(len(late) <= (seconds * 2 / 3) / BREAKER_PAUSE + 2, f"{len(late)} of these late")
        evidence.expect(len(chats) == 20, f"{len(chats)} of 20 by another channel")
        evidence.expect_within(5.0, max(chats, default=99), "another channel's notices")
        gateway.by_wire["kannel"] = Faults(odd=1)
        await asyncio.sleep(BREAKER_PAUSE + 1)
        gateway.by_wire["kannel"] = Faults()
        await asyncio.sleep(BREAKER_PAUSE)
        await rig.query("UPDATE message SET run_at = now() WHERE state <= 20 AND state <> 10 RETURNING id")
        await sent_out(rig, evidence)
        evidence.figures["sent in the end"] = sum(row["state"] == 30 for row in await rig.query(STATES))
        lost = sum(row["state"] not in {30, 40, 61, 80} for row in await rig.query(STATES))
        evidence.expect(lost == 0, f"{lost} notices were given up")
    return evidence


async def _followed(rig: Rig, callers: Callers, codes: Sequence[str], evidence: Evidence) -> None:
    """A chat of its own follows each dossier."""
    ids = count(1)
    await callers.at_once(by_telegram(CHATS + n, f"THEO DOI {code}", next(ids)) for n, code in enumerate(codes))
    await handled(rig, evidence)
    await sent_out(rig, evidence)


async def one_is_slow(*, messages: int, look_ups: float, mutant: str = NO_MUTANT) -> Evidence:
    """G34: one provider takes twenty seconds for each call; others, and look-ups, do not notice.

    Mutant: `one_after_another`.
    """
    evidence = Evidence(guarantee="G34")
    async with open_rig(mutant=mutant, settings=SETTINGS) as rig, open_line() as http:
        producer, callers = Producer(rig), Callers(rig, http)
        codes = await producer.dossiers(messages)
        followed = codes[: min(100, messages)]
        await _followed(rig, callers, followed, evidence)
        rig.gateway.by_wire["kannel"] = Faults(latency=20)
        rig.gateway.calls.clear()
        reader, done = Reader(rig, codes, look_ups), asyncio.Event()
        began = time.monotonic()
        async with asyncio.TaskGroup() as load:
            load.create_task(reader.read(done))
            for start in range(0, messages, 20):
                await producer.push("events", [event(code, 0) for code in codes[start : start + 20]])
                await asyncio.sleep(0.1)
            pushed = time.monotonic()
            while time.monotonic() - pushed < 12 and _chats(rig) < len(followed):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
            done.set()
        slowest = max((call.at - began for call in rig.gateway.calls if call.wire == "telegram"), default=99.0)
        most = rig.gateway.most_under_way[SENDSMS]
        evidence.figures |= {"by another channel": _chats(rig), "slowest s": round(slowest, 1)}
        evidence.figures |= {"calls at the slow one at once": most}
        evidence.figures |= {"look-ups p99 ms": round(percentile(reader.seconds, 0.99) * 1000)}
        evidence.expect(_chats(rig) == len(followed), f"{len(followed) - _chats(rig)} waited for the slow provider")
        evidence.expect_within(5.0 + (pushed - began), slowest, "another channel's notices")
        evidence.expect(most <= 2 * IN_FLIGHT, f"{most} calls at once")
        evidence.expect_within(0.3, percentile(reader.seconds, 0.99), "99 % of the look-ups")
        evidence.need(most >= IN_FLIGHT or bool(evidence.violations), "the slow provider was hardly asked")
    return evidence


def _chats(rig: Rig) -> int:
    return sum(call.wire == "telegram" and call.answer == "200" for call in rig.gateway.calls)


async def two_routes(*, faster: float, rate: float, mutant: str = NO_MUTANT) -> Evidence:
    """G35: receipts of one route come late, then those of both; the rule of traffic so many times as fast.

    Mutants: `stays_on_its_route`, `moves_at_will`.
    """
    evidence = Evidence(guarantee="G35")
    minute = 60 / faster
    settings = {FASTER: str(faster), **ROUTES}
    async with open_rig(mutant=mutant, webs=1, settings=settings) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(1_000)
        good = Faults(receipts=True, receipt_after=minute / 60)
        slow = replace(good, late=0.5, late_by=3 * minute)
        rig.gateway.by_wire |= {"kannel": good, "esms": good}
        moves: list[tuple[float, str]] = []
        watching = asyncio.create_task(_watch(rig, moves))
        phases = {"good": 3 * minute, "one slow": 5 * minute, "both slow": 8 * minute}
        feeding = asyncio.create_task(_feed(producer, codes, rate, sum(phases.values())))
        began = time.monotonic()
        await asyncio.sleep(phases["good"])
        first = moves[-1][1] if moves else ""
        rig.gateway.by_wire["kannel" if first == "kannel" else "esms"] = slow
        turned = time.monotonic()
        await asyncio.sleep(phases["one slow"])
        moved = [(at, route) for at, route in moves if at > turned]
        rig.gateway.by_wire |= {"kannel": slow, "esms": slow}
        both = time.monotonic()
        await asyncio.sleep(phases["both slow"])
        await feeding
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        gaps = [(later - earlier) / minute for (earlier, _), (later, _) in pairwise(moves[1:])]
        flaps = sum(at > both for at, _ in moves)
        wires = defaultdict(set)
        for reference, _, _, wire, _ in rig.ledger.rows():
            wires[reference].add(wire)
        twice = sum(len(used) > 1 for used in wires.values())
        minutes = (moved[0][0] - turned) / minute if moved else 99.0
        evidence.figures |= {"minutes until it moved": round(minutes, 1), "moves": len(moves) - 1, "when both": flaps}
        evidence.figures |= {"sent": len(wires), "by both": twice, "s in all": round(time.monotonic() - began)}
        evidence.expect_within(3.0, minutes, "moving away from a slow route (minutes)")
        evidence.expect(all(gap >= 4.8 for gap in gaps), f"moved again after {min(gaps, default=0):.1f} minutes")
        evidence.expect(flaps <= 1, f"{flaps} moves while both were slow")
        evidence.expect(twice == 0, f"{twice} messages went by both routes")
    return evidence


async def _feed(producer: Producer, codes: Sequence[str], rate: float, seconds: float) -> None:
    await producer.events(codes, rate=rate, seconds=seconds, batch=2)


async def _watch(rig: Rig, moves: list[tuple[float, str]]) -> None:
    """Note each change of the route in use."""
    while True:
        found = await rig.query(ROUTE)
        if found and (not moves or moves[-1][1] != found[0]["route"]):
            moves.append((time.monotonic(), found[0]["route"]))
        await asyncio.sleep(0.1)


async def strange_receipts(*, messages: int, mutant: str = NO_MUTANT) -> Evidence:
    """G36: each receipt five times, the last word first, a fifth never, some about nobody's message.

    Mutant: `last_report_counts`.
    """
    evidence = Evidence(guarantee="G36")
    async with open_rig(mutant=mutant, dispatchers=1) as rig:
        producer = Producer(rig)
        codes = await producer.dossiers(messages)
        rig.gateway.faults = Faults(receipts=True, copies=5, reversed_=True, missing=0.2, unknown=0.05, failed=0.1)
        await producer.one_each(codes)
        await sent_out(rig, evidence)
        seen = rig.gateway.seen
        await _quiet(rig)
        states = Counter(row["state"] for row in await rig.query(STATES))
        told = messages - seen["no receipt"]
        evidence.figures |= {"messages": messages, "receipts": seen["receipt 200"], "refused": _refused(seen)}
        evidence.figures |= {"delivered": states[80], "failed": states[70], "no receipt": states[30] + states[40]}
        evidence.expect(states[80] + states[70] == told, f"{told - states[80] - states[70]} stand below their receipts")
        evidence.expect(sum(states.values()) == messages, "a receipt made a message")
        evidence.expect(_refused(seen) == 0, "a receipt about nobody's message was refused")
        kept = (await rig.query(REPORTS))[0]["n"]
        evidence.expect(kept == 10 * told, f"{kept} receipts kept, not {10 * told}")
        await nothing_lost(rig, producer, evidence)
        silent = len(await rig.query(LATER))
        for process in rig.processes:  # a new one looks back further than one that has looked before
            await process.stop()
            await process.start()
        took = await until(rig, UNDER_WAY, lambda n: n == 0, 40)
        ended = Counter(row["state"] for row in await rig.query(STATES))
        evidence.figures |= {"after 72 h without": ended[50], "within s": round(took, 1)}
        evidence.expect(ended[50] == silent and ended[80] == states[80], "silence was not told as silence")
        befell = silent > 0 and states[70] > 0
        evidence.need(befell or bool(evidence.violations), "no fault befell anything")
    return evidence


def _refused(seen: Counter[str]) -> int:
    return sum(n for said, n in seen.items() if said.startswith("receipt ") and said != "receipt 200")


async def _quiet(rig: Rig) -> None:
    """Until no receipt came for a while."""
    heard = -1
    while heard != rig.gateway.seen["receipt 200"]:
        heard = rig.gateway.seen["receipt 200"]
        await asyncio.sleep(1.0)


async def telegram_limits(*, chats: int, each: int, mutant: str = NO_MUTANT) -> Evidence:
    """G38: many messages to many chats, at a platform that counts strictly.

    Mutant: `no_turns_of_chats`.
    """
    evidence = Evidence(guarantee="G38")
    settings = {**SETTINGS, "MOTMA_TELEGRAM_RATE": "25", "MOTMA_TELEGRAM_CHAT_SPACING": "1.05"}
    settings |= {"MOTMA_KANNEL_SENDSMS_URL": "", "MOTMA_KANNEL_HOOK_SECRET": ""}
    async with open_rig(mutant=mutant, settings=settings, strict_telegram=True) as rig, open_line() as http:
        producer, callers, ids = Producer(rig), Callers(rig, http), count(1)
        codes = await producer.dossiers(each)
        for code in codes:
            await callers.at_once(by_telegram(CHATS + n, f"THEO DOI {code}", next(ids)) for n in range(chats))
        await handled(rig, evidence)
        await until(rig, WAITING, lambda n: n == 0, 120)
        rig.gateway.calls.clear()
        began = time.monotonic()
        await producer.one_each(codes)
        took = await until(rig, WAITING, lambda n: n == 0, 4.0 * chats * each / 25 + 60)
        calls = [call for call in rig.gateway.calls if call.wire == "telegram"]
        refused = sum(call.answer == "429" for call in calls)
        heard = Counter(call.reference for call in calls if call.answer == "200")
        lost = sum(heard[str(CHATS + n)] < each for n in range(chats))
        evidence.figures |= {"messages": chats * each, "chats": chats, "sent in s": round(took, 1)}
        evidence.figures |= {"answered 429": refused, "share %": round(100 * refused / max(1, len(calls)), 2)}
        evidence.figures["s in all"] = round(time.monotonic() - began, 1)
        evidence.expect(lost == 0, f"{lost} chats were not told everything")
        evidence.expect(refused <= len(calls) / 100, f"{refused} of {len(calls)} calls were too many")
    return evidence
