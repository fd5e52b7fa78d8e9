"""Each day the chain's end is signed; who keeps that finds a history that was written anew."""

from dataclasses import replace
from datetime import timedelta

import pytest

from database.pool import Database, Role
from domain.civil_time import civil_day, utc_now
from feedback_intake.checkpoints import Checkpoints, checkpoints
from lookup.sealing import Seal
from tests.feedback_intake.desk import CaseDesk
from tests.feedback_intake.test_register import answered, filed, publish


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


async def test_a_day_gets_one_signed_checkpoint_of_where_the_chain_stood(desk: CaseDesk) -> None:
    tomorrow = civil_day(utc_now()) + timedelta(days=1)
    made = Checkpoints(desk.seal)
    async with desk.database.transaction(Role.WORKER) as connection:
        assert await made.turn(connection, today=tomorrow) is None
    for _ in range(2):
        await publish(desk, await answered(desk, (await filed(desk)).case_id))
    for expected in (tomorrow - timedelta(days=1), None):
        async with desk.database.transaction(Role.WORKER) as connection:
            assert await made.turn(connection) is None  # nothing was there yesterday
            assert await made.turn(connection, today=tomorrow) == expected
    async with desk.database.transaction(Role.PUBLIC) as connection:
        (checkpoint,) = await checkpoints(connection)
    assert (checkpoint.day, checkpoint.n, checkpoint.genuine) == (tomorrow - timedelta(days=1), 2, True)
    assert not replace(checkpoint, n=1).genuine
    assert not replace(checkpoint, signature="00").genuine
