"""One turn per Idempotency-Key, across processes too. Guarantee G05; the tests of the agency API drive it over HTTP."""

import asyncio

import pytest

from database.pool import Database, Role
from domain.errors import Conflict
from lookup.changes import Tenant
from lookup.idempotency import GivenAnswer, OncePerKey, sweep

KEY, REQUEST = b"k" * 32, b"r" * 32
ANSWER = GivenAnswer(status=201, body=b'{"result":"stored"}')
GROW_OLD = "UPDATE idempotency SET recorded_at = now() - interval '8 days'"


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    """A tenant with an API key's id; the key itself does not matter here."""
    async with database.transaction(Role.PUBLIC) as connection:
        agency_id = await connection.fetchval("SELECT id FROM agency WHERE code = 'H05.16'")
    return Tenant(agency_id=agency_id, agency_code="H05.16", test=False, api_key_id="a")


async def test_another_process_waits_for_the_first_and_gives_its_answer(database: Database, tenant: Tenant) -> None:
    one, other = OncePerKey(database), OncePerKey(database)  # as in two processes: they share nothing but the store
    working, finish = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with one.turn(tenant, KEY, REQUEST) as turn:
            assert turn.earlier is None
            working.set()
            await finish.wait()
            turn.answer = ANSWER

    async def second() -> GivenAnswer | None:
        async with other.turn(tenant, KEY, REQUEST) as turn:
            return turn.earlier

    running = asyncio.create_task(first())
    await working.wait()
    waiting = asyncio.create_task(second())
    async with database.connection(Role.WORKER) as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not waiting.done()
    finish.set()
    await running
    assert await waiting == ANSWER


async def test_after_a_failure_the_next_copy_does_the_work(database: Database, tenant: Tenant) -> None:
    turns = OncePerKey(database)
    with pytest.raises(RuntimeError):
        async with turns.turn(tenant, KEY, REQUEST):
            raise RuntimeError
    async with turns.turn(tenant, KEY, REQUEST) as turn:
        assert turn.earlier is None


async def test_another_request_under_the_key_is_refused(database: Database, tenant: Tenant) -> None:
    turns = OncePerKey(database)
    async with turns.turn(tenant, KEY, REQUEST) as turn:
        turn.answer = ANSWER
    with pytest.raises(Conflict):
        async with turns.turn(tenant, KEY, b"other"):
            pytest.fail("it had a turn")


async def test_old_answers_are_forgotten_and_swept(database: Database, tenant: Tenant) -> None:
    turns = OncePerKey(database)
    for key in (KEY, b"other"):
        async with turns.turn(tenant, key, REQUEST) as turn:
            turn.answer = ANSWER
    async with database.tenant(tenant.agency_id, test=False) as connection:
        await connection.execute(GROW_OLD)
    async with turns.turn(tenant, KEY, b"another request") as turn:
        assert turn.earlier is None
        turn.answer = ANSWER
    async with database.transaction(Role.WORKER) as connection:
        await sweep(connection)
    async with database.tenant(tenant.agency_id, test=False) as connection:
        assert await connection.fetchval("SELECT count(*) FROM idempotency") == 1
