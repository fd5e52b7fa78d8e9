"""The same over SMPP: a real Kannel bound to an operator's centre as it would be in production."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from database.pool import Role
from domain.message import DeliveryState
from domain.status import Status
from tests.channels.story import CODE, PHONE, SECRET, STRANGER
from tests.kannel.conftest import Service
from tests.kannel.real_kannel import NUMBER, SMPP, Kannel, run_kannel
from tests.kannel.smsc import PATIENCE, Smsc, open_smsc
from tests.kannel.test_full_loop import PROVEN, states

_UCS2 = 8


@pytest.fixture(scope="module")
def kannel(tmp_path_factory: pytest.TempPathFactory, _own_network: None) -> Iterator[Kannel]:
    """A Kannel whose one line is SMPP."""
    with run_kannel(tmp_path_factory.mktemp("kannel"), by_post=False, recode=True, smsc=SMPP) as started:
        yield started


@pytest.fixture
async def smsc(kannel: Kannel) -> AsyncIterator[Smsc]:
    """The centre, with Kannel bound to it."""
    async with open_smsc(kannel.smsc_port) as opened:
        await opened.bound()
        yield opened


async def test_a_text_in_its_answer_out_and_the_receipt_back(service: Service, smsc: Smsc) -> None:
    await service.office.files()
    await smsc.says(STRANGER, f"HS {CODE} {SECRET}", to=NUMBER)
    answer = await smsc.hears(STRANGER)
    assert (answer.sender, answer.text) == (NUMBER, PROVEN)
    assert await states(service, 1) == [DeliveryState.DELIVERED]


async def test_accents_come_in_as_ucs_2(service: Service, smsc: Smsc) -> None:
    await service.office.files()
    await smsc.says(STRANGER, f"Tra cứu {CODE} mã tra cứu {SECRET}", to=NUMBER, coding=_UCS2)
    assert (await smsc.hears(STRANGER)).text == PROVEN


async def test_a_change_is_told_though_the_line_broke(service: Service, smsc: Smsc) -> None:
    await service.office.files()
    smsc.drop()
    await service.office.moves(to=Status.COMPLETED)
    assert CODE in (await smsc.hears(PHONE)).text
    assert await states(service, 1) == [DeliveryState.DELIVERED]


async def test_what_the_network_gives_up_is_failed(service: Service, smsc: Smsc) -> None:
    await service.office.files()
    smsc.outcome = "UNDELIV"
    await service.office.moves(to=Status.COMPLETED)
    assert CODE in (await smsc.hears(PHONE)).text
    assert await ended(service) == DeliveryState.FAILED


async def ended(service: Service) -> DeliveryState:
    """The state of the newest message, once it is one that lasts."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with service.core.database.connection(Role.WORKER) as connection:
                found = DeliveryState(await connection.fetchval("SELECT state FROM message ORDER BY id DESC LIMIT 1"))
            if found in {DeliveryState.FAILED, DeliveryState.DELIVERED}:
                return found
            await asyncio.sleep(0.05)  # polls the store: reports come by Kannel's own calls
