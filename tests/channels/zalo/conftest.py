"""Zalo's stand-in, and calls to it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.channels.zalo.stand_in import ZaloStandIn, zalo_stand_in


@pytest.fixture
async def zalo() -> AsyncIterator[ZaloStandIn]:
    """A stand-in that listens."""
    async with zalo_stand_in() as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The session that channels call with."""
    async with aiohttp.ClientSession() as session:
        yield session
