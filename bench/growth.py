"""What a growing store costs: look-ups and changes at 1, 5 and 10 million dossiers, bytes on disk and in the WAL."""

import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import asyncpg

from bench import fill, store
from bench.changes import Changes, newest, send
from bench.measuring import Setting, interleaved, median, ms, ratio_of_rounds
from bench.open_loop import percentile
from bench.programs import Program, WrongAnswers
from bench.report import Finding
from bench.service_under_test import motma
from database.pool import Connection, Role, open_database
from lookup.dossiers import DossierReader

SIZES = (1_000_000, 5_000_000, 10_000_000)
QUICK_SIZES = (20_000, 100_000)
WARM_CODES = 2_000
ASKED = 4_000  # look-ups of each kind per round
WRITTEN = 15_000  # changes per round
FLAT = 1.15
MOST_FIRST, MOST_FURTHER = 800, 200  # bytes
MOST_WAL = 2_500  # bytes
LEAST_OF_SMALL = 0.85

EVENT_BYTES = """
    SELECT sum(pg_relation_size(c.oid)) FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname ~ '^dossier_event'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Seconds of each look-up of one round."""

    warm: list[float]
    anywhere: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One round of changes."""

    per_second: float
    wal: float  # bytes each
    event_bytes: float  # by which the history grew, each


async def bench(setting: Setting) -> list[Finding]:
    """The same at every size in turn, each round."""
    sizes = QUICK_SIZES if setting.quick else SIZES
    databases = {size: await store.filled(setting.store, size, purpose="growth") for size in sizes}
    asked = await _ask(setting, databases)
    fresh = await _fresh(setting, databases)
    written = await _write(setting, databases)
    return [*_asked_findings(sizes, asked), *_written_findings(sizes, written, fresh)]


# --- look-ups ---


async def _ask(setting: Setting, databases: dict[int, str]) -> dict[str, list[Asked]]:
    """One look-up after another by the reader of the service itself, so that nothing hides PostgreSQL's own time."""
    async with AsyncExitStack() as stack:
        contestants = {}
        for size, name in databases.items():
            database = await stack.enter_async_context(
                open_database(setting.store.url(name), roles=(Role.PUBLIC,), application="bench")
            )
            reader = DossierReader(database)
            warm = [fill.code_of(n) for n in random.Random(5).sample(range(size), WARM_CODES)]
            for _ in range(2):
                await _find(reader, warm)
            contestants[str(size)] = partial(_round, reader, warm, size)
        return await interleaved(contestants, setting.rounds, what="growth, look-ups")


async def _round(reader: DossierReader, warm: list[str], size: int, n: int) -> Asked:
    chance = random.Random(n)
    anywhere = [fill.code_of(chance.randrange(size)) for _ in range(ASKED)]
    return Asked(
        warm=await _find(reader, chance.choices(warm, k=ASKED)),
        anywhere=await _find(reader, anywhere),
    )


async def _find(reader: DossierReader, codes: Sequence[str]) -> list[float]:
    taken = []
    for code in codes:
        began = time.perf_counter()
        if await reader.find(code) is None:
            raise WrongAnswers(f"{code} was not found")
        taken.append(time.perf_counter() - began)
    return taken


def _asked_findings(sizes: Sequence[int], asked: dict[str, list[Asked]]) -> list[Finding]:
    smallest, largest = asked[str(sizes[0])], asked[str(sizes[-1])]
    ratio = ratio_of_rounds([median(a.warm) for a in largest], [median(a.warm) for a in smallest])
    return [
        Finding(
            bench="growth",
            name="growth look-ups",
            what=f"one look-up after another in PostgreSQL, {WARM_CODES:,} codes in turn, p50 at {_named(sizes[-1])} "
            f"dossiers against {_named(sizes[0])}",
            goal=f"≤ {FLAT} ×",
            measured=f"{ratio:.2f} × ({_at_sizes(sizes, [_p50(asked[str(s)], 'warm') for s in sizes])}; p99 "
            f"{ms(median(percentile(a.warm, 0.99) for a in largest))} at {_named(sizes[-1])})",
            reached=ratio <= FLAT,
        ),
        Finding(
            bench="growth",
            name="growth look-ups anywhere",
            what="the same with any code of the store, each most likely for the first time: pages come from the disk",
            measured=_at_sizes(sizes, [_p50(asked[str(s)], "anywhere") for s in sizes]),
        ),
    ]


