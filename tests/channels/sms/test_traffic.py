"""Texts move to another route when the receipts of the one come late, and stay where both do (guarantees G35)."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from channels.sms.traffic import JUDGE, Rule, Standing, Traffic, decided
from database.pool import Database, Role

START = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)
QUICK, LATE = 5.0, 240.0  # seconds until a receipt
RULE = Rule()
MESSAGE = """
    INSERT INTO message (expires_at, handed_over_at, settled_at, state, kind, channel, contact_digest, address_sealed,
                         route)
    SELECT at, at, at + make_interval(secs => delay), 80, 'reply', 'sms', '', '', route
      FROM unnest($1::timestamptz[], $2::float8[], $3::text[]) AS m (at, delay, route)"""

Delay = Callable[[float], float]  # by the second the message was handed over


@dataclass
class World:
    """Minutes that pass on purpose: messages leave by the route in use, a share by the other, processes look."""

    database: Database
    delays: dict[str, Delay]
    processes: int = 2
    per_second: int = 2
    share: float = 0.05
    second: int = 0
    in_use: list[tuple[int, str]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        routes = list(self.delays)
        self.looking = [Traffic(self.database, routes, judged=routes, rule=RULE) for _ in range(self.processes)]
        self.dice = random.Random(1)

    async def passes(self, seconds: int) -> None:
        """That much time."""
        step = int(RULE.look_every.total_seconds())
        for _ in range(0, seconds, step):
            await self._sends(step)
            self.second += step
            at = START + timedelta(seconds=self.second)
            for traffic in self.looking:
                route = await traffic.look(at)
            if not self.in_use or self.in_use[-1][1] != route:
                self.in_use.append((self.second, route))

    async def _sends(self, seconds: int) -> None:
        current = self.in_use[-1][1] if self.in_use else next(iter(self.delays))
        other = next(route for route in self.delays if route != current)
        rows = []
        for n in range(seconds * self.per_second):
            second = self.second + n / self.per_second
            route = other if self.dice.random() < self.share else current
            rows.append((START + timedelta(seconds=second), self.delays[route](second), route))
            self.sent[route] = self.sent.get(route, 0) + 1
        async with self.database.connection(Role.WORKER) as connection:
            await connection.execute(MESSAGE, *map(list, zip(*rows, strict=True)))


def quick(_second: float) -> float:
    return QUICK


def slow_from(start: float, share: float = 1.0, until: float = 1e9) -> Delay:
    """A route that turns slow: of its messages, `share` are reported on late."""
    dice = random.Random(2)
    return lambda second: LATE if start <= second < until and dice.random() < share else QUICK


async def test_a_quick_route_keeps_the_traffic(database: Database) -> None:
    world = World(database, {"a": quick, "b": quick})
    await world.passes(900)
    assert world.in_use == [(10, "a")]
    assert world.sent["b"] < world.sent["a"] / 10


@pytest.mark.parametrize("share", [1.0, 0.5])
async def test_traffic_moves_within_three_minutes_of_a_route_turning_slow(database: Database, share: float) -> None:
    world = World(database, {"a": slow_from(600, share), "b": quick})
    await world.passes(1200)
    assert [route for _, route in world.in_use] == ["a", "b"]
    moved = world.in_use[1][0] - 600
    assert 60 <= moved <= 180, moved


async def test_every_process_knows_it_within_a_look(database: Database) -> None:
    world = World(database, {"a": slow_from(0), "b": quick}, processes=3)
    await world.passes(600)
    assert {traffic._route for traffic in world.looking} == {"b"}
    assert all(traffic.is_slow("a") for traffic in world.looking)


async def test_a_fifth_late_moves_nothing(database: Database) -> None:
    world = World(database, {"a": slow_from(0, 0.2), "b": quick})
    await world.passes(900)
    assert [route for _, route in world.in_use] == ["a"]


async def test_both_slow_is_no_reason_to_move_to_and_fro(database: Database) -> None:
    world = World(database, {"a": slow_from(300), "b": slow_from(300)}, share=0.2)
    await world.passes(3600)
    assert len(world.in_use) <= 2


async def test_the_second_turning_slow_later_does_not_bring_back_a_first_that_still_is(database: Database) -> None:
    world = World(database, {"a": slow_from(300), "b": slow_from(900)}, share=0.2)
    await world.passes(3600)
    assert [route for _, route in world.in_use] == ["a", "b"]


async def test_traffic_moves_at_most_every_five_minutes_whatever_happens(database: Database) -> None:
    """Each route is slow exactly while it has the traffic: the worst there is."""
    flapping = World(database, {"a": quick, "b": quick}, share=0.2)
    flapping.delays = {
        name: lambda _second, name=name: LATE if flapping.in_use[-1:] and flapping.in_use[-1][1] == name else QUICK  # type: ignore[misc]
        for name in ("a", "b")
    }
    await flapping.passes(3600)
    times = [second for second, _ in flapping.in_use]
    assert len(times) > 3, "nothing moved, so nothing was shown"
    assert min(later - earlier for earlier, later in pairwise(times[1:])) >= 300


async def test_the_first_route_gets_the_traffic_back_once_it_has_been_quick_for_long(database: Database) -> None:
    world = World(database, {"a": slow_from(0, until=600), "b": quick}, share=0.2)
    await world.passes(3600)
    assert [route for _, route in world.in_use] == ["a", "b", "a"]
    assert world.in_use[2][0] - world.in_use[1][0] >= 1800


async def test_few_messages_are_no_evidence(database: Database) -> None:
    world = World(database, {"a": slow_from(0), "b": quick}, per_second=1)
    async with database.connection(Role.WORKER) as connection:
        for n in range(9):
            await connection.execute(MESSAGE, [START + timedelta(seconds=n)], [LATE], ["a"])
    assert await world.looking[0].look(START + timedelta(seconds=100)) == "a"
    assert not world.looking[0].is_slow("a")


async def test_a_route_that_reports_nothing_is_not_thought_slow(database: Database) -> None:
    traffic = Traffic(database, ["a", "b"], judged=["b"], rule=RULE)
    async with database.connection(Role.WORKER) as connection:
        times = [START + timedelta(seconds=n) for n in range(60)]
        await connection.execute(MESSAGE, times, [1e6] * 60, ["a"] * 60)
    assert await traffic.look(START + timedelta(seconds=125)) == "a"


async def test_one_process_measures_and_the_others_look(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    world = World(database, {"a": quick, "b": quick}, processes=4)
    move = Traffic._move

    async def counted(self: Traffic, connection: object, at: datetime | None) -> None:
        measured.append(at)
        await move(self, connection, at)

    monkeypatch.setattr(Traffic, "_move", counted)
    await world.passes(300)
    assert len(measured) == 300 / RULE.judge_every.total_seconds()


async def test_while_the_store_is_away_the_last_route_is_kept(database: Database) -> None:
    traffic = Traffic(database, ["a", "b"], judged=["a", "b"], rule=Rule(look_every=timedelta(0)))
    assert await traffic.route() == "a"
    gone = Traffic(Database(url="", pools={Role.WORKER: _NoPool()}), ["a", "b"], judged=["a", "b"])
    assert await gone.route() == "a"


class _NoPool:
    async def acquire(self, **_: object) -> object:
        raise OSError("gone")


@pytest.mark.parametrize(
    ("route", "minutes", "slow", "expected"),
    [
        ("a", 60, {"a": True, "b": False}, "b"),
        ("a", 60, {"a": True}, "b"),
        ("a", 4, {"a": True, "b": False}, "a"),
        ("a", 60, {"a": True, "b": True}, "a"),
        ("a", 60, {"a": False, "b": True}, "a"),
        ("b", 60, {"a": False, "b": False}, "a"),
        ("b", 20, {"a": False, "b": False}, "b"),
        ("b", 60, {"b": False}, "b"),
        ("b", 6, {"a": False, "b": True}, "a"),
        ("gone", 1, {}, "a"),
    ],
)
def test_the_decision(route: str, minutes: int, slow: dict[str, bool], expected: str) -> None:
    verdicts = {name: (is_slow, timedelta(seconds=30)) for name, is_slow in slow.items()}
    standing = Standing(route=route, since=timedelta(minutes=minutes), verdicts=verdicts)
    assert decided(standing, ["a", "b"], RULE) == expected


async def test_the_measurement_reads_the_last_minutes_only(database: Database) -> None:
    """With many older messages it walks the index, not the table."""
    async with database.connection(Role.WORKER) as connection:
        await connection.execute("SET statement_timeout = '30s'")
        await connection.execute(
            """INSERT INTO message (expires_at, handed_over_at, settled_at, state, kind, channel, contact_digest,
                                    address_sealed, route)
               SELECT now(), now() - n * interval '1 second', now(), 80, 'reply', 'sms', '', '', 'a'
                 FROM generate_series(1, 30000) n"""
        )
        await connection.execute("RESET statement_timeout")
        plan = await connection.fetch(f"EXPLAIN {JUDGE}", None, ["a", "b"], RULE.window, RULE.late, RULE.least, 0.3)
    assert "message_handed_over" in "\n".join(row[0] for row in plan)
