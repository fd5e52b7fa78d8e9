"""Asking the site as a citizen does, and reading what it says."""

import re
from html import unescape

from aiohttp import ClientResponse

from tests.channels.web.conftest import Site
from tests.channels.web.sample_answers import SAMPLES, SECRET

CODE = SAMPLES["in_progress"].code
UNKNOWN = "H05.16-261102-9999"


async def text_of(response: ClientResponse) -> str:
    """The page as a reader reads it, tags and all, entities resolved."""
    return unescape(await response.text()).replace("\u00a0", " ")


async def page(site: Site, code: str, **query: str) -> str:
    response = await site.client.get("/tra-cuu", params={"code": code, **query})
    assert response.status == 200
    return await text_of(response)


async def proven(site: Site, code: str, proof: str = SECRET) -> ClientResponse:
    return await site.client.post("/tra-cuu", data={"code": code, "proof": proof})


def headline(html: str) -> str:
    found = re.search("<h1>(.*?)</h1>", html)
    assert found
    return found[1]
