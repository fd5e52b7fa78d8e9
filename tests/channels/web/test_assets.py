"""Static files: cached for ever under a name that changes, and small enough for a cheap phone."""

import re

import pytest

from pages.assets import Assets
from tests.channels.web.conftest import Site
from tests.channels.web.sample_answers import SAMPLES

FIRST_VISIT = 60_000  # bytes beside the font


async def test_the_first_visit_is_light(site: Site) -> None:
    """Everything the first page makes a browser fetch, as it goes over the wire."""
    total, fonts = 0, 0
    page = await site.client.get("/", headers={"Accept-Encoding": "gzip"})
    html = await page.text()
    total += int(page.headers["Content-Length"])
    wanted = set(re.findall(r'(?:href|src)="(/(?:static/|manifest)[^"]*)"', html)) | {"/sw.js"}
    assert len(wanted) >= 5
    for path in wanted:
        response = await site.client.get(path, headers={"Accept-Encoding": "gzip"})
        assert response.status == 200
        size = int(response.headers["Content-Length"])
        if path.endswith(".woff2"):
            fonts += size
        else:
            total += size
    answer = await site.client.get("/tra-cuu", params={"code": SAMPLES["late"].code})
    total += int(answer.headers["Content-Length"])
    assert total <= FIRST_VISIT
    assert fonts <= 40_000


async def test_files_are_kept_for_ever_and_change_their_name_instead(site: Site) -> None:
    for path in Assets(("channels.web",)).paths():
        response = await site.client.get(path)
        assert response.status == 200
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert re.search(r"\.[0-9a-f]{10}\.[a-z0-9]+$", path)


async def test_files_are_sent_compressed_to_whom_takes_it(site: Site) -> None:
    path = Assets(("channels.web",)).path("motma.css")
    plain = await site.client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await site.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert await packed.read() == await plain.read()


@pytest.mark.parametrize(
    "path", ["/static/motma.css", "/static/../pages.py", "/static/fonts/OFL.txt", "/static/%2e%2e/pages.py"]
)
async def test_nothing_else_is_served(site: Site, path: str) -> None:
    assert (await site.client.get(path)).status == 404


def test_style_sheets_name_the_fonts_as_they_are_served() -> None:
    assets = Assets(("channels.web",))
    style = assets.body("motma.css").decode()
    assert assets.path("fonts/be-vietnam-pro-400.woff2") in style
    assert 'url("fonts/' not in style
