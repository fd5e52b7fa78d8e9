"""The console on real servers."""

from collections.abc import AsyncIterator

import pytest

from service.wiring import Core
from tests.channels.conftest import core, patience
from tests.console.officers import House, open_house

__all__ = ["core", "patience"]


@pytest.fixture
async def house(core: Core) -> AsyncIterator[House]:
    """The running console."""
    async with open_house(core) as opened:
        yield opened
