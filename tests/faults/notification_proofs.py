"""The proofs about notices: each small, at its default scale, as large as it is stated; and its mutants."""

from collections.abc import Awaitable, Callable
from functools import partial

from tests.faults.callbacks import failing_receivers, hostile_addresses
from tests.faults.dispatchers import poisoned, replaced_in_use, taken_over, wrong_clocks
from tests.faults.evidence import Evidence
from tests.faults.failover import failed_over
from tests.faults.nights import by_night
from tests.faults.providers import one_is_slow, storm, strange_receipts, telegram_limits, two_routes
from tests.faults.queueing import backfilled, backlog, handed_over_soon, urgent_first

Proof = Callable[..., Awaitable[Evidence]]

NOTIFICATION_PROOFS: dict[str, tuple[Proof, Proof, Proof, tuple[str, ...]]] = {
    "G03": (
        partial(taken_over, leases=16, lease=6.0),
        partial(taken_over, leases=50, lease=None),
        partial(taken_over, leases=50, lease=None),
        ("no_fence",),
    ),
    "G08": (
        partial(poisoned, messages=500),
        partial(poisoned, messages=3_000),
        partial(poisoned, messages=10_000),
        ("poison_for_ever", "suspects_among_others"),
    ),
    "G11": (
        partial(replaced_in_use, rounds=1, rate=60),
        partial(replaced_in_use, rounds=3, rate=150),
        partial(replaced_in_use, rounds=5, rate=300),
        ("no_grace", "kept_connections_cut", "nobody_told_to_leave"),
    ),
    "G04": (
        partial(handed_over_soon, seconds=8, rate=120),
        partial(handed_over_soon, seconds=60, rate=300),
        partial(handed_over_soon, seconds=1_800, rate=300),
        ("hears_nothing",),
    ),
    "G09": (
        partial(urgent_first, bulk=1_500, seconds=6, line=60),
        partial(urgent_first, bulk=8_000, seconds=30, line=100),
        partial(urgent_first, bulk=100_000, seconds=300, line=100),
        ("one_lane",),
    ),
    "G10": (
        partial(backlog, down=8, rate=50, line=50),
        partial(backlog, down=60, rate=50, line=100),
        partial(backlog, down=1_800, rate=50, line=100),
        ("no_pace", "paced_by_leaving", "sent_too_late"),
    ),
    "G68": (
        partial(backfilled, events=4_000, look_ups=30),
        partial(backfilled, events=100_000, look_ups=100),
        partial(backfilled, events=1_000_000, look_ups=100),
        ("imports_told",),
    ),
    "G12": (
        partial(failing_receivers, changes=30),
        partial(failing_receivers, changes=60),
        partial(failing_receivers, changes=200),
        ("redirects_followed", "gone_unheeded", "receivers_crowded", "receivers_wishes_unheeded"),
    ),
    "G73": (
        partial(hostile_addresses, calls=5),
        partial(hostile_addresses, calls=20),
        partial(hostile_addresses, calls=200),
        ("any_address",),
    ),
    "G26": (
        partial(failed_over, seconds=9, rate=150, stalled=0.4),
        partial(failed_over, seconds=30, rate=300, stalled=0.4),
        partial(failed_over, seconds=120, rate=300, stalled=4.0),
        ("standby_not_waited_for",),
    ),
    "G33": (
        partial(storm, messages=40, seconds=12),
        partial(storm, messages=200, seconds=60),
        partial(storm, messages=2_000, seconds=600),
        ("wishes_unheeded", "no_breaker_of_routes"),
    ),
    "G34": (
        partial(one_is_slow, messages=200, look_ups=50),
        partial(one_is_slow, messages=1_000, look_ups=200),
        partial(one_is_slow, messages=10_000, look_ups=300),
        ("one_after_another",),
    ),
    "G35": (
        partial(two_routes, faster=30, rate=30),
        partial(two_routes, faster=10, rate=30),
        partial(two_routes, faster=1, rate=10),
        ("stays_on_its_route", "moves_at_will"),
    ),
    "G36": (
        partial(strange_receipts, messages=150),
        partial(strange_receipts, messages=2_000),
        partial(strange_receipts, messages=20_000),
        ("last_report_counts",),
    ),
    "G38": (
        partial(telegram_limits, chats=25, each=4),
        partial(telegram_limits, chats=100, each=10),
        partial(telegram_limits, chats=500, each=10),
        ("no_turns_of_chats",),
    ),
    "G46": (
        partial(by_night, people=2, hours=34),
        partial(by_night, people=20, hours=48),
        partial(by_night, people=200, hours=72),
        ("no_nights", "no_digests"),
    ),
    "G64": (
        partial(wrong_clocks, seconds=5, rate=8),
        partial(wrong_clocks, seconds=60, rate=8),
        partial(wrong_clocks, seconds=600, rate=8),
        ("lease_by_own_clock",),
    ),
}
