"""News of an open page: told when there is any, the same for every code, and ended with the reader or the server."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import ClientResponse

from channels.web import live
from tests.channels.web.conftest import Site
from tests.channels.web.sample_answers import SAMPLES

CODE = SAMPLES["in_progress"].code
UNKNOWN = "H05.16-261102-9999"


async def next_event(response: ClientResponse) -> str:
    """The next event of a stream: `changed 2`, or `end`."""
    name = ""
    async with asyncio.timeout(5):
        async for line in response.content:
            field, _, value = line.decode().strip().partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                return f"{name} {value}"
    return "end"


async def test_an_open_page_hears_of_every_version(site: Site) -> None:
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await next_event(response) == "changed 1"
        site.news.changed(CODE)
        assert await next_event(response) == "changed 2"


async def test_an_unknown_code_is_listened_to_like_any_other(site: Site) -> None:
    async with site.client.get("/tra-cuu/live", params={"code": UNKNOWN}) as response:
        assert response.status == 200
        await site.news.watched_by(UNKNOWN, 1)
        site.desk.samples[UNKNOWN] = replace(SAMPLES["received"], code=UNKNOWN)
        site.news.changed(UNKNOWN)
        assert await next_event(response) == "changed 2"


async def test_a_server_that_stops_ends_the_streams(site: Site) -> None:
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as response:
        await site.news.watched_by(CODE, 1)
        assert await next_event(response) == "changed 1"
        await site.pages.close()
        assert await next_event(response) == "end"
        await site.news.watched_by(CODE, 0)


async def test_one_address_may_not_take_all_streams(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS_OF_ONE", 1)
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as first:
        await site.news.watched_by(CODE, 1)
        refused = await site.client.get("/tra-cuu/live", params={"code": CODE})
        assert refused.status == 429
        assert await next_event(first) == "changed 1"
        await site.pages.close()
        assert await next_event(first) == "end"
    await site.news.watched_by(CODE, 0)
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as again:
        assert again.status == 200


async def test_a_stream_ends_by_itself_and_the_browser_comes_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_STREAM", live.LONGEST_STREAM * 0)
    async with site.client.get("/tra-cuu/live", params={"code": UNKNOWN}) as response:
        assert await next_event(response) == "end"
    await site.news.watched_by(UNKNOWN, 0)


async def test_what_is_no_code_is_not_watched(site: Site) -> None:
    assert (await site.client.get("/tra-cuu/live", params={"code": "001085012345"})).status == 422