def _p50(rounds: list[Asked], kind: str) -> str:
    return ms(median(median(getattr(a, kind)) for a in rounds))


# --- changes and bytes ---


async def _fresh(setting: Setting, databases: dict[int, str]) -> tuple[float, float]:
    """Bytes of a dossier with its first event, and of that event alone, in the largest store as it was filled."""
    connection = await asyncpg.connect(setting.store.url(databases[max(databases)]))
    try:
        row = await connection.fetchrow("SELECT dossiers, bytes, event_bytes FROM bench_fill")
    finally:
        await connection.close()
    return float(row["bytes"] / row["dossiers"]), float(row["event_bytes"] / row["dossiers"])


async def _write(setting: Setting, databases: dict[int, str]) -> dict[str, list[Written]]:
    async with AsyncExitStack() as stack:
        contestants = {}
        for size, name in databases.items():
            key = await store.key(setting.store, name)
            web = await stack.enter_async_context(motma(setting.store, name, name=f"motma web {_named(size)}"))
            connection = await asyncpg.connect(setting.store.url(name))
            stack.push_async_callback(connection.close)
            await connection.execute(
                "TRUNCATE message, delivery_report, message_step"
            )  # notices of an earlier run, which nobody sends
            changes = Changes(await connection.fetchval("SELECT last_value FROM dossier_id"))
            contestants[str(size)] = partial(_written, web, key, connection, changes, size)
        for write in contestants.values():
            await write(-1)
        return await interleaved(contestants, setting.rounds, what="growth, changes")


async def _written(web: Program, key: str, connection: Connection, changes: Changes, size: int, _n: int) -> Written:
    calls = changes.calls(WRITTEN, newest(size))
    await connection.execute("CHECKPOINT")
    wal, history = await _wal(connection), await connection.fetchval(EVENT_BYTES)
    sent = await send(web, key, calls)
    return Written(
        per_second=sent.per_second,
        wal=(await _wal(connection) - wal) / sent.items,
        event_bytes=int(await connection.fetchval(EVENT_BYTES) - history) / sent.items,
    )


async def _wal(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def _written_findings(
    sizes: Sequence[int], written: dict[str, list[Written]], fresh: tuple[float, float]
) -> list[Finding]:
    smallest, largest = written[str(sizes[0])], written[str(sizes[-1])]
    ratio = ratio_of_rounds([w.per_second for w in largest], [w.per_second for w in smallest])
    speeds = [f"{median(w.per_second for w in written[str(s)]):,.0f}/s" for s in sizes]
    wal = median(w.wal for w in largest)
    further = median(w.event_bytes for w in largest)
    return [
        Finding(
            bench="growth",
            name="growth changes",
            what=f"{WRITTEN:,} changes over HTTP right after a checkpoint, 30 % new dossiers, 90 % of the others among "
            f"the newest twentieth: speed at {_named(sizes[-1])} against {_named(sizes[0])}",
            goal=f"≥ {LEAST_OF_SMALL} ×",
            measured=f"{ratio:.2f} × ({_at_sizes(sizes, speeds)})",
            reached=ratio >= LEAST_OF_SMALL,
        ),
        Finding(
            bench="growth",
            name="growth WAL",
            what=f"bytes of WAL per transaction in those rounds at {_named(sizes[-1])}",
            goal=f"≤ {MOST_WAL:,} B",
            measured=f"{wal:,.0f} B",
            reached=wal <= MOST_WAL,
        ),
        Finding(
            bench="growth",
            name="growth bytes",
            what=f"on disk with every index: a dossier with its first event at {_named(sizes[-1])}, a further event",
            goal=f"≤ {MOST_FIRST} B, ≤ {MOST_FURTHER} B",
            measured=f"{fresh[0]:,.0f} B (of it {fresh[1]:,.0f} B its event), {further:,.0f} B",
            reached=fresh[0] <= MOST_FIRST and further <= MOST_FURTHER,
        ),
    ]


def _named(size: int) -> str:
    return f"{size // 1_000_000} M" if size >= 1_000_000 else f"{size // 1_000} k"


def _at_sizes(sizes: Sequence[int], figures: Sequence[str]) -> str:
    return ", ".join(f"{figure} at {_named(size)}" for size, figure in zip(sizes, figures, strict=True))
