"""`./run bench [NAME…]`: measure, print one table, keep the figures."""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import uvloop

from bench import against_peers, dispatch, growth, ingest, key_design, lookup, pace, receipts, to_gateway
from bench.machine import description, need, take_load_cpu
from bench.measuring import Setting
from bench.programs import ServerEnded, WrongAnswers
from bench.report import Finding, Run, keep, kept, now, say, table, write
from bench.store import TooLittleRoom, open_store

BENCHES: dict[str, Callable[[Setting], Awaitable[list[Finding]]]] = {
    "lookup": lookup.bench,
    "peers": against_peers.bench,
    "ingest": ingest.batches,
    "single": ingest.single,
    "gateway": to_gateway.bench,
    "dispatch": dispatch.bench,
    "growth": growth.bench,
    "receipts": receipts.bench,
    "key_design": key_design.bench,
}

GOALS_IN_TIME = {"ingest", "single", "gateway", "dispatch"}
EXPERIMENT = "key_design"  # repeated when the decision is in question, not with every release


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(BENCHES) + f" (default: all but {EXPERIMENT})"
    )
    parser.add_argument("--quick", action="store_true", help="smaller stores and shorter rounds: a rough answer")
    parser.add_argument("--data", type=Path, default=Path(".motma/bench"), metavar="DIR", help="default .motma/bench")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the newest full figures into this document")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    need("wrk", "wrk")
    names = given.names or [name for name in BENCHES if name != EXPERIMENT]
    run = uvloop.run(_measure(names, given.data, quick=given.quick))
    print(table(run.findings))
    keep(given.data, run)
    if given.write:
        write(given.write, kept(given.data))


async def _measure(names: list[str], folder: Path, *, quick: bool) -> Run:
    findings: list[Finding] = []
    machine = description()
    say(f"{machine['machine']}; {machine['others']}")
    async with open_store(folder) as store:
        take_load_cpu()  # after the servers began, which may use every core
        setting = Setting(store=store, quick=quick)
        if GOALS_IN_TIME & set(names):
            speed = await pace.bare_speed(setting)
            machine["pace"] = pace.described(speed)
            setting = replace(setting, slower=pace.slower(speed))
            say(machine["pace"])
        for name in names:
            say(f"{name} begins")
            try:
                findings += await BENCHES[name](setting)
            except (WrongAnswers, ServerEnded, TooLittleRoom) as error:  # the others are worth their figures still
                say(f"{name} is void: {error}")
                findings.append(Finding(bench=name, name=name, what="void", measured=str(error)[:200], reached=False))
    return Run(at=now(), quick=quick, machine=machine, findings=findings)


if __name__ == "__main__":
    main()
