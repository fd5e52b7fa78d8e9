"""G39d: a flood of forged webhooks is refused, and that is all: no write, hardly a log line, nobody waits for it."""

import asyncio
import sys
from collections import Counter
from itertools import count

import msgspec

from tests.faults.evidence import Evidence, percentile
from tests.faults.load import Producer, Reader
from tests.faults.rig import NO_MUTANT, Rig, open_rig
from tests.faults.webhooks import SETTINGS, Callers, by_sms, open_line

LOOK_UPS, WEBHOOKS = 20.0, 5.0  # genuine ones a second
P99 = 0.5  # seconds
MOST_LINES = 10  # about forgeries, a second
WEBS = 2
WRITTEN = """
    SELECT tup_inserted + tup_updated + tup_deleted AS rows
      FROM pg_stat_database WHERE datname = current_database()"""
FLUSH = "SELECT pg_stat_clear_snapshot()"
RECORDED = "SELECT count(*) AS n FROM inbound"
SETTLED_SECONDS = 2.0  # until PostgreSQL has counted what its busy sessions did
IDLE_SECONDS = 11.0  # and its idle ones, which report every ten seconds (PGSTAT_IDLE_INTERVAL)


class _Flood(msgspec.Struct, frozen=True):
    """What `tests.faults.flood` prints."""

    calls: int
    seconds: float
    statuses: dict[str, int]


async def flooded(*, seconds: float, mutant: str = NO_MUTANT) -> Evidence:
    """One client forges as fast as it is answered, beside genuine look-ups and webhooks; before it, those alone.

    Mutants: `every_refusal_logged`, `forgeries_recorded`.
    """
    evidence = Evidence(guarantee="G39d")
    async with open_rig(mutant=mutant, webs=WEBS, dispatchers=0, settings=SETTINGS) as rig, open_line() as http:
        codes = await Producer(rig).dossiers(500)
        numbers = count()
        await asyncio.sleep(IDLE_SECONDS)  # the dossiers are not to be counted among what the load wrote
        calm = await _beside(rig, Callers(rig, http), Reader(rig, codes, LOOK_UPS), numbers, codes, seconds)
        callers, reader = Callers(rig, http), Reader(rig, codes, LOOK_UPS)
        async with asyncio.TaskGroup() as both:
            forging = both.create_task(_flood(rig.port, seconds))
            stormy = await _beside(rig, callers, reader, numbers, codes, seconds)
        flood = forging.result()
        calls, statuses = flood.calls, flood.statuses
        evidence.figures |= {"forgeries": calls, "a second": round(calls / flood.seconds), "answered": statuses}
        refusals = {status for status in statuses if status in {"401", "404"}}
        evidence.expect(set(statuses) == refusals, f"forgeries were answered {statuses}")
        evidence.need(calls > 100 * seconds, "hardly anything was forged")
        genuine = [*reader.seconds, *(took for _, took in callers.seconds)]
        evidence.figures |= {"genuine": len(genuine), "p99 ms": round(1000 * percentile(genuine, 0.99))}
        evidence.expect(not reader.failed, f"{len(reader.failed)} look-ups failed, e.g. {reader.failed[:2]}")
        evidence.expect(not callers.refused, f"{len(callers.refused)} genuine webhooks were refused")
        evidence.expect_within(P99, percentile(genuine, 0.99), "p99 of the genuine")
        more = (stormy - calm) / calls
        evidence.figures["rows written for a forgery"] = round(max(0.0, more), 4)
        evidence.expect(more < 0.01, f"each forgery wrote {more:.2f} rows")
        recorded = (await rig.query(RECORDED))[0]["n"]
        evidence.expect(recorded == next(numbers), f"{recorded} recorded, more than were genuine")
        lines = _lines_about_refusals(rig)
        evidence.figures["log lines a second, at most"] = lines
        evidence.expect(lines <= MOST_LINES, f"{lines} lines in one second about forgeries")
        evidence.need(lines > 0, "the log says nothing of a flood")
    return evidence


async def _beside(
    rig: Rig, callers: Callers, reader: Reader, numbers: "count[int]", codes: list[str], seconds: float
) -> int:
    """Genuine load for so long, and the rows written meanwhile."""
    before, done = await _written(rig), asyncio.Event()
    numbered = (next(numbers) for _ in range(int(seconds * WEBHOOKS)))
    async with asyncio.TaskGroup() as load:
        load.create_task(reader.read(done))
        await callers.steadily((by_sms(f"+8491{n:07d}", codes[n % len(codes)], n) for n in numbered), rate=WEBHOOKS)
        done.set()
    await asyncio.sleep(SETTLED_SECONDS)
    return await _written(rig) - before


async def _written(rig: Rig) -> int:
    await rig.query(FLUSH)
    return int((await rig.query(WRITTEN))[0]["rows"])


async def _flood(port: int, seconds: float) -> _Flood:
    flood = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.flood", str(port), str(seconds), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await flood.communicate()
    return msgspec.json.decode(said, type=_Flood)


def _lines_about_refusals(rig: Rig) -> int:
    """The most lines in one second, of all web processes together, that do not tell of a genuine request."""
    seconds: Counter[str] = Counter()
    for process in rig.of("web"):
        for line in process.log.read_bytes().splitlines():
            if not line.startswith(b"{"):
                continue
            logged = msgspec.json.decode(line, type=dict[str, object])
            genuine = logged.get("event") == "request" and logged.get("status") not in {401, 404}
            seconds[str(logged["timestamp"])[:19]] += not genuine
    return max(seconds.values(), default=0)
