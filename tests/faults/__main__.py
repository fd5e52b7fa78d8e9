"""`./run faults`: each guarantee under its fault, with figures; `--mutants` shows that each proof can fail."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from signal import SIGINT

from service.embedded.tether import die_with
from tests.faults.answers_under_fault import no_herd, no_stale_answer, redis_faults
from tests.faults.doubts import taken_in_silence
from tests.faults.evidence import Evidence
from tests.faults.mutants import MUTANTS
from tests.faults.no_loss import killed_postgresql, killed_processes
from tests.faults.notification_proofs import NOTIFICATION_PROOFS
from tests.faults.one_effect import any_order, bad_items, same_key
from tests.faults.opt_outs import refused
from tests.faults.receipt_forgery import forged_receipts
from tests.faults.rig import NO_MUTANT
from tests.faults.security_proofs import SECURITY_PROOFS
from tests.faults.sms_pumping import pumped
from tests.faults.spoofed_senders import spoofed
from tests.faults.webhook_acks import acknowledged_fast
from tests.faults.webhook_forgeries import flooded
from tests.faults.webhook_replays import replayed
from tests.faults.webhook_secrets import replaced

Proof = Callable[..., Awaitable[Evidence]]


@dataclass(frozen=True)
class Proofs:
    """One guarantee's proof at each scale, and the mutants it must catch."""

    slice: Proof
    default: Proof
    long: Proof
    mutants: tuple[str, ...]


Figures = dict[str, float]  # of a proof's scale, by name

STEP = 1.25
LONGEST = {"slice": 240, "default": 900, "long": 4 * 3600}  # seconds for one proof

PROOFS: dict[str, Proofs] = {
    **{name: Proofs(*given) for name, given in {**NOTIFICATION_PROOFS, **SECURITY_PROOFS}.items()},
    "G01-G02": Proofs(
        partial(killed_processes, seconds=15, rate=120, look_ups=30, every=3.5),
        partial(killed_processes, seconds=60, rate=300, look_ups=100),
        partial(killed_processes, seconds=600, rate=300, look_ups=300),
        ("ack_before_commit", "no_lease"),
    ),
    "G05": Proofs(
        partial(same_key, requests=10),
        partial(same_key, requests=100),
        partial(same_key, requests=1000),
        ("check_then_insert",),
    ),
    "G06": Proofs(bad_items, bad_items, bad_items, ("all_or_nothing",)),
    "G07": Proofs(
        partial(any_order, dossiers=200),
        partial(any_order, dossiers=2_000),
        partial(any_order, dossiers=10_000),
        ("last_write_wins",),
    ),
    "G15": Proofs(
        partial(redis_faults, phase=3),
        partial(redis_faults, phase=15),
        partial(redis_faults, phase=60, look_ups=300),
        ("no_breaker", "answers_kept_in_redis"),
    ),
    "G16": Proofs(
        partial(no_stale_answer, writes=1_000),
        partial(no_stale_answer, writes=5_000),
        partial(no_stale_answer, writes=50_000),
        ("plain_set",),
    ),
    "G18": Proofs(no_herd, no_herd, no_herd, ("no_single_flight",)),
    "G32": Proofs(
        partial(taken_in_silence, sends=1_000),
        partial(taken_in_silence, sends=2_000),
        partial(taken_in_silence, sends=10_000),
        ("blind_retry",),
    ),
    "G25": Proofs(
        partial(killed_postgresql, kills=1, rate=150, drained=False),
        partial(killed_postgresql, kills=3, rate=300, drained=True),
        partial(killed_postgresql, kills=5, rate=300, drained=True),
        ("commit_without_waiting",),
    ),
    "G39b": Proofs(
        partial(acknowledged_fast, seconds=8),
        partial(acknowledged_fast, seconds=60),
        partial(acknowledged_fast, seconds=600),
        ("ack_before_recording", "reports_one_by_one"),
    ),
    "G39c": Proofs(
        partial(replayed, requests=300),
        partial(replayed, requests=3_000),
        partial(replayed, requests=10_000),
        ("known_to_redis_only",),
    ),
    "G39d": Proofs(
        partial(flooded, seconds=4),
        partial(flooded, seconds=30),
        partial(flooded, seconds=60),
        ("every_refusal_logged", "forgeries_recorded"),
    ),
    "G39f": Proofs(
        partial(replaced, seconds=0.5),
        partial(replaced, seconds=10),
        partial(replaced, seconds=60),
        ("newest_secret_only",),
    ),
    "G43": Proofs(
        partial(forged_receipts, tokens=10_000),
        partial(forged_receipts, tokens=100_000),
        partial(forged_receipts, tokens=1_000_000, asked=1_000),
        ("any_signature",),
    ),
    "G44": Proofs(
        partial(pumped, texts=500, insistent=2, machines=21),
        partial(pumped, texts=5_000, insistent=20, machines=200),
        partial(pumped, texts=10_000, insistent=50, machines=500),
        ("machines_answered", "no_reply_limits", "anybody_texted", "no_money_caps"),
    ),
    "G45": Proofs(
        partial(refused, numbers=40, each=10, chats=10, rate=100),
        partial(refused, numbers=100, each=50, chats=20, rate=150),
        partial(refused, numbers=100, each=100, chats=20, rate=150),
        ("refusals_unheeded",),
    ),
    "G47": Proofs(
        partial(spoofed, guesses=5),
        partial(spoofed, guesses=20),
        partial(spoofed, guesses=1_000),
        ("names_in_texts", "anybodys_contact", "codes_not_counted"),
    ),
}


