"""Guessing codes and proofs: what it costs, whom it does not hurt, and how little it tells (G40-G42)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cache.budgets import MISSES_PER_ORIGIN, MISSES_PER_PREFIX, WRONG_PROOFS_PER_DOSSIER
from cache.limits import Limits
from cache.redis_connection import open_redis
from channels.guesses import UNSUSPECTED, GuardedDesk, ProofNeeded, prefix_of
from domain.errors import TooMany, Unavailable
from lookup.disclosure import Answer
from lookup.sealing import Seal
from tests.channels.conversation.paper_desk import CODE, PHONE, SECRET, TOKEN, PaperDesk, dossier
from tests.channels.no_redis import NoRedis

HERE = "192.0.2.1"
UNIT_DAY = "H05.16-261102"
OTHER_DAY = "H05.16-261103-0001"
UNKNOWN = f"{UNIT_DAY}-9999"
HALF = MISSES_PER_PREFIX.burst // 2


@dataclass
class Clock:
    """The clock of limits and guard."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time stands still unless a test moves it."""
    clock = Clock()
    monkeypatch.setattr("cache.limits.monotonic", clock)
    monkeypatch.setattr("channels.guesses.monotonic", clock)
    return clock


@pytest.fixture
def desk() -> PaperDesk:
    """600 dossiers of one office and day, somewhere among 10,000 numbers, and one of the next day."""
    numbers = Random(40).sample(range(10_000), 600)
    codes = dict.fromkeys([CODE, *(f"{UNIT_DAY}-{number:04}" for number in numbers)])
    return PaperDesk([dossier(code) for code in (*list(codes)[:600], OTHER_DAY)])


@pytest.fixture
def guard(desk: PaperDesk, seal: Seal, clock: Clock) -> GuardedDesk:
    """One process without Redis."""
    return GuardedDesk(desk, Limits(NoRedis(), seal))


@asynccontextmanager
async def processes(desk: PaperDesk, redis_url: str, seal: Seal, count: int) -> AsyncIterator[list[GuardedDesk]]:
    """Several processes on one Redis."""
    async with open_redis(redis_url) as redis:
        limits = [Limits(redis, seal) for _ in range(count)]
        yield [GuardedDesk(desk, each) for each in limits]
        for each in limits:
            await each.aclose()


def unknown_codes(desk: PaperDesk, count: int, *, start: int = 0) -> list[str]:
    """Codes of the unit and day that are no dossier's."""
    codes = (f"{UNIT_DAY}-{number:04}" for number in range(start, 10_000))
    return [code for code in codes if code not in desk.by_number][:count]


async def spend(guard: GuardedDesk, desk: PaperDesk) -> None:
    """Ask for unknown codes from everywhere until codes of the unit and day are refused."""
    for number, code in enumerate(unknown_codes(desk, 2 * MISSES_PER_PREFIX.burst)):
        try:
            await guard.by_code(code, origin=f"10.0.0.{number}")
        except ProofNeeded:
            return
    raise AssertionError("never refused")


# --- what is refused, and what is not ---


async def test_unknown_codes_of_one_office_and_day_run_out_for_everybody(guard: GuardedDesk, desk: PaperDesk) -> None:
    unknown = unknown_codes(desk, MISSES_PER_PREFIX.burst + 1)
    for number, code in enumerate(unknown[:-1]):
        assert await guard.by_code(code, origin=f"10.0.0.{number}") is None
    for code in (unknown[-1], CODE):
        with pytest.raises(ProofNeeded) as refused:
            await guard.by_code(code, origin=HERE)
        assert refused.value.after == pytest.approx(
            timedelta(hours=1) / MISSES_PER_PREFIX.count, abs=timedelta(seconds=1)
        )


async def test_a_refused_code_is_not_even_looked_up(guard: GuardedDesk, desk: PaperDesk) -> None:
    with capture_logs() as logs:
        await spend(guard, desk)
    assert logs == [{"event": "codes are being guessed", "log_level": "warning", "prefix": UNIT_DAY}]
    desk.codes_asked.clear()
    for code in (CODE, UNKNOWN):
        with pytest.raises(ProofNeeded):
            await guard.by_code(code, origin=HERE)
    assert desk.codes_asked == []


