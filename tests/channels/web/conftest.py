"""The citizens' site with its duties, before a real Valkey; the desk answers about the samples."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec import structs
from prometheus_client import CollectorRegistry

from cache.limits import Limit, Limits
from cache.redis_connection import open_redis
from channels.code_route import BY_CODE
from channels.guesses import GuardedDesk
from channels.public_api import PublicLookup
from channels.web.access_log import AccessLog
from channels.web.duties import Duties
from channels.web.front_door import Lookups
from channels.web.pages import WebPages
from domain.dossier import PublicDossier
from lookup.sealing import Seal
from pages.assets import Assets
from pages.rendering import Pages
from pages.visitors import Visitors, networks
from tests.channels.web.sample_answers import SampleDesk

LIMITED = frozenset({"/tra-cuu", "/api/v1/lookup", "/api/v1/lookup/{code}"})
Client = TestClient[web.Request, web.Application]


class News:
    """Tells watchers of each version of a dossier, the present one first, as `CachedDossiers.watch` does."""

    def __init__(self, desk: SampleDesk) -> None:
        self._desk = desk
        self._versions: Counter[str] = Counter()
        self._watching: defaultdict[str, set[asyncio.Queue[int]]] = defaultdict(set)
        self._moved = asyncio.Event()

    async def watch(self, code: str) -> AsyncGenerator[PublicDossier, None]:
        """Nothing for an unknown code."""
        queue: asyncio.Queue[int] = asyncio.Queue()
        self._watching[code].add(queue)
        self._moved.set()
        queue.put_nowait(self._versions[code] + 1)
        try:
            while True:
                version = await queue.get()
                if sample := self._desk.samples.get(code):
                    yield structs.replace(sample.dossier().public, version=version)
        finally:
            self._watching[code].discard(queue)
            self._moved.set()

    def changed(self, code: str) -> None:
        """There is a new version."""
        self._versions[code] += 1
        for queue in self._watching[code]:
            queue.put_nowait(self._versions[code] + 1)

    async def watched_by(self, code: str, watchers: int) -> None:
        """Wait until so many watch."""
        async with asyncio.timeout(5):
            while len(self._watching[code]) != watchers:
                self._moved.clear()
                await self._moved.wait()


@dataclass(slots=True, kw_only=True)
class Site:
    """What a test holds of the running site."""

    client: Client
    desk: SampleDesk
    news: News
    pages: WebPages
    registry: CollectorRegistry
    app: web.Application
    log: AccessLog
    at_hand: dict[str, PublicDossier]
    lookups: Lookups
    duties: Duties
    visitors: Visitors
    written: bytearray = field(default_factory=bytearray)

    async def logged(self) -> list[dict[str, Any]]:
        """The access log so far."""
        await self.log.close()
        return [json.loads(line) for line in self.written.splitlines()]


OpenSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(redis_url: str, seal: Seal) -> AsyncIterator[OpenSite]:
    """Opens the site; arguments say what differs from the usual."""
    opened: list[Site] = []
    async with open_redis(redis_url) as redis:
        limits = Limits(redis, seal)

        async def open_it(
            *,
            limit: str = "off",
            secure: bool = False,
            sms_number: str | None = "8088",
            trusted: str = "",
            extra: tuple[web.AbstractRouteDef, ...] = (),
        ) -> Site:
            desk, registry, written = SampleDesk(), CollectorRegistry(), bytearray()
            guarded = GuardedDesk(desk, limits)
            news = News(desk)
            at_hand: dict[str, PublicDossier] = {}
            assets, visitors = Assets(("channels.web",)), Visitors(seal, networks(trusted))
            pages = WebPages(
                pages=Pages(assets=assets, secure=secure, packages=("channels.web",)),
                assets=assets,
                desk=guarded,
                watch=news.watch,
                visitors=visitors,
                sms_number=sms_number,
            )
            log = AccessLog(written.extend)
            app = web.Application()
            duties = Duties(
                visitors=visitors,
                limits=limits,
                lookup_limit=Limit.parse("lookup", limit),
                limited=LIMITED,
                log=log,
                registry=registry,
                secure=secure,
                problem_page=pages.problem,
            )
            duties.install(app)
            app.add_routes(pages.routes())
            lookup = PublicLookup(desk=guarded, at_hand=at_hand.get, visitors=visitors, secure=secure)
            app.add_routes(lookup.routes())
            app.add_routes(extra)
            client: Client = TestClient(TestServer(app))
            await client.start_server()
            site = Site(
                client=client,
                desk=desk,
                news=news,
                pages=pages,
                registry=registry,
                app=app,
                log=log,
                at_hand=at_hand,
                lookups=duties.around(BY_CODE, lookup),
                duties=duties,
                visitors=visitors,
                written=written,
            )
            opened.append(site)
            return site

        yield open_it
        for site in opened:
            await site.pages.close()
            await site.client.close()
            await site.log.close()
        await limits.aclose()


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    """The usual site: development, no limit, an SMS number."""
    return await open_site()
