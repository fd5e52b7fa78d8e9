"""News of an open page: told when there is any, the same for every code, and ended with the reader or the server."""

import asyncio

import pytest
from aiohttp import ClientResponse

from channels.web import pages
from tests.channels.web.conftest import Site
from tests.channels.web.sample_answers import SAMPLES

CODE = SAMPLES["in_progress"].code


async def next_event(response: ClientResponse) -> str:
    """The name of the next event of a stream."""
    async with asyncio.timeout(5):
        async for line in response.content:
            if line.startswith(b"event:"):
                return line.decode().removeprefix("event:").strip()
    return "end"


@pytest.mark.parametrize("code", [CODE, "H05.16-261102-9999"])
async def test_an_open_page_hears_of_changes_whether_or_not_there_is_a_dossier(site: Site, code: str) -> None:
    async with site.client.get("/tra-cuu/live", params={"code": code}) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        await site.news.watched_by(code, 1)
        site.news.changed(code)
        assert await next_event(response) == "changed"
        site.news.changed(code)
        assert await next_event(response) == "changed"


async def test_a_server_that_stops_ends_the_streams(site: Site) -> None:
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as response:
        await site.news.watched_by(CODE, 1)
        await site.pages.close()
        assert await next_event(response) == "end"
        await site.news.watched_by(CODE, 0)


async def test_one_address_may_not_take_all_streams(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_STREAMS_OF_ONE", 1)
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as first:
        await site.news.watched_by(CODE, 1)
        refused = await site.client.get("/tra-cuu/live", params={"code": CODE})
        assert refused.status == 429
        await site.pages.close()
        assert await next_event(first) == "end"
    await site.news.watched_by(CODE, 0)
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as again:
        assert again.status == 200


async def test_a_stream_ends_by_itself_and_the_browser_comes_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LONGEST_STREAM", pages.LONGEST_STREAM * 0)
    async with site.client.get("/tra-cuu/live", params={"code": CODE}) as response:
        assert await next_event(response) == "end"
    await site.news.watched_by(CODE, 0)


async def test_what_is_no_code_is_not_watched(site: Site) -> None:
    assert (await site.client.get("/tra-cuu/live", params={"code": "001085012345"})).status == 422