async def test_proofs_receipts_phones_and_other_days_are_answered_all_the_same(
    guard: GuardedDesk, desk: PaperDesk
) -> None:
    await spend(guard, desk)
    for answer in (
        await guard.with_proof(CODE, SECRET, origin=HERE),
        await guard.with_proof(CODE, PHONE[-4:], origin=HERE),
        await guard.with_proof(CODE, "0901234567", origin=HERE),
        await guard.for_phone(CODE, PHONE),
        await guard.with_receipt(TOKEN),
        await guard.by_code(OTHER_DAY, origin=HERE),
    ):
        assert answer is not None


async def test_who_asks_for_too_many_unknown_codes_needs_a_proof_for_every_code(guard: GuardedDesk) -> None:
    for day in range(1, MISSES_PER_ORIGIN.burst + 1):
        assert await guard.by_code(f"H26-2609{day:02}-0001", origin=HERE) is None
    with pytest.raises(ProofNeeded):
        await guard.by_code(CODE, origin=HERE)
    assert await guard.with_proof(CODE, SECRET, origin=HERE)
    assert await guard.by_code(CODE, origin="192.0.2.2")


async def test_a_budget_refills_with_time(guard: GuardedDesk, desk: PaperDesk, clock: Clock) -> None:
    await spend(guard, desk)
    clock.now += 3600 / MISSES_PER_PREFIX.count + 1
    assert await guard.by_code(CODE, origin=HERE)
    assert await guard.by_code(UNKNOWN, origin=HERE) is None
    with pytest.raises(ProofNeeded):
        await guard.by_code(CODE, origin=HERE)


async def test_hits_cost_nothing_before_half_and_after_it(guard: GuardedDesk, desk: PaperDesk) -> None:
    for misses in (0, HALF + 1):
        for code in unknown_codes(desk, misses):
            await guard.by_code(code, origin="10.0.0.1")
        for code in list(desk.by_number)[:100]:
            assert await guard.by_code(code, origin=HERE)


async def test_a_code_that_is_not_there_yet_may_be_asked_for_again_and_again(guard: GuardedDesk) -> None:
    for _ in range(100):
        assert await guard.by_code(UNKNOWN, origin=HERE) is None
    assert guard.watched == {}


async def test_the_readings_of_one_typed_code_cost_one_miss(guard: GuardedDesk, desk: PaperDesk) -> None:
    for code in unknown_codes(desk, MISSES_PER_PREFIX.burst):
        long = code.replace("-26", "-2026")
        assert await guard.by_code(code, long, f"000.{code}", origin="10.0.0.1") is None
    assert await guard.by_code(OTHER_DAY.replace("-26", "-2026"), OTHER_DAY, origin=HERE)


@pytest.mark.parametrize(
    ("code", "prefix"),
    [
        (CODE, UNIT_DAY),
        ("H05.16-20261102-0092637", UNIT_DAY),
        ("000.16.H05-261102-0001", "16.H05-261102"),
        ("000.00.12.H62-201105-0004", "00.12.H62-201105"),
        ("03706/2026/07906", "03706/2026"),
        ("123456ABCD", "123456"),
        ("TS/2026-1", "TS/2026"),
    ],
)
def test_codes_of_one_office_and_day_share_a_prefix(code: str, prefix: str) -> None:
    assert prefix_of(code) == prefix


@given(st.text(min_size=1, max_size=64))
def test_any_code_has_a_prefix(code: str) -> None:
    assert len(prefix_of(code)) <= len(code)


