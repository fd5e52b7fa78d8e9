"""Zalo's stand-in, calls to it, and the channel between them."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from channels.zalo.oa import ZaloChannel, ZaloSettings
from database.pool import Database
from domain.errors import Unavailable
from domain.message import Incoming
from lookup.sealing import Seal
from notifications.reports import Reports
from tests.channels.edge import edge
from tests.channels.zalo.stand_in import (
    APP_ID,
    APP_SECRET,
    FIRST_REFRESH_TOKEN,
    OA_SECRET,
    ZaloStandIn,
    zalo_stand_in,
)
from tests.channels.zalo.wire import Client, Make, Wire


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


@pytest.fixture
async def make(
    zalo: ZaloStandIn,
    http: aiohttp.ClientSession,
    seal: Seal,
    aiohttp_client: Callable[[web.Application], Awaitable[Client]],
) -> Make:
    """Makes a wire; without a database it takes no reports."""

    async def made(database: Database | None = None, **changed: object) -> Wire:
        async def heard(incoming: Incoming) -> bool:
            if opened.database_is_away:
                raise Unavailable("The message could not be recorded.")
            opened.heard.append(incoming)
            return True

        store = database or Database(url="", pools={})
        values: dict[str, object] = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "oa_secret": OA_SECRET,
            "refresh_token": FIRST_REFRESH_TOKEN,
            "api_url": zalo.url,
            "picture_origins": f"{zalo.url},https://*.zdn.vn",
        }
        channel = ZaloChannel(
            ZaloSettings(**(values | changed)),  # type: ignore[arg-type]
            http=http,
            heard=heard,
            reports=Reports(store),
            seal=seal,
            database=store,
            public_url="https://motma.example",
            clock=lambda: opened.now,
        )
        opened = Wire(channel=channel, client=await aiohttp_client(edge(channel.routes())))
        return opened

    return made


@pytest.fixture
async def wire(make: Make) -> Wire:
    return await make()


@pytest.fixture
async def reporting_wire(make: Make, database: Database) -> Wire:
    """A wire whose reports reach the store."""
    return await make(database)
