"""The public look-up against Django + DRF + django-redis and FastAPI + SQLAlchemy + redis, cached and not."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

import aiohttp
import msgspec

from bench import fill, store
from bench.lookup import LEAD_IN, cold_paths, hot_paths
from bench.measuring import Setting, interleaved, median, ratio_of_rounds
from bench.programs import Program, WrongAnswers, free_port, python, running, shorten
from bench.report import Finding, say
from bench.service_under_test import motma
from bench.wrk import Load, load

CONNECTIONS = 32
COMPARED = 200  # answers that must be the same everywhere
DJANGO = "Django + DRF + django-redis"
FASTAPI = "FastAPI + SQLAlchemy + redis"
GOALS = {DJANGO: 15, FASTAPI: 7}


async def bench(setting: Setting) -> list[Finding]:
    """Six servers on one table: each stack with its cache warm, and with no cache at all."""
    database = await store.filled(setting.store, setting.dossiers)
    async with AsyncExitStack() as stack:
        opened: dict[str, Program] = {}
        for cached in (True, False):
            words = "" if cached else " uncached"
            for name, opening in (
                ("motma", motma(setting.store, database, name=f"motma web{words}", redis=cached)),
                (DJANGO, _django(setting, database, cached=cached)),
                (FASTAPI, _fastapi(setting, database, cached=cached)),
            ):
                opened[name + words] = await stack.enter_async_context(opening)
        await _compare(opened, setting.dossiers)
        paths = {name: (cold_paths if "uncached" in name else hot_paths)(setting.dossiers) for name in opened}
        say("peers: warming every cache")
        for name, program in opened.items():
            await _warm(program, paths[name][:2_000])
        found = await interleaved(_contestants(setting, opened, paths), setting.rounds, what="peers")
    return [_finding(found, peer, words) for words in ("", " uncached") for peer in GOALS]


def _contestants(
    setting: Setting, opened: dict[str, Program], paths: dict[str, list[str]]
) -> dict[str, Callable[[int], Awaitable[Load]]]:
    async def measure(name: str, n: int) -> Load:
        shorten(opened[name])
        start = n * 39_916_801
        return await load(
            opened[name], paths[name], connections=CONNECTIONS, seconds=setting.seconds, start=start, lead_in=LEAD_IN
        )

    return {name: partial(measure, name) for name in opened}


def _finding(found: dict[str, list[Load]], peer: str, words: str) -> Finding:
    ours, theirs = found["motma" + words], found[peer + words]
    ratio = ratio_of_rounds([x.per_cpu_second for x in ours], [x.per_cpu_second for x in theirs])
    speeds = " and ".join(f"{median(x.per_cpu_second for x in loads):,.0f}" for loads in (ours, theirs))
    return Finding(
        bench="peers",
        name=f"peers {peer.split(maxsplit=1)[0]}{words}",
        what=f"the same look-up by {peer}, {'no cache on either side' if words else 'every cache warm'}; requests per "
        f"CPU-second, {CONNECTIONS} connections",
        goal=f"≥ {GOALS[peer]} ×",
        measured=f"{ratio:.1f} × ({speeds} a CPU-s)",
        reached=ratio >= GOALS[peer],
    )


def _django(setting: Setting, database: str, *, cached: bool) -> AbstractAsyncContextManager[Program]:
    port = free_port()
    command = python(
        "-m", "gunicorn", "bench.peers.django_drf.wsgi:application", "-k", "gthread", "--threads", "4", "-w", "1"
    )
    return _peer(setting, "django", database, [*command, "-b", f"127.0.0.1:{port}"], port, cached=cached)


def _fastapi(setting: Setting, database: str, *, cached: bool) -> AbstractAsyncContextManager[Program]:
    port = free_port()
    command = python("-m", "uvicorn", "bench.peers.fastapi_redis:app", "--loop", "uvloop", "--http", "httptools")
    command += ["--no-access-log", "--log-level", "warning", "--port", str(port)]
    return _peer(setting, "fastapi", database, command, port, cached=cached)


def _peer(
    setting: Setting, name: str, database: str, command: list[str], port: int, *, cached: bool
) -> AbstractAsyncContextManager[Program]:
    environment = {
        "PEER_DATABASE_URL": setting.store.url(database),
        "PEER_REDIS_URL": setting.store.redis_url,
        "PEER_CACHE": "on" if cached else "off",
    }
    name += "" if cached else "-uncached"
    path = f"/api/v1/lookup/{fill.code_of(0)}"
    log = setting.store.logs(name)
    return running(name, command, log=log, port=port, environment=environment, ready=path)


async def _warm(program: Program, paths: list[str]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as http:

        async def ask(path: str) -> None:
            async with http.get(program.url + path) as answer:
                if answer.status != 200:
                    raise WrongAnswers(f"{program.name} answered {answer.status}")
                await answer.read()

        await asyncio.gather(*(ask(path) for path in paths))


async def _compare(opened: dict[str, Program], dossiers: int) -> None:
    """Raise `WrongAnswers` unless all answer alike, field by field."""
    async with aiohttp.ClientSession() as http:
        for n in random.Random(3).sample(range(dossiers), COMPARED):
            answers = {}
            for name, program in opened.items():
                async with http.get(f"{program.url}/api/v1/lookup/{fill.code_of(n)}") as answer:
                    answers[name] = msgspec.json.decode(await answer.read(), type=_Answer)
            if any(answer != answers["motma"] for answer in answers.values()):
                raise WrongAnswers(f"the contestants answer differently: {answers}")


class _Agency(msgspec.Struct):
    code: str
    name: str
    phone: str
    address: str


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    stage: str
    stage_label: str
    on_time: bool
    due_on: str | None
    agency: _Agency
    next: str
    as_of: str
    fresh: bool
