"""From a change received by HTTP to its notice in the SMS gateway's hands, at the headline rate and at ten times it."""

import asyncio
import time
from contextlib import AsyncExitStack

import aiohttp
import asyncpg

from bench import changes, store
from bench.measuring import Setting, in_time, ms
from bench.open_loop import Answered, OpenLoop, percentile
from bench.programs import Program, WrongAnswers
from bench.report import Finding, say
from bench.sendsms import Taken, gateway
from bench.service_under_test import GATEWAY_SECRET, motma

# The calendar would queue notices of its own for every dossier of the store that fell due yesterday.
REST = """
    INSERT INTO deadline_walk (event, reached, rest_until)
    SELECT e, now(), 'infinity' FROM unnest('{due_tomorrow,overdue,supplement_overdue,apologies}'::text[]) e"""
RATES = {120: 0.015, 1_200: 0.030}  # changes a second: seconds allowed at p99
SECONDS, QUICK_SECONDS = 60, 8
LEAD_IN = 3  # seconds that are not counted: connections are opened, plans made
WAIT = 15.0  # seconds without any notice, until the missing ones count as lost


async def bench(setting: Setting) -> list[Finding]:
    """The service in two processes, `web` and `dispatcher`, with a stand-in for Kannel behind them."""
    database = await store.copied(setting.store, await store.filled(setting.store, setting.dossiers), "gateway")
    key = await store.key(setting.store, database)
    owner = await asyncpg.connect(setting.store.url(database))
    await owner.execute(REST)
    await owner.close()
    async with AsyncExitStack() as stack:
        sendsms, taken = await stack.enter_async_context(gateway())
        kannel = {
            "MOTMA_KANNEL_SENDSMS_URL": sendsms,
            "MOTMA_KANNEL_USERNAME": "bench",
            "MOTMA_KANNEL_PASSWORD": "bench",
            "MOTMA_KANNEL_SENDER": "8088",
            "MOTMA_KANNEL_CONCURRENCY": "64",  # a gateway on the same machine: as many calls as it takes
            "MOTMA_KANNEL_HOOK_SECRET": GATEWAY_SECRET,
            # Far more texts than any cap lets out in a day.
            **dict.fromkeys(("MOTMA_SMS_PER_NUMBER", "MOTMA_SMS_SPEND_PER_NUMBER"), "off"),
            **dict.fromkeys(("MOTMA_SMS_SPEND_PER_PREFIX", "MOTMA_SMS_SPEND"), "off"),
            # Nor anything that makes a notice wait: the night, another notice, the person's third of the day.
            "MOTMA_QUIET_HOURS": "off",
            "MOTMA_NOTICE_WINDOW": "0",
            "MOTMA_NOTICES_A_DAY": "0",
        }
        # On whatever core is free, as on a desk: what counts is the way of one change, not the share of a core.
        web = await stack.enter_async_context(motma(setting.store, database, extra=kannel, cpu=None))
        await stack.enter_async_context(motma(setting.store, database, "dispatcher", extra=kannel, cpu=None))
        findings, first = [], setting.dossiers
        for rate, allowed in _rates(setting):
            seconds = (QUICK_SECONDS if setting.quick else SECONDS) + LEAD_IN
            say(f"gateway: {rate:,} changes a second for {seconds} s")
            numbers = range(first, first + rate * seconds)
            first = numbers.stop
            await _enrol(web, key, numbers)
            await _silence(taken)
            answered, began = await OpenLoop("127.0.0.1", _port(web)).run(_requests(web, key, numbers), rate)
            await taken.until(len(numbers), WAIT)
            findings.append(_finding(setting, rate, allowed, numbers, answered, began, taken))
    await store.drop(setting.store, database)
    return findings


def _rates(setting: Setting) -> list[tuple[int, float]]:
    """Changes a second, and the seconds allowed; on a slower machine the higher rate in proportion too, before it."""
    allowed = [(rate, limit * setting.slower) for rate, limit in RATES.items()]
    high, limit = allowed[-1]
    return allowed if setting.slower == 1 else [*allowed[:-1], (round(high / setting.slower), limit), (high, limit)]


async def _enrol(web: Program, key: str, numbers: range) -> None:
    """One dossier per change, each with a phone of its own; nobody is told of them yet."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for start in range(0, len(numbers), 500):
            items = ",".join(changes.dossier(n, notify=False) for n in numbers[start : start + 500])
            async with http.post(f"{web.url}/api/v1/dossiers", data=f"[{items}]".encode()) as answer:
                if answer.status != 200 or (said := await answer.json())["rejected"]:
                    raise WrongAnswers(f"dossiers were not taken: {answer.status} {said if answer.ok else ''}")


async def _silence(taken: Taken) -> None:
    """Begin with nothing taken and nothing under way."""
    await asyncio.sleep(1.0)
    taken.at.clear()
    taken.count = 0


def _requests(web: Program, key: str, numbers: range) -> list[bytes]:
    """The changes as bytes on the wire, written down before the clock runs."""
    run = f"{time.time_ns():x}"
    now = time.time()
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{_port(web)}\r\nAuthorization: Bearer {key}\r\n"
    found = []
    for n in numbers:
        body = changes.event(f"{run}-{n}", n, 4, now).encode()
        found.append(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return found


def _port(web: Program) -> int:
    return int(web.url.rpartition(":")[2])


def _finding(
    setting: Setting, rate: int, allowed: float, numbers: range, answered: Answered, began: float, taken: Taken
) -> Finding:
    if answered.refused:
        raise WrongAnswers(f"{len(answered.refused)} changes were refused, for example with {answered.refused[0]}")
    came = [taken.at.get(changes.phone_of(n), []) for n in numbers]
    counted = range(LEAD_IN * rate, len(numbers))
    latencies = [came[n][0] - (began + n / rate) for n in counted if came[n]]
    lost, twice = sum(not times for times in came), sum(len(times) > 1 for times in came)
    if not latencies:
        raise WrongAnswers("No notice reached the gateway.")
    p99 = percentile(latencies, 0.99)
    committed = [answered.latencies[n] for n in counted]
    return Finding(
        bench="gateway",
        name=f"gateway {rate:,}/s",
        what=f"from the appointed time of POST /api/v1/events to the notice at sendsms, {len(counted):,} changes at "
        f"{rate:,}/s, open loop; two processes, PostgreSQL, Valkey, load and gateway on all cores",
        goal=in_time(f"p99 ≤ {allowed / setting.slower * 1000:.0f} ms", f"≤ {allowed * 1000:.0f} ms", setting)
        + "; none lost, none twice",
        measured=f"p50 {ms(percentile(latencies, 0.5))}, p99 {ms(p99)}; acknowledged p50 "
        f"{ms(percentile(committed, 0.5))}, p99 {ms(percentile(committed, 0.99))}; lost {lost}, twice {twice}",
        reached=p99 <= allowed and not lost and not twice,
    )
