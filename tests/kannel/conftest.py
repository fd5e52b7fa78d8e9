"""Our service and a real Kannel, on a loopback of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from channels.sms.kannel import KannelChannel, KannelSettings
from domain.contact import ChannelName
from lookup.sealing import Seal
from notifications.reports import Reports
from service.embedded import EmbeddedServers
from service.wiring import Core, open_core
from tests.channels.edge import edge
from tests.channels.story import Office, make_inbox, running
from tests.kannel.network import own_network
from tests.kannel.real_kannel import HOOK_SECRET, PASSWORD, USERNAME, Kannel, Network, open_network, run_kannel


@pytest.fixture(scope="session", autouse=True)
def _own_network(servers: EmbeddedServers) -> Iterator[None]:
    """After the embedded servers, which are reached by sockets of the file system, everything stays among ourselves."""
    assert servers.database_url
    with own_network():
        yield


@pytest.fixture(scope="session", params=["get", "post"])
def kannel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _own_network: None
) -> Iterator[Kannel]:
    """One Kannel that hands texts over by GET, in UTF-8, and one by POST, as they come."""
    by_post = request.param == "post"
    directory = tmp_path_factory.mktemp("kannel")
    with run_kannel(directory, by_post=by_post, recode=not by_post) as started:
        yield started


@dataclass
class Service:
    """Our side: the core and the office that feeds it."""

    core: Core
    office: Office


Start = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start(database_url: str, redis_url: str, seal: Seal, kannel: Kannel) -> AsyncIterator[Start]:
    """Starts the service, built from its parts: store, writer, inbox, dispatcher, Kannel's channel and webhooks."""
    async with AsyncExitStack() as stack:

        async def started(*, accented: bool = False) -> Service:
            core = await stack.enter_async_context(
                open_core(EmbeddedServers(database_url=database_url, redis_url=redis_url), seal, application="test")
            )
            inbox = make_inbox(core)
            channel = KannelChannel(
                KannelSettings(
                    sendsms_url=kannel.sendsms_url,
                    username=USERNAME,
                    password=PASSWORD,
                    hook_secret=HOOK_SECRET,
                    accented=accented,
                ),
                http=await stack.enter_async_context(aiohttp.ClientSession()),
                heard=inbox.heard,
                reports=Reports(core.database),
                seal=seal,
                public_url=kannel.hook_url,
            )
            runner = web.AppRunner(edge(channel.routes()))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", kannel.our_port).start()
            await stack.enter_async_context(running(core, inbox, {ChannelName.SMS: channel}))
            return Service(core=core, office=Office(core))

        yield started


@pytest.fixture
async def service(start: Start) -> Service:
    """The service as it is by default: no accents."""
    return await start()


@pytest.fixture
async def network(kannel: Kannel) -> AsyncIterator[Network]:
    """The phones."""
    async with open_network(kannel) as opened:
        yield opened
