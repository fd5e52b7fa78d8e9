"""Who has much to tell waits behind who has little."""

from dataclasses import replace

from database.pool import Database, Role
from domain.message import Lane
from notifications.claims import PLAN_ONCE, claim
from notifications.shares import Shares
from tests.notifications.conftest import Office
from tests.notifications.test_claims import LEASE, room


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_agencys_share_of_the_normal_lane_is_refilled() -> None:
    clock = Clock()
    shares = Shares(a_second=10, at_once=5, clock=clock)
    assert [shares.lane(1) for _ in range(7)] == [Lane.NORMAL] * 5 + [Lane.BULK] * 2
    assert shares.lane(2) is Lane.NORMAL
    clock.now = 0.25
    assert [shares.lane(1) for _ in range(3)] == [Lane.NORMAL] * 2 + [Lane.BULK]
    clock.now = 100.0
    assert [shares.lane(1) for _ in range(7)] == [Lane.NORMAL] * 5 + [Lane.BULK] * 2


def test_the_agency_not_heard_of_for_longest_is_forgotten() -> None:
    shares = Shares(a_second=1, at_once=1, agencies=2, clock=Clock())
    assert [shares.lane(agency) for agency in (1, 2, 1, 3)] == [Lane.NORMAL, Lane.NORMAL, Lane.BULK, Lane.NORMAL]
    assert shares.lane(1) is Lane.NORMAL


async def test_a_flood_of_one_agency_does_not_hold_up_another(office: Office, database: Database) -> None:
    """Three hundred changes of one office in one batch, then one of another: it is among the first that go."""
    flood = [office.change(await office.opens()) for _ in range(3)] * 100
    await office.announces(*flood)
    other = await office.opens()
    quiet = await office.owner.fetchval("SELECT id FROM agency WHERE code = 'H05.17' ORDER BY valid_from DESC LIMIT 1")
    assert quiet is not None
    await office.owner.execute("UPDATE dossier SET owner_agency = $1 WHERE id = $2", quiet, other)
    async with database.tenant(quiet, test=False) as connection:
        await office.outbox.announce(connection, [replace(office.change(other), owner_agency=quiet)])
    lanes = await office.owner.fetchval("SELECT array_agg(DISTINCT (lane, owner_agency = $1)) FROM message", quiet)
    assert {tuple(lane) for lane in lanes} == {(Lane.NORMAL, False), (Lane.BULK, False), (Lane.NORMAL, True)}
    async with database.connection(Role.WORKER) as worker:
        await worker.execute(PLAN_ONCE)
        first = await claim(worker, [room(101)], LEASE)
    assert max(row.message_id for row in first) == 301
