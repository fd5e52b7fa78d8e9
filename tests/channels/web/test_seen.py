"""Who saw a change on a page is not told of it again, while there is still something to be told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from service.wiring import Core
from tests.channels.story import CODE, PATIENCE, PHONE, SECRET
from tests.channels.web.corner import Corner, open_corner

LONG_KNOWN = "UPDATE dossier SET recorded_at = now() - interval '1 hour'"
# A notice of the change, kept back as in the quiet hours.
WAITING = """
    UPDATE message SET state = 0, run_at = now() + interval '1 hour', handed_over_at = NULL, settled_at = NULL
     WHERE kind = 'status_changed'"""


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    async with open_corner(core) as opened:
        yield opened


@pytest.fixture
async def told(corner: Corner) -> Corner:
    """A dossier whose change waits to be told."""
    phone = corner.phone(PHONE)
    await corner.office.files()
    await corner.office.moves(to=Status.COMPLETED)
    await phone.hears()
    await corner.line.gateway.close()  # its reports are in
    return corner


async def wait(corner: Corner, *, waiting: bool = True) -> None:
    async with corner.core.database.tenant(corner.office.tenant.agency_id, test=False) as connection:
        await connection.execute(LONG_KNOWN)
    if waiting:
        async with corner.core.database.connection(Role.WORKER) as connection:
            await connection.execute(WAITING)


async def seen(corner: Corner) -> list[int]:
    """The versions that somebody has seen."""
    async with corner.core.database.connection(Role.WORKER) as connection:
        return [row[0] for row in await connection.fetch("SELECT version FROM shown")]


async def states(corner: Corner) -> list[int]:
    """How the notices of changes stand."""
    async with corner.core.database.connection(Role.WORKER) as connection:
        return [row[0] for row in await connection.fetch("SELECT state FROM message WHERE kind = 'status_changed'")]


async def test_a_page_that_a_proof_opened_counts_for_the_holder(told: Corner) -> None:
    await wait(told)
    await told.client.get("/tra-cuu", params={"code": CODE})
    await told.client.post("/tra-cuu", data={"code": CODE, "proof": "999999"})
    assert await seen(told) == []
    response = await told.client.post("/tra-cuu", data={"code": CODE, "proof": SECRET})
    assert response.status == 200
    assert await seen(told) == [2]
    async with told.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE message SET run_at = now() WHERE state = 0")
    async with asyncio.timeout(PATIENCE):
        while await states(told) != [DeliveryState.SUPERSEDED]:  # noqa: ASYNC110 - the dispatcher's commit
            await asyncio.sleep(0.02)


async def test_where_nothing_waits_nobody_is_noted(told: Corner) -> None:
    await wait(told, waiting=False)
    assert (await told.client.post("/tra-cuu", data={"code": CODE, "proof": SECRET})).status == 200
    assert await seen(told) == []


async def test_a_change_of_a_moment_ago_is_told_all_the_same(told: Corner) -> None:
    async with told.core.database.connection(Role.WORKER) as connection:
        await connection.execute(WAITING)
    await told.client.post("/tra-cuu", data={"code": CODE, "proof": SECRET})
    assert await seen(told) == []


async def test_the_list_of_a_known_device_counts_for_its_phone(told: Corner) -> None:
    phone = told.phone(PHONE)
    await told.client.post("/cua-toi", data={"phone": PHONE})
    code = (await phone.hears())[:6]
    await wait(told)
    response = await told.client.post("/cua-toi/ma", data={"code": code})
    assert CODE in await response.text()
    assert await seen(told) == [2]
