"""The console on real servers."""

from collections.abc import AsyncIterator

import pytest

from service.wiring import Core
from tests.channels.conftest import core, patience
from tests.console.cases import Counter
from tests.console.officers import House, open_house
from tests.feedback_intake.desk import CaseDesk

__all__ = ["core", "patience"]


@pytest.fixture
async def house(core: Core) -> AsyncIterator[House]:
    """The running console."""
    async with open_house(core) as opened:
        yield opened


@pytest.fixture
def counter(house: House) -> Counter:
    """The console with people who file."""
    core = house.core
    return Counter(house=house, desk=CaseDesk(database=core.database, seal=core.seal))
