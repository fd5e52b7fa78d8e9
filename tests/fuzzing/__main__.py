"""`./run fuzz`: each parser in a process of its own for a while; exit code 1 when one broke or took too long."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzzing.targets import TARGETS
from tests.fuzzing.trying import Finding, tried, without_logs

KEPT = Path(".motma") / "fuzz"  # what reached new code in earlier runs, and what was found
EXECUTED = re.compile(rb"stat::number_of_executed_units:\s+([0-9]+)")
COVERED = re.compile(rb"cov: ([0-9]+)")
WORD = re.compile(rb'"[^"\\]{1,40}"|[0-9A-Za-z_+.-]{2,40}')
MOST_WORDS = 2_000
SEED = 39
MOST_MEGABYTES = 2_048
HANG_SECONDS = 10


def main() -> None:
    """Try every parser asked for."""
    top = argparse.ArgumentParser(prog="./run fuzz", description=__doc__)
    top.add_argument("parsers", nargs="*", metavar="PARSER", help=f"some of: {', '.join(TARGETS)}; all unless named")
    top.add_argument("--seconds", type=int, default=60, help="for each parser (60)")
    given = top.parse_args()
    if unknown := set(given.parsers) - set(TARGETS):
        top.error(f"there is no {', '.join(sorted(unknown))}")
    without_logs()
    wrong = sum(_fuzzed(name, given.seconds) for name in given.parsers or TARGETS)
    print("nothing found" if not wrong else f"{wrong} FOUND")
    sys.exit(1 if wrong else 0)


def _fuzzed(name: str, seconds: int) -> int:
    """How many faults were found; a line for the parser, and one for each."""
    target, folder = TARGETS[name], KEPT / name
    corpus, found = folder / "corpus", folder / "found"
    for one in (corpus, found):
        one.mkdir(parents=True, exist_ok=True)
    seeds = [seed[: target.largest] for seed in target.seeds()]
    for n, seed in enumerate(seeds):
        (corpus / f"seed-{n:04d}").write_bytes(seed)
    (folder / "words").write_text(_words(seeds))
    limits = (f"-max_total_time={seconds}", f"-max_len={target.largest}", f"-seed={SEED}", "-print_final_stats=1")
    aids = (f"-dict={folder / 'words'}",)
    guards = (f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}", f"-artifact_prefix={found}/")
    command = [sys.executable, "-m", "tests.fuzzing.guided", name, str(found), *limits, *aids, *guards, str(corpus)]
    run = subprocess.run(command, capture_output=True, check=False)
    executed, covered = EXECUTED.search(run.stderr), COVERED.findall(run.stderr)
    if executed is None:
        print(f"{name:<10} ended by itself:\n{run.stderr[-2000:].decode('utf-8', 'replace')}", flush=True)
        return 1
    faults = _confirmed(name, found)
    what = f"{int(executed[1]):,} inputs in {seconds} s, {int(covered[-1]) if covered else 0} places reached"
    print(f"{name:<10} {what}, {len(faults) or 'nothing'} found", flush=True)
    for file, finding in faults:
        print(f"  {finding.place}: {file}\n    {finding.told.strip().replace(chr(10), chr(10) + '    ')}", flush=True)
    return len(faults)


def _words(seeds: list[bytes]) -> str:
    """What stands in quotes or alone in the seeds, as libFuzzer's dictionaries are written: most changes hit a word."""
    found = {word for seed in seeds for word in WORD.findall(seed)}
    return "".join(f'"{_escaped(word)}"\n' for word in sorted(found)[:MOST_WORDS])


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def _confirmed(name: str, found: Path) -> list[tuple[Path, Finding]]:
    """What was found and is still so, in code that nobody watches, which is faster: one input for each fault."""
    faults: dict[str, tuple[Path, Finding]] = {}
    for file in sorted(found.iterdir()):
        finding = tried(TARGETS[name], file.read_bytes())
        if finding is None:
            file.unlink()
        else:
            faults.setdefault(finding.place, (file, finding))
    return list(faults.values())


if __name__ == "__main__":
    main()