def main() -> None:
    """Prove everything asked for; exit code 1 when a guarantee was broken, or a mutant was not caught."""
    top = argparse.ArgumentParser(prog="./run faults", description=__doc__)
    scale = top.add_mutually_exclusive_group()
    scale.add_argument("--slice", dest="scale", action="store_const", const="slice", help="small, for CI")
    scale.add_argument(
        "--long", dest="scale", action="store_const", const="long", help="as guarantees.md has it; hours"
    )
    top.add_argument("--only", metavar="G01-G02,…", help=f"some of: {', '.join(PROOFS)}")
    top.add_argument("--mutants", action="store_true", help="run each proof with its guards taken away: it must fail")
    top.add_argument("--with", dest="given", metavar="rate=300,…", help="figures of the proof's scale that are other")
    top.add_argument("--highest", metavar="rate,…", help="raise these by a quarter until one proof is no longer kept")
    top.add_argument("--one", nargs=5, help=argparse.SUPPRESS)  # proof, mutant, scale, other figures, owner
    given = top.parse_args()
    if given.one:
        print(json.dumps(asdict(asyncio.run(_one(*given.one)))))
        return
    names = list(dict.fromkeys(map(_proof_of, given.only.split(",")))) if given.only else list(PROOFS)
    if None in names:
        top.error(f"--only takes some of: {', '.join(PROOFS)}")
    chosen: str = given.scale or "default"
    others = _figures(top, given.given)
    if given.highest:
        for name in filter(None, names):
            _highest(name, chosen, others, given.highest.split(","))
        return
    wrong = 0
    for name in filter(None, names):
        for mutant in PROOFS[name].mutants if given.mutants else (NO_MUTANT,):
            wrong += not _as_it_must_be(name, mutant, chosen, others)
    print(f"{'all as it must be' if not wrong else f'{wrong} NOT as it must be'}")
    sys.exit(1 if wrong else 0)


def _proof_of(asked: str) -> str | None:
    """The proof of a guarantee, which may be one of two that are proven together."""
    return next((name for name in PROOFS if asked.strip() == name or asked.strip() in name.split("-")), None)


def _figures(top: argparse.ArgumentParser, given: str | None) -> Figures:
    """What `--with` says, e.g. rate=300,seconds=60."""
    pairs = [pair.partition("=") for pair in given.split(",")] if given else []
    try:
        return {name.strip(): int(value) if value.strip().isdigit() else float(value) for name, _, value in pairs}
    except ValueError:
        top.error("--with is written like rate=300,seconds=60")


def _highest(name: str, scale: str, others: Figures, raised: list[str]) -> None:
    """Raise figures from where `others` or the scale has them until the proof is not kept, twice in a row."""
    known = getattr(getattr(PROOFS[name], scale), "keywords", {})
    if missing := [figure for figure in raised if figure not in known]:
        sys.exit(f"{name} has no {', '.join(missing)}; it has {', '.join(known) or 'none'}.")
    at = {figure: others.get(figure, known[figure]) for figure in raised}
    kept = None
    while _as_it_must_be(name, NO_MUTANT, scale, {**others, **at}):
        kept, at = at, {figure: round(value * STEP) for figure, value in at.items()}
    print(f"{name}: highest kept {kept or 'none'}, not kept {at}")


def _as_it_must_be(name: str, mutant: str, scale: str, others: Figures) -> bool:
    """Run one proof and print its line; whether it kept its guarantee, or without a guard broke it."""
    began = time.monotonic()
    try:
        evidence = _in_own_process(name, mutant, scale, others)
        if mutant == NO_MUTANT and evidence.late and not evidence.violations:
            print(f"{evidence.line()}; once more, for the machine may be busy", flush=True)
            evidence = _in_own_process(name, mutant, scale, others)
    except ProofFailed as error:
        print(f"{name} {mutant}: {error}", flush=True)
        return False
    good = evidence.kept == (mutant == NO_MUTANT)
    label = "" if mutant == NO_MUTANT else f"without {mutant}: {'caught' if good else 'NOT CAUGHT'}: "
    print(f"{label}{evidence.line()} [{time.monotonic() - began:.0f} s]", flush=True)
    return good


class ProofFailed(Exception):
    """A proof came to no end of its own, so it shows nothing."""


async def _one(name: str, mutant: str, scale: str, others: str, owner: str) -> Evidence:
    die_with(int(owner), SIGINT)
    MUTANTS[mutant]()
    proof: Proof = getattr(PROOFS[name], scale)
    return await proof(mutant=mutant, **json.loads(others))


def _in_own_process(name: str, mutant: str, scale: str, others: Figures) -> Evidence:
    """The evidence of one proof. Raises `ProofFailed`; nothing the proof started outlives it."""
    command = [sys.executable, "-m", "tests.faults", "--one", name, mutant, scale, json.dumps(others), str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        try:
            said, _ = run.communicate(timeout=LONGEST[scale])
        except subprocess.TimeoutExpired:
            run.send_signal(SIGINT)  # it says where it stood, and clears up
            raise ProofFailed(f"did not end within {LONGEST[scale]} s") from None
    last = said.decode().splitlines()[-1:] or [""]
    if run.returncode or not last[0].startswith("{"):
        raise ProofFailed(f"ended with {run.returncode}")
    return Evidence(**json.loads(last[0]))


if __name__ == "__main__":
    main()
