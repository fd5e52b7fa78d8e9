"""What agencies send: whole batches beside a raw COPY, and single calls beside one transaction per call."""

import io
import time
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice

import asyncpg

from bench import store
from bench.changes import LANES, Changes, Sent, newest, send, uniform
from bench.measuring import Setting, in_time, interleaved, median, ms, ratio_of_rounds
from bench.programs import Program, WrongAnswers, shorten
from bench.report import Finding, say
from bench.service_under_test import motma
from bench.wrk import Load, load
from database.pool import Connection

ITEMS, QUICK_ITEMS = 1_000_000, 100_000
MOST_SECONDS = 60  # for a million
CALLERS = 64
FEWEST_CALLS = 6_000  # a second
SINGLE_GOAL = 3.0
FASTEST = 15_000  # single calls a second, beyond which the list of a round would be sent twice

MAKE_RAW = "CREATE TABLE raw_copy (LIKE dossier)"
COPIED = "SELECT * FROM dossier LIMIT $1"


async def batches(setting: Setting) -> list[Finding]:
    """`items` transactions over HTTP into a store of a million, between two COPYs of as many rows."""
    items = QUICK_ITEMS if setting.quick else ITEMS
    database = await store.copied(setting.store, await store.filled(setting.store, setting.dossiers), "ingest")
    key = await store.key(setting.store, database)
    say(f"ingest: writing {items:,} changes down in advance")
    changes = Changes(setting.dossiers)
    calls = changes.calls(items, uniform(setting.dossiers))
    connection = await asyncpg.connect(setting.store.url(database))
    try:
        rows = await _raw_rows(connection, min(items, setting.dossiers))
        async with motma(setting.store, database) as web:
            await send(web, key, changes.calls(10_000, uniform(setting.dossiers)))
            before = await _copy(connection, rows)
            await connection.execute("CHECKPOINT")
            say(f"ingest: sending {items:,} changes")
            wal = await _wal(connection)
            sent = await send(web, key, calls)
            wal = await _wal(connection) - wal
            after = await _copy(connection, rows)
    finally:
        await connection.close()
    await store.drop(setting.store, database)
    return [_batch_finding(setting, sent, raw=(before + after) / 2, wal=wal)]


def _batch_finding(setting: Setting, sent: Sent, *, raw: float, wal: int) -> Finding:
    goal = MOST_SECONDS * sent.items / ITEMS
    allowed = goal * setting.slower
    return Finding(
        bench="ingest",
        name="ingest batches",
        what=f"{sent.items:,} transactions over HTTP (POST /api/v1/dossiers and /events, 500 a call, {LANES} "
        f"connections; 30 % new dossiers, 70 % changes of any of {setting.dossiers:,}), validated, history and outbox, "
        "fsync on",
        goal=in_time(f"≤ {goal:.0f} s", f"≤ {allowed:.0f} s", setting),
        measured=f"{sent.seconds:.1f} s = {sent.per_second:,.0f}/s = {sent.per_second / raw:.2f} of raw COPY "
        f"({raw:,.0f} rows/s); {sent.server_cpu / sent.items * 1e6:.0f} µs of web CPU and "
        f"{wal / sent.items:,.0f} B of WAL each; call p50 {ms(median(sent.calls))}",
        reached=sent.seconds <= allowed,
    )


async def _raw_rows(connection: Connection, rows: int) -> bytes:
    """So many rows of dossiers as COPY reads them."""
    await connection.execute(MAKE_RAW)
    written = io.BytesIO()
    await connection.copy_from_query(COPIED, rows, output=written)
    return written.getvalue()


async def _copy(connection: Connection, rows: bytes) -> float:
    """Rows a second of one COPY into a logged table without an index."""
    say("ingest: raw COPY")
    await connection.execute("TRUNCATE raw_copy")
    await connection.execute("CHECKPOINT")
    began = time.perf_counter()
    done = await connection.copy_to_table("raw_copy", source=io.BytesIO(rows))
    return int(done.split()[-1]) / (time.perf_counter() - began)


async def _wal(connection: Connection) -> int:
    """How many bytes of WAL were ever written."""
    return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


async def single(setting: Setting) -> list[Finding]:
    """One change per call from 64 callers: the service beside the same service without coalescing."""
    database = await store.copied(setting.store, await store.filled(setting.store, setting.dossiers), "ingest")
    headers = {
        "Authorization": f"Bearer {await store.key(setting.store, database)}",
        "Content-Type": "application/json",
    }
    changes = Changes(setting.dossiers).single(newest(setting.dossiers))
    async with AsyncExitStack() as stack:
        servers = {
            "coalesced": await stack.enter_async_context(motma(setting.store, database)),
            "one by one": await stack.enter_async_context(
                motma(setting.store, database, name="motma web uncoalesced", module="bench.uncoalesced")
            ),
        }

        async def measure(program: Program, seconds: float, _round: int) -> Load:
            shorten(program)
            await _send_for(program, 1.0)  # plans are made, connections opened
            return await _send_for(program, seconds)

        async def _send_for(program: Program, seconds: float) -> Load:
            requests = [f"/api/v1/events\t{item}" for item in islice(changes, int(seconds * FASTEST))]
            found = await load(program, requests, connections=CALLERS, seconds=seconds, headers=headers)
            if found.answers > len(requests):
                raise WrongAnswers("some changes were sent twice: FASTEST is too low for this machine")
            return found

        contestants = {name: partial(measure, program, setting.seconds) for name, program in servers.items()}
        found = await interleaved(contestants, setting.rounds, what="single calls")
    await store.drop(setting.store, database)
    return [_single_finding(setting, found)]


def _single_finding(setting: Setting, found: dict[str, list[Load]]) -> Finding:
    ours, theirs = found["coalesced"], found["one by one"]
    ratio = ratio_of_rounds([x.per_second for x in ours], [x.per_second for x in theirs])
    speed = median(x.per_second for x in ours)
    return Finding(
        bench="single",
        name="ingest single calls",
        what=f"POST /api/v1/events with one change per call from {CALLERS} callers, coalesced, against one transaction "
        "per call; calls a second",
        goal=f"≥ {SINGLE_GOAL:.0f} × and "
        + in_time(f"≥ {FEWEST_CALLS:,}/s", f"≥ {FEWEST_CALLS / setting.slower:,.0f}/s", setting),
        measured=f"{ratio:.1f} × ({speed:,.0f}/s and {median(x.per_second for x in theirs):,.0f}/s); "
        f"p50 {ms(median(x.p50 for x in ours))}, p99 {ms(median(x.p99 for x in ours))}",
        reached=ratio >= SINGLE_GOAL and speed >= FEWEST_CALLS / setting.slower,
    )
