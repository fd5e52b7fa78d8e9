"""The proofs about offices, files and the edge: each small, at its default scale, as large as it is stated."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.faults.evidence import Evidence
from tests.faults.pooled_tenants import shared_sessions

Proof = Callable[..., Awaitable[Evidence]]

SECURITY_PROOFS: dict[str, tuple[Proof, Proof, Proof, tuple[str, ...]]] = {
    "G52": (
        partial(shared_sessions, statements=8_000, seconds=4),
        partial(shared_sessions, statements=60_000, seconds=15),
        partial(shared_sessions, statements=1_000_000, seconds=60),
        ("tenant_of_the_session",),
    ),
}
