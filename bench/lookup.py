"""The public look-up, all duties on, against a bare aiohttp handler: hot, and from PostgreSQL alone."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from bench import fill, store
from bench.measuring import Setting, interleaved, median, ms, ratio_of_rounds
from bench.open_loop import OpenLoop, percentile
from bench.programs import Program, WrongAnswers, free_port, python, running, shorten
from bench.report import Finding, say
from bench.service_under_test import motma
from bench.wrk import Load, load

CONNECTIONS = (32, 128)
HOT_CODES = 200
LEAD_IN = 1.0  # seconds
EVEN_RATE = 1_000  # look-ups a second
EVEN_SECONDS = 3
EVEN_P50, EVEN_P99 = 0.0007, 0.004  # seconds
COLD_CODES = 200_000
HOT_GOAL, COLD_GOAL = 0.85, 0.5


def path_of(n: int) -> str:
    """The look-up of one dossier of a filled store."""
    return f"/api/v1/lookup/{fill.code_of(n)}"


def hot_paths(dossiers: int) -> list[str]:
    """The few that everybody asks for."""
    return [path_of(n) for n in random.Random(1).sample(range(dossiers), HOT_CODES)]


def cold_paths(dossiers: int) -> list[str]:
    """So many over the whole store that none is met twice while a search for it runs."""
    return [path_of(n) for n in random.Random(2).sample(range(dossiers), min(COLD_CODES, dossiers))]


async def bench(setting: Setting) -> list[Finding]:
    """Three servers side by side: bare, ours with everything, ours without Redis and what rests on it."""
    database = await store.filled(setting.store, setting.dossiers)
    async with AsyncExitStack() as stack:
        bare = await stack.enter_async_context(bare_aiohttp(setting))
        hot = await stack.enter_async_context(motma(setting.store, database, name="motma web"))
        cold = await stack.enter_async_context(motma(setting.store, database, name="motma web no-redis", redis=False))
        asked = {"bare": (bare, ["/"]), "hot": (hot, hot_paths(setting.dossiers))}
        asked["cold"] = (cold, cold_paths(setting.dossiers))
        say("look-up: warming up")
        for program, paths in asked.values():
            await load(program, paths, connections=32, seconds=2)
        found = await interleaved(_contestants(setting, asked), setting.rounds, what="look-up")
        say(f"look-up: open loop at {EVEN_RATE:,} a second")
        latencies = [await _evenly(setting, hot) for _ in range(3)]
    return [*_hot(found), *_cold(found, setting), _even(latencies)]


async def _evenly(setting: Setting, program: Program) -> list[float]:
    """Latencies of hot look-ups at appointed times."""
    host, _, port = program.url.removeprefix("http://").rpartition(":")
    paths = hot_paths(setting.dossiers) * ((EVEN_SECONDS + 1) * EVEN_RATE // HOT_CODES)
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in paths]
    answered, _ = await OpenLoop(host, int(port)).run(requests, EVEN_RATE)
    if answered.refused:
        raise WrongAnswers(f"{len(answered.refused)} look-ups were refused")
    return answered.latencies[EVEN_RATE:]  # the first second warms up


def _even(latencies: list[list[float]]) -> Finding:
    p50, p99 = (median(percentile(each, share) for each in latencies) for share in (0.5, 0.99))
    return Finding(
        bench="lookup",
        name="lookup latency",
        what=f"hot look-ups at {EVEN_RATE:,} a second, open loop, from the appointed time",
        goal=f"p50 ≤ {EVEN_P50 * 1000:.1f} ms, p99 ≤ {EVEN_P99 * 1000:.0f} ms",
        measured=f"p50 {ms(p50)}, p99 {ms(p99)}",
        reached=p50 <= EVEN_P50 and p99 <= EVEN_P99,
    )


def bare_aiohttp(setting: Setting) -> AbstractAsyncContextManager[Program]:
    """The bare handler while inside."""
    port = free_port()
    log = setting.store.logs("bare")
    return running("bare aiohttp", python("-m", "bench.peers.bare", str(port)), log=log, port=port, ready="/")


def _contestants(
    setting: Setting, asked: dict[str, tuple[Program, list[str]]]
) -> dict[str, Callable[[int], Awaitable[Load]]]:
    async def measure(name: str, connections: int, n: int) -> Load:
        program, paths = asked[name]
        shorten(program)
        start = n * 39_916_801  # elsewhere in the list every time
        return await load(
            program, paths, connections=connections, seconds=setting.seconds, start=start, lead_in=LEAD_IN
        )

    return {f"{name} {c}": partial(measure, name, c) for c in CONNECTIONS for name in asked}


def _hot(found: dict[str, list[Load]]) -> list[Finding]:
    ratios = _ratios(found, "hot")
    return [
        Finding(
            bench="lookup",
            name="lookup hot",
            what="GET /api/v1/lookup/{code}, 200 codes in turn, every duty on; requests per CPU-second against bare "
            "aiohttp, 32 / 128 connections",
            goal=f"≥ {HOT_GOAL} × bare",
            measured=f"{ratios[0]:.2f} / {ratios[1]:.2f} × ({_speed(found, 'hot')} of {_speed(found, 'bare')} a CPU-s; "
            f"p99 {ms(median(load.p99 for load in found['hot 32']))})",
            reached=min(ratios) >= HOT_GOAL,
        )
    ]


def _cold(found: dict[str, list[Load]], setting: Setting) -> list[Finding]:
    ratios = _ratios(found, "cold")
    return [
        Finding(
            bench="lookup",
            name="lookup cold",
            what=f"the same without Redis and without answers in process: PostgreSQL only, {COLD_CODES:,} codes of "
            f"{setting.dossiers:,}",
            goal=f"≥ {COLD_GOAL} × bare",
            measured=f"{ratios[0]:.2f} / {ratios[1]:.2f} × ({_speed(found, 'cold')} a CPU-s; "
            f"p99 {ms(median(load.p99 for load in found['cold 32']))})",
            reached=min(ratios) >= COLD_GOAL,
        )
    ]


def _ratios(found: dict[str, list[Load]], name: str) -> list[float]:
    return [
        ratio_of_rounds(
            [load.per_cpu_second for load in found[f"{name} {c}"]],
            [load.per_cpu_second for load in found[f"bare {c}"]],
        )
        for c in CONNECTIONS
    ]


def _speed(found: dict[str, list[Load]], name: str) -> str:
    return f"{median(load.per_cpu_second for load in found[f'{name} 32']):,.0f}"
