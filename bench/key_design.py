"""The experiment behind docs/decisions/0003: the code as the key, or a number in order of arrival."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import count
from uuid import uuid4

import asyncpg

from bench import fill, store
from bench.changes import newest, uniform
from bench.measuring import Setting, interleaved, median
from bench.report import Finding, say
from database.pool import Connection
from domain.civil_time import utc_now

SIZES = (1_000_000, 5_000_000, 10_000_000)
QUICK_SIZES = (50_000, 100_000)
BATCH = 500
CONNECTIONS = 2
BYTES_PER_DOSSIER = 900  # of one design
CHUNK = 250_000
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One way to key the data: how rows come in, and how a batch of changes is applied."""

    name: str
    schema: str
    add: str
    lock: str
    history: str
    move: str


BY_CODE = Design(
    name="code is the key",
    schema="by_code",
    add="SELECT by_code.add($1, $2)",
    # Through a LATERAL each code goes to its own partition only.
    lock="""
        SELECT d.code, d.code AS key, d.version
          FROM (SELECT g.code FROM unnest($1::text[]) AS g (code) ORDER BY g.code) AS asked
         CROSS JOIN LATERAL (SELECT * FROM by_code.dossier d WHERE d.code = asked.code FOR NO KEY UPDATE) AS d""",
    history="""
        INSERT INTO by_code.dossier_event (code, event_key, at, owner_agency, status, event_id, office)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::int[], $5::smallint[], $6::text[],
                             $7::text[])
            ON CONFLICT DO NOTHING RETURNING event_key""",
    move="""
        UPDATE by_code.dossier AS d
           SET version = g.version, status = g.status, status_at = g.at, recorded_at = clock_timestamp()
          FROM unnest($1::text[], $2::int[], $3::smallint[], $4::timestamptz[]) AS g (key, version, status, at)
         WHERE d.code = g.key""",
)
BY_NUMBER = Design(
    name="number behind a directory",
    schema="by_number",
    add="SELECT by_number.add($1, $2)",
    lock="""
        SELECT code, id AS key, version FROM by_number.dossier
         WHERE id = ANY (ARRAY (SELECT dossier_id FROM by_number.dossier_code WHERE code = ANY ($1::text[])))
         ORDER BY id FOR NO KEY UPDATE""",
    history="""
        INSERT INTO by_number.dossier_event (dossier_id, event_key, at, owner_agency, status, event_id, office)
        SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::int[], $5::smallint[], $6::text[],
                             $7::text[])
            ON CONFLICT DO NOTHING RETURNING event_key""",
    move="""
        UPDATE by_number.dossier AS d
           SET version = g.version, status = g.status, status_at = g.at, recorded_at = clock_timestamp()
          FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::timestamptz[]) AS g (key, version, status, at)
         WHERE d.id = g.key AND d.id = ANY ($1::bigint[])""",
)
DESIGNS = (BY_CODE, BY_NUMBER)
# Changes of any dossier; nine of ten of the newest twentieth; new dossiers.
SHAPES: dict[str, Callable[[int], Callable[[random.Random], int]]] = {"any": uniform, "newest": newest, "new": uniform}
_Work = Callable[[Connection], Awaitable[None]]
_numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One measured run of changes: how many a second, and the WAL bytes of each."""

    per_second: float
    wal: float


async def bench(setting: Setting) -> list[Finding]:
    """Both designs in one database, grown together; at each size the same changes to each in turn."""
    sizes = QUICK_SIZES if setting.quick else SIZES
    store.require_room(setting.store, 2 * sizes[-1] * BYTES_PER_DOSSIER)
    await store.drop(setting.store, "key_design")
    admin = await asyncpg.connect(setting.store.database_url)
    await admin.execute("CREATE DATABASE key_design")
    await admin.close()
    connections = [await asyncpg.connect(setting.store.url("key_design")) for _ in range(CONNECTIONS)]
    findings: list[Finding] = []
    try:
        await connections[0].execute(files("bench").joinpath("key_designs.sql").read_text(encoding="utf-8"))
        there = 0
        for size in sizes:
            await _grow(connections[0], there, size)
            for finding in await _measure(connections, size, _batches(setting)):
                say(f"{finding.name}: {finding.measured}")
                findings.append(finding)
            there = size + (ROUNDS + 1) * _batches(setting) * BATCH  # what the passes added
    finally:
        for connection in connections:
            await connection.close()
    await store.drop(setting.store, "key_design")
    return findings


def _batches(setting: Setting) -> int:
    return 10 if setting.quick else 60


async def _grow(connection: Connection, start: int, end: int) -> None:
    for first in range(start, end, CHUNK):
        last = min(first + CHUNK, end)
        for design in DESIGNS:
            await connection.execute(design.add, first, last)
        say(f"key_design: {last:,} dossiers in each design")
    await connection.execute("VACUUM (ANALYZE)")
    for schema in (design.schema for design in DESIGNS):
        await connection.execute(_READ_ALL.replace("$1", f"'{schema}'"))


# Into the page cache, as far as it goes: what is compared is the design, not what happened to be read before.
_READ_ALL = """
    DO $do$ DECLARE r record; BEGIN
        FOR r IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
                  WHERE s.nspname = $1 AND c.relkind = 'r' LOOP
            EXECUTE format('SELECT count(*) FROM %s', r.name);
        END LOOP; END $do$"""


async def _measure(connections: Sequence[Connection], size: int, batches: int) -> list[Finding]:
    contestants = {
        f"{design.schema} {shape}": partial(_pass, connections, design, shape, size, batches)
        for shape in SHAPES
        for design in DESIGNS
    }
    sizes = {design.schema: await _bytes(connections[0], design) / size for design in DESIGNS}
    for measure in contestants.values():
        await measure(-1)  # plans are made and caches filled
    found = await interleaved(contestants, ROUNDS, what=f"key_design at {size:,}")
    return [_finding(found, design, size, sizes) for design in DESIGNS]


async def _pass(connections: Sequence[Connection], design: Design, shape: str, size: int, batches: int, n: int) -> Pass:
    """Batches over all connections, right after a checkpoint: the worst case for WAL. `n` counts from -1."""
    first = connections[0]
    work: list[_Work]
    if shape == "new":
        start = size + (n + 1) * batches * BATCH
        work = [partial(_add, design, start + k * BATCH) for k in range(batches)]
    else:
        pick, chance = SHAPES[shape](size), random.Random(n)
        work = [
            partial(_change, design, sorted({fill.code_of(pick(chance)) for _ in range(BATCH)})) for _ in range(batches)
        ]
    await first.execute("CHECKPOINT")
    wal = await _wal(first)
    began = time.perf_counter()
    waiting = iter(work)
    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(_lane(connection, waiting))
    seconds = time.perf_counter() - began
    items = batches * BATCH
    return Pass(per_second=items / seconds, wal=(await _wal(first) - wal) / items)


async def _lane(connection: Connection, waiting: Iterator[_Work]) -> None:
    for work in waiting:
        async with connection.transaction():
            await work(connection)


async def _add(design: Design, first: int, connection: Connection) -> None:
    """One batch of dossiers nobody has met before."""
    await connection.execute(design.add, first, first + BATCH)


async def _change(design: Design, codes: list[str], connection: Connection) -> None:
    """One batch of changes as ingest does it: lock, write history, move on."""
    now = utc_now()
    rows = await connection.fetch(design.lock, codes)
    keys = [row["key"] for row in rows]
    many = len(rows)
    await connection.fetch(
        design.history,
        keys,
        [uuid4() for _ in rows],
        [now] * many,
        [1] * many,
        [4] * many,
        [f"event-{next(_numbers)}" for _ in rows],
        ["Bộ phận Một cửa"] * many,
    )
    await connection.execute(design.move, keys, [row["version"] + 1 for row in rows], [4] * many, [now] * many)


async def _wal(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


async def _bytes(connection: Connection, design: Design) -> float:
    """Bytes on disk of every table and index of a design."""
    return float(
        await connection.fetchval(
            "SELECT sum(pg_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace "
            "WHERE s.nspname = $1",
            design.schema,
        )
    )


def _finding(found: dict[str, list[Pass]], design: Design, size: int, sizes: dict[str, float]) -> Finding:
    figures = []
    for shape in SHAPES:
        passes = found[f"{design.schema} {shape}"]
        figures.append(
            f"{shape}: {median(p.per_second for p in passes):,.0f}/s, {median(p.wal for p in passes):,.0f} B of WAL"
        )
    return Finding(
        bench="key_design",
        name=f"{design.schema} {size // 1_000:,}k" if size < 1_000_000 else f"{design.schema} {size // 1_000_000}M",
        what=f"{design.name}: changes in batches of {BATCH} over {CONNECTIONS} connections after a checkpoint, of any "
        "dossier, of the newest twentieth (90 %), and new dossiers",
        measured=f"{'; '.join(figures)}; {sizes[design.schema]:,.0f} B a dossier",
    )
