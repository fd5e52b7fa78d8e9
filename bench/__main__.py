"""`./run bench [NAME…]`: measure, print one table, keep the figures."""

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench import against_peers, growth, ingest, key_design, lookup, to_gateway
from bench.machine import description, need, take_load_cpu
from bench.measuring import Setting
from bench.report import Finding, Run, keep, kept, now, say, table, write
from bench.store import open_store

BENCHES: dict[str, Callable[[Setting], Awaitable[list[Finding]]]] = {
    "lookup": lookup.bench,
    "peers": against_peers.bench,
    "ingest": ingest.batches,
    "single": ingest.single,
    "gateway": to_gateway.bench,
    "growth": growth.bench,
    "key_design": key_design.bench,
}


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller stores and shorter rounds: a rough answer")
    parser.add_argument("--data", type=Path, default=Path(".motma/bench"), metavar="DIR", help="default .motma/bench")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the newest full figures into this document")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    need("wrk", "wrk")
    names = given.names or list(BENCHES)
    run = uvloop.run(_measure(names, given.data, quick=given.quick))
    print(table(run.findings))
    keep(given.data, run)
    if given.write:
        write(given.write, kept(given.data))


async def _measure(names: list[str], folder: Path, *, quick: bool) -> Run:
    findings: list[Finding] = []
    async with open_store(folder) as store:
        take_load_cpu()  # after the servers began, which may use every core
        for name in names:
            say(f"{name} begins")
            findings += await BENCHES[name](Setting(store=store, quick=quick))
    return Run(at=now(), quick=quick, machine=description(), findings=findings)


if __name__ == "__main__":
    main()