async def test_ready_answers_are_held_back_only_where_codes_are_guessed(
    guard: GuardedDesk, desk: PaperDesk, clock: Clock
) -> None:
    for code in unknown_codes(desk, HALF):
        await guard.by_code(code, origin="10.0.0.1")
    assert not guard.watched
    await spend(guard, desk)
    assert guard.watches(CODE, HERE)
    assert not guard.watches(OTHER_DAY, HERE)
    clock.now += 3600
    assert not guard.watches(CODE, HERE)
    assert not guard.watched


# --- many at once ---


class SlowDesk(PaperDesk):
    """Looks up when told, and says how many wait for it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.go = asyncio.Event()
        self.another = asyncio.Event()

    async def asked_for(self, times: int) -> None:
        """Wait until so many ask."""
        async with asyncio.timeout(5):
            while len(self.codes_asked) < times:
                self.another.clear()
                await self.another.wait()

    async def by_code(self, code: str) -> Answer | None:
        """Level L0, once it may."""
        self.codes_asked.append(code)
        self.another.set()
        await self.go.wait()
        return await super().by_code(code)


async def test_no_number_of_look_ups_at_once_finds_more_than_the_budget_leaves(seal: Seal, redis_url: str) -> None:
    desk = SlowDesk([dossier(f"{UNIT_DAY}-{number:04}") for number in range(0, 10_000, 17)])
    looked_up = 2 * UNSUSPECTED + MISSES_PER_PREFIX.burst  # each process on credit, then all as paid for
    async with processes(desk, redis_url, seal, 2) as guards:
        asked = [
            asyncio.create_task(guards[number % 2].by_code(f"{UNIT_DAY}-{number:04}", origin=f"10.0.1.{number % 200}"))
            for number in range(400)
        ]
        await asyncio.gather(*islice(asyncio.as_completed(asked, timeout=10), 400 - looked_up), return_exceptions=True)
        assert len(set(desk.codes_asked)) == looked_up
        desk.go.set()
        outcomes = Counter(map(_outcome, await asyncio.gather(*asked, return_exceptions=True)))
    assert outcomes["answer"] <= 6  # one in a hundred (G40)
    assert outcomes["refused"] >= 400 - looked_up


def _outcome(found: Answer | BaseException | None) -> str:
    if isinstance(found, ProofNeeded):
        return "refused"
    assert not isinstance(found, BaseException)
    return "answer" if found else "unknown"


async def test_a_crowd_that_asks_for_one_dossier_is_answered_together(seal: Seal, redis_url: str) -> None:
    desk = SlowDesk()
    async with processes(desk, redis_url, seal, 1) as (guard,):
        crowd = [asyncio.create_task(guard.by_code(CODE, origin=f"10.0.2.{n % 250}")) for n in range(2000)]
        await desk.asked_for(2000)
        desk.go.set()
        assert all(await asyncio.gather(*crowd))


async def test_a_crowd_that_asks_for_different_dossiers_of_one_day_waits_a_little(
    desk: PaperDesk, seal: Seal, redis_url: str
) -> None:
    async with processes(desk, redis_url, seal, 1) as (guard,):
        codes = [code for code in desk.by_number if code.startswith(UNIT_DAY)]
        assert all(await asyncio.gather(*(guard.by_code(code, origin=HERE) for code in codes)))


async def test_a_store_that_fails_costs_nobody_anything(guard: GuardedDesk, desk: PaperDesk) -> None:
    for code in unknown_codes(desk, HALF + 1):
        await guard.by_code(code, origin="10.0.0.1")
    healthy = desk.by_code

    async def away(code: str) -> Answer | None:
        raise Unavailable("The store is away.")

    desk.by_code = away  # type: ignore[method-assign]
    for code in unknown_codes(desk, 50, start=1000):
        with pytest.raises(Unavailable):
            await guard.by_code(code, origin=HERE)
    desk.by_code = healthy  # type: ignore[method-assign]
    assert await guard.by_code(CODE, origin=HERE)


# --- the second factor ---


async def test_wrong_proofs_lock_a_dossier_known_or_not_and_its_holder_has_other_ways(guard: GuardedDesk) -> None:
    """G42: a thousand tries from 200 addresses."""
    for code in (CODE, UNKNOWN):
        outcomes: Counter[str] = Counter()
        for number in range(1000):
            try:
                found = await guard.with_proof(code, f"{number:06}", origin=f"10.0.3.{number % 200}")
                outcomes["wrong" if found is None else "right"] += 1
            except TooMany:
                outcomes["locked"] += 1
        assert outcomes == {"wrong": WRONG_PROOFS_PER_DOSSIER.burst, "locked": 1000 - WRONG_PROOFS_PER_DOSSIER.burst}
    with pytest.raises(TooMany):
        await guard.with_proof(CODE, SECRET, origin=HERE)
    assert await guard.for_phone(CODE, PHONE)
    assert await guard.with_receipt(TOKEN)
    assert await guard.by_code(CODE, origin=HERE)


async def test_right_proofs_cost_nothing(guard: GuardedDesk) -> None:
    for _ in range(100):
        assert await guard.with_proof(CODE, SECRET, origin=HERE)


async def test_the_same_digits_tried_on_many_dossiers_run_out(guard: GuardedDesk, desk: PaperDesk) -> None:
    codes = list(desk.by_number)
    for code in codes[:20]:
        assert await guard.with_proof(code, "0000", origin=HERE) is None
    with pytest.raises(TooMany):
        await guard.with_proof(codes[20], "0000", origin=HERE)
    assert await guard.with_proof(CODE, SECRET, origin="192.0.2.2")


# --- an hour of it ---


@dataclass
class Hour:
    """What an hour of guessing came to."""

    confirmed: set[str] = field(default_factory=set)
    guesses: int = 0
    first_refusal: float | None = None  # seconds after the first guess
    honest: Counter[bool] = field(default_factory=Counter)


async def attacked(guards: list[GuardedDesk], seconds: float, tick: Callable[[float], None]) -> Hour:
    """50 guesses a second from 200 addresses over one office and day, and 5 honest look-ups a second beside them."""
    hour, random = Hour(), Random(5)
    for step in range(int(seconds * 50)):
        tick(1 / 50)
        guard = guards[step % len(guards)]
        code = f"{UNIT_DAY}-{random.randrange(10_000):04}"
        try:
            if await guard.by_code(code, origin=f"127.0.7.{step % 200}"):
                hour.confirmed.add(code)
        except ProofNeeded:
            hour.first_refusal = hour.first_refusal or step / 50
        hour.guesses += 1
        if step % 10 == 0:
            hour.honest[await honestly(guard, step)] += 1
    return hour


async def honestly(guard: GuardedDesk, step: int) -> bool:
    """Whether somebody is answered who holds the slip, or asks about another day."""
    try:
        if step % 20:
            return await guard.with_proof(CODE, SECRET, origin=f"192.0.2.{step % 250}") is not None
        return await guard.by_code(OTHER_DAY, origin=f"192.0.2.{step % 250}") is not None
    except TooMany:
        return False


def within_the_guarantee(hour: Hour) -> bool:
    """G40."""
    return (
        len(hour.confirmed) <= 6
        and hour.first_refusal is not None
        and hour.first_refusal <= 60
        and hour.honest[True] >= 0.995 * hour.honest.total()
    )


async def test_an_hour_of_guessing_from_200_addresses_confirms_less_than_one_in_a_hundred(
    guard: GuardedDesk, clock: Clock
) -> None:
    """G40 by the clock of the limits, in one process that decides alone (G21)."""

    def tick(seconds: float) -> None:
        clock.now += seconds

    hour = await attacked([guard], 3600, tick)
    assert hour.guesses == 180_000
    assert within_the_guarantee(hour), hour


async def test_a_burst_of_guesses_on_two_processes_confirms_no_more(
    desk: PaperDesk, seal: Seal, redis_url: str
) -> None:
    """The same through Redis, three thousand guesses as fast as they go."""
    async with processes(desk, redis_url, seal, 2) as guards:
        hour = await attacked(guards, 60, lambda _: None)
    assert within_the_guarantee(hour), hour
