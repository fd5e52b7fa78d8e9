"""The proofs about offices, files and the edge: each small, at its default scale, as large as it is stated."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.faults.canaries import canaries, forgotten
from tests.faults.evidence import Evidence
from tests.faults.feedback_flood import complaints
from tests.faults.pooled_tenants import shared_sessions
from tests.faults.register_search import searched
from tests.faults.slow_clients import flooded_with_connections, slow_clients
from tests.faults.spreadsheets import no_formulas
from tests.faults.strange_requests import malformed, oversize

Proof = Callable[..., Awaitable[Evidence]]

SECURITY_PROOFS: dict[str, tuple[Proof, Proof, Proof, tuple[str, ...]]] = {
    "G48": (
        partial(complaints, cases=20_000, people=12, seconds=12),
        partial(complaints, cases=1_000_000, people=50, seconds=60),
        partial(complaints, cases=1_000_000, people=50, seconds=600),
        ("filed_uncounted",),
    ),
    "register": (
        partial(searched, entries=60_000, questions=120),
        partial(searched, entries=1_000_000, questions=600),
        partial(searched, entries=1_000_000, questions=5_000),
        ("a_block_left_out",),
    ),
    "G52": (
        partial(shared_sessions, statements=8_000, seconds=4),
        partial(shared_sessions, statements=60_000, seconds=15),
        partial(shared_sessions, statements=1_000_000, seconds=60),
        ("tenant_of_the_session",),
    ),
    "G58": (
        partial(no_formulas, most=60),
        partial(no_formulas, most=300),
        partial(no_formulas, most=1_000),
        ("cells_not_guarded", "cells_guarded_at_the_beginning"),
    ),
    "G53": (
        partial(canaries, others=50),
        partial(canaries, others=500),
        partial(canaries, others=5_000),
        ("words_in_the_log", "senders_in_redis"),
    ),
    "G54": (
        partial(forgotten, others=50),
        partial(forgotten, others=500),
        partial(forgotten, others=5_000),
        ("nobody_forgotten", "nothing_ends"),
    ),
    "G60": (
        partial(slow_clients, each=70),
        partial(slow_clients, each=300),
        partial(slow_clients, each=1_000),
        ("nobody_hurried",),
    ),
    "G61": (
        partial(flooded_with_connections, rate=1_000, seconds=4, idle=500),
        partial(flooded_with_connections, rate=3_000, seconds=15, idle=2_000),
        partial(flooded_with_connections, rate=10_000, seconds=30, idle=5_000),
        ("silence_borne",),
    ),
    "G62": (
        partial(malformed, requests=2_000),
        partial(malformed, requests=10_000),
        partial(malformed, requests=100_000),
        ("faults_of_payloads_ours",),
    ),
    "G63": (
        partial(oversize, gigabytes=0.25),
        partial(oversize, gigabytes=1.0),
        partial(oversize, gigabytes=1.0),
        ("bodies_without_limit",),
    ),
}
